"""What a recipe of `task: silhouette` says; read as every recipe is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_ros.config import ConfigError, setting
from reid_ros.train.settings import AugmentConfig, OptimConfig, RunConfig, read_as

TASK = 'silhouette'
STILL = AugmentConfig(flip=0.0, pad=0, erase=0.0)
"""Changes of pixels that leave the mask where it is."""
_OPTIM, _RUN = OptimConfig(), RunConfig()


@dataclass(frozen=True)
class PicturesConfig:
    """Pictures of people of the rendered world."""

    split: str = setting('train', 'of the world', choices=('train', 'validation', 'test'))
    first: int = setting(0, 'index of the first person', 0, 1 << 39)
    people: int = setting(100, 'how many people', 1, 100_000)
    walks: int = setting(2, 'walks of a person, each before a drawn camera', 1, 1000)
    moments: int = setting(2, 'pictures of a walk, a second apart', 1, 100)
    cameras: int = setting(8, 'how many cameras', 1, 1000)
    seed: int = setting(0, 'of cameras, places and walks', 0, 1 << 31)
    randomise: str = setting('usual', 'how hard they are', choices=('clean', 'usual', 'harsh'))
    eyes: bool = setting(False, 'cameras at the height of eyes and robots, not under ceilings')


@dataclass(frozen=True)
class SegmentData:
    """What is learnt from, and what is scored."""

    sets: Mapping[str, PicturesConfig] = field(default_factory=dict)
    train: tuple[str, ...] = setting((), 'sets to learn from, by name')
    validation: tuple[str, ...] = setting((), 'sets to choose by')
    test: tuple[str, ...] = setting((), 'sets to score once, at the end')
    cache: str = setting('~/.cache/reid_ros/train', 'folder of rendered pictures')
    height: int = setting(128, 'of a crop, pixels; a multiple of 16', 16, 1024)
    width: int = setting(64, 'of a crop, pixels; a multiple of 16', 16, 1024)
    batch: int = setting(32, 'crops of a batch', 1, 10_000)
    workers: int = setting(1, 'processes that prepare batches ahead; 0 = none', 0, 64)


@dataclass(frozen=True)
class DisturbConfig:
    """What happens to a picture before it is learnt from: chances and strengths."""

    shake: float = setting(0.05, "deviation of a box' sides, as a share of its size", 0.0, 0.5)
    wild: float = setting(0.15, 'chance of a box that is three times as far off', 0.0, 1.0)
    flip: float = setting(0.5, 'chance of a mirrored crop', 0.0, 1.0)
    turn: float = setting(6.0, 'largest rotation, degrees', 0.0, 45.0)
    ground: float = setting(0.3, 'chance of another background', 0.0, 1.0)
    cloth: float = setting(
        0.0, 'chance of hair, print or skin on a part of the body that no rendered person has',
        0.0, 1.0,
    )  # fmt: skip
    company: float = setting(0.4, 'chance of another person before or behind', 0.0, 1.0)
    screen: float = setting(0.2, 'chance of a thing before the person', 0.0, 1.0)
    nobody: float = setting(0.03, 'chance of a box that shows nobody', 0.0, 1.0)


@dataclass(frozen=True)
class SegmentNet:
    """The network: widths of its levels, of half to a sixteenth of the crop's size."""

    widths: tuple[int, ...] = setting((16, 32, 64, 96), 'channels, level by level')
    depth: int = setting(2, 'residual blocks of the two deepest levels', 1, 16)


@dataclass(frozen=True)
class SegmentLoss:
    """How a mask is compared with the true one."""

    cross: float = setting(1.0, 'weight of the cross-entropy of pixels', 0.0, 1000.0)
    dice: float = setting(1.0, 'weight of the soft Dice loss', 0.0, 1000.0)


@dataclass(frozen=True)
class SegmentRecipe:
    """One training of a silhouette network from data to checkpoint."""

    task: str = setting(TASK, 'what is learnt', choices=(TASK,))
    data: SegmentData = SegmentData()
    disturb: DisturbConfig = DisturbConfig()
    augment: AugmentConfig = STILL
    net: SegmentNet = SegmentNet()
    start: str = setting('', 'folder of a training whose weights are the start; "" = none')
    optim: OptimConfig = _OPTIM
    loss: SegmentLoss = SegmentLoss()
    run: RunConfig = _RUN

    def __post_init__(self) -> None:
        for side in ('height', 'width'):
            value = getattr(self.data, side)
            if value % (1 << len(self.net.widths)):
                raise ConfigError(
                    f'data.{side}: {value} is no multiple of {1 << len(self.net.widths)}, which '
                    f'{len(self.net.widths)} levels need'
                )
        if self.augment.flip or self.augment.pad or self.augment.erase or self.augment.shift:
            raise ConfigError(
                'augment: flip, pad, erase and shift do not move the mask; say disturb.*'
            )


def read(path: str | Path, changes: Mapping[str, Any] | None = None) -> SegmentRecipe:
    """The recipe in a YAML file, over that of its `base: FILE` where it names one.

    Args:
        path: the file.
        changes: values by dotted name, from the command line: {'optim.steps': 20}.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong; names it.
    """
    # What a recipe does not name is as usual here, and not as for appearance.
    still = {name: getattr(STILL, name) for name in ('flip', 'pad', 'erase')}
    return read_as(SegmentRecipe, path, changes, {'augment': still})
