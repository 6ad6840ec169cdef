"""The managed node: parameters and models in configure, subscriptions in activate."""

from __future__ import annotations

import functools
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from reid_ros.config import Config
from reid_ros.pipeline import Pipeline
from reid_ros.ros.base import Base
from reid_ros.ros.cameras import Camera
from reid_ros.ros.diagnostics import advice, camera_status, image_topics, node_status
from reid_ros.ros.executors import executor_of
from reid_ros.ros.intake import Arrival, Everything, Intake, Newest
from reid_ros.ros.outputs import Outputs
from reid_ros.ros.parameters import Parameters, check
from reid_ros.ros.services import Services
from reid_ros.ros.subscribe import QUIET, QUIET_PUBLISHER
from reid_ros.ros.target import Target
from reid_ros.ros.worker import Worker
from reid_ros.types import ReidError

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

DIAGNOSE_S, LOCKED_S, TEND_S = 1.0, 0.1, 0.2
# After this a topic without a publisher is probably misspelt.
HINT_AFTER_S = 5.0

Transition = TypeVar('Transition', bound=Callable[..., Any])


def told(transition: Transition) -> Transition:
    """Log what rclpy would swallow: it turns any exception in a transition into ERROR."""

    @functools.wraps(transition)
    def wrapper(self: ReidNode, state: Any) -> Any:
        try:
            return transition(self, state)
        except Exception:
            self.get_logger().fatal(f'{transition.__name__}: {traceback.format_exc()}')
            raise

    return wrapper  # type: ignore[return-value]


