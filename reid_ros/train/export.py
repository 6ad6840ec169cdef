"""A trained network as an ONNX graph: pixels in, vectors out, the same answers as torch."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from reid_ros.train.nets.network import Network
from reid_ros.types import AnyArray, FloatArray, ReidError

OPSET, IR = 18, 8
"""Of ONNX 1.13. It is what torch exports without a conversion, and the least that robots run:
onnxruntime 1.15, the oldest this package supports, reads IR up to 9 and opsets up to 19, and torch
writes IR 10 unless told otherwise. Opset 19 and 20 add nothing that these graphs use."""
INPUT, OUTPUT = 'images', 'vectors'
PARITY = 1e-4
"""Largest difference to torch, as a share of the largest number of a vector that is above 1."""
BATCHES = (1, 2, 5)
"""Sizes that parity is measured at."""


class ExportError(ReidError):
    """A network that cannot be exported, or whose exported form answers something else."""


class Crops(nn.Module):
    """A network as a robot asks it: one crop, one vector.

    Temporal pooling of one frame is that frame, with attention too, so it is left out.
    """

    def __init__(self, network: Network) -> None:
        """Wrap."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(n, h, w, 3) uint8 BGR -> (n, d)."""
        found: Tensor = self.network.neck(self.network.features(images))
        return found


class Clips(nn.Module):
    """A network as it is trained: one clip, one vector."""

    def __init__(self, network: Network) -> None:
        """Wrap."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(n, t, h, w, 3) uint8 BGR -> (n, d)."""
        found: Tensor = self.network(images).vector
        return found


def graph(network: Network, clip: int = 0) -> onnx.ModelProto:
    """The graph of a network, with a free batch, and proof that it answers as torch does.

    Batch normalisation is folded into the convolutions. The normalisation of pixels stays as it
    is: folding its shift is wrong at the borders of zero-padded convolutions, and all of it takes
    less than 2 % of a small network's time.

    Args:
        network: is left as it is.
        clip: frames of a clip; 0 = the network of single crops, for robots.

    Raises:
        ExportError: torch cannot export it, or the graph answers something else.
    """
    # A copy: the exporter wants it whole, on the CPU, in the plain memory format.
    plain = copy.deepcopy(network).cpu().float()
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    module = (Clips(plain) if clip else Crops(plain)).eval()
    shape = (clip, *network.size, 3) if clip else (*network.size, 3)
    return proven(module, shape, network.settings.encoder, 'clips' if clip else 'crops')


def proven(
    module: nn.Module,
    shape: tuple[int, ...],
    name: str,
    title: str,
    output: str = OUTPUT,
    given: str = INPUT,
    kind: torch.dtype = torch.uint8,
) -> onnx.ModelProto:
    """The graph of any module from one input to one answer, and proof that it answers as torch.

    Args:
        module: on the CPU, in eval mode and the plain memory format.
        shape: of one of its inputs, without the batch.
        name: for errors.
        title: of the graph.
        output: name of the answer.
        given: name of the input, as of the argument of the module's `forward`.
        kind: of its numbers: bytes, or float32.

    Raises:
        ExportError: torch cannot export it, or the graph answers something else.
    """
    found = traced(module, torch.zeros(2, *shape, dtype=kind), name, given, [output])
    tidy(found, title)
    worst = difference(found, module, shape, kind=kind)
    if not worst <= PARITY:
        raise ExportError(
            f'{name}: the exported network differs from torch by {worst:.2g}, '
            f'and {PARITY:g} is allowed; an operator of it does not survive the export'
        )
    return found


def traced(
    module: nn.Module, example: Tensor, name: str, given: str, outputs: Sequence[str]
) -> onnx.ModelProto:
    """The graph of a module as torch writes it, with a free batch; see `tidy`.

    Args:
        module: on the CPU, in eval mode and the plain memory format.
        example: two inputs.
        name: for errors.
        given: name of the input, as of the argument of the module's `forward`.
        outputs: names of the answers.

    Raises:
        ExportError: torch cannot export it.
    """
    batch = torch.export.Dim('n', min=1)
    with warnings.catch_warnings():
        # Deprecations within torch itself, new ones with each of its versions.
        warnings.simplefilter('ignore')
        try:
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[given],
                output_names=list(outputs),
                dynamic_shapes={given: {0: batch}},
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            raise ExportError(f'{name} cannot be exported: {error}') from error
    if program is None:
        raise ExportError(f'{name} cannot be exported: torch gave no program')
    found: onnx.ModelProto = program.model_proto
    return found


def tidy(found: onnx.ModelProto, title: str) -> None:
    """Leave what a robot needs: no traces of the source, no names of the wrapper, no Identity."""
    body = found.graph
    found.ir_version = IR
    for entry in (found, body, *body.node, *body.input, *body.output, *body.initializer):
        if hasattr(entry, 'metadata_props'):  # IR 10, except of the whole
            del entry.metadata_props[:]
        entry.doc_string = ''
    del body.value_info[:]
    body.name = title
    passed = {node.output[0]: node.input[0] for node in body.node if node.op_type == 'Identity'}
    answers = {value.name for value in body.output}
    kept = [n for n in body.node if n.op_type != 'Identity' or n.output[0] in answers]
    names = {old.name: old.name.removeprefix('network.') for old in body.initializer}
    for node in kept:
        for k, name in enumerate(node.input):
            while name in passed and passed[name] != name:
                name = passed[name]
            node.input[k] = names.get(name, name)
    for entry in body.initializer:
        entry.name = names[entry.name]
    del body.node[:]
    body.node.extend(kept)
    onnx.checker.check_model(found, full_check=True)


class Runner:
    """A graph in memory, run by ONNX Runtime on the CPU."""

    def __init__(self, found: onnx.ModelProto, threads: int = 0) -> None:
        """Load it.

        Args:
            found: the graph.
            threads: 0 = all cores.
        """
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.add_session_config_entry('session.force_spinning_stop', '1')
        self._session: Any = ort.InferenceSession(
            found.SerializeToString(), options, providers=['CPUExecutionProvider']
        )
        self._given: str = found.graph.input[0].name

    def __call__(self, images: AnyArray) -> FloatArray:
        """(n, ...) what the network answers first."""
        answer: FloatArray = self._session.run(None, {self._given: images})[0]
        return answer


def difference(
    found: onnx.ModelProto,
    module: nn.Module,
    shape: Sequence[int],
    batches: Sequence[int] = BATCHES,
    kind: torch.dtype = torch.uint8,
) -> float:
    """Largest difference between a graph and torch on noise, relative where numbers are large.

    Args:
        found: the graph.
        module: what it was made of.
        shape: of one image or clip.
        batches: how many at once; more than one size shows that the batch is really free.
        kind: of the numbers that go in.
    """
    run, draw = Runner(found, threads=1), np.random.default_rng(0)
    worst = 0.0
    for number in batches:
        images: AnyArray = draw.integers(0, 256, (number, *shape), dtype=np.uint8)
        if kind is not torch.uint8:
            images = draw.normal(0, 1, (number, *shape)).astype(np.float32)
        with torch.inference_mode():
            wanted: AnyArray = module(torch.from_numpy(images)).numpy()
        scale = max(1.0, float(np.abs(wanted).max()))
        answer = run(images)
        if answer.shape != wanted.shape:
            raise ExportError(f'{number} images give {answer.shape} and in torch {wanted.shape}')
        worst = max(worst, float(np.abs(answer - wanted).max()) / scale)
    return worst
