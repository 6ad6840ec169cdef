"""Where one person is: places from the boxes of several cameras, fused, and smooth in time."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

import numpy as np

from reid_ros.ground import BORDER_PX, Places, on_ground
from reid_ros.lens import Lens, Pose
from reid_ros.stature import Statures
from reid_ros.types import DoubleArray, FloatArray, Sightings

NS = 1_000_000_000
POSE_M = 0.1
"""Standard deviation of what poses, lenses and the middle of a body err by, metres. No number of
cameras and images takes it away."""
TALL_SD_M = 0.08
"""Standard deviation of a person's height about the one that is set, metres."""
AGREE_SIGMAS = 3.0
"""Feet and head that contradict one another by more do not belong to one upright body."""
LEAST_M = 0.03
"""Nobody is placed better than this, metres."""
CUT = 0.05
"""A box that ends within this share of its height from the border may be cut off there: detectors
shake, and somebody right before a robot is cut off at both ends."""
WIDE_M, WIDE_SHARE = 0.5, 0.4
"""Width of a person and its spread: all there is to go by where head and feet are out of view."""
LASTING = 0.3
"""Share of a place's variance that stays from image to image: a body that is taller than was
thought, a far camera's pose. The mean over many images does not take it away."""
NEWEST = 0.2
"""Weight of the newest place in that."""
JERK = 0.5
"""Spectral density of a walk's acceleration, m²/s³: 0.7 m/s within a second."""
WALK_MPS = 1.0
"""Standard deviation of the speed of somebody who was just found."""
KEEP_NS = NS
"""How late a place may come and still count."""
GATE = 13.8
"""Squared Mahalanobis distance of a place that belongs to somebody else or to nobody (99.9 %)."""
STRAY = 5
"""So many in a row, and it is the estimate that strays."""
COAST_S = 2.0
"""Seconds without a place after which the estimate begins anew."""


def places(
    boxes: FloatArray, lens: Lens, pose: Pose, height: int, person_m: float | DoubleArray
) -> Places:
    """Where people stand on the ground z = 0, by their feet and by their heads.

    Feet alone are wrong by metres where furniture hides them, so the head of somebody person_m
    tall must agree; and near a robot the feet are out of view. Sure are the places that rest on
    feet or a head; where both are cut off, the direction is known and the width tells a distance.

    Args:
        boxes: (n, 4) pixels.
        lens: of the camera.
        pose: of its optical frame in that of the ground.
        height: of the image, pixels.
        person_m: height of a person, metres, or (n,) that of each.
    """
    tall = np.broadcast_to(np.asarray(person_m, np.float64), len(boxes))
    feet, head = on_ground(boxes, lens, pose, height), _by_head(boxes, lens, pose, tall)
    cut = np.maximum(CUT * (boxes[:, 3] - boxes[:, 1]), BORDER_PX)
    feet_seen = feet.sure & (boxes[:, 3] < height - cut)
    head_seen = head.sure & (boxes[:, 1] > cut)
    by_feet, by_head = _floor(feet.covariances), _floor(head.covariances)
    away = (feet.positions - head.positions)[:, :2]
    told = np.linalg.solve(by_feet + by_head, away[:, :, None])[:, :, 0]
    agree = (away * told).sum(axis=1) < AGREE_SIGMAS**2
    use_feet = feet_seen & (agree | ~head_seen)  # heads are seldom hidden
    sure = use_feet | head_seen
    information = np.tile(1e-6 * np.eye(2), (len(boxes), 1, 1))
    weighted = np.zeros((len(boxes), 2))
    for used, found, covariance in ((use_feet, feet, by_feet), (head_seen, head, by_head)):
        inverse = np.linalg.inv(covariance) * used[:, None, None]
        information += inverse
        weighted += np.einsum('nij,nj->ni', inverse, found.positions[:, :2])
    covariances = np.zeros((len(boxes), 3, 3))
    covariances[:, :2, :2] = np.linalg.inv(information)
    covariances[:, 2, 2] = POSE_M**2
    positions = np.zeros((len(boxes), 3))
    positions[:, :2] = np.einsum('nij,nj->ni', covariances[:, :2, :2], weighted)
    for row in np.flatnonzero(~sure).tolist():
        positions[row, :2], covariances[row, :2, :2] = _by_width(boxes[row], lens, pose)
    return Places(positions, covariances, sure, feet.tall)


