"""How weights are moved: groups, learning rate, number types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reid_ros.train.checkpoint import TrainError
from reid_ros.train.muon import Muon
from reid_ros.train.settings import OptimConfig, RunConfig

N = TypeVar('N', bound=nn.Module)

NUMBERS = {'bfloat16': torch.bfloat16, 'float16': torch.float16}

NARROWEST = 32
"""Narrowest crop, pixels, for bfloat16 on a CPU: of a map one pixel wide, oneDNN's gradient of a
3 x 3 convolution with stride 2 reads memory that nobody wrote (torch 2.13)."""


def optimiser(modules: Iterable[nn.Module], optim: OptimConfig, device: torch.device) -> Optimizer:
    """The optimiser of a recipe; norms, biases and single numbers do not decay."""
    fused = device.type in ('cpu', 'cuda')
    modules = list(modules)
    if optim.name == 'muon':
        return Muon(modules, optim.rate, optim.decay, optim.matrices, fused)
    weights = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {'params': [p for p in weights if p.ndim > 1], 'weight_decay': optim.decay},
        {'params': [p for p in weights if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    if optim.name == 'sgd':
        return torch.optim.SGD(groups, optim.rate, momentum=optim.momentum)
    made = torch.optim.Adam if optim.name == 'adam' else torch.optim.AdamW
    return made(groups, optim.rate, fused=fused)


def device_of(run: RunConfig) -> torch.device:
    """Where training runs.

    Raises:
        TrainError: a GPU is asked for and there is none.
    """
    if run.device == 'cuda' and not torch.cuda.is_available():
        raise TrainError('run.device: cuda, but torch finds no GPU; say cpu or auto')
    if run.device == 'cpu' or not torch.cuda.is_available():
        return torch.device('cpu')
    return torch.device('cuda', torch.cuda.current_device())


def placed(network: N, device: torch.device) -> N:
    """The same network on a device, in the memory order in which convolutions are fastest."""
    # torch's own type stubs do not know the argument.
    moved: N = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


class Precision:
    """Number types of the forward pass, and the scale that keeps small gradients alive."""

    def __init__(self, run: RunConfig, device: torch.device) -> None:
        """Of a recipe.

        Raises:
            TrainError: a number type that the device does not carry.
        """
        if run.amp == 'float16' and device.type == 'cpu':
            raise TrainError('run.amp: float16 is for GPUs; on a CPU take bfloat16 or float32')
        self._device, self._type = device.type, NUMBERS.get(run.amp)
        self.scaler = torch.amp.GradScaler(device.type, enabled=run.amp == 'float16')

    def check_gradients(self, width: int) -> None:
        """Whether networks can learn from crops of this width in pixels.

        Raises:
            TrainError: they are too narrow for the number type on this device.
        """
        if self._type is torch.bfloat16 and self._device == 'cpu' and width < NARROWEST:
            raise TrainError(
                f'run.amp: bfloat16 on a CPU loses gradients of crops narrower than {NARROWEST} '
                f'pixels, data.width is {width}; take float32'
            )

    def automatic(self) -> torch.autocast:
        """Heavy operations in the number type of the recipe."""
        return torch.autocast(self._device, self._type, enabled=self._type is not None)


def length(parameters: Iterable[Tensor]) -> Tensor:
    """Euclidean length of all gradients together."""
    found = [p.grad for p in parameters if p.grad is not None]
    return torch.nn.utils.get_total_norm(found)
