"""The one thread that decodes, steps the pipeline and publishes; callbacks only store messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rclpy.clock import Clock

from reid_ros.pipeline import Pipeline
from reid_ros.replay.encodings import EncodingError
from reid_ros.ros.base import Base
from reid_ros.ros.cameras import Camera
from reid_ros.ros.convert import pixels
from reid_ros.ros.intake import Arrival, Intake
from reid_ros.ros.outputs import Outputs, Shot
from reid_ros.ros.target import Target
from reid_ros.types import Detections, Frame, ReidError

# Seconds between two looks at the stop flag while no image comes.
IDLE_S = 0.2


class Worker:
    """Takes images from the intake until it is stopped.

    Args:
        pipeline: stepped by this thread alone, under `lock`.
        intake: where images wait.
        cameras: by name.
        outputs: publishes the results.
        target: the person to follow.
        clock: the ROS clock, for the latency.
        base: what cameras with a mount ride on; None where there is no such camera.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        intake: Intake,
        cameras: Mapping[str, Camera],
        outputs: Outputs,
        target: Target,
        clock: Clock,
        base: Base | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self.cost_s: dict[str, float] = {}
        self.problem = ''
        self.cpu_s = self.decode_s = 0.0  # processor time of this thread, and of decoding in it
        self._pipeline, self._intake, self._cameras = pipeline, intake, cameras
        self._outputs, self._target, self._clock = outputs, target, clock
        self._base = base
        self._stopping = threading.Event()
        self._index = dict.fromkeys(cameras, 0)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='reid_worker')
        self._running: Future[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        self._running = self._pool.submit(self._run)

    def check(self) -> None:
        """Raise what ended the thread, if anything did: a silent death would look like health."""
        if self._running is not None and self._running.done():
            self._running.result()

    def stop(self) -> None:
        """Finish the image in hand and end; may be called twice."""
        self._stopping.set()
        self._intake.wake()
        self._pool.shutdown(wait=True)

    def reset_tracks(self) -> None:
        """Forget the tracks of every camera."""
        with self.lock:
            for name in self._cameras:
                self._pipeline.reset_camera(name)

    def _run(self) -> None:
        while not self._stopping.is_set():
            arrivals = self._intake.take(IDLE_S)
            if arrivals:
                if self._base is not None:
                    self._base.expect({a.camera: a.stamp_ns for a in arrivals})
                self._step(arrivals)
                self.cpu_s = time.thread_time()

    def _step(self, arrivals: list[Arrival]) -> None:
        began = time.thread_time()
        shots = [shot for arrival in arrivals if (shot := self._shot(arrival)) is not None]
        self.decode_s += time.thread_time() - began
        if not shots:
            return
        frames = [shot.frame for shot in shots]
        try:
            with self.lock:
                moment = self._pipeline.step(frames)
                names = dict(self._pipeline.names())
                observations = self._pipeline.observations
        except ReidError as error:
            self.problem = str(error)
            return
        self.problem = ''
        self._outputs.publish(shots, moment, self._target, names, time.monotonic())
        self._outputs.publish_embeddings(observations)
        now = self._clock.now().nanoseconds
        for frame in frames:
            health = self._cameras[frame.camera].health
            health.count('processed')
            health.latencies.append((now - frame.stamp_ns) * 1e-9)
        for stage, seconds in moment.cost_s.items():
            # A mean over some thirty steps, to be read by people once a second.
            self.cost_s[stage] = self.cost_s.get(stage, seconds) * 0.97 + seconds * 0.03

    def _shot(self, arrival: Arrival) -> Shot | None:
        """The decoded image; None where it cannot be decoded, which is counted and told."""
        camera = self._cameras[arrival.camera]
        reset = arrival.reset
        try:
            image, order = pixels(arrival.message)
        except EncodingError as error:
            camera.health.count('undecodable')
            camera.note('undecodable', f'image cannot be decoded: {error}')
            if reset:
                self._reset(arrival.camera)
            return None
        if camera.resized(*image.shape[:2]):
            camera.health.count('resolution_changes')
            camera.note('resolution')
            reset = True
        if reset:
            self._reset(arrival.camera)
        found: Any = arrival.detections
        if found is None and camera.config.detections == 'none':
            found = Detections.none()
        index = self._index[arrival.camera]
        self._index[arrival.camera] = index + 1
        ego = None
        if self._base is not None:
            ego = self._base.ego(camera, arrival.stamp_ns, *image.shape[:2])
        view = camera.view(*image.shape[:2])
        frame = Frame(arrival.camera, arrival.stamp_ns, image, index, order, found, ego, view)
        return Shot(frame, arrival.message.header, camera.info)

    def _reset(self, camera: str) -> None:
        with self.lock:
            self._pipeline.reset_camera(camera)
        if self._base is not None:
            self._base.reset(camera)
