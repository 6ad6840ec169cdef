"""One track's walk: its newest silhouettes, whether somebody walks there, and their maximum."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros.types import BoolArray, DoubleArray, FloatArray, IntArray, UInt8Array

NS = 1_000_000_000
CYCLE_S = 0.8
"""Most of a walking cycle of 1 to 1.2 seconds: both legs were in front once."""
GAP_S = 1.0
"""Without a good silhouette for so long, the track may be somebody else by now."""
OLDEST_S = 6.0
"""Older silhouettes count no more: people turn, and a slow camera sees too little of a walk."""
LEGS = slice(36, 60)
"""Rows in which legs move; the feet below them flicker."""
STRIDE = 0.3
"""Change of the legs' silhouette over time, as a share of its area, of somebody who walks across
or aslant: 0.36 to 0.7 of 14 rendered people, 0.14 at most where they stand."""
WAY = 0.12
"""Heights that somebody moves or shares that they grow: 0.19 to 1.4 of the same people, within one
second or more, from any side, 0.09 at most where they stand and their boxes shake."""
JUDGE_S = 0.25
"""Seconds between two looks at whether somebody walks: half of what a frame would cost."""
PAN = 0.02
"""Heights that a camera's own motion may shift somebody before ways in the image say nothing."""
JUMP = 0.5
"""Heights, and LEAP heights a second, that nobody moves: the box is another person's now."""
LEAP = 2.5
RESIZED = 1.5
"""Nobody's box grows by this factor from one silhouette to the next; the tracker moved it."""
ALIKE = 0.45
"""Overlap of the upper halves of two successive silhouettes; of one person 0.51 at least."""
BUST = 32
"""Rows of the upper half of a silhouette."""
ALIKE_S = 0.3
"""Longest time between two such."""


@dataclass(frozen=True, slots=True)
class Gait:
    """What one frame adds.

    Attributes:
        rows: (k,) tracks that got a vector.
        vectors: (k, d) float32 unit vectors.
        qualities: (k,) float32, 0 to 1, mean of the silhouettes behind each.
        since_ns: (k,) int64, stamp of the oldest silhouette behind each.
        reasons: why each of the n tracks has no vector now: those of
            silhouettes and of walks, '' where enough was seen.
    """

    rows: IntArray
    vectors: FloatArray
    qualities: FloatArray
    since_ns: IntArray
    reasons: tuple[str, ...]

    @staticmethod
    def none(reasons: Sequence[str] = ()) -> Gait:
        """Of a frame that adds nothing, for these reasons."""
        empty = np.empty(0, np.int64)
        nothing = np.empty(0, np.float32)
        return Gait(empty, nothing.reshape(0, 0), nothing, empty, tuple(reasons))


class Newest:
    """Element-wise maximum over the newest of a growing row of arrays.

    Two stacks: arrays wait in one; when the oldest has to go and the other is empty, they move
    there as the maxima of themselves and all newer ones. Each array is compared twice at most.
    """

    def __init__(self) -> None:
        self._old: list[FloatArray] = []
        self._new: list[FloatArray] = []
        self._newest: FloatArray | None = None

    def __len__(self) -> int:
        return len(self._old) + len(self._new)

    def add(self, values: FloatArray) -> None:
        """One more array, of the shape of the others.

        It is copied: a row of a batch would keep the others' rows as long as it is held.
        """
        self._new.append(values.copy())
        held = self._newest
        self._newest = values.copy() if held is None else np.maximum(held, values, out=held)

    def drop(self) -> None:
        """Let the oldest go; there must be one."""
        if not self._old:
            maximum: FloatArray | None = None
            while self._new:
                values = self._new.pop()
                if maximum is not None:
                    np.maximum(maximum, values, out=values)
                self._old.append(values)
                maximum = values
            self._newest = None
        self._old.pop()

    def maximum(self) -> FloatArray:
        """Over all that are held; there must be one."""
        if self._newest is None:
            return self._old[-1]
        if not self._old:
            return self._newest
        return np.maximum(self._old[-1], self._newest)


@dataclass(frozen=True, slots=True)
class Step:
    """One good silhouette.

    Attributes:
        stamp_ns, quality: of it.
        foot: (2,) middle of the box' lower edge, pixels.
        height: of the box, pixels.
        legs: (6, 11) the legs' silhouette, coarse, 0 to 1.
        bust: (32, 44) the upper half of the silhouette.
        panned: whether the camera moved since the step before.
    """

    stamp_ns: int
    quality: float
    foot: DoubleArray
    height: float
    legs: FloatArray
    bust: BoolArray
    panned: bool

    @staticmethod
    def of(
        stamp_ns: int, mask: UInt8Array, quality: float, box: FloatArray, ego: DoubleArray | None
    ) -> Step:
        """What is kept of a silhouette.

        Args:
            stamp_ns: of the frame.
            mask: (64, 44) 0 to 255.
            quality: above 0.
            box: (4,) pixels.
            ego: (3, 3) from the pixels of the track's last frame to these; None = it stood.
        """
        x0, y0, x1, y1 = box.tolist()
        foot, height = np.array([(x0 + x1) / 2, y1]), max(y1 - y0, 1.0)
        panned = ego is not None and _length(carried(ego, foot) - foot) > PAN * height
        bust: BoolArray = mask[:BUST] > 127
        return Step(stamp_ns, quality, foot, height, _legs(mask), bust, panned)


