"""What a recipe says: one YAML file, every setting with its default, saved beside the results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from reid_ros.config import ConfigError, build, setting

R = TypeVar('R')

LAYOUTS = ('world', 'mars', 'ilids_vid', 'ls_vid', 'market1501', 'msmt17', 'cuhk03_np')


@dataclass(frozen=True)
class SetConfig:
    """Where tracklets come from: people of the rendered world, or a data set's own folder."""

    layout: str = setting('world', 'the world, or whose folder layout', choices=LAYOUTS)
    path: str = setting('', 'folder of a public data set, as its authors gave it out')
    split: str = setting(
        'train', 'of the world or the data set', choices=('train', 'validation', 'test')
    )
    first: int = setting(0, 'world: index of the first person', 0, 1 << 39)
    people: int = setting(100, 'world: how many people', 1, 100000)
    cameras: int = setting(8, 'world: how many cameras', 1, 1000)
    seen_by: int = setting(4, 'world: cameras that see a person', 1, 1000)
    per_camera: int = setting(1, 'world: walks of a person before each of them', 1, 100)
    frames: int = setting(4, 'world: moments of a tracklet', 1, 1000)
    seed: int = setting(
        0, 'world: of cameras, places and walks; public sets: of who is held out', 0, 1 << 31
    )
    randomise: str = setting(
        'usual', 'world: how hard pictures are', choices=('clean', 'usual', 'harsh')
    )
    kinds: tuple[str, ...] = setting((), 'world: kinds of places; empty means all')
    alike: bool = setting(
        False, 'world: who has an odd index wears the clothes of the one before; in one batch'
    )
    held_out: float = setting(
        0.0,
        'public sets: share of the people of split train that are split validation instead; 0 = '
        "the authors' own validation, where there is one",
        0.0,
        0.9,
    )
    fold: int = setting(0, 'ilids_vid: which of its ten halvings into train and test', 0, 9)
    boxes: str = setting('detected', 'cuhk03_np: whose boxes', choices=('detected', 'labeled'))


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from, and what is scored."""

    sets: Mapping[str, SetConfig] = field(default_factory=dict)
    train: tuple[str, ...] = setting((), 'sets to learn from, by name')
    validation: tuple[str, ...] = setting((), 'sets to choose by')
    test: tuple[str, ...] = setting((), 'sets to score once, at the end')
    cache: str = setting('~/.cache/reid_ros/train', 'folder of rendered tracklets')
    height: int = setting(128, 'of a crop, pixels', 8, 1024)
    width: int = setting(64, 'of a crop, pixels', 8, 1024)
    people: int = setting(16, 'people in a batch (P)', 2, 1000)
    clips: int = setting(4, 'clips of each person in a batch (K)', 1, 100)
    frames: int = setting(4, 'frames of a clip', 1, 64)
    score_frames: int = setting(4, 'frames of each tracklet that is scored', 1, 64)
    views: int = setting(
        0, 'seeded augmented views of a clip that exist in all; 0 = a new one each time', 0, 10000
    )
    workers: int = setting(1, 'processes that prepare batches ahead; 0 = none', 0, 64)


@dataclass(frozen=True)
class AugmentConfig:
    """Chances and strengths; drawn once a clip, alike for its frames."""

    flip: float = setting(0.5, 'chance of a mirrored clip', 0.0, 1.0)
    pad: int = setting(6, 'pixels of border before a random cut', 0, 256)
    erase: float = setting(0.5, 'chance of an erased rectangle', 0.0, 1.0)
    colour: float = setting(
        0.0, 'strength of changed brightness, contrast, saturation and hue', 0.0, 1.0
    )
    channel: float = setting(0.0, 'strength of a changed white balance', 0.0, 1.0)
    grey: float = setting(0.0, 'chance of a clip without colours', 0.0, 1.0)
    blur: float = setting(0.0, 'chance of blur', 0.0, 1.0)
    coarse: float = setting(0.0, 'chance of a lower resolution', 0.0, 1.0)
    noise: float = setting(0.0, 'chance of noise', 0.0, 1.0)
    jpeg: float = setting(0.0, 'chance of JPEG artefacts', 0.0, 1.0)
    shift: float = setting(0.0, 'strength of cuts that miss or add parts of a person', 0.0, 1.0)


@dataclass(frozen=True)
class NetConfig:
    """The network: frames to features, features of a clip to one vector."""

    encoder: str = setting('mobile_s', "of a frame; 'timm:NAME' takes any of timm")
    weights: str = setting('', "pretrained: a file, or 'timm' for its hub; '' = random")
    embed: int = setting(256, "length of the vector; 0 = the encoder's own", 0, 8192)
    temporal: str = setting('mean', 'over the frames of a clip', choices=('mean', 'attention'))
    stride: int = setting(16, 'pixels of a cell of the last map, where it can be set', 4, 32)
    drop: float = setting(0.0, 'stochastic depth of a transformer, at its last layer', 0.0, 0.9)
    side: float = setting(
        0.0, 'weight of camera embeddings in a transformer (TransReID); 0 = none', 0.0, 10.0
    )


@dataclass(frozen=True)
class OptimConfig:
    """How weights move."""

    name: str = setting('adamw', 'the optimiser', choices=('adam', 'adamw', 'sgd', 'muon'))
    rate: float = setting(1e-3, 'highest learning rate', 1e-8, 10.0)
    decay: float = setting(5e-4, 'weight decay', 0.0, 1.0)
    momentum: float = setting(0.9, 'of sgd', 0.0, 0.999)
    matrices: float = setting(2.0, 'of muon: times the rate that matrices step by', 0.001, 1000.0)
    steps: int = setting(760, 'updates in all', 1, 10_000_000)
    warmup: float = setting(0.05, 'share of the steps over which the rate rises', 0.0, 0.9)
    course: str = setting(
        'cosine', 'of the rate after that', choices=('cosine', 'steps', 'constant')
    )
    floor: float = setting(0.0, "share of the highest rate to which 'cosine' falls", 0.0, 1.0)
    cooldown: float = setting(0.0, "last share of the steps that 'cosine' stays there", 0.0, 0.9)
    milestones: tuple[float, ...] = setting((), "shares of training at which 'steps' divides it")
    factor: float = setting(0.1, "what 'steps' multiplies it with", 0.0, 1.0)
    accumulate: int = setting(1, 'batches of one update', 1, 1000)
    clip: float = setting(5.0, 'longest gradient; 0 = any', 0.0, 1e6)
    average: float = setting(
        0.0, 'decay of the averaged weights that are scored and exported; 0 = none', 0.0, 0.99999
    )


@dataclass(frozen=True)
class LossConfig:
    """The task: who is it?"""

    smoothing: float = setting(0.1, 'of the cross-entropy with labels', 0.0, 0.9)
    identity: float = setting(1.0, 'weight of the cross-entropy', 0.0, 1000.0)
    triplet: float = setting(1.0, 'weight of the batch-hard triplet loss', 0.0, 1000.0)
    contrast: float = setting(
        0.0, 'weight of the supervised contrastive loss; learns from nothing where triplets '
        'collapse', 0.0, 1000.0,
    )  # fmt: skip
    warmth: float = setting(0.1, 'temperature of the contrastive loss', 0.001, 10.0)
    margin: float = setting(-1.0, 'of the triplet loss; below 0 = soft margin', -1.0, 100.0)


@dataclass(frozen=True)
class DistilConfig:
    """What the student learns from a teacher, and when."""

    teacher: str = setting('', "folder of the teacher's training; '' = no teacher")
    store: str = setting('', "folder of stored answers; '' = beside the teacher")
    schedule: str = setting(
        'none',
        'weight over training: see train.schedule',
        choices=(
            'none', 'constant', 'equal_dose', 'equal_dose_rate', 'linear', 'progressive',
            'reversed', 'hard', 'all_terms',
        ),
    )  # fmt: skip
    introduction: float = setting(0.20, 'share of training at which Introduction begins', 0.0, 1.0)
    refinement: float = setting(0.50, 'share of training at which Refinement begins', 0.0, 1.0)
    partial: float = setting(0.5, 'weight at the end of Introduction', 0.0, 1.0)
    ramp: float = setting(0.05, 'share of training over which Refinement becomes full', 0.0, 1.0)
    rise: float = setting(0.08, "share of training over which 'linear' rises", 0.0, 1.0)
    logit: float = setting(0.1, 'weight of the logit term', 0.0, 1000.0)
    temperature: float = setting(10.0, 'of the logit term', 0.1, 100.0)
    relation: float = setting(1.0, 'weight of the relation term', 0.0, 1000.0)
    feature: float = setting(1.0, 'weight of the feature term', 0.0, 1000.0)
    probe: int = setting(
        0, 'steps between two looks at the angle of task and distillation gradients; 0 = none',
        0, 1_000_000,
    )  # fmt: skip


@dataclass(frozen=True)
class PruneConfig:
    """Which filters go, and how; what follows is trained as the rest of the recipe says."""

    criterion: str = setting(
        'l1',
        'what makes a filter dispensable: see train.prune.criteria',
        choices=('l1', 'taylor', 'entropy', 'fpgm', 'auto_balanced', 'psfp', 'random'),
    )
    scope: str = setting(
        'inner',
        'widths that shrink: those private to a block, or the sums of residual blocks, too',
        choices=('inner', 'all'),
    )
    flops: float = setting(0.5, 'share of the FLOPs that stays; 0 = by `filters`', 0.0, 1.0)
    filters: float = setting(
        1 / 7, "share of each layer's own filters that goes in an iteration", 0.0, 0.9
    )
    round: int = setting(16, 'widths become multiples of this', 1, 256)
    least: float = setting(0.1, 'share of its filters that a layer keeps at least', 0.001, 1.0)
    ranking: str = setting(
        'uniform',
        'one rate for all layers, or the least of all layers first',
        choices=('uniform', 'global'),
    )
    iterations: int = setting(1, 'times of ranking and removing; 1 = one shot', 1, 100)
    between: int = setting(100, 'updates after each iteration but the last', 1, 10_000_000)
    batches: int = setting(8, 'batches that feature maps and gradients are looked at in', 1, 10000)
    bins: int = setting(32, "of the histogram of 'entropy'", 2, 10000)
    balance: float = setting(1e-3, "weight of the penalty of 'auto_balanced'", 0.0, 1000.0)
    every: int = setting(20, "updates between two soft prunings of 'psfp'", 1, 1_000_000)
    early: float = setting(0.125, "share of training, D, after which 'psfp' ...", 0.001, 0.999)
    steep: float = setting(0.75, '... has zeroed this share, f, of what goes', 0.001, 0.999)
    reset: bool = setting(True, "'psfp' forgets the moments of the filters that it zeroes")
    settle: float = setting(
        0.5, "last share of training in which the filters of 'psfp' stay away; 0 = none", 0.0, 0.9
    )


@dataclass(frozen=True)
class RunConfig:
    """How training runs, not what it learns."""

    seed: int = setting(0, 'of weights, batches and augmentation', 0, 1 << 31)
    threads: int = setting(0, 'CPU threads; 0 = all cores', 0, 1024)
    device: str = setting('auto', 'where it runs', choices=('auto', 'cpu', 'cuda'))
    amp: str = setting(
        'float32', 'number type of heavy operations', choices=('float32', 'bfloat16', 'float16')
    )
    save_s: float = setting(120.0, 'seconds between two checkpoints', 0.0, 1e6)
    score_steps: int = setting(0, 'steps between two scores on validation; 0 = fifths', 0, 10**9)
    log_steps: int = setting(20, 'steps between two points of the curves', 1, 10**6)
    limit: float = setting(
        3.0, 'a loss above this many times its first values has diverged', 1.0, 1e6
    )


@dataclass(frozen=True)
class Recipe:
    """One training from data to checkpoint."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    net: NetConfig = NetConfig()
    start: str = setting('', 'folder of a training whose weights are the start; "" = none')
    optim: OptimConfig = OptimConfig()
    loss: LossConfig = LossConfig()
    distil: DistilConfig = DistilConfig()
    prune: PruneConfig = PruneConfig()
    run: RunConfig = RunConfig()