def measured(
    found: Sightings, statures: Statures, usual_m: float, lens: Lens, pose: Pose, height: int
) -> Places:
    """Where people with numbers stand, by their own statures, which this image adds to.

    Args:
        found: who is in the image.
        statures: of those who bear numbers; takes this image in.
        usual_m: height of whoever was not measured.
        lens, pose, height: see `places`.
    """
    tall = statures.of(found.persons, usual_m)
    spots = places(found.boxes, lens, pose, height, tall)
    statures.note(found.stamp_ns, found.persons, spots.tall, found.boxes)
    return spots


def _by_head(boxes: FloatArray, lens: Lens, pose: Pose, tall: DoubleArray) -> Places:
    """Where the middle of each box's upper edge meets the plane of the heads."""
    raised = boxes.copy()
    raised[:, 1], raised[:, 3] = 2 * boxes[:, 1] - boxes[:, 3], boxes[:, 1]
    positions, covariances = np.zeros((len(boxes), 3)), np.zeros((len(boxes), 3, 3))
    sure = np.zeros(len(boxes), np.bool_)
    for metres in np.unique(tall):
        rows = tall == metres
        down = np.array([0.0, 0.0, metres])
        found = on_ground(raised[rows], lens, Pose(pose.rotation, pose.position - down), 1_000_000)
        lever = max(abs(float(pose.position[2]) - float(metres)), 0.05)
        away = (found.positions - pose.position) * np.array([1.0, 1.0, 0.0]) * (TALL_SD_M / lever)
        positions[rows], sure[rows] = found.positions, found.sure
        covariances[rows] = found.covariances + away[:, :, None] * away[:, None, :]
    return Places(positions, covariances, sure, np.zeros(len(boxes)))


def _by_width(box: FloatArray, lens: Lens, pose: Pose) -> tuple[DoubleArray, DoubleArray]:
    """(2,) and (2, 2) of somebody of whom neither end is seen."""
    x0, y0, x1, y1 = (float(v) for v in box)
    ray = pose.rotation @ lens.rays(np.array([[(x0 + x1) / 2, (y0 + y1) / 2]]))[0]
    flat = ray[:2] / max(float(np.linalg.norm(ray[:2])), 1e-6)
    far = float(lens.matrix[0, 0]) * WIDE_M / max(x1 - x0, 1.0)
    side = np.array([-flat[1], flat[0]])
    along, across = (WIDE_SHARE * far) ** 2, (0.05 * far) ** 2
    covariance = along * np.outer(flat, flat) + across * np.outer(side, side)
    return pose.position[:2] + far * flat, covariance + LEAST_M**2 * np.eye(2)


