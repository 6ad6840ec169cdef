"""Draws scenes: people with looks, cameras that see them, and the persons they are taken for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from reid_ros.calibration import Calibration, Condition, Spread, angles
from reid_ros.config import GalleryConfig, IdentityConfig, TopologyConfig
from reid_ros.gallery import Gallery
from reid_ros.ground import Places
from reid_ros.identify import Identifier
from reid_ros.scene import Observation
from reid_ros.topology import Topology
from reid_ros.types import Tracks

NS = 1_000_000_000
LENGTH = 64
"""Numbers in a vector."""

# A network that tells people apart well: crops of one person 12 or 28 degrees apart, of two 60.
CLEAR = Calibration(
    Condition(Spread(12.0, 4.0, 200), Spread(60.0, 6.0, 500)),
    Condition(Spread(28.0, 5.0, 200), Spread(62.0, 6.0, 500)),
)


def unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def turned(vector, degrees, draw):
    """The unit vector at an angle from another, in a random direction."""
    aside = draw.normal(size=vector.shape)
    aside -= vector * (aside @ vector)
    angle = np.radians(degrees)
    return unit(np.cos(angle) * vector + np.sin(angle) * unit(aside))


def degrees(a, b):
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


@dataclass
class Figure:
    """Somebody who walks through the scene.

    Attributes:
        name: for people who read the test.
        look: (d,) unit vector.
        views: looks that differ in a camera.
        blur: degrees by which a crop differs from the look.
        quality: of the crops, 0 to 1; 0 gives none.
        x, y: left and upper edge of the box, pixels.
        spot: where on the floor, metres; None = the camera's pose is not known.
    """

    name: str
    look: np.ndarray = field(repr=False)
    views: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    blur: float = 6.0
    quality: float = 0.9
    x: float = 0.0
    y: float = 100.0
    spot: tuple[float, float] | None = None
    tall: float = 0.0

    def crop(self, camera, draw):
        return turned(self.views.get(camera, self.look), draw.normal() * self.blur, draw)

    def box(self):
        return self.x, self.y, self.x + 60, self.y + 160

    def turn(self, angle, seed=0):
        """The same figure, seen from a side that differs by an angle."""
        look = turned(self.look, angle, np.random.default_rng(seed))
        return dataclasses.replace(self, look=look)


def figures(*names, apart=65.0, length=LENGTH):
    """People whose looks are all the same angle apart, in places that do not touch."""
    common = np.cos(np.radians(apart))
    result = []
    for i, name in enumerate(names):
        look = np.zeros(length)
        look[0], look[i + 1] = np.sqrt(common), np.sqrt(1 - common)
        result.append(Figure(name, unit(look), x=100.0 * i))
    return result


def lookalike(name, other, angle, seed=7):
    """Somebody else who looks this much like another."""
    look = turned(other.look, angle, np.random.default_rng(seed))
    return Figure(name, look, x=other.x + 100)


@dataclass
class Passer(Figure):
    """One of a Population: crops differ by its noise."""

    def crop(self, camera, draw):
        noise = draw.normal(size=len(self.look)) * np.sqrt(0.06 / len(self.look))
        return unit(self.views[camera] + noise)


def _places(people):
    spots = [figure.spot for figure in people]
    return None if None in spots else standing(spots, [figure.tall for figure in people])


def standing(spots, tall=None):
    """Feet on the floor, metres, each known to a hand's breadth; no stature where none is told."""
    n = len(spots)
    positions = np.array([(*spot, 0.0) for spot in spots]).reshape(n, 3)
    spread = np.tile(np.eye(3) * 0.1**2, (n, 1, 1))
    tall = np.zeros(n) if tall is None else np.array(tall)
    return Places(positions, spread, np.ones(n, np.bool_), tall)


