"""Where a robot's base was, by its odometry, and what that does to the pictures of its cameras."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from reid_ros import ego
from reid_ros.lens import Lens, Pose
from reid_ros.moments import JUMP_NS, Order
from reid_ros.types import DoubleArray

KEEP_NS = 10_000_000_000
"""How long a pose is remembered: a camera that was silent for longer begins anew."""
GAP_NS = 300_000_000
"""Poses farther apart say nothing about the time between them: at 1 rad/s² that would be wrong by
0.6 degrees."""
LEAD_NS = 100_000_000
"""How far the last motion is carried on where the odometry comes later than the image."""
_STEADY_NS = 50_000_000  # least time from which the last motion is taken: wheels count in steps
_RESTART_NS = 2_000_000_000  # a base that was silent for so long may count from elsewhere
# No base with cameras that track people is faster; what moved more was set to another place.
_MOST_MPS, _MOST_RADPS = 10.0, 10.0
_SLACK_M, _SLACK_RAD = 0.1, 0.1

Lacking = Literal['', 'no_camera_info', 'no_odometry']


class Odometry:
    """The poses of one base by their stamps.

    They may come late and out of order. A clock that is set back begins a new history.
    """

    def __init__(self) -> None:
        self.received = 0
        self._stamps: list[int] = []
        self._poses: dict[int, DoubleArray] = {}

    @property
    def newest_ns(self) -> int | None:
        """The latest stamp."""
        return self._stamps[-1] if self._stamps else None

    def add(self, stamp_ns: int, numbers: Sequence[float]) -> bool:
        """Take in a pose.

        Args:
            stamp_ns: of the message, nanoseconds.
            numbers: x y z, metres, and qx qy qz qw, of the base in a frame that does not jump.

        Returns:
            Whether it is a pose: finite, with a rotation of length 1 and a stamp that is set.
        """
        pose = np.array(numbers, np.float64)
        length = float(np.linalg.norm(pose[3:]))
        if not (stamp_ns > 0 and np.isfinite(pose).all() and abs(length - 1.0) < 0.02):
            return False
        self.received += 1
        pose[3:] /= length
        newest = self.newest_ns
        if newest is not None and stamp_ns < newest - JUMP_NS:
            self._stamps.clear()
            self._poses.clear()
        if stamp_ns in self._poses:
            return True
        insort(self._stamps, stamp_ns)
        self._poses[stamp_ns] = pose
        if self._stamps[0] < self._stamps[-1] - 2 * KEEP_NS:
            gone = bisect_left(self._stamps, self._stamps[-1] - KEEP_NS)
            for old in self._stamps[:gone]:
                del self._poses[old]
            del self._stamps[:gone]
        return True

    def hear(self, message: Any) -> bool:
        """Take in a nav_msgs/Odometry, of rclpy or as rosbags reads it; answers as `add`."""
        stamp, pose = message.header.stamp, message.pose.pose
        at, turned = pose.position, pose.orientation
        return self.add(
            int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec),
            (at.x, at.y, at.z, turned.x, turned.y, turned.z, turned.w),
        )

    def at(self, stamp_ns: int) -> Pose | None:
        """The pose at a stamp, None where it is not known."""
        found = self._poses.get(stamp_ns)
        if found is not None:
            return Pose.of(found.tolist())
        stamps = self._stamps
        row = bisect_left(stamps, stamp_ns)
        if row == 0:
            return None
        last = stamps[row - 1]
        if row < len(stamps) and stamps[row] - last <= GAP_NS:
            return self._along(last, stamps[row], stamp_ns)
        # What comes after a gap does not count: it may not have been known yet.
        first = bisect_left(stamps, last - _STEADY_NS + 1) - 1
        if first < 0 or stamp_ns > last + LEAD_NS or last - stamps[first] > GAP_NS:
            return None
        return self._along(stamps[first], last, stamp_ns)

    def joined(self, before_ns: int, now_ns: int) -> bool:
        """Whether the base moved without a leap from one stamp to a later one."""
        low = max(bisect_left(self._stamps, before_ns + 1) - 1, 0)
        high = min(bisect_left(self._stamps, now_ns), len(self._stamps) - 1)
        return all(
            self._moved(a, b)
            for a, b in zip(self._stamps[low:high], self._stamps[low + 1 : high + 1])
        )

    def _along(self, first_ns: int, last_ns: int, stamp_ns: int) -> Pose | None:
        """On the way from one pose to a later one, or beyond it; None where that is no way."""
        if not self.joined(first_ns, last_ns):
            return None
        a, b = self._poses[first_ns], self._poses[last_ns]
        share = (stamp_ns - first_ns) / (last_ns - first_ns)
        between = a + share * (b - a)
        between[3:] = _slerp(a[3:], b[3:], share)
        return Pose.of(between.tolist())

    def _moved(self, first_ns: int, last_ns: int) -> bool:
        """Whether a base can have moved so between two stamps."""
        a, b, seconds = self._poses[first_ns], self._poses[last_ns], (last_ns - first_ns) * 1e-9
        far = float(np.linalg.norm(b[:3] - a[:3]))
        turned = 2.0 * float(np.arccos(min(1.0, abs(float(a[3:] @ b[3:])))))
        return (
            last_ns - first_ns <= _RESTART_NS
            and far <= _SLACK_M + _MOST_MPS * seconds
            and turned <= _SLACK_RAD + _MOST_RADPS * seconds
        )


def _slerp(a: DoubleArray, b: DoubleArray, share: float) -> DoubleArray:
    """(4,) the rotation at a share of the shorter way from a to b; may lie beyond b."""
    cosine = float(a @ b)
    if cosine < 0.0:
        b, cosine = -b, -cosine
    angle = float(np.arccos(min(cosine, 1.0)))
    if angle < 1e-6:
        result: DoubleArray = a + share * (b - a)
    else:
        result = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return result


class Motion:
    """What the motion of the base does to the pictures of one camera that rides on it.

    Args:
        odometry: of the base; it may grow while this is used.
        mount: pose of the camera's optical frame on the base.

    Attributes:
        lacking: why the last step gave nothing, '' where it gave something or had nothing to give.
    """

    def __init__(self, odometry: Odometry, mount: Pose) -> None:
        self.lacking: Lacking = ''
        self._odometry, self._mount = odometry, mount
        self._order = Order()

    def reset(self) -> None:
        """Begin anew: the next image has none before it."""
        self._order = Order()

    def step(self, stamp_ns: int, lens: Lens | None) -> DoubleArray | None:
        """The homography from the last image that is used to this one, as `Frame.ego`.

        None for a first image, for one that is not later than the one before, and where something
        is `lacking`. Both poses are looked up now, so odometry that came too late for the last
        image still counts.

        Args:
            stamp_ns: of the image.
            lens: of the camera at the image's size; None = not known.
        """
        before = self._order.last_ns
        self.lacking = ''
        if self._order.judge(stamp_ns) != 'next' or before is None:
            return None
        if lens is None:
            self.lacking = 'no_camera_info'
            return None
        old, now = self._odometry.at(before), self._odometry.at(stamp_ns)
        if old is None or now is None or not self._odometry.joined(before, stamp_ns):
            self.lacking = 'no_odometry'
            return None
        return ego.between(lens, old @ self._mount, now @ self._mount)