class ReidNode(LifecycleNode):  # type: ignore[misc]
    """Camera topics in, identities out.

    Publishers, services and timers are made once; subscriptions and the worker live from activate
    to deactivate, the models from configure to cleanup.

    Args:
        defaults: what holds where no parameter is given.
        load: makes the pipeline of a configuration.

    Attributes:
        config: the settings of the present run.
        pipeline: from configure to cleanup, else None.
        worker: the thread that steps it, from activate to deactivate, else None.
        cameras: by name, from activate to deactivate.
        enabled: whether images are used.
        problem: why the last transition failed, '' where it did not.
    """

    def __init__(
        self,
        defaults: Config | None = None,
        load: Callable[[Config], Pipeline] = Pipeline.load,
        **options: Any,
    ) -> None:
        super().__init__(
            'reid_node', automatically_declare_parameters_from_overrides=True, **options
        )
        # rclpy lets a transition that is not possible end the executor, unanswered.
        service = self._service_change_state
        service.callback = functools.partial(self._change_state, service.callback)
        self.parameters = Parameters(self, defaults or Config())
        self.config = defaults or Config()
        self.cameras: dict[str, Camera] = {}
        self.target = Target(self.config.target)
        self.problem = ''
        self._load = load
        self._state = 'unconfigured'
        self.enabled = True
        self._hinted = False
        self.pipeline: Pipeline | None = None
        self._intake: Intake | None = None
        self._base: Base | None = None
        self.worker: Worker | None = None
        # A misspelt name is refused in configure; rclpy would not even make its topics.
        usable = [] if self.parameters.problems else self.parameters.camera_names
        self._outputs = Outputs(self, usable)
        self._diagnostics = self.create_publisher(
            DiagnosticArray, '/diagnostics', 10, event_callbacks=QUIET_PUBLISHER
        )
        self.create_subscription(
            String, '~/select_target', self._on_select, 10, event_callbacks=QUIET
        )
        Services(self)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # a stopped /clock must not stop these
        self.create_timer(DIAGNOSE_S, self._diagnose, clock=steady)
        self.create_timer(LOCKED_S, self._publish_locked, clock=steady)
        self.create_timer(TEND_S, self._tend, clock=steady)

    @property
    def autostart(self) -> bool:
        """Whether the node is to configure and activate itself."""
        return bool(self.get_parameter('autostart').value)

    def start(self) -> bool:
        """Configure and activate; False where the configuration fails, which is logged."""
        if self.trigger_configure() != SUCCESS:
            return False
        return bool(self.trigger_activate() == SUCCESS)

    @told
    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Read the parameters and load the models; FAILURE says in the log what to mend."""
        try:
            config = self.parameters.config()
            check(config, self._advice)
            self.pipeline = self._load(config)
        except ReidError as error:
            self.problem = f'not configured: {error}'
            self.get_logger().error(self.problem)
            return FAILURE
        self.problem = ''
        self.config = config
        self.parameters.configured, self.parameters.changed = True, False
        self.target.configure(config.target)
        self._outputs.configure(config)
        self._state = 'inactive'
        return SUCCESS

    @told
    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe and start to work."""
        pipeline = self.pipeline
        if pipeline is None:
            return FAILURE
        names = self.config.camera_names
        intake: Intake
        if self.config.late_frame_policy == 'process_all':
            intake = Everything(names, self.config.queue_images, self._overflowed)
        else:
            intake = Newest(self._dropped)
        self._intake, self._hinted = intake, False
        self.enabled = True
        try:
            for name in names:
                self.cameras[name] = Camera(
                    self, name, self.config, self._accept, self.parameters.given
                )
            if any(camera.config.mount for camera in self.cameras.values()):
                self._base = Base(self, self.config, self.parameters.given)
        except ReidError as error:  # messages that are not installed
            self.problem = f'not activated: {error}'
            self.get_logger().error(self.problem)
            self._destroy_cameras()
            return FAILURE
        self.worker = Worker(
            pipeline,
            intake,
            self.cameras,
            self._outputs,
            self.target,
            self.get_clock(),
            self._base,
        )
        self.worker.start()
        self._state = 'active'
        return super().on_activate(state)

    @told
    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Finish the image in hand, unsubscribe, and take the markers off the screens."""
        self._stop()
        self._outputs.clear()
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Save the gallery and let the models go."""
        return SUCCESS if self._release() else FAILURE

    @told
    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Deactivate and clean up from whichever state."""
        self._stop()
        self._release()
        return SUCCESS

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Go back to unconfigured, with nothing left open."""
        self._stop()
        self._release()
        return SUCCESS

    def close(self) -> None:
        """Stop, save the gallery and destroy the node; may be called in any state."""
        self._stop()
        self._release()
        self.destroy_node()

    def _stop(self) -> None:
        self._destroy_cameras()
        if self.worker is not None:
            self.worker.stop()
            self.worker = None
        self._intake = None
        if self._state == 'active':
            self._state = 'inactive'

    def _destroy_cameras(self) -> None:
        for camera in self.cameras.values():
            camera.destroy()
        self.cameras = {}
        if self._base is not None:
            self._base.destroy()
            self._base = None

    def _release(self) -> bool:
        pipeline, self.pipeline = self.pipeline, None
        self.parameters.configured = False
        self.target.release()
        self._state = 'unconfigured'
        if pipeline is None:
            return True
        try:
            pipeline.close()
        except ReidError as error:
            self.problem = str(error)
            self.get_logger().error(self.problem)
            return False
        return True

    # images -------------------------------------------------------------------------------------

    def _accept(self, arrival: Arrival) -> None:
        if self.enabled and self._intake is not None:
            self._intake.put(arrival)

    def _dropped(self, camera: str) -> None:
        self.cameras[camera].health.count('dropped_by_policy')

    def _overflowed(self, camera: str) -> None:
        self._dropped(camera)
        self.cameras[camera].note('full')

    # timers -------------------------------------------------------------------------------------

    def _publish_locked(self) -> None:
        if self._state == 'active':
            self._outputs.publish_locked(self.target.locked(time.monotonic()))

    def _tend(self) -> None:
        if self.worker is not None:
            self.worker.check()
        if self.parameters.changed:
            self._apply()
        for camera in self.cameras.values():
            camera.tend(hurried=True)
            if self._intake is not None and camera.silent_s() > self.config.silent_after_s:
                self._intake.silent(camera.name)

    def _apply(self) -> None:
        """Take over the live settings."""
        self.parameters.changed = False
        if self.pipeline is None:
            return
        self.config = self.parameters.config()
        self.target.configure(self.config.target)
        if self.worker is None:
            self.pipeline.configure(self.config)
        else:
            with self.worker.lock:
                self.pipeline.configure(self.config)

    def _diagnose(self) -> None:
        now = time.monotonic()
        name = self.get_name()
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        worker, pipeline = self.worker, self.pipeline
        problem = self.problem or (worker.problem if worker else '')
        facts = dict(pipeline.facts()) if pipeline else {}
        facts['enabled'] = str(self.enabled)
        cost = dict(worker.cost_s) if worker else {}
        array.status = [node_status(name, self._state, problem, facts, cost)]
        for camera in self.cameras.values():
            camera.tend()
            array.status.append(camera_status(name, camera, self.config, now))
        if self._base is not None:
            self._base.subscription.tend()
        self._diagnostics.publish(array)
        self._hint(now)

    def _hint(self, now_s: float) -> None:
        """Say once what to write, where a camera's topic does not exist."""
        if self._hinted or not self.cameras:
            return
        if now_s - min(camera.opened_s for camera in self.cameras.values()) < HINT_AFTER_S:
            return
        self._hinted = True
        missing = [c.images.topic for c in self.cameras.values() if not c.images.publishers()]
        if missing:
            self.get_logger().warning(f'nobody publishes {", ".join(missing)}; {self._advice()}')

    def _advice(self) -> str:
        return advice(
            [
                (topic, transport)
                for topic, transport in image_topics(self.get_topic_names_and_types())
                if not topic.endswith(('/debug_image', '/debug_image/compressed'))
                and self.count_publishers(topic)
            ]
        )

    # services -----------------------------------------------------------------------------------

    def _change_state(self, change: Callable[..., Any], request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except _rclpy.RCLError as error:
            self.get_logger().warning(
                f'transition {request.transition.label or request.transition.id} is not possible '
                f'while the node is {self._state}: {error}'
            )
            response.success = False
            return response

    def _on_select(self, message: String) -> None:
        wanted = message.data.strip()
        mode = 'nearest' if wanted == 'nearest' else 'id' if wanted else 'off'
        person = wanted if mode == 'id' else ''
        self.target.release()
        self.set_parameters(
            [Parameter('target.mode', value=mode), Parameter('target.person_id', value=person)]
        )
        self._apply()


def main(args: Sequence[str] | None = None, defaults: Config | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; further signals do not disturb the ending."""
    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    rclpy.init(
        args=sys.argv if args is None else list(args),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    node = ReidNode(defaults)
    executor = executor_of(node, node.get_parameter('executor').value)
    try:
        if node.autostart and not stopped:
            node.start()
        while rclpy.ok() and not stopped:
            executor.spin_once(timeout_sec=0.1)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        executor.shutdown()
        rclpy.try_shutdown()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Python gives handlers of its own up before DDS has ended; this one stays.
            signal.signal(number, signal.SIG_IGN)
    return 0
