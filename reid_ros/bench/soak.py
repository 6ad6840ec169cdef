"""Long runs: four VGA cameras at 30 Hz, memory over time: `./dev soak [--minutes N]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_ros.bench.node import PUBLISHERS, cameras, domain, environment, process, sent
from reid_ros.types import ReidError

NAMES = ['cam1', 'cam2', 'cam3', 'cam4']
RATE_HZ = 30.0
# Memory settles while buffers and the allocator's heap grow to their size; after that it is flat
# where the last quarter of the run needs no more than the second, give or take a few images: an
# allocator that is told not to give memory back keeps the peak of every burst of load.
GROWTH_MB = 16.0


def soak(
    minutes: float, detector: str, appearance: str, how: str = 'tuned, best effort'
) -> dict[str, Any]:
    """Run, and tell each sample on standard output as it comes.

    Raises:
        ReidError: the node or a publisher could not run.
    """
    tuned, arguments = PUBLISHERS[how]
    where = domain()
    every = max(2.0, minutes * 60 / 40)
    number = round(minutes * 60 * RATE_HZ)
    options = ['--detector', detector, '--appearance', appearance, '--sample', str(every)]
    samples: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    with (
        process(
            'reid_ros.ros.measure', *NAMES, *options, env=environment(where, tuned=True)
        ) as node,
        cameras(
            NAMES, number, RATE_HZ, '640x480', arguments, environment(where, tuned=tuned)
        ) as publishers,
    ):
        _head()
        for line in node.stdout:
            told = json.loads(line)
            if 'sample' in told:
                samples.append(told['sample'])
                _row(told['sample'])
            else:
                result = told['result']
        if node.wait():
            raise ReidError(f'the node ended: {node.stderr.read().strip()[-400:]}')
        total = sent(publishers)
    growth = _growth(samples)
    return {
        'minutes': minutes,
        'publishers': how,
        'detector': detector,
        'sent': total,
        'lost_before_slot': total - result['received'],
        **result,
        'grown_mb': growth,
        'flat': growth <= GROWTH_MB,
        'samples': samples,
    }


def _growth(samples: Sequence[dict[str, Any]]) -> float:
    """MB of its own that the node had more in the last quarter than in the second (medians)."""
    memory = [sample['own_mb'] for sample in samples]
    quarter = len(memory) // 4
    if not quarter:
        return 0.0
    return float(np.median(memory[-quarter:]) - np.median(memory[quarter : 2 * quarter]))


def _head() -> None:
    titles = ('s', 'own MB', 'RSS MB', 'received', 'dropped', 'lost', 'p50 ms', 'p95 ms')
    sys.stdout.write(''.join(f'{title:>10}' for title in titles) + '\n')


def _row(sample: dict[str, Any]) -> None:
    names = ('received', 'dropped_by_policy', 'lost_by_stamp_gaps')
    cells = [f'{sample["seconds"]:.0f}', f'{sample["own_mb"]:.1f}', f'{sample["rss_mb"]:.1f}']
    cells += [str(sample[name]) for name in names]
    cells += [f'{sample["latency_p50_ms"]:.1f}', f'{sample["latency_p95_ms"]:.1f}']
    sys.stdout.write(''.join(f'{cell:>10}' for cell in cells) + '\n')
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; 1 where memory was not flat."""
    parser = argparse.ArgumentParser(prog='./dev soak', description=__doc__)
    parser.add_argument('--minutes', type=float, default=10.0)
    parser.add_argument('--detector', default='none', help='model; none receives and decodes only')
    parser.add_argument('--appearance', default='none')
    parser.add_argument('--publishers', default='tuned, best effort', choices=PUBLISHERS)
    parser.add_argument('--json', metavar='FILE', help='write the figures there')
    args = parser.parse_args(arguments)
    try:
        result = soak(args.minutes, args.detector, args.appearance, args.publishers)
    except ReidError as error:
        sys.stderr.write(f'soak: {error}\n')
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(
        f'{result["sent"]} images sent, {result["lost_before_slot"]} lost before the slot, '
        f'{result["dropped_by_policy"]} dropped by policy, '
        f'{result["cpu_ms_per_image"]:.2f} ms CPU per image, '
        f'own memory {result["own_mb"]:.1f} MB, {result["grown_mb"]:+.1f} MB from the second to '
        f'the last quarter '
        f'({"flat" if result["flat"] else "NOT flat"})\n'
    )
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as file:
            json.dump(result, file, indent=1)
    return 0 if result['flat'] else 1


if __name__ == '__main__':
    sys.exit(main())