@dataclass(slots=True)
class Walk:
    """One track: its newest steps and the maximum of their features.

    Attributes:
        foot: (2,) where the last step's would be in the newest frame, pixels.
        told_ns: stamp of the last vector.
        judged_ns, walks: when it was last looked whether somebody walks, and what was found.
    """

    steps: deque[Step] = field(default_factory=deque)
    held: Newest = field(default_factory=Newest)
    foot: DoubleArray | None = None
    told_ns: int = -(1 << 62)
    judged_ns: int = -(1 << 62)
    walks: bool = False

    def pan(self, ego: DoubleArray) -> None:
        """The camera moved; (3, 3) from its pixels then to its pixels now."""
        if self.foot is not None:
            self.foot = carried(ego, self.foot)

    def add(self, step: Step, features: FloatArray, window: int) -> str:
        """Go on with a step; '' or why the walk begins anew with it: 'gap' or 'jump'.

        Args:
            step: the newest.
            features: of its silhouette.
            window: how many steps count at most.
        """
        reason = self._break(step)
        if reason:
            self.steps.clear()
            self.held = Newest()
            self.told_ns = self.judged_ns = -(1 << 62)
        self.steps.append(step)
        self.held.add(features)
        self.foot = step.foot
        oldest_ns = step.stamp_ns - OLDEST_S * NS
        while len(self.steps) > window or self.steps[0].stamp_ns < oldest_ns:
            self.steps.popleft()
            self.held.drop()
        return reason

    def _break(self, step: Step) -> str:
        if not self.steps or self.foot is None:
            return ''
        last = self.steps[-1]
        passed_s = (step.stamp_ns - last.stamp_ns) / NS
        if not 0 <= passed_s <= GAP_S:
            return 'gap'
        way = _length(step.foot - self.foot) / last.height
        grown = step.height / last.height
        if way > JUMP + LEAP * passed_s or not 1 / RESIZED <= grown <= RESIZED:
            return 'jump'
        both, either = np.sum(step.bust & last.bust), np.sum(step.bust | last.bust)
        return 'jump' if passed_s <= ALIKE_S and both < ALIKE * either else ''

    def lack(self, least: int) -> str:
        """Why this is too little for a vector, '' where it is enough."""
        if len(self.steps) < least or (
            self.steps[-1].stamp_ns - self.steps[0].stamp_ns < CYCLE_S * NS
        ):
            return 'few'
        now_ns = self.steps[-1].stamp_ns
        if now_ns - self.judged_ns >= JUDGE_S * NS:
            self.judged_ns, self.walks = now_ns, _moved(self.steps)
        return '' if self.walks else 'still'

    def quality(self) -> float:
        """0 to 1, mean over the steps."""
        return float(np.mean([step.quality for step in self.steps]))


def _legs(mask: UInt8Array) -> FloatArray:
    rows, columns = (LEGS.stop - LEGS.start) // 4, mask.shape[1] // 4
    blocks = mask[LEGS, : 4 * columns].reshape(rows, 4, columns, 4)
    result: FloatArray = blocks.mean(axis=(1, 3), dtype=np.float32) / np.float32(255)
    return result


def carried(ego: DoubleArray, foot: DoubleArray) -> DoubleArray:
    """(2,) a pixel through a (3, 3) homography."""
    x, y, w = ego @ np.array([foot[0], foot[1], 1.0])
    return np.array([x, y]) / (w if abs(w) > 1e-9 else 1e-9)


def _length(way: DoubleArray) -> float:
    return float(np.hypot(way[0], way[1]))


def _moved(steps: Collection[Step]) -> bool:
    """Whether somebody walks: the legs change, or the box went somewhere or grew."""
    legs = np.stack([step.legs for step in steps])
    if float(legs.std(axis=0).sum()) >= STRIDE * max(float(legs.mean(axis=0).sum()), 1e-6):
        return True
    if any(step.panned for step in steps):
        return False  # what moves in the image may be the camera
    third = max(1, len(steps) // 3)
    feet = np.stack([step.foot for step in steps])
    heights = np.array([step.height for step in steps])
    before, after = heights[:third].mean(), heights[-third:].mean()
    way = np.hypot(*(feet[-third:].mean(axis=0) - feet[:third].mean(axis=0))) / heights.mean()
    return bool(way + abs(np.log(after / before)) >= WAY)
