"""What a gait recipe says of its network, its losses and its teachers."""

from __future__ import annotations

from dataclasses import dataclass

from reid_ros.config import setting

ENCODERS = ('base', 'p3d', 'transformer', 'mobile')


@dataclass(frozen=True)
class GaitNetConfig:
    """The network: silhouettes of a walk to one vector per part of the body.

    The defaults are GaitBase as published (Fan et al., OpenGait, CVPR 2023).
    """

    encoder: str = setting(
        'base',
        "'base' GaitBase, 'p3d' DeepGaitV2-P3D, 'transformer' convolutions below a transformer of "
        "space and time, 'mobile' depthwise convolutions",
        choices=ENCODERS,
    )
    width: int = setting(
        64, 'channels of the first stage; those after it have 2, 4, 8 times', 2, 256
    )
    depths: tuple[int, ...] = setting((1, 1, 1, 1), 'blocks of the four stages')
    parts: int = setting(
        16, 'horizontal strips of the body; a divisor of the rows of the map', 1, 16
    )
    embed: int = setting(256, 'length of the vector of a part', 1, 1024)


@dataclass(frozen=True)
class GaitLossConfig:
    """The task: who walks? Defaults as in OpenGait."""

    identity: float = setting(1.0, 'weight of the cross-entropy', 0.0, 1000.0)
    scale: float = setting(
        16.0, 'what the cosines of the classifier are multiplied by', 0.1, 1000.0
    )
    smoothing: float = setting(0.1, 'of the cross-entropy with labels', 0.0, 0.9)
    triplet: float = setting(1.0, 'weight of the triplet loss over all triplets', 0.0, 1000.0)
    margin: float = setting(0.2, 'of the triplet loss', 0.0, 100.0)


@dataclass(frozen=True)
class GaitDistilConfig:
    """What the student learns from its teachers (GaitKD, arXiv 2604.26255); weight 0 = nothing."""

    teachers: tuple[str, ...] = setting(
        (), 'folders of the trainings of the teachers; none = alone'
    )
    combine: str = setting(
        'summed',
        "several teachers: 'summed' each with its full weight, 'halved' each with its share, "
        "'averaged' one mean of their probabilities, and its share for what has no mean",
        choices=('summed', 'halved', 'averaged'),
    )
    dose: float = setting(1.0, 'what all weights below are multiplied by', 0.0, 1000.0)
    decision: float = setting(1.0, 'weight of the part-calibrated logit term', 0.0, 1000.0)
    temperature: float = setting(4.0, 'of the logit terms', 0.1, 100.0)
    boundary: float = setting(0.003, 'weight of the activation-boundary term', 0.0, 1000.0)
    reach: float = setting(1.0, 'margin of the boundary term', 0.0, 100.0)
    centre: str = setting(
        'none',
        'where the boundary lies: at 0 of the embedding, or at the running mean of the neck of '
        'the teacher, or of both',
        choices=('none', 'teacher', 'both'),
    )
    align: str = setting(
        'overlap',
        "unequal numbers of parts: 'overlap' mixes by how much of the body they share, 'first' "
        'keeps the first of both',
        choices=('overlap', 'first'),
    )
    project: str = setting(
        'unequal',
        'linear maps from the parts of the student to those of the teacher while training: where '
        'their lengths differ, or always',
        choices=('unequal', 'always'),
    )
    logit: float = setting(0.0, 'weight of the squared difference of logits', 0.0, 1000.0)
    decoupled: float = setting(0.0, 'weight of decoupled distillation (DKD)', 0.0, 1000.0)
    target: float = setting(1.0, 'DKD: weight of the own person against all others', 0.0, 100.0)
    others: float = setting(1.0, 'DKD: weight of the others among each other', 0.0, 100.0)
    feature: float = setting(0.0, 'weight of the squared difference of embeddings', 0.0, 1e6)
    attention: float = setting(0.0, 'weight of attention transfer', 0.0, 1e6)
