"""Several processes that learn together, as `torchrun` starts them; one alone knows no others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class Team:
    """Which of how many processes this one is."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process scores, saves and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def team() -> Iterator[Team]:
    """The processes of this training, for as long as it runs."""
    size = int(os.environ.get('WORLD_SIZE', '1'))
    if size == 1:
        yield Team()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', '0')))
    distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo')
    try:
        yield Team(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
