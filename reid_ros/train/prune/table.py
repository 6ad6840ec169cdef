"""The records of the pruning study as rows in the shape of the paper's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reid_ros.train.gates import HIGH, LOW, MOVED, PEOPLE, QUERIES, SEEDS

MEASURES = ('rank-1', 'mAP')
PLACE = ('net', 'criterion', 'scenario', 'target', 'scope', 'asked', 'how')

Record = Mapping[str, Any]


def table(records: Sequence[Record], clock: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row for each combination, means over its seeds.

    `rank-1 - dense` is the mean of paired differences to the whole network on the same target.

    Args:
        records: of finished cells.
        clock: milliseconds of a crop by shape.
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[key] for key in PLACE), []).append(record)
    whole = {(r['net'], r['target'], r['seed']): r for r in records if r['scenario'] == 'dense'}
    return [_row(place, some, whole, clock) for place, some in groups.items()]


def _row(
    place: tuple[Any, ...],
    some: Sequence[Record],
    whole: Mapping[tuple[Any, ...], Record],
    clock: Mapping[str, float],
) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(PLACE, place))
    row['seeds'] = sorted(record['seed'] for record in some)
    row['share'] = _mean([record['share'] for record in some], 4)
    row['M parameters'] = _mean([record['parameters'] / 1e6 for record in some], 3)
    row['GFLOPs'] = _mean([record['gflops'] for record in some], 4)
    times = [clock[record['shape']] for record in some if record['shape'] in clock]
    row['ms'] = _mean(times, 3) if times else None
    dense = [whole.get((r['net'], r['target'], r['seed'])) for r in some]
    own = [clock[d['shape']] for d in dense if d is not None and d['shape'] in clock]
    row['times faster'] = round(_mean(own, 4) / _mean(times, 4), 2) if own and times else None
    for measure in MEASURES:
        values = [_tested(record)[measure] for record in some]
        row[measure] = _mean(values, 2)
        if len(values) > 1:
            row[f'{measure} spread'] = round(float(np.std(values, ddof=1)), 2)
        gaps = [v - _tested(d)[measure] for v, d in zip(values, dense) if d is not None]
        row[f'{measure} - dense'] = _mean(gaps, 2) if gaps else None
    if len(some) == 1:
        row['rank-1 interval'] = _tested(some[0])['intervals']['rank-1']
    row['updates'] = round(_mean([record['updates'] for record in some], 0))
    row['train_s'] = _mean([record['train_s'] for record in some], 0)
    row['gates'] = _gates(some, [d for d in dense if d is not None])
    return row


def _tested(record: Record) -> dict[str, Any]:
    """The scores on the target's test set, of which there is one."""
    found: dict[str, Any] = next(iter(record['test'].values()))
    return found


def _gates(some: Sequence[Record], dense: Sequence[Record]) -> list[str]:
    """What speaks against the row, in words; nothing where every gate is open."""
    found = []
    if not dense:
        found.append('no whole network beside it yet')
    else:
        level = _mean([_tested(record)['rank-1'] for record in dense], 1)
        if not LOW <= level <= HIGH:
            found.append(f'the whole network has {level:.1f} %, not {LOW:.0f} to {HIGH:.0f}')
    for who, records in (('it', some), ('the whole network', dense)):
        moves = [record['moved'] for record in records]
        if records and None in moves:
            found.append(f'{who} was scored too seldom to tell whether it still moves')
        elif records and max(moves) >= MOVED:
            found.append(f'{who} moved by {max(moves):.2f} over the last fifth, not below {MOVED}')
    for key, least in (('people', PEOPLE), ('queries', QUERIES)):
        fewest = min(_tested(record)[key] for record in some)
        if fewest < least:
            found.append(f'{fewest} {key}, not {least}')
    if len(some) < SEEDS:
        found.append(f'{len(some)} seeds, not {SEEDS}')
    return found


def _mean(values: Sequence[float], digits: int) -> float:
    return round(float(np.mean(values)), digits)
