"""What a recipe of person search says: one YAML file with `task: search`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_ros.config import setting
from reid_ros.train.search.configs import (
    SearchDistilConfig,
    SearchLossConfig,
    SearchNetConfig,
    SearchTableConfig,
)
from reid_ros.train.settings import OptimConfig, RunConfig, read_as

TASK = 'search'
WORLD, FOOTAGE = 'world', 'footage'
LAYOUTS = (WORLD, 'cuhk_sysu', 'prw', FOOTAGE)


@dataclass(frozen=True)
class SearchSetConfig:
    """Where pictures come from: the rendered world, a public set, or a folder without labels."""

    layout: str = setting(
        WORLD, "the world, whose folder layout, or 'footage': pictures without labels",
        choices=LAYOUTS,
    )  # fmt: skip
    path: str = setting('', 'folder of a public set, as its authors gave it out; or of pictures')
    split: str = setting(
        'train', 'of the world or the set', choices=('train', 'validation', 'test')
    )
    gallery: int = setting(
        100, 'pictures among which a query is searched; cuhk_sysu has lists of 50 to 4000 of its '
        'own, prw searches all', 2, 100_000,
    )  # fmt: skip
    queries: str = setting(
        '', "prw: file of the queries, as of PRW-mini; '' = query_info.txt of the set"
    )
    other_cameras: bool = setting(False, 'prw: search pictures of other cameras alone')
    held_out: float = setting(
        0.0,
        'public sets: share of the people of split train who are split validation instead, with '
        'all pictures that show them',
        0.0,
        0.9,
    )
    seed: int = setting(
        0, 'of worlds, their queries and galleries; public sets: of who is held out', 0, 1 << 31
    )
    worlds: int = setting(20, 'world: how many', 1, 1000)
    people: int = setting(14, 'world: how many come', 1, 250)
    at_once: int = setting(8, 'world: how many of them are there at once, on average', 1, 250)
    seconds: float = setting(40.0, 'world: length, seconds', 1.0, 3600.0)
    rate_hz: float = setting(2.0, 'world: pictures of each camera a second', 0.5, 120.0)
    camera_width: int = setting(640, 'world: longer side of a camera, pixels', 160, 3840)
    camera_height: int = setting(480, 'world: shorter side of a camera, pixels', 120, 2160)
    portrait: int = setting(1, 'world: how many of its three cameras stand upright', 0, 3)
    unlabelled: float = setting(0.25, 'world: share of people who have no label', 0.0, 1.0)
    visible: float = setting(0.2, 'world: of whom less is seen, there is no box', 0.0, 1.0)
    asked: int = setting(15, 'world: most queries of a person', 1, 10_000)


@dataclass(frozen=True)
class SearchDataConfig:
    """What is learnt from, and what is scored."""

    sets: Mapping[str, SearchSetConfig] = field(default_factory=dict)
    train: tuple[str, ...] = setting((), 'sets to learn from, by name')
    validation: tuple[str, ...] = setting((), 'sets to choose by')
    test: tuple[str, ...] = setting((), 'sets to score once, at the end')
    cache: str = setting('~/.cache/reid_ros/train', 'folder of drawn pictures')
    height: int = setting(240, 'of a picture in the network, pixels; a multiple of 16', 32, 4096)
    width: int = setting(320, 'of a picture in the network, pixels; a multiple of 16', 32, 4096)
    batch: int = setting(8, 'pictures of a batch', 1, 1000)
    score: float = setting(
        0.5, 'detections that are less sure are not searched, on validation and test', 0.0, 1.0
    )
    nms: float = setting(0.5, 'overlap above which the less sure of two detections goes', 0.0, 1.0)
    workers: int = setting(1, 'processes that prepare batches ahead; 0 = none', 0, 64)


@dataclass(frozen=True)
class SearchAugmentConfig:
    """Chances and strengths of what happens to a picture."""

    flip: float = setting(0.5, 'chance of a mirrored picture', 0.0, 1.0)
    zoom: float = setting(0.25, 'largest change of size: factors 1 - zoom to 1 + zoom', 0.0, 0.8)
    shift: float = setting(0.1, 'largest move, as a share of the sides', 0.0, 0.8)
    colour: float = setting(
        0.3, 'strength of changed brightness, contrast, saturation and hue', 0.0, 1.0
    )
    channel: float = setting(0.1, 'strength of a changed white balance', 0.0, 1.0)
    grey: float = setting(0.0, 'chance of a picture without colours', 0.0, 1.0)
    blur: float = setting(0.0, 'chance of blur', 0.0, 1.0)
    coarse: float = setting(0.0, 'chance of a lower resolution', 0.0, 1.0)
    noise: float = setting(0.0, 'chance of noise', 0.0, 1.0)
    jpeg: float = setting(0.0, 'chance of JPEG artefacts', 0.0, 1.0)


@dataclass(frozen=True)
class SearchRecipe:
    """One training of a network of person search from data to checkpoint."""

    task: str = setting(TASK, 'what is learnt', choices=(TASK,))
    data: SearchDataConfig = field(default_factory=SearchDataConfig)
    augment: SearchAugmentConfig = field(default_factory=SearchAugmentConfig)
    net: SearchNetConfig = field(default_factory=SearchNetConfig)
    start: str = setting('', 'folder of a training whose weights are the start; "" = none')
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: SearchLossConfig = field(default_factory=SearchLossConfig)
    distil: SearchDistilConfig = field(default_factory=SearchDistilConfig)
    table: SearchTableConfig = field(default_factory=SearchTableConfig)
    run: RunConfig = field(default_factory=RunConfig)


def read(path: str | Path, changes: Mapping[str, Any] | None = None) -> SearchRecipe:
    """The recipe in a YAML file, over that of its `base: FILE` where it names one.

    Args:
        path: the file.
        changes: values by dotted name, from the command line: {'optim.steps': 20}.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong; names it.
    """
    return read_as(SearchRecipe, path, changes)
