"""The one thread that works; callbacks only store messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from reid_ros.config import Config
from reid_ros.ros.intake import Arrival, Intake

# Seconds between two looks at the stop flag while nothing comes.
IDLE_S = 0.2


class Loop:
    """Takes what waits in an intake, moment by moment, until it is stopped.

    Args:
        intake: where arrivals wait.

    Attributes:
        lock: held by this thread while it steps the pipeline, and by whoever else touches it.
        cost_s: mean seconds of each stage.
        problem: what is wrong, '' where nothing is.
        cpu_s, decode_s: processor time of this thread, and of decoding in it.
    """

    def __init__(self, intake: Intake) -> None:
        self.lock = threading.Lock()
        self.cost_s: dict[str, float] = {}
        self.problem = ''
        self.cpu_s = self.decode_s = 0.0
        self._intake = intake
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='reid_worker')
        self._running: Future[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        self._running = self._pool.submit(self._run)

    def configure(self, config: Config) -> None:
        """Take over the settings that may change live."""

    def facts(self) -> Mapping[str, str]:
        """What diagnostics tell of the work."""
        return {}

    def check(self) -> None:
        """Raise what ended the thread, if anything did: a silent death would look like health."""
        if self._running is not None and self._running.done():
            self._running.result()

    def stop(self) -> None:
        """Finish the moment in hand and end; may be called twice."""
        self._stopping.set()
        self._intake.wake()
        self._pool.shutdown(wait=True)

    def reset_tracks(self) -> None:
        """Forget the tracks of every camera."""
        raise NotImplementedError

    def _step(self, arrivals: list[Arrival]) -> None:
        """Use what arrived for one moment."""
        raise NotImplementedError

    def _run(self) -> None:
        while not self._stopping.is_set():
            arrivals = self._intake.take(IDLE_S)
            if arrivals:
                self._step(arrivals)
                self.cpu_s = time.thread_time()

    def _spent(self, cost_s: Mapping[str, float]) -> None:
        for stage, seconds in cost_s.items():
            # A mean over some thirty steps, to be read by people once a second.
            self.cost_s[stage] = self.cost_s.get(stage, seconds) * 0.97 + seconds * 0.03
