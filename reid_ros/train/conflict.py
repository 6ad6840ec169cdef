"""Whether the teacher pulls where the labels pull."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def cosine(task: Tensor, distil: Tensor, parameters: Iterable[Tensor]) -> float:
    """Of the gradients of two losses on shared weights, -1 to 1; below 0 they conflict.

    Both graphs stay, so that the step can go on; no `.grad` is touched.

    Args:
        task: a scalar loss.
        distil: another; scaling either changes nothing.
        parameters: what both move. A loss that reaches none of them has an angle of 0.
    """
    shared = list(parameters)
    first, second = (
        torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
        for loss in (task, distil)
    )
    dot = one = two = 0.0
    for a, b in zip(first, second):
        # In double: millions of small products are summed.
        if a is not None:
            one += float(a.double().square().sum())
        if b is not None:
            two += float(b.double().square().sum())
        if a is not None and b is not None:
            dot += float((a.double() * b.double()).sum())
    return dot / (one * two) ** 0.5 if one > 0 and two > 0 else 0.0
