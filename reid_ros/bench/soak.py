"""Long runs: four VGA cameras at 30 Hz before the whole node; does it grow? `./dev soak`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from scipy import stats

from reid_ros import results
from reid_ros.bench import soak_cameras
from reid_ros.bench.node import PUBLISHERS, START_S, domain, environment, process
from reid_ros.types import DoubleArray, ReidError
from reid_ros.world.write import settings

RATE_HZ = 30.0
SAMPLES = 120
HOLD_S = 0.4
"""So long the node is held up some times at the start, and more images come than the middleware
keeps for it: ten of each camera. What they took stays taken: a later stall would look like a leak.
"""
WARM_SHARE = 1 / 6
"""Of the run, in which buffers, caches and the allocator's heap grow to their size."""
LIMIT_KB_PER_MIN = 40.0
"""Growth that a robot would not notice: 20 MB in a shift of eight hours."""
SURE = 0.95
SILENCE_S = 20.0
"""Without images for so long the run is over: the machine may be busy with something else."""
RENDER_S = 150.0


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through what was measured over time.

    Attributes:
        per_min: its slope, per minute.
        low, high: between which the true slope lies, with probability SURE.
        mean: of what was measured.
    """

    per_min: float
    low: float
    high: float
    mean: float


def trend(seconds: DoubleArray, values: DoubleArray) -> Trend:
    """Of (n,) samples at least three, whose errors may depend on those before.

    Least squares; the error of the slope by Newey and West (Econometrica 1987) over 1.3 sqrt(n)
    samples (Lazarus et al., JBES 2018), with the degrees of freedom of that window.
    """
    minutes = seconds / 60
    away = minutes - minutes.mean()
    spread = float((away**2).sum())
    slope = float((away * values).sum()) / spread
    moments = away * (values - values.mean() - slope * away)
    window = max(1, round(1.3 * len(values) ** 0.5))
    total = float(moments @ moments)
    for lag in range(1, window):
        total += 2 * (1 - lag / window) * float(moments[lag:] @ moments[:-lag])
    freedom = max(1.0, 1.5 * len(values) / window)
    error = float(stats.t.ppf((1 + SURE) / 2, freedom)) * max(total, 0.0) ** 0.5 / spread
    return Trend(slope, slope - error, slope + error, float(values.mean()))


def trends(samples: Sequence[Mapping[str, Any]]) -> dict[str, Trend]:
    """Of everything that a process holds, after the warm-up; none where there are few samples."""
    warm = samples[round(WARM_SHARE * len(samples)) :]
    if len(warm) < 10:
        return {}
    seconds = np.array([sample['seconds'] for sample in warm])
    kinds = ('own_mb', 'rss_mb', 'threads', 'files', 'blocks', 'persons')
    return {
        kind: trend(seconds, np.array([float(sample[kind]) for sample in warm])) for kind in kinds
    }


def chosen(folder: Path, *, gait: bool) -> dict[str, Any]:
    """The node's settings: everything runs, and the gallery lies on the disk."""
    result = settings(soak_cameras.world())
    result.update(late_frame_policy='drop_oldest', silent_after_s=3.0)
    # Some come again in time and some too late: people are known again, and come and go.
    result['gallery'] = {'path': str(folder / 'gallery.db'), 'ttl_s': 15.0}
    result['target'] = {'mode': 'nearest'}
    if gait:
        result['model'].update(gait='gait', silhouette='silhouette')
    return result


def soak(minutes: float, *, gait: bool, how: str = 'tuned, best effort') -> dict[str, Any]:
    """Run, and tell each sample on standard output as it comes.

    Raises:
        ReidError: the node or the cameras could not run.
    """
    seconds = minutes * 60
    tuned, arguments = PUBLISHERS[how]
    where = domain()
    samples: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / 'config.yaml'
        config.write_text(json.dumps(chosen(folder, gait=gait)), encoding='utf-8')
        with _quiet(
            folder / 'cameras.log',
            'reid_ros.bench.soak_cameras', '--seconds', str(seconds), '--rate', str(RATE_HZ),
            '--wait', str(START_S), *arguments, env=environment(where, tuned=tuned),
        ) as cameras:  # fmt: skip
            cameras.stdout.readline()  # rendered
            options = ['--config', str(config), '--sample', str(max(1.0, seconds / SAMPLES))]
            options += ['--silence', str(SILENCE_S), '--wait', str(START_S + RENDER_S)]
            options += ['--hold', str(HOLD_S)]
            with _quiet(
                folder / 'node.log',
                'reid_ros.ros.measure', *options, env=environment(where, tuned=True),
            ) as node:  # fmt: skip
                result = _listen(node.stdout, samples)
                if node.wait():
                    raise ReidError(f'the node ended: {_last(folder / "node.log")}')
            judged = json.loads(cameras.stdout.readline() or '{}')
            if cameras.wait():
                raise ReidError(f'the cameras failed: {_last(folder / "cameras.log")}')
        size_kb = (folder / 'gallery.db').stat().st_size / 1e3
    found = trends(samples)
    own = found.get('own_mb')
    return {
        'minutes': minutes,
        'publishers': how,
        'gait': gait,
        'held_s': HOLD_S,
        'lost_before_slot': judged['sent'] - result['received'] - result['lost_while_held'],
        **judged,
        **result,
        'gallery_file_kb': size_kb,
        'trends': {kind: asdict(one) for kind, one in found.items()},
        'flat': own is not None and 1e3 * own.high <= LIMIT_KB_PER_MIN,
        'samples': samples,
    }


