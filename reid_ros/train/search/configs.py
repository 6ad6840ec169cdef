"""What a recipe of person search says of its network, its losses and its teachers."""

from __future__ import annotations

from dataclasses import dataclass

from reid_ros.config import setting

DENSE, TWO_STAGE = 'dense', 'two_stage'


@dataclass(frozen=True)
class SearchNetConfig:
    """The network: a picture to boxes, their scores and a vector of each."""

    head: str = setting(
        DENSE,
        "'dense' asks every cell of a map, 'two_stage' proposes regions and looks at each, as the "
        'paper does',
        choices=(DENSE, TWO_STAGE),
    )
    encoder: str = setting(
        'mobile_s', 'the backbone: mobile_s, mobile_s_x0_35, _x0_5, _x0_7, resnet18, 26, 34 or 50'
    )
    weights: str = setting('', "pretrained: a file, or 'timm' for its hub; '' = random")
    embed: int = setting(256, 'length of the vector; 0 = a detector alone', 0, 2048)
    width: int = setting(64, 'dense: channels of the maps that cells are asked in', 8, 1024)
    depth: int = setting(2, 'dense: convolutions before each answer', 0, 8)
    strides: tuple[int, ...] = setting((8,), 'dense: pixels of a cell: 8, or 8 and 16')
    answers: int = setting(100, 'boxes that come out, at most', 1, 2000)
    below: int = setting(
        0,
        'two_stage: blocks of the third stage below the regions, the others look at each region; '
        '0 = all (the paper: 3 of the 6 of ResNet-50)',
        0,
        100,
    )
    pool: tuple[int, ...] = setting((14, 14), 'two_stage: rows and columns cut out of a region')
    hidden: int = setting(512, 'two_stage: channels of the proposing layer', 8, 2048)
    sizes: tuple[float, ...] = setting(
        (128.0, 256.0, 512.0), 'two_stage: sides of anchors of a square, pixels'
    )
    ratios: tuple[float, ...] = setting(
        (0.5, 1.0, 2.0), 'two_stage: heights of anchors over widths'
    )


@dataclass(frozen=True)
class SearchLossConfig:
    """The task: where is somebody, and who is it?"""

    detect: float = setting(1.0, 'weight of where people are', 0.0, 1000.0)
    box: float = setting(2.0, 'dense: weight of the overlap of boxes', 0.0, 1000.0)
    identity: float = setting(1.0, 'weight of online instance matching', 0.0, 1000.0)
    temperature: float = setting(0.1, 'of online instance matching', 0.001, 10.0)
    momentum: float = setting(0.5, 'share of the old vector in the look-up table', 0.0, 1.0)
    queue: float = setting(
        0.9, 'places of people without a label, as a share of the table (paper: 5000 to 5532)',
        0.0, 100.0,
    )  # fmt: skip
    candidates: int = setting(10, 'dense: cells that a person is looked for in, at most', 1, 100)
    anchors: int = setting(256, 'two_stage: anchors of a picture that are learnt from', 2, 4096)
    regions: int = setting(128, 'two_stage: regions of a picture that are learnt from', 2, 4096)
    share: float = setting(0.25, 'two_stage: most of them that show somebody', 0.01, 1.0)


@dataclass(frozen=True)
class SearchDistilConfig:
    """What the student learns of a detector (Chen et al., NIPS 2017); weight 0 = nothing.

    The teacher answers for the student's own proposals or cells.
    """

    teacher: str = setting('', "folder of the detector's training; '' = none")
    dose: float = setting(1.0, 'what all of it is multiplied by', 0.0, 1000.0)
    hint: float = setting(0.5, 'weight of the difference of maps, through an adapter', 0.0, 1000.0)
    classes: float = setting(
        0.5, "share of the class loss that is the teacher's (1 - mu)", 0.0, 1.0
    )
    background: float = setting(1.5, 'weight of nobody among the soft labels', 0.0, 100.0)
    foreground: float = setting(1.0, 'weight of somebody among the soft labels', 0.0, 100.0)
    box: float = setting(0.5, 'weight of the bounded regression (nu)', 0.0, 1000.0)
    margin: float = setting(
        0.01, 'by which a box must be nearer than that of the teacher to be left alone', 0.0, 100.0
    )

    @property
    def used(self) -> bool:
        """Whether anything is learnt of a teacher."""
        return bool(self.teacher and self.dose and (self.hint or self.classes or self.box))


@dataclass(frozen=True)
class SearchTableConfig:
    """What the student learns of a teacher's vectors of the training people (Munjal et al.)."""

    teacher: str = setting('', "folder of the teacher's training; '' = none")
    variant: str = setting(
        'mean',
        "'mean': the teacher's mean vector of each person, frozen; 'copied': its trained table, "
        "frozen; 'updated': begins as 'mean' and follows the student; 'none': of the student "
        'alone',
        choices=('mean', 'copied', 'updated', 'none'),
    )
    store: str = setting('', "folder of stored tables; '' = beside the teacher")

    @property
    def used(self) -> bool:
        """Whether anything is learnt of a teacher."""
        return bool(self.teacher) and self.variant != 'none'
