"""How a camera projects, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from reid_ros.types import DoubleArray


def rotation(quaternion: Sequence[float]) -> DoubleArray:
    """(3, 3) matrix of a unit quaternion x y z w."""
    x, y, z, w = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion(matrix: DoubleArray) -> tuple[float, float, float, float]:
    """The unit quaternion x y z w, w >= 0, of a (3, 3) rotation."""
    m = np.asarray(matrix, np.float64)
    # Bar-Itzhack 2000, "New method for extracting the quaternion from a rotation matrix".
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    x, y, z, w = np.linalg.eigh(k)[1][:, -1]
    sign = -1.0 if w < 0 else 1.0
    return float(sign * x), float(sign * y), float(sign * z), float(sign * w)


@dataclass(frozen=True)
class Lens:
    """How a camera projects.

    Attributes:
        matrix: (3, 3) float64, pixels.
        distortion: (k,) float64, of OpenCV's model, or of its fisheye model.
        fisheye: which of the two.
    """

    matrix: DoubleArray
    distortion: DoubleArray
    fisheye: bool = False

    @staticmethod
    def of(info: Any, height: int, width: int) -> Lens | None:
        """The lens in a sensor_msgs/CameraInfo for images of this size; None where it is empty."""
        matrix = np.array(info.k, np.float64).reshape(3, 3)
        if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
            return None
        if info.width and info.height:
            matrix[0] *= width / info.width
            matrix[1] *= height / info.height
        fisheye = info.distortion_model in ('equidistant', 'fisheye')
        return Lens(matrix, np.array(info.d, np.float64), fisheye)

    def rays(self, points: DoubleArray) -> DoubleArray:
        """(n, 3) directions with z = 1 of (n, 2) pixels, in the optical frame."""
        plane: Any = points.reshape(-1, 1, 2)
        if not len(plane) or not self.distortion.any():
            homogeneous = np.column_stack([points, np.ones(len(points))])
            result: DoubleArray = homogeneous @ np.linalg.inv(self.matrix).T
            return result
        undistort = cv2.fisheye.undistortPoints if self.fisheye else cv2.undistortPoints
        flat = np.asarray(undistort(plane, self.matrix, self.distortion), np.float64)
        return np.column_stack([flat.reshape(-1, 2), np.ones(len(points))])

    def pixels(self, points: DoubleArray) -> DoubleArray:
        """(n, 2) pixels of (n, 3) points in the optical frame; nan where z <= 0.

        The plumb-bob model of REP-104 and OpenCV: k1 k2 p1 p2 k3; and its longer ones.

        Raises:
            ValueError: a fisheye lens, or a distortion of another length than 0, 4, 5, 8, 12, 14.
        """
        if self.fisheye or len(self.distortion) not in (0, 4, 5, 8, 12, 14):
            raise ValueError(f'no projection for a distortion of {len(self.distortion)} numbers')
        z = np.where(points[:, 2] > 0, points[:, 2], np.nan)
        x, y = points[:, 0] / z, points[:, 1] / z
        if len(self.distortion) > 5:
            plane: Any = np.column_stack([x, y, np.ones(len(z))])
            bent, _ = cv2.projectPoints(
                plane, np.zeros(3), np.zeros(3), self.matrix, self.distortion
            )
            return np.asarray(bent, np.float64).reshape(-1, 2)
        if self.distortion.any():
            k1, k2, p1, p2, k3 = (*self.distortion.tolist(), 0.0)[:5]
            r2 = x * x + y * y
            radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
            x, y = (
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y),
            )
        m = self.matrix
        return np.column_stack([m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 1] * y + m[1, 2]])


@dataclass(frozen=True)
class Pose:
    """Where something stands, and how it is turned.

    Attributes:
        rotation: (3, 3) float64, from its own axes to those of the world.
        position: (3,) float64, metres, in the world.
    """

    rotation: DoubleArray
    position: DoubleArray

    def __matmul__(self, other: Pose) -> Pose:
        """The pose of something that is at `other` in the axes of this."""
        return Pose(self.rotation @ other.rotation, self.position + self.rotation @ other.position)

    def inside(self, points: DoubleArray) -> DoubleArray:
        """(n, 3) points of the world in its own axes."""
        result: DoubleArray = (points - self.position) @ self.rotation
        return result

    def numbers(self) -> tuple[float, ...]:
        """Position x y z and unit quaternion x y z w, as ROS writes a pose."""
        return (*self.position.tolist(), *quaternion(self.rotation))

    @staticmethod
    def of(numbers: Sequence[float]) -> Pose:
        """The pose with the seven numbers that `numbers` gives."""
        return Pose(rotation(numbers[3:]), np.array(numbers[:3], np.float64))

    @staticmethod
    def planar(x: float, y: float, heading: float) -> Pose:
        """Of a base on the floor, turned by heading radians about z."""
        c, s = np.cos(heading), np.sin(heading)
        return Pose(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]), np.array([x, y, 0.0]))


@dataclass(frozen=True)
class View:
    """A camera at one moment.

    Attributes:
        width, height: of its images, pixels.
        lens: how it projects.
        pose: of its optical frame (x right, y down, z forward) in the world.
    """

    width: int
    height: int
    lens: Lens
    pose: Pose

    def look(self, points: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """(n, 2) pixels and (n,) depths, metres along the optical axis, of (n, 3) world points.

        A point behind the camera has nan for a pixel.
        """
        seen = self.pose.inside(points)
        return self.lens.pixels(seen), seen[:, 2]


def seen(info: Any, pose: Sequence[float], height: int, width: int) -> View | None:
    """The view of a camera that stands still; None where its sensor_msgs/CameraInfo is empty.

    Args:
        info: of the camera.
        pose: x y z qx qy qz qw of its optical frame.
        height, width: of the images.
    """
    lens = Lens.of(info, height, width)
    return None if lens is None else View(width, height, lens, Pose.of(pose))
