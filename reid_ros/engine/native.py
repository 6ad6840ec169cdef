"""An engine for a network: from disk where it was built and proven before, else built."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_ros.card import Card, sha256
from reid_ros.engine import plan, proof
from reid_ros.engine.build import bindings, build
from reid_ros.engine.cuda import Cuda, CudaError
from reid_ros.engine.error import EngineError, NoEngineError
from reid_ros.engine.graph import FLOAT, HALF, UINT8, Graph, arithmetic, quantised_for_a_cpu
from reid_ros.engine.half import halved
from reid_ros.engine.progress import Tell, watcher
from reid_ros.engine.run import Runner
from reid_ros.engine.store import Store
from reid_ros.engine.tidy import cast_first, stored
from reid_ros.fit import ModelError, Port, input_problems, output_problems, ports
from reid_ros.fit import image_port as image_of
from reid_ros.session import ORT_ERRORS, PROVIDERS, first_line, open_session, refuse
from reid_ros.types import AnyArray

_FAILURES: tuple[type[Exception], ...] = (*ORT_ERRORS, ModelError)
_TYPES = {'tensor(float)': FLOAT, 'tensor(float16)': HALF, 'tensor(uint8)': UINT8}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of an engine.

    Attributes:
        precision: 'fp16' or 'fp32', of a graph in 32 bits; one that is in 16 or 8 stays so.
        max_batch: most images in one inference of a network whose batch is free.
        typical: images in most inferences, 0 = as usual for the network's kind.
        cache_dir: folder of engines.
        build: whether to build where none is kept; it takes minutes.
    """

    precision: str = 'fp16'
    max_batch: int = 16
    typical: int = 0
    cache_dir: str | Path = '~/.cache/reid_ros/engines'
    build: bool = True


