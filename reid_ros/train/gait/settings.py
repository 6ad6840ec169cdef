"""What a gait recipe says: one YAML file with `task: gait`, saved beside the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reid_ros.config import setting
from reid_ros.train.gait.configs import GaitDistilConfig, GaitLossConfig, GaitNetConfig
from reid_ros.train.settings import OptimConfig, RunConfig, read_as

TASK = 'gait'
WORLD = 'world'
LAYOUTS = (WORLD, 'casia_b', 'ou_mvlp', 'gait3d', 'grew', 'ccpg', 'sustech1k')
TRUTH, SEEN = 'truth', 'seen'


@dataclass(frozen=True)
class GaitSetConfig:
    """Where walks come from: people of the rendered world, or a public set's pickles."""

    layout: str = setting(WORLD, 'the world, or whose folder layout', choices=LAYOUTS)
    path: str = setting('', 'folder of a public set: person/kind/view/*.pkl')
    split: str = setting(
        'train', 'of the world or the set', choices=('train', 'validation', 'test')
    )
    partition: str = setting(
        '',
        "public sets: JSON file of who is in which split, as OpenGait gives it out; '' = built in "
        'where it is a rule, else that of the same name in the folder',
    )
    held_out: float = setting(
        0.0,
        "public sets: share of the training people who are split 'validation' instead",
        0.0,
        0.9,
    )
    first: int = setting(0, 'world: index of the first person', 0, 1 << 39)
    people: int = setting(100, 'world: how many people', 1, 100000)
    alike: bool = setting(False, 'world: all have one body and its clothes, and their own gait')
    normal: int = setting(3, 'world: walks of a person with nothing special', 0, 100)
    bag: int = setting(1, 'world: walks of a person with a bag', 0, 100)
    coat: int = setting(1, 'world: walks of a person in a coat', 0, 100)
    gallery: int = setting(
        2, 'world: first normal walks that the others are searched among', 1, 99
    )
    views: tuple[int, ...] = setting((0, 45, 90, 135, 180), 'world: angles of view, degrees')
    frames: int = setting(16, 'world: moments of a walk', 1, 1000)
    rate_hz: float = setting(12.5, 'world: moments a second', 0.1, 100.0)
    cameras: int = setting(4, 'world: how many cameras', 1, 1000)
    heights: tuple[float, ...] = setting(
        (0.9, 1.9),
        'world: lowest and highest camera, metres; none = as in the worlds, mostly under the '
        'ceiling, some at the height of a person or a robot',
    )
    turn: float = setting(
        0.0, 'world: standard deviation of how much walks turn, degrees a metre', 0.0, 90.0
    )
    seed: int = setting(
        0, 'world: of cameras, places and walks; public sets: of who is held out', 0, 1 << 31
    )
    randomise: str = setting(
        'usual', "world: how hard pictures are that silhouettes are 'seen' in",
        choices=('clean', 'usual', 'harsh'),
    )  # fmt: skip
    shake: float = setting(
        0.03, "world: error of a tracker's boxes around who is 'seen', as a share", 0.0, 0.3
    )


@dataclass(frozen=True)
class GaitDataConfig:
    """What is learnt from, and what is scored."""

    sets: Mapping[str, GaitSetConfig] = field(default_factory=dict)
    train: tuple[str, ...] = setting((), 'sets to learn from, by name')
    validation: tuple[str, ...] = setting((), 'sets to choose by')
    test: tuple[str, ...] = setting((), 'sets to score once, at the end')
    masks: str = setting(
        TRUTH, "world: what is learnt and scored: true masks, or those that a network 'seen' them",
        choices=(TRUTH, SEEN),
    )  # fmt: skip
    silhouette: str = setting('', "world: file of the network whose masks are 'seen'")
    cache: str = setting('~/.cache/reid_ros/train', 'folder of drawn walks')
    people: int = setting(8, 'people in a batch (P)', 2, 1000)
    walks: int = setting(4, 'walks of each person in a batch (K)', 1, 100)
    frames: int = setting(8, 'frames of a walk in a batch', 1, 256)
    skip: int = setting(2, 'frames dropped at random from a window of frames + skip', 0, 64)
    ordered: bool = setting(True, 'frames in their order from one window; else any, unordered')
    score_frames: int = setting(0, 'most frames of a walk that is scored; 0 = all', 0, 720)
    views: int = setting(
        0, 'seeded augmented views of a walk that exist in all; 0 = a new one each time', 0, 10000
    )
    workers: int = setting(1, 'processes that prepare batches ahead; 0 = none', 0, 64)


@dataclass(frozen=True)
class GaitAugmentConfig:
    """Chances of what is done to all frames of a walk alike; as for Gait3D in OpenGait."""

    perspective: float = setting(0.2, 'chance of a walk seen from slightly elsewhere', 0.0, 1.0)
    flip: float = setting(0.2, 'chance of a mirrored walk', 0.0, 1.0)
    rotate: float = setting(0.2, 'chance of a leaning camera', 0.0, 1.0)
    degrees: float = setting(10.0, 'most that it leans', 0.0, 90.0)


@dataclass(frozen=True)
class GaitRecipe:
    """One training of a gait network from data to checkpoint."""

    task: str = setting(TASK, 'what is learnt', choices=(TASK,))
    data: GaitDataConfig = field(default_factory=GaitDataConfig)
    augment: GaitAugmentConfig = field(default_factory=GaitAugmentConfig)
    net: GaitNetConfig = field(default_factory=GaitNetConfig)
    start: str = setting('', 'folder of a training whose weights are the start; "" = none')
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: GaitLossConfig = field(default_factory=GaitLossConfig)
    distil: GaitDistilConfig = field(default_factory=GaitDistilConfig)
    store: str = setting('', "folder of the teachers' stored answers; '' = beside each teacher")
    run: RunConfig = field(default_factory=RunConfig)


def read(path: str | Path, changes: Mapping[str, Any] | None = None) -> GaitRecipe:
    """The recipe in a YAML file, over that of its `base: FILE` where it names one.

    Args:
        path: the file.
        changes: values by dotted name, from the command line: {'optim.steps': 20}.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong; names it.
    """
    return read_as(GaitRecipe, path, changes)


def with_masks(recipe: GaitRecipe, masks: str) -> GaitRecipe:
    """The same recipe, scored on the other column of masks."""
    return replace(recipe, data=replace(recipe.data, masks=masks))
