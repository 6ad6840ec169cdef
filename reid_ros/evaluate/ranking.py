"""What every protocol of retrieval is made of: similarities, and the ranks of the right answers.

Similarities rise with likeness; a distance goes in negated. Ties count against: a wrong candidate
as similar as a right one stands before it, so that a network that answers one vector for everybody
earns nothing, whatever the order of the gallery.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reid_ros.types import AnyArray, BoolArray, FloatArray, IntArray, ReidError

BLOCK_BYTES = 64 << 20
"""Largest block of similarities that is held at once."""


class ProtocolError(ReidError):
    """Data that a protocol cannot score: says which rule it breaks."""


def labels(name: str, values: AnyArray, n: int) -> IntArray:
    """(n,) int64 labels, one per row of the vectors or similarities.

    Raises:
        ProtocolError: another length, or no whole numbers.
    """
    found = np.asarray(values)
    if found.shape != (n,):
        raise ProtocolError(f'{name}: {found.shape} is not one label for each of {n} rows')
    if found.dtype.kind not in 'iu':
        raise ProtocolError(f'{name}: labels are whole numbers, not {found.dtype}')
    result: IntArray = found.astype(np.int64)
    return result


def unit(name: str, vectors: AnyArray) -> FloatArray:
    """(n, d) float32 the vectors at length 1.

    Raises:
        ProtocolError: not a table of numbers, or a row without a direction.
    """
    rows = np.asarray(vectors, np.float32)
    if rows.ndim != 2:
        raise ProtocolError(f'{name}: expected vectors (n, d), not an array {rows.shape}')
    lengths = np.linalg.norm(rows, axis=1)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise ProtocolError(
            f'{name}: row {bad[0]} (of {len(bad)} such) is zero or not finite and has no '
            'direction; leave such rows out, or count them as failures before scoring'
        )
    result: FloatArray = rows / lengths[:, None]
    return result


def cosines(probes: AnyArray, gallery: AnyArray) -> Iterator[tuple[int, FloatArray]]:
    """First probe and (k, g) cosines of as many probes as fit a block, until all are through.

    Args:
        probes: (p, d) any length.
        gallery: (g, d) any length.

    Raises:
        ProtocolError: vectors of two lengths, or without a direction.
    """
    left, right = unit('probes', probes), unit('gallery', gallery)
    if left.shape[1] != right.shape[1]:
        raise ProtocolError(
            f'vectors of {left.shape[1]} numbers among probes and of {right.shape[1]} in the '
            'gallery: they come from two networks'
        )
    step = max(1, BLOCK_BYTES // max(1, 4 * len(right)))
    for start in range(0, len(left), step):
        block: FloatArray = left[start : start + step] @ right.T
        yield start, block


def blocks(similarity: AnyArray, probes: int, gallery: int) -> Iterator[tuple[int, AnyArray]]:
    """A ready (probes, gallery) table in the form of `cosines`.

    Raises:
        ProtocolError: another shape, or not a number somewhere.
    """
    table = np.asarray(similarity)
    if table.shape != (probes, gallery):
        raise ProtocolError(
            f'similarities {table.shape} do not fit {probes} probes and {gallery} in the gallery'
        )
    if np.isnan(table).any():
        row, column = np.argwhere(np.isnan(table))[0]
        raise ProtocolError(f'similarity of probe {row} and gallery row {column} is not a number')
    yield 0, table


def ranks(similarity: AnyArray, right: BoolArray, wrong: BoolArray) -> IntArray:
    """Ranks, from 1 and rising, of the right candidates among the right and the wrong ones.

    Args:
        similarity: (g,) of one probe to all candidates.
        right, wrong: (g,) bool; a candidate that is neither does not exist for this probe.
    """
    good = np.sort(similarity[right])[::-1]
    if not len(good):
        return np.empty(0, np.int64)
    # Whatever is less similar than the worst right one stands behind all of them: not sorted.
    bad = np.sort(similarity[wrong & (similarity >= good[-1])])
    before = len(bad) - np.searchsorted(bad, good, side='left')
    result: IntArray = before + np.arange(1, len(good) + 1)
    return result


def precision(found: IntArray) -> float:
    """Mean of the precisions at the ranks of the right candidates: average precision."""
    return float((np.arange(1, len(found) + 1) / found).mean())
