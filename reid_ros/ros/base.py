"""The base of a robot: its odometry, and what its motion does to the cameras that ride on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.node import Node

from reid_ros.config import Config
from reid_ros.lens import Lens, Pose, seen
from reid_ros.odometry import Motion, Odometry
from reid_ros.ros.frames import Standpoint
from reid_ros.ros.source import Source
from reid_ros.ros.subscribe import Subscription
from reid_ros.types import DoubleArray

# Poses that the middleware keeps while the executor is held up: half a second at 200 Hz.
DEPTH = 100
# Longest wait for the odometry of an image, under process_all alone. The live policy carries the
# last motion on instead: what that errs by is less than what a wait would cost all cameras.
WAIT_S = 0.1
# Of the time of all cameras, waits take no more than this share, and this much at once.
WAIT_SHARE, WAIT_BURST_S = 0.2, 0.5
# Images in a row without odometry until somebody is told: at the start the first may come early.
PATIENCE = 3


class Base:
    """Hears the odometry and gives each image its homography.

    Filled by the executor's thread, asked by the worker's.

    Args:
        node: owns the subscription.
        config: all settings.
        overrides: names of the parameters given to the node.
    """

    def __init__(self, node: Node, config: Config, overrides: Collection[str] = ()) -> None:
        self._odometry = Odometry()
        self._refused = 0
        self._frame = ''
        self._motions = {
            name: Motion(self._odometry, Pose.of(config.cameras[name].mount))
            for name in config.camera_names
            if config.cameras[name].mount
        }
        self._came = threading.Condition()
        self._wait_s = WAIT_S if config.late_frame_policy == 'process_all' else 0.0
        self._spare_s, self._spared_s = WAIT_BURST_S, time.monotonic()
        self._in_vain = -1  # poses that were there when a wait ended without the right one
        self._row = dict.fromkeys(self._motions, 0)
        self.subscription = Subscription(
            node,
            OdometryMessage,
            config.odom_topic or 'odom',
            self._on_odometry,
            depth=DEPTH,
            overrides=overrides,
        )

    def expect(self, stamps_ns: Mapping[str, int]) -> None:
        """Wait a little for the odometry of images, unless nothing came since the last wait.

        Args:
            stamps_ns: by camera; those that ride on nothing do not count.
        """
        riding = [stamp for name, stamp in stamps_ns.items() if name in self._motions]
        if not riding or not self._wait_s:
            return
        latest, began = max(riding), time.monotonic()
        spare = self._spare_s + WAIT_SHARE * (began - self._spared_s)
        self._spare_s, self._spared_s = min(WAIT_BURST_S, spare), began
        end = began + min(self._wait_s, self._spare_s)
        with self._came:
            while (self._odometry.newest_ns or 0) < latest:
                left = end - time.monotonic()
                if left <= 0.0 or self._odometry.received == self._in_vain:
                    self._in_vain = self._odometry.received
                    break
                self._came.wait(left)
        self._spare_s -= time.monotonic() - began

    def ego(self, camera: Source, stamp_ns: int, height: int, width: int) -> DoubleArray | None:
        """The homography from the camera's last image that was used to this one, see `Motion`.

        Why there is none is counted, and told where it lasts.
        """
        motion = self._motions.get(camera.name)
        if motion is None:
            return None
        lens = None if camera.info is None else Lens.of(camera.info, height, width)
        with self._came:
            result = motion.step(stamp_ns, lens)
            lacking, newest = motion.lacking, self._odometry.newest_ns
        if not lacking:
            self._row[camera.name] = 0
            return result
        camera.health.count(lacking)
        self._row[camera.name] += 1
        if self._row[camera.name] >= PATIENCE:
            words = self._why(stamp_ns, newest)
            if lacking == 'no_camera_info':
                words = f'no usable camera_info on {camera.info_topic}: publish it, or set '
                words += f'cameras.{camera.name}.camera_info_topic'
            camera.note(lacking, f'{words}; the camera is tracked as if it stood still')
        return result

    def standpoint(
        self, camera: Source, stamp_ns: int, height: int, width: int
    ) -> Standpoint | None:
        """From where an image was taken, in the frame of the odometry; None where not known."""
        mount = camera.config.mount
        if not mount or camera.info is None:
            return None
        with self._came:
            base, frame = self._odometry.at(stamp_ns), self._frame
        if base is None or not frame:
            return None
        view = seen(camera.info, (base @ Pose.of(mount)).numbers(), height, width)
        return None if view is None else Standpoint(view, frame)

    def reset(self, camera: str) -> None:
        """The tracks of a camera were forgotten: its next image has none before it."""
        motion = self._motions.get(camera)
        if motion is not None:
            motion.reset()

    def destroy(self) -> None:
        """End the subscription."""
        self.subscription.destroy()

    def _why(self, stamp_ns: int, newest_ns: int | None) -> str:
        topic = self.subscription.topic
        if newest_ns is None and self._refused:
            return f'no odometry: what {topic} says has no stamp or no rotation of length 1'
        if newest_ns is None:
            return f'no odometry: nothing came on {topic}: start the base, or set odom_topic'
        return (
            f'no odometry that fits its images: the newest pose on {topic} is '
            f'{(newest_ns - stamp_ns) * 1e-9:+.2f} s from the image: synchronise the clocks of '
            'the hosts, or have the base speak sooner, and four times a second at least'
        )

    def _on_odometry(self, message: Any) -> None:
        with self._came:
            self._frame = message.header.frame_id
            if not self._odometry.hear(message):
                self._refused += 1
            self._came.notify_all()
