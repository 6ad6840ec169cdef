"""The node on images of other processes, measured: `python -m reid_ros.ros.measure cam1 cam2 ...`.

Writes one JSON object per sample to standard output, and at the end, when no image has come for a
while, one of the whole run. `reid_ros bench node` and the soak test start it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions

from reid_ros.config import CameraConfig, Config, ModelConfig, read
from reid_ros.ros.diagnostics import percentiles_ms
from reid_ros.ros.executors import executor_of
from reid_ros.ros.node import ReidNode
from reid_ros.types import ReidError

# Publishers are gone when nothing has come for so long.
SILENCE_S = 3.0
HOLDS = 5


def memory_mb() -> dict[str, float]:
    """Memory of this process, MB: all that is resident, and what of it is its own.

    The rest is mostly the shared segments of the publishers, which become resident as images come
    to lie in new places of them, and code.
    """
    return _memory_mb(_status())


def _memory_mb(status: Mapping[str, str]) -> dict[str, float]:
    names = {'rss_mb': 'VmRSS', 'own_mb': 'RssAnon'}
    return {name: int(status[field].split()[0]) / 1e3 for name, field in names.items()}


def _status() -> dict[str, str]:
    """What the kernel says of this process, by its words."""
    with open('/proc/self/status', encoding='ascii') as file:
        return dict(line.split(':', 1) for line in file)


def holdings() -> dict[str, float]:
    """What this process holds: memory, MB; threads, files, and Python's blocks of memory.

    Not the collector's objects: to list them while another thread makes a tuple breaks that tuple.
    """
    status = _status()
    return {
        **_memory_mb(status),
        'threads': int(status['Threads']),
        'python_threads': threading.active_count(),
        'files': len(os.listdir('/proc/self/fd')),
        'blocks': sys.getallocatedblocks(),
    }


def cpu_s() -> float:
    """Processor time of this process, seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Measurement:
    """Spins a node and keeps the figures.

    Args:
        node: active.
        warm_s: seconds after the first image that do not count for the CPU figure.
        sample_s: seconds between two samples.
        hold_s: seconds for which the executor is held up before the figures begin, HOLDS times:
            what waits for it has then been as much as it gets, and the memory for it is there.
    """

    def __init__(
        self, node: ReidNode, warm_s: float, sample_s: float, hold_s: float = 0.0
    ) -> None:
        self._node, self._warm_s, self._sample_s = node, warm_s, sample_s
        self._hold_s = hold_s
        self._executor = executor_of(node, node.get_parameter('executor').value)

    def run(self, wait_s: float, silence_s: float = SILENCE_S) -> dict[str, Any]:
        """Until the publishers end; raises ReidError where none begins within wait_s."""
        end = time.monotonic() + wait_s
        while not self._received():
            if time.monotonic() > end:
                raise ReidError(f'no image came within {wait_s:.0f} s')
            self._executor.spin_once(timeout_sec=0.1)
        start = time.monotonic()
        self._spin(self._warm_s)
        lost_while_held = self._hold()
        # The last state in which images came is the end of what is measured.
        began = latest = self._state()
        sampled, counted = start, 0
        while time.monotonic() < latest[0] + silence_s:
            self._executor.spin_once(timeout_sec=0.1)
            now = time.monotonic()
            if self._received() > latest[1]:
                latest = self._state()
            if now > sampled + self._sample_s and latest[1] > counted:
                sampled, counted = now, latest[1]
                self._sample(now - start)
        seconds, images, whole, receive = (b - a for a, b in zip(began, latest))
        return {
            **self._counts(),
            'lost_while_held': lost_while_held,
            'rate_hz': images / max(seconds, 1e-9),
            'receive_ms_per_image': 1e3 * receive / max(images, 1),
            'cpu_ms_per_image': 1e3 * whole / max(images, 1),
            'cpu_share': whole / max(seconds, 1e-9),
            **memory_mb(),
            **self._known(),
        }

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)

    def _hold(self) -> int:
        """Hold the executor up; returns how many images that cost, by the gaps in the stamps."""
        if not self._hold_s:
            return 0
        before = self._missing()
        for _ in range(HOLDS):
            time.sleep(self._hold_s)
            self._spin(self._hold_s)
        return self._missing() - before

    def _missing(self) -> int:
        return sum(camera.missing for camera in self._node.cameras.values())

    def _state(self) -> tuple[float, int, float, float]:
        """Time, images, and CPU seconds: of everything, and of receiving and decoding."""
        worker, whole = self._node.worker, cpu_s()
        rest = worker.cpu_s - worker.decode_s if worker else 0.0
        return time.monotonic(), self._received(), whole, whole - rest

    def _received(self) -> int:
        return sum(c.health.counts['received'] for c in self._node.cameras.values())

    def _counts(self) -> dict[str, Any]:
        cameras = self._node.cameras.values()
        latencies = [value for camera in cameras for value in list(camera.health.latencies)]
        p50, p95 = percentiles_ms(latencies)

        def total(name: str) -> int:
            return sum(camera.health.counts[name] for camera in cameras)

        return {
            'received': self._received(),
            'processed': total('processed'),
            'dropped_by_policy': total('dropped_by_policy'),
            'lost_said_by_middleware': sum(camera.stream.lost for camera in cameras),
            'lost_by_stamp_gaps': self._missing(),
            'latency_p50_ms': p50,
            'latency_p95_ms': p95,
        }

    def _known(self) -> dict[str, Any]:
        """Who is known, and where the time goes."""
        pipeline, worker = self._node.pipeline, self._node.worker
        cost_s = dict(worker.cost_s) if worker else {}
        return {
            'persons': len(pipeline.gallery) if pipeline else 0,
            'cost_ms': {stage: round(1e3 * seconds, 2) for stage, seconds in cost_s.items()},
        }

    def _sample(self, seconds: float) -> None:
        persons = self._known()['persons']
        _tell({'sample': {'seconds': seconds, **holdings(), **self._counts(), 'persons': persons}})


def _tell(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + '\n')
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one run."""
    parser = argparse.ArgumentParser(prog='reid_ros.ros.measure', description=__doc__)
    parser.add_argument('cameras', nargs='*')
    parser.add_argument('--config', metavar='FILE', help='settings, instead of those below')
    parser.add_argument('--transport', default='raw', choices=('raw', 'compressed'))
    parser.add_argument('--detector', default='none', help='model; none only receives')
    parser.add_argument('--appearance', default='none')
    parser.add_argument('--warm', type=float, default=2.0)
    parser.add_argument('--sample', type=float, default=1e9)
    parser.add_argument('--hold', type=float, default=0.0)
    parser.add_argument('--wait', type=float, default=30.0)
    parser.add_argument('--silence', type=float, default=SILENCE_S)
    args = parser.parse_args(arguments)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = ReidNode(_settings(args))
    try:
        if not node.start():
            raise ReidError(node.problem)
        measurement = Measurement(node, args.warm, args.sample, args.hold)
        _tell({'result': measurement.run(args.wait, args.silence)})
    except ReidError as error:
        sys.stderr.write(f'{error}\n')
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        node.close()
        rclpy.try_shutdown()
    return 0


def _settings(args: argparse.Namespace) -> Config:
    if args.config:
        return read(args.config)
    who = 'none' if args.detector == 'none' else 'model'
    camera = CameraConfig(transport=args.transport, detections=who)
    return Config(
        model=ModelConfig(detector=args.detector, appearance=args.appearance),
        camera_names=tuple(args.cameras),
        cameras=dict.fromkeys(args.cameras, camera),
    )


if __name__ == '__main__':
    sys.exit(main())
