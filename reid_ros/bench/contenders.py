"""Who is compared in the rendered worlds: where vectors of looks and of gait come from.

An oracle's vectors tell who somebody is. That of looks is as good as can be. That of gait has the
noise of a small network that was trained on few people, sees as much of a walk as `reid_ros.gait`
asks for, and nothing of those who stand, are hidden, or are small in the image.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros import loading
from reid_ros.calibration import CAUTIOUS, Calibration, Condition, Spread
from reid_ros.config import Config, GaitConfig, IdentityConfig, ModelConfig, TopologyConfig
from reid_ros.embed import Embedder
from reid_ros.gait import Gait, Seen
from reid_ros.pace import Step, Walk
from reid_ros.pipeline import Pipeline
from reid_ros.sight import Walks
from reid_ros.silhouette import Silhouettes
from reid_ros.types import AnyArray, DoubleArray, FloatArray, Frame, ReidError
from reid_ros.world.seeds import generator
from reid_ros.world.values import Shot
from reid_ros.world.world import World

ORACLE = Calibration(
    Condition(Spread(18.0, 3.0, 1000), Spread(90.0, 5.0, 1000)),
    Condition(Spread(18.0, 3.0, 1000), Spread(90.0, 5.0, 1000)),
)
"""Of the oracle's vectors, by construction."""
DIMENSIONS, ORACLE_NOISE = 128, 0.3


class Oracle:
    """Vectors that tell truly who is in a box; a ghost gets one of nobody."""

    def __init__(self, world: World) -> None:
        rng = generator(world.split, 'oracle', world.seed)
        self._of = rng.normal(size=(len(world.people) + 1, DIMENSIONS)) / np.sqrt(DIMENSIONS)

    def __call__(self, shot: Shot, rows: AnyArray, rng: np.random.Generator) -> FloatArray:
        """(n, d) float32 unit vectors of boxes that show these rows of the truth, -1 = nobody."""
        known = rows >= 0
        who = np.zeros(len(rows), np.int64)
        who[known] = shot.truth.persons[rows[known]]
        noise = rng.normal(size=(len(rows), DIMENSIONS)) / np.sqrt(DIMENSIONS)
        vectors = np.where(known[:, None], self._of[who] + ORACLE_NOISE * noise, noise)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        result: FloatArray = vectors.astype(np.float32)
        return result


ALL, OWN, VIEW, NOISE = 0.45, 0.27, 0.13, 0.15
"""Of the oracle's gait vectors: shares of the variance that all people have in common, that are a
person's own, a track's (view, bag, shoes), and new in every vector. Two vectors of one person in
two tracks are 44 degrees apart, of two persons 63: one in ten is taken for another among ten."""
GAIT_LENGTH = 32
SHOWN = 0.7
"""Share of somebody that must be visible for a silhouette."""
LEAST_PX = 40.0
NS = 1_000_000_000


def _part(rng: np.random.Generator, share: float, *shape: int) -> DoubleArray:
    result: DoubleArray = rng.normal(size=(*shape, GAIT_LENGTH)) * np.sqrt(share / GAIT_LENGTH)
    return result


def gait_oracle_calibration(people: int = 150) -> Calibration:
    """Of other people's vectors from the same distribution."""
    rng = generator('validation', 'gait oracle')
    own = _part(rng, ALL) + _part(rng, OWN, people)
    tracks = np.repeat(own, 4, axis=0) + _part(rng, VIEW + NOISE, 4 * people)
    tracks /= np.linalg.norm(tracks, axis=1, keepdims=True)
    persons = np.repeat(np.arange(people), 4)
    return Calibration.of(tracks, persons, np.tile([0, 0, 1, 1], people))


