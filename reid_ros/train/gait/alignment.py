"""Which strips of one network's body lie over which of another's."""

from __future__ import annotations

import torch
from torch import Tensor


def overlap(student: int, teacher: int) -> Tensor:
    """(student, teacher) shares of each of the student's strips; rows sum to 1.

    Entry i, j is P_s |[i/P_s, (i+1)/P_s] and [j/P_t, (j+1)/P_t]|, in whole numbers until the end.
    """
    # In units of 1 / (P_s P_t) of the body's height.
    own = torch.arange(student)[:, None] * teacher
    other = torch.arange(teacher)[None] * student
    shared = torch.minimum(own + teacher, other + student) - torch.maximum(own, other)
    return shared.clamp(min=0).double().div(teacher).float()


def first(kept: int, teacher: int) -> Tensor:
    """(kept, teacher) takes the first strips as they are, as GaitKD does: they drift apart."""
    return torch.eye(kept, teacher)


def mixed(values: Tensor, table: Tensor) -> Tensor:
    """(n, c, teacher) -> (n, c, student) by the shares of a table."""
    return torch.matmul(values, table.T.to(values.dtype))
