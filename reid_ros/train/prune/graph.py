"""Which channels of a network live and die together, and networks without some of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reid_ros.train.nets.network import Network
from reid_ros.train.prune import PruneError
from reid_ros.train.prune.cost import layers
from reid_ros.types import IntArray

SCOPES = ('inner', 'all')
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d)
_CONTAINERS = (nn.Sequential, nn.ModuleList)

Kept = Mapping[str, IntArray]
"""Channels that stay, ascending, by the name of their width; a width not named stays whole."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a layer has to do with a width.

    Attributes:
        layer: its name in the network.
        at: (count, m) the layer's own channels that are channel k of the width.
    """

    layer: str
    at: IntArray


@dataclass(frozen=True, slots=True)
class Width:
    """Channels that live and die together, in every layer that has them.

    Attributes:
        name: of the first layer whose filters they are.
        count: how many there are.
        inner: private to a block; else others add to them, or read them, outside of it.
        makers: convolutions and linear layers whose filters they are.
        followers: norms and depthwise convolutions, which treat each channel on its own.
        readers: convolutions and linear layers that take them in.
    """

    name: str
    count: int
    inner: bool
    makers: tuple[Part, ...]
    followers: tuple[Part, ...]
    readers: tuple[Part, ...]


def widths(network: Network, scope: str = 'inner') -> list[Width]:
    """The widths that can be narrowed, in the order of the network.

    The vector's length, the neck, the temporal attention and the classifier are none of them.
    Nor are gates: what is computed once a picture costs nothing.

    Args:
        network: of convolutions.
        scope: `inner`, the paper's choice (Masson et al., JIVP 2021): only what is private to a
            block, e.g. the first two convolutions of a bottleneck; or `all`, the sums of residual
            blocks too.

    Raises:
        PruneError: no such scope, or nothing to prune.
    """
    if scope not in SCOPES:
        raise PruneError(f'scope {scope!r}: take one of {", ".join(SCOPES)}')
    traced = _Traced(network)
    positions = {name: places for name, (_, places) in layers(network).items()}
    found = [
        width
        for width in traced.widths()
        if (width.inner or scope == 'all') and any(positions[p.layer] > 1 for p in width.makers)
    ]
    if not found:
        raise PruneError(
            f'{network.settings.encoder} has no widths of scope {scope!r} that can be pruned: '
            'take a convolutional network'
        )
    return found


def whole(found: Sequence[Width]) -> dict[str, IntArray]:
    """Everything kept."""
    return {width.name: np.arange(width.count) for width in found}


def slim(network: Network, kept: Kept) -> Network:
    """A new network without the channels that are not kept; everything left has its value.

    Raises:
        PruneError: a width that is not there, or nothing kept of one.
    """
    traced = _Traced(network)
    chosen = {width.name: width for width in traced.widths()}
    _check(chosen, kept)
    for name, stay in kept.items():
        traced.remove(name, np.setdiff1d(np.arange(chosen[name].count), stay))
    result = traced.network
    result.train(network.training)
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    for name, parameter in result.named_parameters():
        parameter.requires_grad_(name not in frozen)
    _rewidth(result)
    if result.width != network.width:
        raise PruneError(f'the vector would be {result.width} long instead of {network.width}')
    return result


def masked(network: Network, found: Sequence[Width], kept: Kept) -> Network:
    """A copy of the same shapes in which the channels of widths that are not kept are zero."""
    result = copy.deepcopy(network)
    _check({width.name: width for width in found}, kept)
    for width in found:
        if width.name in kept:
            gone = np.setdiff1d(np.arange(width.count), kept[width.name])
            silence(result, width, gone)
    return result


@torch.no_grad()
def silence(network: Network, width: Width, gone: IntArray) -> None:
    """Make channels of a width zero wherever they are read, in place.

    Filters without weights still emit what the norm behind them adds, so its scale and shift
    become zero too, and whatever a depthwise convolution adds.
    """
    for part in (*width.makers, *width.followers):
        module = network.get_submodule(part.layer)
        rows = torch.from_numpy(part.at[gone].reshape(-1))
        for value in (module.weight, module.bias):
            if isinstance(value, Tensor):
                value[rows.to(value.device)] = 0.0


def load_slim(network: Network, state: Mapping[str, Tensor]) -> Network:
    """Give a network as defined the shapes of a pruned one, and its values.

    Args:
        network: dense, with random weights; it is changed.
        state: state_dict of the network that was pruned.

    Returns:
        The network.

    Raises:
        PruneError: another network's state.
    """
    for name, module in network.named_modules():
        weight = state.get(f'{name}.weight')
        if weight is not None and isinstance(module.weight, Tensor):
            _resize(name, module, weight)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise PruneError(
            f'the weights are no pruned {network.settings.encoder}: {error}'
        ) from error
    _rewidth(network)
    return network


def _resize(name: str, module: nn.Module, weight: Tensor) -> None:
    """New numbers of channels, read off a stored weight."""
    own = module.weight
    if not isinstance(own, Tensor) or own.shape == weight.shape:
        return
    if own.ndim != weight.ndim or any(w > o for w, o in zip(weight.shape, own.shape)):
        raise PruneError(f'{name}: {tuple(weight.shape)} is no part of {tuple(own.shape)}')
    outer = int(weight.shape[0])
    if isinstance(module, nn.Conv2d):
        depthwise = module.groups == module.in_channels and module.groups > 1
        module.groups = outer if depthwise else module.groups
        module.out_channels, module.in_channels = outer, int(weight.shape[1]) * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = outer, int(weight.shape[1])
    elif isinstance(module, _NORMS):
        module.num_features = outer
        if module.running_mean is not None and module.running_var is not None:
            module.running_mean = module.running_mean.new_zeros(outer)
            module.running_var = module.running_var.new_ones(outer)
    else:
        raise PruneError(f'{name}: a {type(module).__name__} cannot be made smaller')
    module.weight = nn.Parameter(own.new_zeros(weight.shape), own.requires_grad)
    if isinstance(module.bias, Tensor):
        kept = module.bias.requires_grad
        module.bias = nn.Parameter(module.bias.new_zeros(outer), kept)


def _rewidth(network: Network) -> None:
    """Where the sums of the last blocks were narrowed, the encoder's feature is shorter."""
    if isinstance(network.embed, nn.Linear):
        network.encoder.width = network.embed.in_features