class Engine:
    """A network on TensorRT that computes what ONNX Runtime does.

    Attributes:
        inputs, outputs: what the file says about them.
        facts: where the engine comes from and what was measured when it was proven: kept, or why
            it could not be kept (unkept), built_s, kind, layers, worst (largest difference as a
            share of the one allowed), graphs (buckets), and what makes its key.
    """

    def __init__(
        self,
        runner: Runner,
        inputs: tuple[Port, ...],
        outputs: tuple[Port, ...],
        facts: Mapping[str, Any],
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.facts = facts
        self._runner = runner

    def run(self, names: Sequence[str], feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
        """The outputs of those names, in their order.

        Raises:
            ModelError: the engine failed.
        """
        try:
            return self._runner.run(names, feeds)
        except EngineError as error:
            raise ModelError(str(error)) from error

    def close(self) -> None:
        """Give the GPU's memory back."""
        self._runner.close()


def is_kept(path: Path, cache_dir: str | Path) -> bool:
    """Whether somebody has built an engine of this model before, on this or another machine."""
    store = Store(cache_dir)
    return store.folder.is_dir() and store.any_of(path.stem, sha256(path))


def load(path: Path, card: Card, wish: Wish, tell: Tell | None = None) -> Engine:
    """The engine of a network, proven against ONNX Runtime.

    Args:
        path: the .onnx file.
        card: its card.
        wish: what is wanted.
        tell: told how far a build is; without, whoever watches.

    Raises:
        EngineError: there is none: TensorRT or the GPU is missing, the network is not for it, the
            build fails, or the engine computes something else.
        ModelError: the file is no network, or does not fit its card.
    """
    trt, cuda = bindings(), Cuda.open()
    machine = plan.Machine(*cuda.gpu(), str(trt.__version__))
    reference = _Reference(path, card)
    sizes = plan.profile(reference.inputs, card, wish.typical, wish.max_batch)
    content = plan.facts(machine, sha256(path), sizes, wish.precision)
    task = _Task(trt, cuda, path, sizes, content, Store(wish.cache_dir), reference)
    runner, facts = task.kept(wish.build) or task.built(wish.precision, tell or watcher())
    return Engine(runner, reference.inputs, reference.outputs, {**facts, 'graphs': runner.graphs})


@dataclass(frozen=True, slots=True)
class _Task:
    """An engine to come by; `content` is what makes its key."""

    trt: Any
    cuda: Cuda
    path: Path
    sizes: plan.Profile
    content: Mapping[str, Any]
    store: Store
    reference: _Reference

    def kept(self, may_build: bool) -> tuple[Runner, Mapping[str, Any]] | None:
        """The engine that was built before, proven again; None where one is to be built."""
        key = plan.key(self.content)
        found = self.store.find(self.path.stem, key)
        if found is None:
            if may_build:
                return None
            raise NoEngineError(
                f'no engine of {self.path.name} is built for this machine and these settings: '
                f"'reid_ros bench engine {self.path}' builds one"
            )
        try:
            runner = Runner(self.trt, self.cuda, found.plan, _shapes(self.sizes))
        except EngineError as error:
            if not may_build or not worth_a_rebuild(error):
                raise
            self.store.drop(self.path.stem, key)
            return None
        kind = str(found.facts.get('kind', 'half'))
        worst = self.reference.proved(runner, self.sizes.buckets[:1], kind)
        return runner, {**found.facts, 'kept': True, 'worst': worst}

    def built(self, precision: str, tell: Tell | None) -> tuple[Runner, Mapping[str, Any]]:
        """A new engine, audited, proven at every bucket, and kept."""
        begun = time.perf_counter()
        data, kind = prepared(self.path, precision)
        clock = plan.key({'machine': self.content['machine']})
        made = build(
            self.trt, data, self.sizes, exact=kind == 'float',
            workspace=plan.workspace(self.cuda.free_bytes()), timings=self.store.timings(clock),
            tell=_named(self.path.name, tell),
        )  # fmt: skip
        self.store.keep_timings(clock, made.timings)
        runner = Runner(self.trt, self.cuda, made.plan, _shapes(self.sizes))
        try:
            layers = _audited(made.network, runner, kind)
        except BaseException:
            runner.close()
            raise
        facts = {
            **self.content, 'kind': kind, 'layers': layers,
            'worst': self.reference.proved(runner, self.sizes.buckets, kind),
            'built_s': round(time.perf_counter() - begun, 1),
        }  # fmt: skip
        try:
            self.store.keep(self.path.stem, plan.key(self.content), made.plan, facts)
        except EngineError as error:  # a full disk costs the next start minutes, and no more
            facts['unkept'] = str(error)
        return runner, {**facts, 'kept': False}


def _named(name: str, tell: Tell | None) -> Tell | None:
    return tell and (lambda share, what: tell(share, f'{name}: {what}'))


def worth_a_rebuild(error: EngineError) -> bool:
    """Whether an engine that cannot be taken into memory may be stale: not where memory is short.

    An error of CUDA itself says nothing against the engine either.
    """
    return not isinstance(error, CudaError) and 'out of memory' not in str(error)


def prepared(path: Path, precision: str) -> tuple[bytes, str]:
    """The network as TensorRT is to compute it, and what most of its arithmetic is in.

    Args:
        path: the .onnx file.
        precision: 'fp16' or 'fp32'.

    Raises:
        EngineError: it is quantised for a CPU, or keeps its weights in another file.
    """
    data = path.read_bytes()
    graph = Graph(data)
    if quantised_for_a_cpu(graph):
        raise EngineError(
            f'{path.name} is quantised for a CPU (unsigned 8 bits), which TensorRT refuses: '
            "export it with '--precision int8-tensorrt', or in fp32"
        )
    types = tensor_types(graph)
    # Both are done, so no `or`.
    if stored(graph) | cast_first(graph, {name: types[name] for name in graph.inputs}):
        graph = Graph(data := graph.write())
        types = tensor_types(graph)
    counts = arithmetic(graph, types)
    if precision == 'fp16' and counts['float'] and not counts['int8']:
        graph = Graph(data := halved(graph, types).write())
        # The engine must agree with what was written, not with what was wished for.
        counts = arithmetic(graph, tensor_types(graph))
    return data, max(('float', 'half', 'int8'), key=lambda kind: counts[kind])


def tensor_types(graph: Graph) -> dict[str, int]:
    """The number type of every tensor between nodes and of the inputs, as ONNX Runtime infers it.

    Raises:
        EngineError: ONNX Runtime does not know one of its operators.
    """
    try:
        session = open_session(graph.with_all_outputs(), [PROVIDERS['cpu']], plain=True)
    except _FAILURES as error:
        raise EngineError(_unknown(error)) from error
    values = (*session.get_outputs(), *session.get_inputs())
    return {value.name: _TYPES.get(value.type, 0) for value in values}


def _unknown(error: Exception) -> str:
    return (
        'ONNX Runtime does not run it, so nothing could say whether the engine is right: '
        f'{first_line(error)}'
    )


def _shapes(sizes: plan.Profile) -> dict[int, dict[str, plan.Shape]]:
    """Bucket -> input -> shape; the batch is the first axis of every input."""
    return {
        n: {name: (n, *three[2][1:]) for name, three in sizes.shapes.items()}
        for n in sizes.buckets
    }  # fmt: skip


def _audited(network: Mapping[str, int], runner: Runner, kind: str) -> dict[str, int]:
    """The layers of an engine by number type.

    Where the inspector names none that does arithmetic, as of a version that calls them otherwise,
    the types of the parsed network decide. Of 8 bits they say nothing: its convolutions answer
    floats and are joined with their neighbours later.
    """
    layers = proof.layers(runner.layers())
    told = any(n for word, n in layers.items() if word != 'other')
    problem = proof.audit(layers if told else network, kind) if told or kind != 'int8' else ''
    if problem:
        raise EngineError(f'the engine is not in the precision of its graph: {problem}')
    return dict(layers)


class _Reference:
    """The same network in ONNX Runtime on the CPU, node by node, as the file says."""

    def __init__(self, path: Path, card: Card) -> None:
        self._path, self._card = path, card
        try:
            self._session = open_session(path, [PROVIDERS['cpu']], plain=True)
        except ORT_ERRORS as error:
            raise EngineError(_unknown(error)) from error
        self.inputs = ports(self._session.get_inputs())
        self.outputs = ports(self._session.get_outputs())
        refuse(input_problems(image_of(self.inputs, card.input), card.input), path, card)

    def proved(self, runner: Runner, buckets: Sequence[int], kind: str) -> float:
        """The worst difference, as a share of its limit; closes the runner where it is above.

        Args:
            runner: the engine.
            buckets: batches to try; the network is asked once, for the largest.
            kind: float, half or int8.

        Raises:
            EngineError: the engine answers something else.
            ModelError: the network does not fit its card.
        """
        try:
            return self._worst(runner, buckets, kind)
        except BaseException:
            runner.close()
            raise

    def _worst(self, runner: Runner, buckets: Sequence[int], kind: str) -> float:
        card, most = self._card, max(buckets)
        names = [port.name for port in self.outputs]
        feeds = proof.pictures(self.inputs, card, most)
        try:
            right = self._session.run(names, feeds)
        except ORT_ERRORS as error:
            raise EngineError(_unknown(error)) from error
        refuse(output_problems(_in_order(names, right, card), card, most), self._path, card)
        worst = 0.0
        for n in buckets:
            part = {name: values[:n] for name, values in feeds.items()}
            found = runner.run(names, part)
            rows = [a[:n] if a.shape[:1] == (most,) else a for a in right]
            for one in proof.differences(
                *_compared(names, rows, found, card), card, kind
            ):  # fmt: skip
                if not one.passes:
                    raise EngineError(
                        f'the engine answers something else than ONNX Runtime: {one.name} differs '
                        f'by {one.error:.1%} at batch {n}, {one.limit:.1%} is allowed'
                    )
                worst = max(worst, one.error / one.limit)
        return round(worst, 3)


def _in_order(
    names: Sequence[str], values: Sequence[AnyArray], card: Card
) -> list[AnyArray]:  # fmt: skip
    order = card.output.names or names
    return [values[names.index(name)] for name in order if name in names]


def _compared(
    names: Sequence[str], right: Sequence[AnyArray], found: Sequence[AnyArray], card: Card
) -> tuple[list[str], list[AnyArray], list[AnyArray]]:
    """The outputs that the card reads, in its order; a network may have others."""
    order = [name for name in card.output.names or names if name in names]
    return order, _in_order(names, right, card), _in_order(names, found, card)
