"""Where a training stands, as files that are whole at any moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reid_ros.types import ReidError


class TrainError(ReidError):
    """A training that cannot begin, go on or be read."""


@dataclass
class State:
    """Everything that a training is made of besides its recipe.

    Attributes:
        step: updates done.
        wall_s: seconds spent on them.
        tensors: states of network, optimiser, averages and whatever else learns, by name.
        curve: one row of figures for each point of the curves.
        points: scores on validation so far.
    """

    step: int = 0
    wall_s: float = 0.0
    tensors: dict[str, Any] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    points: list[dict[str, float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it; a kill at any moment leaves the old file or the new one."""
        content = {**vars(self), 'random': torch.get_rng_state()}
        replaced(path, lambda half: torch.save(content, half))

    @staticmethod
    def load(path: Path) -> State:
        """Read it, and go on with torch's random numbers where it stood.

        Raises:
            TrainError: no checkpoint.
        """
        try:
            content = torch.load(path, map_location='cpu', weights_only=True)
            torch.set_rng_state(content.pop('random'))
            return State(**content)
        except (OSError, RuntimeError, KeyError, TypeError, EOFError) as error:
            raise TrainError(
                f'{path} is no checkpoint of a training ({type(error).__name__}): remove it to '
                'begin anew'
            ) from error


class Average:
    """Exponential moving average of a network's weights and statistics."""

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        """Begin with the network as it is."""
        self._decay = decay
        self._values = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: torch.nn.Module, step: int) -> None:
        """After each update; early ones count more, so that the random start is forgotten."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            old = self._values[name]
            if old.is_floating_point():
                old.lerp_(value, 1 - decay)
            else:
                old.copy_(value)

    def state(self) -> dict[str, Tensor]:
        """As of a network's state_dict."""
        return self._values

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state."""
        self._values = {name: value.clone() for name, value in state.items()}


def replaced(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file beside its place and move it there."""
    half = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        write(half)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