class Population:
    """People whose crops share a mean, a camera's tint, a person's look and noise.

    In 32 dimensions two people are about 55 degrees apart, one person in two cameras 32, and two
    crops of one track 14. The fewer dimensions, the more people look alike by chance.
    """

    def __init__(self, seed, length=32):
        self.draw = np.random.default_rng(seed)
        self.length = length
        self._mean = self._part(0.57)
        self._tints = {camera: self._part(0.07) for camera in ('hall', 'yard')}

    def _part(self, share, n=None):
        shape = (self.length,) if n is None else (n, self.length)
        return self.draw.normal(size=shape) * np.sqrt(share / self.length)

    def person(self):
        look = self._part(0.25)
        return {
            camera: self._mean + tint + look + self._part(0.05)
            for camera, tint in self._tints.items()
        }

    def figure(self, name, x=0.0):
        """Somebody new to walk through a Stage."""
        looks = {c: v / np.linalg.norm(v) for c, v in self.person().items()}
        return Passer(name, looks['hall'], views=looks, blur=0.0, x=x)

    def track(self, person, camera, crops=4):
        """Unit mean of the crops of one track."""
        rows = person[camera] + self._part(0.06, crops)
        return unit((rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0))

    def calibration(self, people=60):
        crowd = [self.person() for _ in range(people)]
        one = {c: np.stack([self.track(p, c) for p in crowd]) for c in self._tints}
        two = {c: np.stack([self.track(p, c) for p in crowd]) for c in self._tints}
        other = ~np.eye(people, dtype=bool)

        def condition(a, b):
            found = angles(a @ b.T)
            return Condition(Spread.of(np.diag(found)), Spread.of(found[other], n=people))

        return Calibration(
            condition(one['hall'], two['hall']), condition(one['hall'], two['yard'])
        )


def tracks(ids, boxes, *, visible=None, confirmed=None, ended=(), scores=None):
    """The tracks of one camera; all seen and confirmed unless said otherwise."""
    n = len(ids)
    visible = np.ones(n, bool) if visible is None else np.asarray(visible, bool)
    rows = np.where(visible, np.cumsum(visible) - 1, -1).astype(np.int64)
    return Tracks(
        np.asarray(ids, np.uint32),
        np.asarray(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.9, np.float32) if scores is None else np.asarray(scores, np.float32),
        rows,
        np.ones(n, bool) if confirmed is None else np.asarray(confirmed, bool),
        np.asarray(ended, np.uint32),
    )


@dataclass
class _Track:
    number: int
    figure: Figure
    seen_ns: int
    looked_ns: int = -(1 << 60)
    looks: int = 0


@dataclass(frozen=True)
class Row:
    """One track in one answer."""

    camera: str
    track: int
    person: int
    score: float
    confirmed: bool
    figure: Figure
    visible: bool