def _floor(covariances: DoubleArray) -> DoubleArray:
    """(n, 2, 2) on the ground, never singular: two errors may point the same way."""
    result: DoubleArray = covariances[:, :2, :2] + LEAST_M**2 * np.eye(2)
    return result


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where somebody is, and where they go.

    Attributes:
        stamp_ns: when.
        mean: (4,) x y, metres, and velocity, m/s.
        covariance: (4, 4) of it.
        lasting: (2, 2) covariance of what the newest places err by in common.
    """

    stamp_ns: int
    mean: DoubleArray
    covariance: DoubleArray
    lasting: DoubleArray = field(default_factory=lambda: np.zeros((2, 2)))

    @property
    def position(self) -> DoubleArray:
        """(2,) metres."""
        return self.mean[:2]

    @property
    def velocity(self) -> DoubleArray:
        """(2,) m/s."""
        return self.mean[2:]

    @property
    def spread(self) -> DoubleArray:
        """(2, 2) covariance of the position, with what places have wrong in common."""
        result: DoubleArray = self.covariance[:2, :2] + self.lasting + POSE_M**2 * np.eye(2)
        return result

    def ahead(self, stamp_ns: int) -> Estimate:
        """The same at another time, were the walk to go on."""
        s = (stamp_ns - self.stamp_ns) / NS
        move = np.eye(4)
        move[0, 2] = move[1, 3] = s
        # White acceleration over the time (Bar-Shalom, Estimation with applications, 6.2.2).
        t = abs(s)
        noise = JERK * np.kron(np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]]), np.eye(2))
        return Estimate(
            stamp_ns, move @ self.mean, move @ self.covariance @ move.T + noise, self.lasting
        )


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """One measured place; sorted by its stamp."""

    stamp_ns: int
    number: int
    spot: DoubleArray = field(compare=False)
    covariance: DoubleArray = field(compare=False)


class Whereabouts:
    """A person's way in one frame of the ground; all time comes from stamps.

    An information filter at constant velocity. Places of several cameras may come in any order, up
    to a second late: the estimate is what it were had they come in order.
    """

    def __init__(self) -> None:
        self._anchor: Estimate | None = None  # before all that is kept
        self._kept: list[_Place] = []
        self._now: Estimate | None = None
        self._number = 0
        self._strays = 0

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def add(self, stamp_ns: int, spot: DoubleArray, covariance: DoubleArray) -> bool:
        """Take in a place; False where it does not fit, or comes too late.

        Args:
            stamp_ns: of the image.
            spot: (2 or more,) metres.
            covariance: (2 or more, same) square metres.
        """
        self._number += 1
        place = _Place(stamp_ns, self._number, spot[:2], covariance[:2, :2])
        now = self._now
        if now is None or abs(stamp_ns - now.stamp_ns) > COAST_S * NS:
            self._begin(place)
            return True
        if self._anchor is not None and stamp_ns < self._anchor.stamp_ns:
            return False
        if not self._fits(place):
            self._strays += 1
            if self._strays >= STRAY and stamp_ns >= now.stamp_ns:
                self._begin(place)
                return True
            return False
        self._strays = 0
        late = stamp_ns < now.stamp_ns
        insort(self._kept, place)
        self._now = self._replayed() if late else _updated(now, place)
        self._prune()
        return True

    def at(self, stamp_ns: int) -> Estimate | None:
        """The estimate at a time; None where nothing is known of it."""
        now = self._now
        if now is None or abs(stamp_ns - now.stamp_ns) > COAST_S * NS:
            return None
        return now.ahead(stamp_ns)

    def _begin(self, place: _Place) -> None:
        covariance = np.diag([0.0, 0.0, WALK_MPS**2, WALK_MPS**2])
        covariance[:2, :2] = place.covariance
        self._anchor = self._now = Estimate(
            place.stamp_ns,
            np.concatenate([place.spot, np.zeros(2)]),
            covariance,
            LASTING * place.covariance,
        )
        self._kept, self._strays = [], 0

    def _fits(self, place: _Place) -> bool:
        expected = self.at(place.stamp_ns)
        if expected is None:
            return False
        away = place.spot - expected.position
        told = np.linalg.solve(place.covariance + expected.spread, away)
        return float(away @ told) < GATE

    def _replayed(self) -> Estimate | None:
        state = self._anchor
        for place in self._kept:
            state = _updated(state, place) if state is not None else None
        return state

    def _prune(self) -> None:
        """Let the anchor take in what is too old to be overtaken."""
        if self._now is None:
            return
        oldest = self._now.stamp_ns - KEEP_NS
        while self._kept and self._kept[0].stamp_ns < oldest and self._anchor is not None:
            self._anchor = _updated(self._anchor, self._kept.pop(0))


def _updated(state: Estimate, place: _Place) -> Estimate:
    """After a place, in information form: what it tells is added to what is known."""
    before = state.ahead(place.stamp_ns)
    information = np.linalg.inv(before.covariance)
    weighted = information @ before.mean
    told = np.linalg.inv(place.covariance)
    information[:2, :2] += told
    weighted[:2] += told @ place.spot
    covariance = np.linalg.inv(information)
    lasting = before.lasting + NEWEST * (LASTING * place.covariance - before.lasting)
    return Estimate(place.stamp_ns, covariance @ weighted, covariance, lasting)
