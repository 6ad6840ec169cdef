"""Pretrained weights of encoders: from a file, or from the hub that timm loads from."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.public import PREFIX, Public, timm
from reid_ros.train.nets.transformer import Transformer, stretched
from reid_ros.train.settings import NetConfig
from reid_ros.types import ReidError

HUB = {
    'mobile_s': 'mobilenetv4_conv_small',
    'mobile_s_x0_5': 'mobilenetv4_conv_small_050',
    'mobile_s_x0_35': 'mobilenetv4_conv_small_035',
    'resnet18': 'resnet18',
    'resnet26': 'resnet26',
    'resnet34': 'resnet34',
    'resnet50': 'resnet50',
    'vit_small': 'vit_small_patch16_224',
    'vit_base': 'vit_base_patch16_224',
}
"""Our encoders -> the networks of timm whose weights fit."""
ELSEWHERE = {
    'osnet': 'the model zoo of torchreid (kaiyangzhou.github.io/deep-person-reid/MODEL_ZOO) has '
    "{name} as a .pth file: download it and set net.weights to that file's path",
    'vit_small_stem': "it is ours and learns from nothing: leave net.weights ''",
}
"""What to do about the others, by the beginning of their names."""
PICKLES = ('.pth', '.pt', '.tar', '.bin', '.ckpt')
INSIDE = ('state_dict', 'model')
"""Where in a checkpoint the weights are."""
PREFIXES = ('encoder.', 'base.', 'backbone.')
"""What stands before an encoder's names in a whole network; the first is ours."""
HEADS = (
    'classifier', 'fc', 'head', 'heads', 'head_dist', 'conv_head', 'norm_head', 'pre_logits',
    'neck', 'bottleneck', 'embed', 'time',
)  # fmt: skip
"""Parts behind an encoder: their tensors are left out where the encoder has none of that name."""
OWN = ('num_batches_tracked', 'sides.table')
"""Ends of names that a file may lack: no public one has them all."""


class WeightsError(ReidError):
    """Weights that cannot be had, read, or put into this encoder."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded.

    Attributes:
        source: the file, or the network of timm; '' = nothing, the weights stay random.
        dropped: names of tensors that the encoder has no place for, such as a classifier.
        stretched: names of position embeddings that came from another size of images.
        fresh: names of tensors that the source lacks; they stay as made.
    """

    source: str = ''
    dropped: tuple[str, ...] = ()
    stretched: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()


