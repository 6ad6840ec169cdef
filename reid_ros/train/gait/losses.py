"""What a gait network learns by: labels, and what teachers say of each part of the body.

Every loss is computed in float32 whatever autocast says, and no gradient reaches a teacher. A
teacher's values come with as many parts as the student has: `alignment` mixes them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from reid_ros.train.gait.configs import GaitLossConfig
from reid_ros.train.gait.nets.network import GaitAnswer


def task(answer: GaitAnswer, labels: Tensor, config: GaitLossConfig) -> dict[str, Tensor]:
    """Each term that has a weight, without its weight, by the name of the weight."""
    found: dict[str, Tensor] = {}
    if config.identity:
        found['identity'] = cross_entropy(answer.logits, labels, config.scale, config.smoothing)
    if config.triplet:
        found['triplet'] = all_triplets(answer.embedding, labels, config.margin)
    return found


def cross_entropy(logits: Tensor, labels: Tensor, scale: float, smoothing: float) -> Tensor:
    """Mean over walks and parts of the cross-entropy of scaled (n, people, p) cosines."""
    with _exact(logits):
        wanted = labels[:, None].expand(-1, logits.shape[2])
        return functional.cross_entropy(scale * _wide(logits), wanted, label_smoothing=smoothing)


def all_triplets(embedding: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean over parts of the mean over all triplets that cost something.

    Hermans et al., 2017, 'batch all, non-zero'. A walk is not its own partner, as it is in
    OpenGait, where it only pushes strangers away that are nearer than the margin.

    Args:
        embedding: (n, d, p); distances are Euclidean within a part.
        labels: (n,) people. Without a triplet the loss is 0, with a gradient of 0.
        margin: wanted between the distances to one's own and to a stranger.
    """
    with _exact(embedding):
        rows = _wide(embedding).permute(2, 0, 1).contiguous()
        apart = torch.cdist(rows, rows, compute_mode='donot_use_mm_for_euclid_dist')
        same = labels[:, None] == labels[None]
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        anchors, partners = torch.nonzero(same & ~itself, as_tuple=True)
        gaps = apart[:, anchors, partners, None] - apart[:, anchors] + margin  # (p, pairs, n)
        cost = functional.relu(gaps) * ~same[anchors]
        number = (cost > 0).sum((1, 2)).clamp(min=1)
        found: Tensor = (cost.sum((1, 2)) / number).mean()
        return found


def probabilities(logits: Tensor, scale: float, temperature: float) -> Tensor:
    """(n, people, p) softmax over people of scaled cosines, part by part; without a gradient."""
    with _exact(logits):
        return torch.softmax(_wide(logits.detach()) * (scale / temperature), 1)


def decision(student: Tensor, wanted: Tensor, scale: float, temperature: float) -> Tensor:
    """L_dec = T^2 / (N P) sum_n sum_p sum_c q_t log(q_t / q_s) (GaitKD, part-calibrated).

    Args:
        student: (n, people, p) cosines.
        wanted: (n, people, p) `probabilities` of the teacher at the same scale and temperature.
        scale: that turns cosines into logits.
        temperature: T.
    """
    with _exact(student):
        found = functional.log_softmax(_wide(student) * (scale / temperature), 1)
        target = _wide(wanted.detach())
        apart: Tensor = torch.special.xlogy(target, target) - target * found
        answers = found.shape[0] * found.shape[2]
        return apart.sum() * (temperature**2 / answers)


def boundary(student: Tensor, teacher: Tensor, reach: float) -> Tensor:
    """L_bnd: the side of the teacher's zero, at least `reach` beyond it (Heo et al., AAAI 2019).

    The sum over channels, the mean over walks and parts.

    Args:
        student: (n, d, p) embeddings.
        teacher: (n, d, p), of which only the sign counts.
        reach: margin m.
    """
    with _exact(student):
        found, wanted = _wide(student), teacher.detach()
        side = torch.where(wanted > 0, 1.0, -1.0).to(found.dtype)
        short = functional.relu(reach - side * found)
        return short.square().sum() / (found.shape[0] * found.shape[2])


def logit(student: Tensor, teacher: Tensor, scale: float) -> Tensor:
    """Mean squared difference of scaled (n, people, p) cosines."""
    with _exact(student):
        return functional.mse_loss(scale * _wide(student), scale * _wide(teacher.detach()))


def decoupled(
    student: Tensor, wanted: Tensor, labels: Tensor, scale: float, temperature: float
) -> tuple[Tensor, Tensor]:
    """Both terms of DKD (Zhao et al., CVPR 2022, eq. 7), T^2, mean over walks and parts.

    Args:
        student: (n, people, p) cosines.
        wanted: (n, people, p) `probabilities` of the teacher.
        labels: (n,) people.
        scale: that turns cosines into logits.
        temperature: T.

    Returns:
        How the own person stands against all others, and how the others stand among each other.
    """
    with _exact(student):
        scaled = _wide(student) * (scale / temperature)
        target = _wide(wanted.detach())
        own = labels[:, None, None].expand(-1, 1, scaled.shape[2])
        mask = torch.zeros_like(scaled, dtype=torch.bool).scatter_(1, own, True)
        whole = scaled.logsumexp(1)
        rest = scaled.masked_fill(mask, -torch.inf).logsumexp(1)
        hit = scaled.gather(1, own)[:, 0] - whole  # log of the student's own share
        share = target.gather(1, own)[:, 0]
        others = (target * ~mask).sum(1)
        first = torch.special.xlogy(share, share) - share * hit
        second = torch.special.xlogy(others, others) - others * (rest - whole)
        among = target.masked_fill(mask, 0.0) / others.clamp(min=1e-12)[:, None]
        found = (scaled - rest[:, None]).masked_fill(mask, 0.0)
        third = (torch.special.xlogy(among, among) - among * found).sum(1)
        return (first + second).mean() * temperature**2, third.mean() * temperature**2


def feature(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of (n, d, p) embeddings."""
    with _exact(student):
        return functional.mse_loss(_wide(student), _wide(teacher.detach()))


def attention(student: Tensor, teacher: Tensor) -> Tensor:
    """Where both look: squared distance of unit maps (Zagoruyko, Komodakis, ICLR 2017, eq. 2).

    Args:
        student: (n, c, h, w); its map is the mean square over channels.
        teacher: (n, c', h', w'), stretched to the cells of the student.
    """
    with _exact(student):
        found = _wide(student).square().mean(1, keepdim=True)
        wanted = _wide(teacher.detach()).square().mean(1, keepdim=True)
        if wanted.shape != found.shape:
            size = [int(found.shape[2]), int(found.shape[3])]
            wanted = functional.interpolate(wanted, size, mode='bilinear', align_corners=False)
        apart = functional.normalize(found.flatten(1)) - functional.normalize(wanted.flatten(1))
        return apart.square().sum(1).mean()


def _exact(values: Tensor) -> torch.autocast:
    """Autocast would take distances and sums of exponentials in 8 bits of mantissa."""
    return torch.autocast(values.device.type, enabled=False)


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