def read(path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a YAML file, over that of its `base: FILE` where it names one.

    Args:
        path: the file.
        changes: values by dotted name, from the command line: {'optim.steps': 20}.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong; names it.
    """
    return read_as(Recipe, path, changes)


def read_as(
    kind: type[R],
    path: str | Path,
    changes: Mapping[str, Any] | None = None,
    usual: Mapping[str, Any] | None = None,
) -> R:
    """`read` for the recipes of any task.

    Args:
        kind: of the recipe.
        path, changes: as for `read`.
        usual: blocks that the file stands over.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong; names it.
    """
    data = merged(usual or {}, layered(Path(path)))
    try:
        return build(kind, changed(data, changes or {}))
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


def task(path: str | Path) -> str:
    """What the recipe in a YAML file is for: '' = appearance, 'gait', 'search', 'silhouette'.

    Raises:
        ConfigError: the file cannot be read.
    """
    return str(layered(Path(path)).get('task', ''))


def layered(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A YAML file's mapping over that of its `base`.

    Raises:
        ConfigError: unreadable, no mapping, or a base that leads back to itself.
    """
    path = path.expanduser().resolve()
    if path in seen:
        raise ConfigError(f'base: {path} leads back to itself')
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(f'{path}: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path} is no YAML: {error}') from error
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError(f'{path}: expected blocks of settings, found {type(data).__name__}')
    base = data.pop('base', '')
    if not base:
        return data
    return merged(layered(path.parent / str(base), (*seen, path)), data)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Blocks over blocks; values and lists replace."""
    result = dict(under)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def changed(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some replaced by dotted name."""
    result = dict(data)
    for name, value in changes.items():
        block: Any = value
        for key in reversed(name.split('.')):
            block = {key: block}
        result = merged(result, block)
    return result


def write(recipe: Any, path: Path) -> None:
    """Every setting of a recipe of any task as YAML, defaults too: it repeats it elsewhere."""
    path.write_text(yaml.safe_dump(plain(recipe), sort_keys=False), encoding='utf-8')


def plain(recipe: Any) -> dict[str, Any]:
    """The settings of a recipe of any task as YAML has them."""
    found: dict[str, Any] = _plain(dataclasses.asdict(recipe))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def deciding(recipe: Any) -> dict[str, Any]:
    """The settings of a recipe of any task that can change its result, for a digest of them.

    A new setting that the recipe's optimiser does not look at leaves old results as they are.
    """
    found = dataclasses.asdict(recipe)
    found['run'] = {'seed': recipe.run.seed, 'amp': recipe.run.amp}
    if recipe.optim.name != 'muon':
        del found['optim']['matrices']
    return found


def differences(old: Any, new: Any) -> list[str]:
    """Dotted names of the settings that differ."""
    return _differences(plain(old), plain(new))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], where: str = '') -> list[str]:
    found = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differences(a, b, f'{where}{key}.')
        elif a != b:
            found.append(f'{where}{key}')
    return found
