"""What our managed nodes share: parameters, transitions, diagnostics, and how they end."""

from __future__ import annotations

import contextlib
import functools
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from reid_ros.config import Config
from reid_ros.engine.progress import in_steps, watched
from reid_ros.pipeline import Pipeline
from reid_ros.ros.diagnostics import node_status
from reid_ros.ros.ending import until_signalled
from reid_ros.ros.executors import executor_of
from reid_ros.ros.loop import Loop
from reid_ros.ros.parameters import Parameters
from reid_ros.ros.subscribe import QUIET_PUBLISHER
from reid_ros.types import ReidError

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

DIAGNOSE_S, TEND_S = 1.0, 0.2

Transition = TypeVar('Transition', bound=Callable[..., Any])


def told(transition: Transition) -> Transition:
    """Log what rclpy would swallow: it turns any exception in a transition into ERROR."""

    @functools.wraps(transition)
    def wrapper(self: Managed, state: Any) -> Any:
        try:
            return transition(self, state)
        except Exception:
            self.get_logger().fatal(f'{transition.__name__}: {traceback.format_exc()}')
            raise

    return wrapper  # type: ignore[return-value]


class Managed(LifecycleNode):  # type: ignore[misc]
    """A node with our parameters, a pipeline from configure to cleanup, a thread while active.

    A subclass says what is checked, opened, shut and told; see the methods below `hooks`.

    Args:
        name: of the node, where nobody remaps it.
        defaults: what holds where no parameter is given.
        load: makes the pipeline of a configuration.

    Attributes:
        config: the settings of the present run.
        pipeline: from configure to cleanup, else None.
        worker: the thread that steps it, from activate to deactivate, else None.
        enabled: whether what comes in is used.
        problem: why the last transition failed, '' where it did not.
    """

    def __init__(
        self,
        name: str,
        defaults: Config | None,
        load: Callable[[Config], Pipeline],
        **options: Any,
    ) -> None:
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **options)
        # rclpy lets a transition that is not possible end the executor, unanswered.
        service = self._service_change_state
        service.callback = functools.partial(self._change_state, service.callback)
        self.parameters = Parameters(self, defaults or Config())
        self.config = defaults or Config()
        self.problem = ''
        self._load = load
        self._state = 'unconfigured'
        self.enabled = True
        self.pipeline: Pipeline | None = None
        self.worker: Loop | None = None
        self._diagnostics = self.create_publisher(
            DiagnosticArray, '/diagnostics', 10, event_callbacks=QUIET_PUBLISHER
        )
        # A stopped /clock must not stop the timers.
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSE_S, self._diagnose, clock=self.steady)
        self.create_timer(TEND_S, self._tend, clock=self.steady)

    @property
    def usable_names(self) -> Sequence[str]:
        """The cameras; none while a parameter is wrong.

        A misspelt name is refused in configure; rclpy would not even make its topics.
        """
        return [] if self.parameters.problems else self.parameters.camera_names

    @property
    def autostart(self) -> bool:
        """Whether the node is to configure and activate itself."""
        return bool(self.get_parameter('autostart').value)

    def start(self) -> bool:
        """Configure and activate; False where the configuration fails, which is logged."""
        if self.trigger_configure() != SUCCESS:
            return False
        return bool(self.trigger_activate() == SUCCESS)

    def exclusive(self) -> contextlib.AbstractContextManager[Any]:
        """Nobody else steps the pipeline meanwhile."""
        return self.worker.lock if self.worker is not None else contextlib.nullcontext()

    @told
    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Read the parameters and load the models; FAILURE says in the log what to mend."""
        try:
            config = self.parameters.config()
            self._check(config)
            with watched(in_steps(self.get_logger().info)):
                self.pipeline = self._load(config)
        except ReidError as error:
            self.problem = f'not configured: {error}'
            self.get_logger().error(self.problem)
            return FAILURE
        self.problem = ''
        self.config = config
        self.parameters.configured, self.parameters.changed = True, False
        self._configured(config)
        self._state = 'inactive'
        return SUCCESS

    @told
    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe and start to work."""
        if self.pipeline is None:
            return FAILURE
        self.enabled = True
        try:
            worker = self._open(self.pipeline)
        except ReidError as error:  # messages that are not installed
            self.problem = f'not activated: {error}'
            self.get_logger().error(self.problem)
            self._shut()
            return FAILURE
        self.worker = worker
        worker.start()
        self._state = 'active'
        return super().on_activate(state)

    @told
    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Finish the image in hand, unsubscribe, and take the markers off the screens."""
        self._stop()
        self._cleared()
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

    # hooks --------------------------------------------------------------------------------------

    def _check(self, config: Config) -> None:
        """What the parameters cannot say one by one; raises ReidError."""

    def _configured(self, config: Config) -> None:
        """Take the settings of the next run."""

    def _changed(self, config: Config) -> None:
        """Take the settings that changed live."""

    def _open(self, pipeline: Pipeline) -> Loop:
        """Subscribe; returns the thread that is to work. May raise ReidError."""
        raise NotImplementedError

    def _shut(self) -> None:
        """Unsubscribe; may be called when nothing is open."""

    def _cleared(self) -> None:
        """The node was deactivated."""

    def _released(self) -> None:
        """The pipeline is given up."""

    def _look_after(self) -> None:
        """Called five times a second in every state."""

    def _statuses(self, now_s: float) -> list[Any]:
        """A DiagnosticStatus of everything that is open."""
        return []

    def _facts(self) -> Mapping[str, Any]:
        """What diagnostics tell of the node beyond the facts of its pipeline."""
        return {}

    # --------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self._shut()
        if self.worker is not None:
            self.worker.stop()
            self.worker = None
        if self._state == 'active':
            self._state = 'inactive'

    def _release(self) -> bool:
        pipeline, self.pipeline = self.pipeline, None
        self.parameters.configured = False
        self._released()
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

    def _tend(self) -> None:
        if self.worker is not None:
            self.worker.check()
        if self.parameters.changed:
            self._apply()
        self._look_after()

    def _apply(self) -> None:
        """Take over the live settings."""
        self.parameters.changed = False
        if self.pipeline is None:
            return
        self.config = self.parameters.config()
        self._changed(self.config)
        with self.exclusive():
            self.pipeline.configure(self.config)
            if self.worker is not None:
                self.worker.configure(self.config)

    def _diagnose(self) -> None:
        now = time.monotonic()
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        worker, pipeline = self.worker, self.pipeline
        problem = self.problem or (worker.problem if worker else '')
        facts = dict(pipeline.facts()) if pipeline else {}
        facts.update(self._facts())
        facts.update(worker.facts() if worker else {})
        facts['enabled'] = str(self.enabled)
        cost = dict(worker.cost_s) if worker else {}
        array.status = [node_status(self.get_name(), self._state, problem, facts, cost)]
        array.status += self._statuses(now)
        self._diagnostics.publish(array)

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


def run(make: Callable[[], Managed], args: Sequence[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM; further signals do not disturb the ending."""
    with until_signalled(args) as goes_on:
        node = make()
        executor = executor_of(node, node.get_parameter('executor').value)
        try:
            if node.autostart and goes_on():
                node.start()
            while goes_on():
                executor.spin_once(timeout_sec=0.1)
        finally:
            node.close()
            executor.shutdown()
    return 0