def _check(chosen: Mapping[str, Width], kept: Kept) -> None:
    for name, stay in kept.items():
        if name not in chosen:
            raise PruneError(f'{name!r} is no width that can be pruned')
        count = chosen[name].count
        ordered = bool(np.all(np.diff(stay) > 0))
        if not len(stay) or not ordered or stay[0] < 0 or stay[-1] >= count:
            raise PruneError(f'{name}: keep some of 0 to {count - 1}, ascending, not {stay}')


class _Traced:
    """A copy of a network with torch-pruning's graph of it.

    Attributes:
        network: the copy.
    """

    def __init__(self, network: Network) -> None:
        # Only a network that is pruned needs the package.
        from torch_pruning import DependencyGraph  # type: ignore[import-untyped]

        self.network = copy.deepcopy(network).eval()
        # The graph is read off the gradients, so that everything must have one.
        for parameter in self.network.parameters():
            parameter.requires_grad_(True)
        height, width = network.size
        device = next(network.parameters()).device
        crop = torch.zeros((1, height, width, 3), dtype=torch.uint8, device=device)
        with torch.enable_grad():
            self._graph: Any = DependencyGraph().build_dependency(
                self.network, crop, lambda model, images: model.features(images), verbose=False
            )
        self._names = {module: name for name, module in self.network.named_modules()}
        heavy = [n for m, n in self._names.items() if isinstance(m, (nn.Conv2d, nn.Linear))]
        root = _common([name for name in heavy if name.startswith('encoder.')])
        blocks = [
            name
            for module, name in self._names.items()
            if name.startswith(f'{root}.') and not isinstance(module, _CONTAINERS)
        ]
        self._blocks = frozenset(blocks)

    def widths(self) -> list[Width]:
        """Every width that can be narrowed at all."""
        found = [self._width(group) for group in self._graph.get_all_groups()]
        by_name = {width.name: width for width in found if width is not None}
        return [by_name[name] for name in self._names.values() if name in by_name]

    def remove(self, name: str, gone: IntArray) -> None:
        """Take channels of a width away, in every layer."""
        if len(gone):
            self._group(name, gone.tolist()).prune()

    def _group(self, name: str, channels: Sequence[int]) -> Any:
        module = self.network.get_submodule(name)
        prune = self._graph.get_pruner_of_module(module).prune_out_channels
        return self._graph.get_pruning_group(module, prune, list(channels))

    def _width(self, group: Any) -> Width | None:
        """None where the width must stay: the vector is one, or a layer cannot be narrowed."""
        first = min(
            (
                name
                for item in group
                if self._graph.is_out_channel_pruning_fn(item.dep.handler)
                and _makes(item.dep.target.module)
                and (name := self._names[item.dep.target.module])
            ),
            key=list(self._names.values()).index,
            default='',
        )
        if not first:
            return None
        count = int(self.network.get_submodule(first).get_parameter('weight').shape[0])
        makers: list[Part] = []
        followers: list[Part] = []
        readers: list[Part] = []
        for item in self._group(first, range(count)):
            module, kind = item.dep.target.module, type(item.dep.target.module)
            if module not in self._names:
                # Sums and shapes follow of themselves; the output and bare tensors do not.
                if 'Output' in kind.__name__ or isinstance(module, Tensor):
                    return None
                continue
            at = _placed(item.idxs, item.root_idxs, count)
            if at is None:
                return None
            part = Part(self._names[module], at)
            makes = self._graph.is_out_channel_pruning_fn(item.dep.handler)
            if isinstance(module, _NORMS) or _depthwise(module):
                followers.append(part)
            elif _makes(module):
                (makers if makes else readers).append(part)
            elif list(module.parameters(recurse=False)):
                return None
        names = [part.layer for part in (*makers, *followers, *readers)]
        return Width(
            first, count, self._inside_a_block(names),
            tuple(makers), tuple(followers), tuple(readers),
        )  # fmt: skip

    def _inside_a_block(self, names: list[str]) -> bool:
        """Whether one module that is no mere sequence of others holds them all."""
        words = _common(names).split('.')
        return any('.'.join(words[:n]) in self._blocks for n in range(1, len(words) + 1))


def _common(names: Sequence[str]) -> str:
    """The innermost module that holds all of these."""
    words = []
    for level in zip(*(name.split('.')[:-1] for name in names)):
        if len(dict.fromkeys(level)) > 1:
            break
        words.append(level[0])
    return '.'.join(words)


def _placed(own: Sequence[int], root: Sequence[int], count: int) -> IntArray | None:
    """(count, m) a layer's channels by the width's; None where they are not equally many."""
    table: list[list[int]] = [[] for _ in range(count)]
    for place, channel in zip(own, root):
        table[channel].append(place)
    if len(dict.fromkeys(map(len, table))) != 1:
        return None
    return np.array(table, np.int64)


def _depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and 1 < module.groups == module.out_channels


def _makes(module: nn.Module) -> bool:
    """Whether each output is of all inputs: groups of channels could not be narrowed freely."""
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