def load(encoder: Encoder, settings: NetConfig) -> Loaded:
    """Put pretrained weights into an encoder.

    Args:
        encoder: made of the settings.
        settings: whose `weights` are a file (.safetensors, or a .pth read as weights only), 'timm'
            for timm's hub, or '' for none.

    Raises:
        WeightsError: no such file or no network, or weights of something else; says what to do.
    """
    if not settings.weights:
        return Loaded()
    if settings.weights == PREFIX.rstrip(':'):
        source, state = downloaded(encoder, settings)
    else:
        path = Path(settings.weights).expanduser()
        source, state = str(path), read(path)
    network: nn.Module = encoder.net if isinstance(encoder, Public) else encoder
    state, foreign = encoders_part(state, network)
    own = network.state_dict()
    moved = positions(state, encoder, own)
    unknown = [name for name in state if name not in own]
    dropped = [name for name in unknown if name.split('.')[0] in HEADS]
    fresh = [name for name in own if name not in state]
    missing = [name for name in fresh if not name.endswith(OWN)]
    strange = [name for name in unknown if name not in dropped]
    if missing or strange:
        said = [
            f'{verb} {len(names)} tensors ({", ".join(names[:3])}{", ..." * (len(names) > 3)})'
            for verb, names in (('lacks', missing), ('has', strange))
            if names
        ]
        raise WeightsError(
            f'{source} is of another network than {settings.encoder}: it {" and ".join(said)}'
            f'{" that are not in it" * bool(strange)}; choose the net.encoder it was made for'
        )
    _same_shapes({name: state[name] for name in own if name in state}, own, source, settings)
    network.load_state_dict({**own, **{name: state[name] for name in own if name in state}})
    return Loaded(source, (*foreign, *dropped), tuple(moved), tuple(fresh))


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU; nothing in it is run.

    Raises:
        WeightsError: no such file, of an unknown kind, broken, or with more than weights in it.
    """
    if path.is_dir():
        raise WeightsError(
            f"net.weights: {path} is a folder; name a file, or give a training's folder as start"
        )
    if not path.is_file():
        raise WeightsError(f"net.weights: there is no file {path}; 'timm' would ask timm's hub")
    if path.suffix == '.safetensors':
        try:
            return safetensors.torch.load_file(path)
        except safetensors.SafetensorError as error:
            raise WeightsError(f'{path} is no safetensors file: {error}') from error
    if path.suffix not in PICKLES:
        raise WeightsError(
            f'net.weights: {path.name} is of no known kind: .safetensors, {", ".join(PICKLES)}'
        )
    try:
        found = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f'{path} holds more than weights, or is broken, and is not opened, since a pickle can '
            'run code: where you trust it, load it with torch yourself and save its state_dict '
            'with safetensors.torch.save_file'
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f'{path} cannot be read: {error}') from error
    return _tensors(found, path)


def downloaded(encoder: Encoder, settings: NetConfig) -> tuple[str, dict[str, Tensor]]:
    """The name of a network of timm and the weights that its hub has for it.

    Raises:
        WeightsError: there are none, or the hub is out of reach; says which file to place where.
    """
    how: dict[str, Any] = {}
    if isinstance(encoder, Public):
        name, how = encoder.name, encoder.how
    elif settings.encoder in HUB:
        name = HUB[settings.encoder]
    else:
        said = next(text for key, text in ELSEWHERE.items() if settings.encoder.startswith(key))
        said = said.format(name=settings.encoder)
        raise WeightsError(f'net.weights: timm has none of {settings.encoder}; {said}')
    library = timm()
    described = library.get_pretrained_cfg(name)
    if not described.has_weights:
        raise WeightsError(f"net.weights: timm has none of {name}; leave it '' or name a file")
    try:
        network = library.create_model(name, pretrained=True, **how)
    except OSError as error:
        address = described.url
        if described.hf_hub_id:
            file = described.hf_hub_filename or 'model.safetensors'
            address = f'https://huggingface.co/{described.hf_hub_id}/resolve/main/{file}'
        raise WeightsError(
            f"net.weights: the hub's file of {name} cannot be had ({type(error).__name__}): "
            f'download {address} on a machine with a network, copy it here, and set net.weights '
            'to the path it has here'
        ) from error
    return f'timm {name}.{described.tag}', network.state_dict()


def encoders_part(
    state: Mapping[str, Tensor], network: nn.Module
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of an encoder alone, by its own names, and the names of all others."""
    if state and all(name.startswith('module.') for name in state):
        state = {name.removeprefix('module.'): value for name, value in state.items()}
    own = {name.split('.')[0] for name in network.state_dict()}
    for prefix in PREFIXES:
        if prefix[:-1] not in own and any(name.startswith(prefix) for name in state):
            others = [name for name in state if not name.startswith(prefix)]
            state = {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
            break
    else:
        others = []
    if 'net' not in own and all(name.startswith('net.') for name in state):
        state = {name.removeprefix('net.'): value for name, value in state.items()}
    return dict(state), others


def positions(state: dict[str, Tensor], encoder: Encoder, own: Mapping[str, Tensor]) -> list[str]:
    """Stretch a transformer's position embeddings to its own grid, in place; their names.

    Tables of tokens do not say what grid they were for: they are taken for the square of public
    weights, or for one of the shape that the crops have.
    """
    name = 'pos_embed'
    if name not in state or name not in own or state[name].shape == own[name].shape:
        return []
    table, goal = state[name].float(), own[name].shape
    if table.ndim == 4 and len(goal) == 4:  # ours: (1, d, h, w)
        state[name] = stretched(table, (goal[2], goal[3]))
        return [name]
    grid = encoder.grid if isinstance(encoder, Transformer) else _grid(encoder)
    if grid is None or table.ndim != 3 or len(goal) != 3 or table.shape[2] != goal[2]:
        return []  # refused for its shape
    first = goal[1] - grid[0] * grid[1]  # tokens that stand for no place
    cells = table.shape[1] - first
    rows = math.isqrt(cells)
    if rows * rows != cells:
        rows = round(math.sqrt(cells * grid[0] / grid[1]))
    if (
        rows < 1
        or cells % rows
        or (rows * rows != cells and cells // rows * grid[0] != rows * grid[1])
    ):
        return []
    places = table[:, first:].transpose(1, 2).reshape(1, goal[2], rows, cells // rows)
    places = stretched(places, grid).flatten(2).transpose(1, 2)
    state[name] = torch.cat([table[:, :first], places], 1)
    return [name]


def _grid(encoder: Encoder) -> tuple[int, int] | None:
    """The cells of a transformer of timm."""
    patches = getattr(getattr(encoder, 'net', None), 'patch_embed', None)
    found = getattr(patches, 'grid_size', None)
    return None if found is None else (int(found[0]), int(found[1]))


def _tensors(found: object, path: Path) -> dict[str, Tensor]:
    for key in INSIDE:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    if not isinstance(found, Mapping):
        raise WeightsError(f'{path} holds a {type(found).__name__}, not weights by name')
    return {str(k): v for k, v in found.items() if isinstance(v, Tensor)}


def _same_shapes(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str, settings: NetConfig
) -> None:
    wrong = [name for name, value in state.items() if value.shape != own[name].shape]
    if wrong:
        name = wrong[0]
        there, here = tuple(state[name].shape), tuple(own[name].shape)
        raise WeightsError(
            f'{source}: {name} has shape {there}, but {here} in {settings.encoder} '
            f'({len(wrong)} of {len(state)} tensors differ): choose the net.encoder and stride '
            'that it was made for'
        )
