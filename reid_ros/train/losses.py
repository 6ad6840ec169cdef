"""What a network learns by: labels, and the answers of a teacher.

Every loss is computed in float32 whatever autocast says, and no gradient reaches a teacher.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of (n, people) logits with (n,) labels, of which a share goes to everybody."""
    with _exact(logits):
        return functional.cross_entropy(_wide(logits), labels, label_smoothing=smoothing)


def batch_hard_triplet(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Each clip nearer to its farthest own than to its nearest stranger (Hermans et al., 2017).

    Args:
        embeddings: (n, d); distances are Euclidean.
        labels: (n,) people. A clip without another of its person, or without a stranger, is left
            out; with none left the loss is 0, with a gradient of 0.
        margin: wanted between the two distances; below 0 = softplus of their difference.
    """
    with _exact(embeddings):
        wide = _wide(embeddings)
        distances = _distances(wide)
        same = labels[:, None] == labels[None, :]
        own = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        whole = own.any(1) & (~same).any(1)
        if not bool(whole.any()):
            return wide.sum() * 0.0
        distances, own, same = distances[whole], own[whole], same[whole]
        farthest = distances.masked_fill(~own, -torch.inf).amax(1)
        nearest = distances.masked_fill(same, torch.inf).amin(1)
        gap = farthest - nearest
        return (functional.softplus(gap) if margin < 0 else functional.relu(gap + margin)).mean()


def contrastive(vectors: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Each clip's own among all others of the batch (Khosla et al., NeurIPS 2020, eq. 2, out).

    A batch-hard triplet loss from random weights draws all vectors into one point; this one
    does not, for every pair of strangers pushes.

    Args:
        vectors: (n, d), brought to unit length here.
        labels: (n,) people. A clip without another of its person is left out; with none left the
            loss is 0, with a gradient of 0.
        temperature: that cosines are divided by.
    """
    with _exact(vectors):
        unit = functional.normalize(_wide(vectors))
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        own = (labels[:, None] == labels[None, :]) & ~itself
        whole = own.any(1)
        if not bool(whole.any()):
            return unit.sum() * 0.0
        cosines = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
        likely = functional.log_softmax(cosines, 1).masked_fill(~own, 0.0)
        return -(likely.sum(1)[whole] / own.sum(1)[whole]).mean()


def logit_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 mean_n sum_c p_t log(p_t / p_s) of (n, people) logits (Hinton et al., 2015)."""
    with _exact(student):
        found = functional.log_softmax(_wide(student) / temperature, 1)
        wanted = functional.log_softmax(_wide(teacher.detach()) / temperature, 1)
        return functional.kl_div(found, wanted, reduction='batchmean', log_target=True) * (
            temperature**2
        )


def relation(student: Tensor, teacher: Tensor) -> Tensor:
    """How far the clips stand from each other: mean over i != j of smooth L1 of both distances.

    Args:
        student: (n, d); brought to unit length here. A single clip has no relation: 0.
        teacher: (n, d'); the lengths d and d' may differ.
    """
    with _exact(student):
        wide = functional.normalize(_wide(student))
        if len(wide) < 2:
            return wide.sum() * 0.0
        found = _distances(wide)
        wanted = _distances(functional.normalize(_wide(teacher.detach())))
        apart = ~torch.eye(len(wide), dtype=torch.bool, device=wide.device)
        return functional.smooth_l1_loss(found[apart], wanted[apart])


def feature(projected: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine of (n, d) embeddings, the student's already of the teacher's length d."""
    with _exact(projected):
        cosine = functional.cosine_similarity(_wide(projected), _wide(teacher.detach()))
        return (1.0 - cosine).mean()


def _exact(values: Tensor) -> torch.autocast:
    """Autocast would take distances and sums of exponentials in 8 bits of mantissa."""
    return torch.autocast(values.device.type, enabled=False)


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _distances(values: Tensor) -> Tensor:
    """(n, d) -> (n, n) Euclidean, with a gradient of 0 where two are equal.

    Not by products: those lose every digit of a small distance between long vectors.
    """
    return torch.cdist(values, values, compute_mode='donot_use_mm_for_euclid_dist')
