"""What a recipe's loop leaves to others: pruning while training."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer

from reid_ros.train.nets.network import Network


class Hook:
    """Does nothing at each place; override what is needed."""

    def begin(self, network: Network, optimiser: Optimizer) -> None:
        """Before the first step, and after each resumption."""

    def penalty(self, network: Network, progress: float) -> Tensor | None:
        """What is added to the loss of a step."""
        return None

    def after_step(
        self, step: int, progress: float, network: Network, optimiser: Optimizer
    ) -> None:
        """After update number `step` (from 1); progress is 1 after the last."""

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state`."""

    def finish(self, network: Network) -> Network:
        """After the last step: the network that is scored and saved."""
        return network
