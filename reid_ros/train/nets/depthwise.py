"""Depthwise convolutions that learn fast in bfloat16 on a CPU."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Convolved(torch.autograd.Function):
    """A convolution in bfloat16 whose gradients are made in float32."""

    @staticmethod
    def forward(context: Any, maps: Tensor, weight: Tensor, layer: nn.Conv2d) -> Tensor:
        context.save_for_backward(maps, weight)
        context.layer = layer
        return functional.conv2d(
            maps, weight.to(maps), None, layer.stride, layer.padding, layer.dilation, layer.groups
        )

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = context.saved_tensors
        (after,) = gradients
        wanted = [*context.needs_input_grad[:2], False]
        found = torch.ops.aten.convolution_backward(
            after.float(), maps.float(), weight, None, *_shape(context.layer), wanted
        )
        return found[0].to(maps) if wanted[0] else None, found[1], None


class Depthwise(nn.Conv2d):
    """A grouped convolution without a bias; where nothing is learnt, like any other.

    oneDNN (torch 2.13) takes 3 times as long for the gradients of large kernels in bfloat16 as in
    float32, and 8 to 30 times where the convolution has a stride: more than for all the rest of a
    mobile network. Of 3 x 3 without a stride it is quicker in bfloat16.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, outer, h, w)."""
        quick = input.device.type == 'cpu' and torch.is_autocast_enabled('cpu')
        if not (quick and torch.is_grad_enabled()):
            return super().forward(input)
        kind = torch.get_autocast_dtype('cpu')
        found: Tensor = _Convolved.apply(input.to(kind), self.weight, self)  # type: ignore[no-untyped-call]
        return found


def hasten(network: nn.Module) -> None:
    """Put `Depthwise` in place of the grouped convolutions that learn faster so.

    Names and weights stay.
    """
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Conv2d and _slow(layer):
                quick = Depthwise(
                    layer.in_channels, layer.out_channels, cast(Any, layer.kernel_size),
                    cast(Any, layer.stride), cast(Any, layer.padding),
                    cast(Any, layer.dilation), layer.groups, bias=False, device='meta',
                )  # fmt: skip
                quick.weight = layer.weight
                setattr(parent, name, quick)


def _slow(layer: nn.Conv2d) -> bool:
    large = max(layer.kernel_size) > 3 or max(layer.stride) > 1
    return layer.groups > 1 and layer.bias is None and large


def _shape(layer: nn.Conv2d) -> tuple[Any, ...]:
    return layer.stride, layer.padding, layer.dilation, False, [0, 0], layer.groups
