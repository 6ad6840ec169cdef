"""The thread that decodes images, steps the pipeline and publishes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rclpy.clock import Clock

from reid_ros.budget import Allowance, Budget
from reid_ros.config import Config
from reid_ros.pipeline import Pipeline
from reid_ros.replay.encodings import EncodingError
from reid_ros.ros.base import Base
from reid_ros.ros.convert import pixels
from reid_ros.ros.diagnostics import budget_facts
from reid_ros.ros.intake import Arrival, Intake
from reid_ros.ros.loop import Loop
from reid_ros.ros.outputs import Outputs, Shot
from reid_ros.ros.source import Source
from reid_ros.ros.target import TargetTopics
from reid_ros.types import Detections, Frame, Moment, ReidError


class Watcher(Loop):
    """Decodes images and hands them on; `_use` says to whom.

    Args:
        pipeline: stepped by this thread alone, under `lock`.
        intake: where images wait.
        cameras: by name.
        clock: the ROS clock, for the latency.
        base: what cameras with a mount ride on; None where there is no such camera.
        budget: what may be done under load; None: everything.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        intake: Intake,
        cameras: Mapping[str, Source],
        clock: Clock,
        base: Base | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(intake)
        self._budget = budget
        self._pipeline, self._cameras, self._clock, self._base = pipeline, cameras, clock, base
        self._index = dict.fromkeys(cameras, 0)

    def reset_tracks(self) -> None:
        """Forget the tracks of every camera."""
        with self.lock:
            for name in self._index:
                self._forget(name)

    def configure(self, config: Config) -> None:
        """Take over the settings that may change live."""
        if self._budget is not None:
            self._budget.limit_s = config.max_latency_s

    def facts(self) -> Mapping[str, str]:
        """What is given up under load, and why."""
        return budget_facts(self._budget) if self._budget is not None else {}

    def _use(self, shots: Sequence[Shot], allowance: Allowance | None) -> Mapping[str, float]:
        """Step the pipeline and publish; returns seconds by stage. May raise ReidError."""
        raise NotImplementedError

    def _forget(self, camera: str) -> None:
        """Forget the tracks of a camera; the lock is held."""
        self._pipeline.reset_camera(camera)

    def _step(self, arrivals: list[Arrival]) -> None:
        if self._base is not None:
            self._base.expect({a.camera: a.stamp_ns for a in arrivals})
        allowance = None
        if self._budget is not None:
            allowance = self._budget.begin({a.camera: a.due_s for a in arrivals})
        began = time.thread_time()
        shots = [shot for arrival in arrivals if (shot := self._shot(arrival)) is not None]
        self.decode_s += time.thread_time() - began
        if not shots:
            return
        try:
            cost_s = self._use(shots, allowance)
        except ReidError as error:
            self.problem = str(error)
            return
        self.problem = ''
        now = self._clock.now().nanoseconds
        for shot in shots:
            camera = self._cameras[shot.frame.camera]
            camera.health.count('processed')
            age_ns = now + camera.ahead_ns - shot.frame.stamp_ns
            camera.health.latencies.append(age_ns * 1e-9)
        self._spent(cost_s)
        if allowance is not None:
            allowance.done(cost_s)

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
        ego = standpoint = None
        if self._base is not None:
            seen = arrival.stamp_ns, *image.shape[:2]
            ego = self._base.ego(camera, *seen)
            standpoint = self._base.standpoint(camera, *seen)
        view = camera.view(*image.shape[:2])
        if standpoint is not None and standpoint.frame == self._pipeline.config.target_frame:
            view = standpoint.view
        frame = Frame(arrival.camera, arrival.stamp_ns, image, index, order, found, ego, view)
        return Shot(frame, arrival.message.header, camera.info, standpoint)

    def _reset(self, camera: str) -> None:
        with self.lock:
            self._forget(camera)
        if self._base is not None:
            self._base.reset(camera)


class Worker(Watcher):
    """Images in, identities out.

    Args:
        pipeline, intake, cameras, clock, base, budget: see `Watcher`.
        outputs: publishes the results.
        target: the person to follow.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        intake: Intake,
        cameras: Mapping[str, Source],
        outputs: Outputs,
        target: TargetTopics,
        clock: Clock,
        base: Base | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(pipeline, intake, cameras, clock, base, budget)
        self._outputs, self._target = outputs, target

    def _use(self, shots: Sequence[Shot], allowance: Allowance | None) -> Mapping[str, float]:
        with self.lock:
            moment = self._moment(shots, allowance)
            names = dict(self._pipeline.names())
            observations = self._pipeline.observations
            ranked = self._outputs.vision.ranked(self._pipeline, moment)
        self._outputs.publish(shots, moment, self._target, names, ranked)
        self._outputs.publish_embeddings(observations)
        return moment.cost_s

    def _moment(self, shots: Sequence[Shot], allowance: Allowance | None) -> Moment:
        """Who is in the images; the lock is held."""
        return self._pipeline.step([shot.frame for shot in shots], allowance)