class Stage:
    """Plays scenes through an Identifier and checks, at every moment, what must always hold.

    A track is looked at as the schedule does: four times quickly, then every half second. It
    coasts for a second after its figure went out of sight, and ends.
    """

    def __init__(
        self,
        *cameras,
        calibration=CLEAR,
        overlap=(),
        transit=(),
        unlisted='may_overlap',
        rate_hz=10.0,
        start_ns=1000 * NS,
        gallery=None,
        keep=None,
        seed=0,
        coast_s=1.0,
        **identity,
    ):
        self.cameras = cameras or ('hall',)
        self.topology = Topology(TopologyConfig(overlap, transit, unlisted), self.cameras)
        self.gallery = Gallery() if gallery is None else gallery
        keep = keep or GalleryConfig()
        self.identifier = Identifier(
            self.gallery, calibration, self.topology, IdentityConfig(**identity), keep
        )
        self.draw = np.random.default_rng(seed)
        self.period_ns = round(NS / rate_hz)
        self.now_ns = start_ns
        self.coast_ns = round(coast_s * NS)
        self.events = []
        self.moments = []
        self.known = {p.number for p in self.gallery}
        self.gone = set()
        self._tracks = {name: [] for name in self.cameras}
        self._numbers = dict.fromkeys(self.cameras, 0)
        self._faults = set()

    # -- what happens --------------------------------------------------------------------------

    def play(self, seconds, **cast):
        """Let cameras see figures for some time; the others see nobody. Returns the events."""
        before = len(self.events)
        end = self.now_ns + round(seconds * NS)
        while self.now_ns < end:
            self.moment(cast)
        return self.events[before:]

    def wait(self, seconds):
        """Empty frames: a few, then a jump in time, then one more."""
        self.play(1.3)
        self.now_ns += round(seconds * NS)
        self.moment({})

    def enrol(self, figure, camera=None, seconds=2.0):
        """See somebody for long enough to know them, then see them leave; their number."""
        camera = camera or self.cameras[0]
        self.play(seconds, **{camera: [figure]})
        number = self.number(figure, camera)
        self.play(1.5)
        return number

    def swap(self, camera, first, second):
        """Let the tracker exchange two people."""
        a = next(t for t in self._tracks[camera] if t.figure.name == first.name)
        b = next(t for t in self._tracks[camera] if t.figure.name == second.name)
        a.figure, b.figure = b.figure, a.figure

    def cut(self, camera, figure):
        """Let the tracker lose somebody: the old track coasts on, a new one begins."""
        for track in self._tracks[camera]:
            if track.figure.name == figure.name:
                track.figure = dataclasses.replace(track.figure, name='')

    def mend(self, camera, figure):
        """Let the tracker find somebody whom it had lost, by the old track; the new one coasts."""
        old = next(t for t in self._tracks[camera] if not t.figure.name)
        self.cut(camera, figure)
        old.figure = figure

    def moment(self, cast):
        """One frame of every camera."""
        observations = [self._observation(name, cast.get(name, ())) for name in self.cameras]
        identities, events = self.identifier.step(observations)
        rows = []
        for observation, identity in zip(observations, identities):
            who = {t.number: t.figure for t in self._tracks[observation.camera]}
            for i, number in enumerate(observation.tracks.ids.tolist()):
                rows.append(
                    Row(
                        observation.camera,
                        number,
                        int(identity.persons[i]),
                        float(identity.scores[i]),
                        bool(identity.confirmed[i]),
                        who[number],
                        bool(observation.tracks.detection[i] >= 0),
                    )
                )
        self.events += events
        self.moments.append((self.now_ns, rows))
        self._check(rows, events)
        self.now_ns += self.period_ns
        return rows

    def _observation(self, camera, cast):
        known = self._tracks[camera]
        ended = [t.number for t in known if self.now_ns - t.seen_ns > self.coast_ns]
        known[:] = [t for t in known if t.number not in ended]
        here = {figure.name: figure for figure in cast}
        visible = set()
        for figure in cast:
            track = next((t for t in known if t.figure.name == figure.name), None)
            if track is None:
                self._numbers[camera] += 1
                track = _Track(self._numbers[camera], figure, self.now_ns)
                known.append(track)
            track.figure, track.seen_ns = here[figure.name], self.now_ns
            visible.add(track.number)
        rows, vectors, qualities = [], [], []
        for row, track in enumerate(known):
            if track.number in visible and track.figure.quality > 0 and self._due(track):
                rows.append(row)
                vectors.append(track.figure.crop(camera, self.draw))
                qualities.append(track.figure.quality)
        length = len(vectors[0]) if vectors else 0
        return Observation(
            camera,
            self.now_ns,
            tracks(
                [t.number for t in known],
                [t.figure.box() for t in known],
                visible=[t.number in visible for t in known],
                ended=ended,
            ),
            np.array(rows, np.int64),
            np.array(vectors, np.float32).reshape(len(rows), length),
            np.array(qualities, np.float32),
            places=_places([t.figure for t in known]),
        )

    def _due(self, track):
        wait = 0.1 if track.looks < 4 else 0.5
        if self.now_ns - track.looked_ns < round(wait * NS):
            return False
        track.looks += 1
        track.looked_ns = self.now_ns
        return True

    # -- what must always hold -----------------------------------------------------------------

    def _check(self, rows, events):
        fresh = set()
        for event in events:
            if event.kind == 'born' or (event.kind == 'split' and event.person not in self.known):
                assert event.person not in self.known | self.gone, f'number used again: {event}'
                fresh.add(event.person)
                self.known.add(event.person)
            assert event.person in self.known, f'an event about nobody: {event}'
            if event.kind == 'merged':
                assert event.previous in self.known, f'merged nobody: {event}'
                self._leave(event.previous)
            if event.kind in ('expired', 'forgotten'):
                self._leave(event.person)
        assert {p.number for p in self.gallery} == self.known, 'events and gallery disagree'
        places = {}
        for row in rows:
            if row.person:
                assert row.person in self.known, f'person {row.person} was never born'
                assert row.person not in self.gone, f'person {row.person} came back from the dead'
                places.setdefault(row.person, []).append(row)
        for person, seen in places.items():
            for i, a in enumerate(seen):
                for b in seen[i + 1 :]:
                    assert a.camera != b.camera, f'person {person} twice in one camera: {a} {b}'
                    if a.visible and b.visible:
                        assert self.topology.overlap(a.camera, b.camera), (
                            f'person {person} in two cameras that are apart: {a} {b}'
                        )

    def _leave(self, number):
        self.known.discard(number)
        self.gone.add(number)

    # -- what was answered ---------------------------------------------------------------------

    def number(self, figure, camera=None):
        """The person for whom a figure is taken now, 0 = undecided."""
        _, rows = self.moments[-1]
        found = {
            row.person
            for row in rows
            if row.figure.name == figure.name and row.visible and camera in (None, row.camera)
        }
        assert len(found) == 1, f'{figure.name} is {found or "not visible"}'
        return found.pop()

    def numbers(self, figure, since=0):
        """Every person for whom a figure was ever taken, undecided left out."""
        return {
            row.person
            for _, rows in self.moments[since:]
            for row in rows
            if row.figure.name == figure.name and row.person
        }

    def kinds(self, since=0):
        return [event.kind for event in self.events[since:]]