class GaitOracle:
    """Stands where `gait.Gaits` would, and is told who the detections truly are.

    Attributes:
        config: how much has to be seen.
        counts: of each camera, how often a track had a vector ('') or why it had none.
    """

    def __init__(self, world: World) -> None:
        rng = generator(world.split, 'gait oracle', world.seed)
        self.config = GaitConfig()
        self.counts: dict[str, Counter[str]] = {}
        self._rng = rng
        self._common = _part(rng, ALL)
        self._own = _part(rng, OWN, len(world.people) + 1)
        self._persons: dict[tuple[str, int], tuple[AnyArray, AnyArray]] = {}
        self._walks: dict[tuple[str, int], _Told] = {}
        self._next_ns: dict[str, int] = {}

    def add(self, shot: Shot, rows: AnyArray) -> None:
        """Which rows of the truth the detections of a shot show, -1 = nobody."""
        known = rows >= 0
        who = np.zeros(len(rows), np.int64)
        visible = np.zeros(len(rows))
        who[known] = shot.truth.persons[rows[known]]
        visible[known] = shot.truth.visible[rows[known]]
        self._persons[shot.frame.camera, shot.frame.stamp_ns] = who, visible

    def is_due(self, camera: str, stamp_ns: int, ego: DoubleArray | None = None) -> bool:
        """As of `gait.Gaits`; the worlds' cameras are slow."""
        return True

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of one camera."""
        self._walks = {key: walk for key, walk in self._walks.items() if key[0] != camera}

    def step(self, seen: Sequence[Seen]) -> list[Gait]:
        """Vectors of one moment's tracks."""
        return [self._of(one) for one in seen]

    def _of(self, seen: Seen) -> Gait:
        tracks = seen.tracks
        who, visible = self._persons.pop((seen.camera, seen.stamp_ns))
        for number in tracks.ended.tolist():
            self._walks.pop((seen.camera, number), None)
        rows, vectors, since, reasons = [], [], [], []
        for row, number in enumerate(tracks.ids.tolist()):
            detection = int(tracks.detection[row])
            box = tracks.boxes[row]
            if detection < 0 or visible[detection] < SHOWN or box[3] - box[1] < LEAST_PX:
                reasons.append('away' if detection < 0 else 'merged')
                continue
            key = seen.camera, number
            told = self._walks.get(key)
            if told is None:
                told = self._walks[key] = _Told(_part(self._rng, VIEW), self.config.window)
            reason = told.add(Step.of(seen.stamp_ns, _BLANK, 1.0, box, None), who[detection])
            reason = reason or told.walk.lack(self.config.min_frames)
            waited_ns = seen.stamp_ns - told.walk.told_ns
            if not reason and waited_ns >= self.config.period_s * NS:
                told.walk.told_ns = seen.stamp_ns
                rows.append(row)
                since.append(told.walk.steps[0].stamp_ns)
                vectors.append(self._vector(told))
            reasons.append(reason)
        self.counts.setdefault(seen.camera, Counter()).update(r for r in reasons if r != 'away')
        if not rows:
            return Gait.none(reasons)
        good = np.ones(len(rows), np.float32)
        stamps = np.array(since, np.int64)
        return Gait(np.array(rows, np.int64), np.stack(vectors), good, stamps, tuple(reasons))

    def _vector(self, told: _Told) -> FloatArray:
        """Of everybody whom the window shows, by their shares of it."""
        own = np.mean([self._own[person] for person in told.persons], axis=0)
        vector = self._common + own + told.view + _part(self._rng, NOISE)
        result: FloatArray = (vector / np.linalg.norm(vector)).astype(np.float32)
        return result


_BLANK = np.zeros((64, 44), np.uint8)
_NOTHING = np.zeros(1, np.float32)


@dataclass(slots=True)
class _Told:
    """One track: its window, and whom that truly shows."""

    view: DoubleArray
    window: int
    walk: Walk = field(default_factory=Walk)
    persons: deque[int] = field(default_factory=deque)

    def add(self, step: Step, person: int) -> str:
        reason = self.walk.add(step, _NOTHING, self.window)
        self.persons.append(int(person))
        while len(self.persons) > len(self.walk.steps):
            self.persons.popleft()
        return reason