@contextmanager
def _quiet(log: Path, module: str, *arguments: str, env: Mapping[str, str]) -> Iterator[Any]:
    """A process whose complaints go to a file: nobody reads a pipe for half an hour."""
    with (
        log.open('wb') as file,
        process(module, *arguments, env=env, errors=file) as running,
    ):
        yield running


def _last(log: Path) -> str:
    return log.read_text(encoding='utf-8', errors='replace').strip()[-400:]


def _listen(lines: IO[str], samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Until the node has told its result; {} where it ends without."""
    _head()
    for line in lines:
        told = json.loads(line)
        if 'result' in told:
            result: dict[str, Any] = told['result']
            return result
        samples.append(told['sample'])
        _row(told['sample'])
    return {}


COLUMNS = {
    'seconds': 's', 'own_mb': 'own MB', 'rss_mb': 'RSS MB', 'threads': 'threads',
    'files': 'files', 'blocks': 'blocks', 'persons': 'persons', 'received': 'received',
    'processed': 'processed', 'dropped_by_policy': 'dropped', 'lost_by_stamp_gaps': 'lost',
    'latency_p50_ms': 'p50 ms', 'latency_p95_ms': 'p95 ms',
}  # fmt: skip


def _head() -> None:
    sys.stdout.write(''.join(f'{title:>10}' for title in COLUMNS.values()) + '\n')


def _row(sample: Mapping[str, Any]) -> None:
    cells = [sample[name] for name in COLUMNS]
    texts = [f'{cell:.1f}' if isinstance(cell, float) else str(cell) for cell in cells]
    sys.stdout.write(''.join(f'{text:>10}' for text in texts) + '\n')
    sys.stdout.flush()


def _summary(result: Mapping[str, Any]) -> str:
    lines = [
        f'{result["sent"]} images sent, {result["lost_before_slot"]} lost before the slot, '
        f'{result["dropped_by_policy"]} dropped by policy, {result["processed"]} used',
        f'{result["answers"]} answers, {result["answers_of_no_image"]} of no image, '
        f'{result["answers_out_of_order"]} out of order, longest wait '
        f'{result["longest_wait_s"]:.2f} s',
        f'{result["rows_with_a_person"]} sightings with a person, '
        f"{result['rows_with_a_wrong_person']} of them with another one's number",
        *(
            f'person {one["person"]} was taken for {one["taken_for"]} in {one["rows"]} of them, '
            f'under {one["numbers"]} numbers'
            for one in result['mistaken']
        ),
    ]
    found = result['trends']
    for kind, unit, scale in (('own_mb', 'kB', 1e3), ('threads', '', 1.0), ('files', '', 1.0)):
        if kind in found:
            slope, low, high = (scale * found[kind][name] for name in ('per_min', 'low', 'high'))
            lines.append(f'{kind}: {slope:+.2f} {unit} a minute ({low:+.2f} to {high:+.2f})')
    flat = 'flat' if result['flat'] else 'NOT flat, or too short to tell'
    lines.append(f'memory is {flat}: the limit is {LIMIT_KB_PER_MIN:.0f} kB a minute')
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; 1 where memory was not flat."""
    parser = argparse.ArgumentParser(prog='./dev soak', description=__doc__)
    parser.add_argument('--minutes', type=float, default=10.0)
    parser.add_argument('--no-gait', dest='gait', action='store_false')
    parser.add_argument('--publishers', default='tuned, best effort', choices=PUBLISHERS)
    parser.add_argument('--json', metavar='FILE', help='write the figures there')
    args = parser.parse_args(arguments)
    results.commit()
    # Unanswered it would leave the node and the cameras behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result = soak(args.minutes, gait=args.gait, how=args.publishers)
        sys.stdout.write(_summary(result) + '\n')
        if args.json:
            command = f'./dev soak --minutes {args.minutes:g}' + (
                '' if args.gait else ' --no-gait'
            )
            rows = result.pop('samples')
            content = results.document(
                command, [soak_cameras.SEED], rows, ('onnxruntime',), result=result
            )
            results.write(args.json, content)
    except ReidError as error:
        sys.stderr.write(f'soak: {error}\n')
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if result['flat'] else 1


if __name__ == '__main__':
    sys.exit(main())
