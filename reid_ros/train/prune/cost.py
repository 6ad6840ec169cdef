"""What a network computes for one crop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from reid_ros.train.nets.network import Network
from reid_ros.train.prune import PruneError

_UNCOUNTED = (
    'addmm', 'addbmm', 'baddbmm', 'einsum', 'conv1d', 'conv3d', 'conv_transpose2d', 'bilinear',
    'multi_head_attention_forward',
)  # fmt: skip


def flops(network: Network, size: tuple[int, int] | None = None) -> int:
    """Floating-point operations of one frame's vector; a multiply-add counts as two.

    Convolutions, linear layers and the products of attention count; norms, activations and sums,
    a few per cent of a convolutional network, do not, as is usual.

    Args:
        network: its classifier, which only training needs, takes no part.
        size: height and width of the crop, pixels; None = the network's own.
    """
    counter = _Counter()
    with _still(network) as still, counter:
        still.features(_crop(network, size))
    return counter.total


def layers(network: Network, size: tuple[int, int] | None = None) -> dict[str, tuple[int, int]]:
    """(FLOPs, positions) of each convolution and linear layer that a frame passes, by name.

    Positions are the places of the output map: 1 where something is computed once a picture. A
    layer that is called several times has the sum of its FLOPs.
    """
    found: dict[str, tuple[int, int]] = {}
    hooks = []
    with _still(network) as still:
        for name, module in still.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                hooks.append(module.register_forward_hook(_noted(name, found)))
        still.features(_crop(network, size))
    return found


def parameters(network: Network) -> int:
    """Numbers that a robot loads: without the classifier and counters of batches."""
    held = sum(p.numel() for p in network.parameters())
    return held - sum(p.numel() for p in network.classifier.parameters())


def _noted(name: str, found: dict[str, tuple[int, int]]) -> Callable[..., None]:
    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.get_parameter('weight')
        spent = 2 * output.numel() * weight[0].numel()
        places = output.numel() // len(output) // int(weight.shape[0])
        before, others = found.get(name, (0, 0))
        found[name] = before + spent, max(others, places)

    return note


@contextmanager
def _still(network: Network) -> Iterator[Network]:
    """A copy that has shapes and no numbers, so that nothing is really computed."""
    with torch.no_grad():
        yield copy.deepcopy(network).to('meta').eval()


def _crop(network: Network, size: tuple[int, int] | None) -> Tensor:
    height, width = size or network.size
    return torch.zeros((1, height, width, 3), dtype=torch.uint8, device='meta')


def _convolution(output: Tensor, weight: Tensor) -> int:
    """Each output number is a sum over the weights of its filter."""
    return 2 * output.numel() * weight[0].numel()


def _product(left: Tensor, output: Tensor) -> int:
    """Each output number is a sum over the last axis of the left side."""
    return 2 * output.numel() * int(left.shape[-1])


def _attention(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Query times key, and that times value."""
    pairs = query[..., 0].numel() * int(key.shape[-2])
    return 2 * pairs * (int(query.shape[-1]) + int(value.shape[-1]))


class _Counter(TorchFunctionMode):
    """Adds up the heavy functions that are called while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is torch.conv2d or func is F.conv2d:
            self.total += _convolution(output, args[1])
        elif func is F.linear or func in (torch.matmul, torch.bmm, torch.mm):
            self.total += _product(args[0], output)
        elif func is F.scaled_dot_product_attention:
            self.total += _attention(*args[:3])
        elif func in (Tensor.matmul, Tensor.__matmul__, Tensor.bmm, Tensor.mm):
            self.total += _product(args[0], output)
        elif getattr(func, '__name__', '') in _UNCOUNTED:
            raise PruneError(f'{func.__name__}: its operations cannot be counted')
        return output