class _Unseen:
    """Silhouettes of nobody, where an oracle needs none."""

    def look(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[Silhouettes]:
        return [Silhouettes.none(len(boxes)) for _, boxes in wanted]


@dataclass(frozen=True, slots=True)
class Contender:
    """Where the vectors come from.

    Attributes:
        name: for people.
        embedder: makes them from the images; None takes the oracle's.
        calibration: of the vectors.
        ground: whether the poses of the fixed cameras are known.
        looks: whether there are vectors of looks at all.
        gait: '' = none, 'oracle', or the name of a gait network.
    """

    name: str
    embedder: Embedder | None
    calibration: Calibration = CAUTIOUS
    ground: bool = False
    looks: bool = True
    gait: str = ''

    def truth(self, world: World) -> GaitOracle | None:
        """What is to be told who the detections are; None where nobody asks."""
        return GaitOracle(world) if self.gait == ORACLES else None

    def walks(self, truth: GaitOracle | None) -> Walks | None:
        """What sees people walk, of one run.

        Raises:
            ReidError: the networks cannot be loaded.
        """
        if truth is not None:
            return Walks(_Unseen(), truth)
        return seeing(self.gait) if self.gait else None

    @property
    def gait_calibration(self) -> Calibration | None:
        """Of the gait vectors."""
        if self.gait == ORACLES:
            return gait_oracle_calibration()
        return loading.parts(_networks(self.gait)).gait_calibration if self.gait else None


def seeing(gait: str, silhouette: str = 'silhouette', threads: int = 0) -> Walks:
    """What sees people walk by two networks, of one run.

    Args:
        gait, silhouette: name or file of each.
        threads: CPU threads of one operator of the former, 0 = all cores.

    Raises:
        ReidError: the networks cannot be loaded.
    """
    config = _networks(gait, silhouette)
    return Walks(loading.silhouettes(config), loading.walking(config, threads))


def _networks(gait: str, silhouette: str = 'silhouette') -> Config:
    model = ModelConfig(detector='none', appearance='none', gait=gait, silhouette=silhouette)
    return Config(model=model, backend='cpu')


ORACLES = 'oracle'
"""Name of the contender whose vectors tell who somebody is."""
GROUND = '+ground'
"""Ending of a contender's name who also knows where the fixed cameras stand."""
GAITS = {'+gait': 'gait', '+gaitoracle': ORACLES}
"""Endings of those who see how people walk: with the shipped networks, or told by an oracle."""
NOBODY = 'none'
"""Name of the contender who sees no looks."""


def contender(name: str, calibration: str = '') -> Contender:
    """The oracle, nobody, or an appearance network (or `colour`) by the name of its card.

    Args:
        name: with the endings of `GROUND` and `GAITS`, in any order.
        calibration: file that stands in for the card's; '' = none.

    Raises:
        ReidError: there is no such card, or its model cannot be loaded.
    """
    vectors, *endings = name.split('+')
    known = {GROUND, *GAITS}
    unknown = [f'+{ending}' for ending in endings if f'+{ending}' not in known]
    if unknown:
        raise ReidError(f'{name}: no ending {unknown[0]}; known: {", ".join(sorted(known))}')
    ground = GROUND[1:] in endings
    gait = next((GAITS[f'+{ending}'] for ending in endings if f'+{ending}' in GAITS), '')
    if vectors == ORACLES:
        return Contender(name, None, ORACLE, ground, gait=gait)
    if vectors == NOBODY:
        return Contender(name, None, CAUTIOUS, ground, looks=False, gait=gait)
    config = Config(
        model=ModelConfig(detector='none', appearance=vectors),
        identity=IdentityConfig(calibration=calibration),
    )
    pipeline = Pipeline.load(config)
    return Contender(name, pipeline.embedder, pipeline.calibration, ground, gait=gait)


def settings(world: World) -> Config:
    """What a pipeline is told of a world: its cameras and which of them see common ground."""
    return Config(
        model=ModelConfig(detector='none', appearance='none'),
        topology=TopologyConfig(overlap=world.overlap, transit=world.transit),
        camera_names=tuple(camera.name for camera in world.cameras),
    )
