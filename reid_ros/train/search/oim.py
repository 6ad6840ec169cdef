"""Online instance matching (Xiao et al., Joint Detection and Identification Feature Learning for
Person Search, CVPR 2017, eq. 1 to 3): who is it, of everybody who has a label and of some who have
none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.checkpoint import TrainError

UNKNOWN = -1
"""Label of a person of whom only the box is known."""
NOBODY = -2
"""Label of what is no person, or of a row that is not there."""


class Table(nn.Module):
    """A vector of each person with a label, and the latest of those without, in a ring.

    Nothing of it has a gradient: it follows the vectors that it is shown.

    Attributes:
        vectors: (people, d) float32, each of unit length; 0 of whom nothing was seen yet.
        queue: (q, d) the same of people without a label.
        filled, at: how many rows of the queue hold somebody, and which is written next.
        frozen: whether `update` leaves the people with labels alone. The queue moves in any case.
    """

    vectors: Tensor
    queue: Tensor
    filled: Tensor
    at: Tensor

    def __init__(
        self,
        people: int,
        width: int,
        queue: int,
        scale: float = 10.0,
        momentum: float = 0.5,
        frozen: bool = False,
    ) -> None:
        """Make an empty one.

        Args:
            people: with labels.
            width: length of a vector.
            queue: places for people without one; 0 = none.
            scale: what cosines are multiplied by, 1 / temperature.
            momentum: share of the old vector in the new one.
            frozen: see the attribute.
        """
        super().__init__()
        self.scale, self.momentum, self.frozen = scale, momentum, frozen
        self.register_buffer('vectors', torch.zeros(people, width))
        self.register_buffer('queue', torch.zeros(queue, width))
        self.register_buffer('filled', torch.zeros((), dtype=torch.int64))
        self.register_buffer('at', torch.zeros((), dtype=torch.int64))

    def begin(self, vectors: Tensor) -> None:
        """Take (people, d) vectors of any length in place of nothing.

        Raises:
            TrainError: of other people or another length.
        """
        if vectors.shape != self.vectors.shape:
            raise TrainError(
                f'a table of {tuple(vectors.shape)} vectors (people, length) for a network that '
                f'learns {tuple(self.vectors.shape)}'
            )
        self.vectors.copy_(functional.normalize(vectors.to(self.vectors)))

    def logits(self, found: Tensor) -> Tensor:
        """(n, people + q) of unit vectors (n, d); -inf for places of the queue that are empty."""
        # Copies: `update` writes into both before the gradient has come back through them.
        rows = torch.cat([self.vectors, self.queue])
        result = self.scale * found.float() @ rows.T
        # A row of 0 says nothing of a person not seen yet; an empty place is no person at all.
        empty = torch.arange(len(rows), device=rows.device) >= len(self.vectors) + self.filled
        return result.masked_fill(empty, -torch.inf)

    def forward(self, found: Tensor, people: Tensor) -> Tensor:
        """The loss: mean over those with a label; 0 where there is none.

        Args:
            found: (n, d) of unit length.
            people: (n,) int64 labels, UNKNOWN or NOBODY.
        """
        known = people >= 0
        if not bool(known.any()):
            return found.float().sum() * 0.0
        return functional.cross_entropy(self.logits(found[known]), people[known])

    @torch.no_grad()
    def update(self, found: Tensor, people: Tensor) -> None:
        """Learn from the vectors of a batch, in their order; each row has unit length after each.

        Args:
            found: (n, d) of unit length.
            people: (n,) int64 labels, UNKNOWN or NOBODY.
        """
        found = found.detach().to(self.vectors)
        if not self.frozen:
            for rows in _rounds(people):
                who = people[rows]
                mixed = self.momentum * self.vectors[who] + (1 - self.momentum) * found[rows]
                self.vectors[who] = functional.normalize(mixed)
        self._push(found[people == UNKNOWN])

    def _push(self, found: Tensor) -> None:
        size = len(self.queue)
        if not size or not len(found):
            return
        kept = found[-size:]
        # Those that nobody would ever see again move the place of the next one, too.
        start = int(self.at) + len(found) - len(kept)
        where = (start + torch.arange(len(kept), device=found.device)) % size
        self.queue[where] = functional.normalize(kept)
        self.at.fill_((int(self.at) + len(found)) % size)
        self.filled.fill_(min(int(self.filled) + len(found), size))


def _rounds(people: Tensor) -> list[Tensor]:
    """Rows of those with a label such that nobody comes twice in a round, in their order."""
    seen: dict[int, int] = {}
    rounds: list[list[int]] = []
    for row, person in enumerate(people.tolist()):
        if person < 0:
            continue
        turn = seen.get(person, 0)
        seen[person] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(row)
    return [torch.tensor(rows, device=people.device) for rows in rounds]
