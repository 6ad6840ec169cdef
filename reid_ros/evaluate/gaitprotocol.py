"""Gait recognition across views: rank-1 by probe view, gallery view and condition.

CASIA-B (Yu, Tan, Tan, A framework for evaluating the effect of view angle, clothing and carrying
condition on gait recognition, ICPR 2006), scored as usual since Wu et al. (A comprehensive study
on cross-view gait based human identification with deep CNNs, TPAMI 2017): the gallery is the
normal walks 1 to 4 of the test people, the probes normal 5 and 6, bag 1 and 2, coat 1 and 2; each
probe view is compared with each gallery view alone; pairs of one view are left out of every mean.

OU-MVLP (Takemura et al., Multi-view large population gait dataset, IPSJ CVA 2018) is the same with
one condition: sequence 01 is the gallery, 00 the probes. Some of its people lack some views, so
a probe without its person in the gallery view counts as GaitSet (Chao et al., AAAI 2019) counts
it: not at all, or, on demand, as an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.intervals import LEVEL, ROUNDS, Rate, draws, ends
from reid_ros.evaluate.ranking import ProtocolError, blocks, cosines, labels
from reid_ros.types import AnyArray, BoolArray, DoubleArray, IntArray

NORMAL, BAG, COAT = 'normal', 'bag', 'coat'


@dataclass(frozen=True, slots=True)
class Walks:
    """Labels of sequences.

    Attributes:
        ids: (n,) identities.
        views: (n,) angle of view, degrees, or any number that names it.
        conditions: (n,) 'normal', 'bag', 'coat', ...; () where there is one only.
    """

    ids: IntArray
    views: IntArray
    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.ids)
        object.__setattr__(self, 'ids', labels('identities', self.ids, n))
        object.__setattr__(self, 'views', labels('views', self.views, n))
        conditions = tuple(self.conditions) or (NORMAL,) * n
        if len(conditions) != n:
            raise ProtocolError(f'{len(conditions)} conditions of {n} walks')
        object.__setattr__(self, 'conditions', conditions)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Gait:
    """Rank-1 of every probe in every gallery view.

    Attributes:
        conditions: of the probes, in the order in which they came.
        probe_views, gallery_views: rising.
        probes: the probes' labels.
        hit: (p, g views) whether the probe's person is the most similar of that view.
        valid: (p, g views) whether the comparison counts.
    """

    conditions: tuple[str, ...]
    probe_views: tuple[int, ...]
    gallery_views: tuple[int, ...]
    probes: Walks
    hit: BoolArray
    valid: BoolArray

    def table(self, condition: str) -> DoubleArray:
        """(probe views, gallery views) rank-1, 0 to 1; nan where nothing was compared.

        Raises:
            ProtocolError: no such condition.
        """
        hits, trials = self._counts(self._of(condition).astype(np.float64)[None])
        with np.errstate(invalid='ignore'):
            result: DoubleArray = hits[0] / trials[0]
        return result

    def by_view(self, condition: str) -> DoubleArray:
        """(probe views,) mean over the gallery views that differ; nan where there is none.

        Raises:
            ProtocolError: no such condition.
        """
        return _mean(self._others(self.table(condition)))

    def mean(self, condition: str) -> float:
        """Rank-1 of a condition: mean over probe views of the mean over other gallery views.

        Raises:
            ProtocolError: no such condition, or no pair of two different views.
        """
        value = float(_mean(self.by_view(condition)[None])[0])
        if np.isnan(value):
            raise ProtocolError(
                f'condition {condition!r}: no probe has its person in the gallery in another view'
            )
        return value

    def means(self) -> dict[str, float]:
        """`mean` of every condition.

        Raises:
            ProtocolError: a condition without a pair of two different views.
        """
        return {condition: self.mean(condition) for condition in self.conditions}

    def interval(
        self,
        condition: str,
        draw: np.random.Generator,
        rounds: int = ROUNDS,
        level: float = LEVEL,
    ) -> Rate:
        """`mean` with an interval by bootstrap over the probes' identities.

        The gallery stays as it is; every round's mean is again one over views.

        Raises:
            ProtocolError: no such condition, or fewer than two identities.
        """
        chosen = self._of(condition)
        names, whose = np.unique(self.probes.ids[chosen], return_inverse=True)
        weights = np.zeros((rounds, len(self.probes)))
        weights[:, chosen] = draws(len(names), rounds, draw)[:, whose]
        hits, trials = self._counts(weights)
        with np.errstate(invalid='ignore'):
            tables = hits / trials
        values = _mean(_mean(self._others(tables)))
        low, high = ends(values[np.isfinite(values)], level)
        return Rate(self.mean(condition), low, high, int(self.valid[chosen].any(axis=1).sum()))

    def _of(self, condition: str) -> BoolArray:
        if condition not in self.conditions:
            known = ', '.join(self.conditions)
            raise ProtocolError(f'no probe of condition {condition!r}; there are {known}')
        return np.array([name == condition for name in self.probes.conditions])

    def _counts(self, weights: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """(rounds, probe views, gallery views) weighted hits and comparisons."""
        shape = (len(weights), len(self.probe_views), len(self.gallery_views))
        hits, trials = np.zeros(shape), np.zeros(shape)
        for i, view in enumerate(self.probe_views):
            rows = self.probes.views == view
            hits[:, i] = weights[:, rows] @ (self.hit & self.valid)[rows].astype(np.float64)
            trials[:, i] = weights[:, rows] @ self.valid[rows].astype(np.float64)
        return hits, trials

    def _others(self, tables: DoubleArray) -> DoubleArray:
        same = np.equal.outer(np.array(self.probe_views), np.array(self.gallery_views))
        return np.where(same, np.nan, tables)


def _mean(values: DoubleArray) -> DoubleArray:
    """Mean over the last axis of what is there; nan, without a warning, where nothing is."""
    there = ~np.isnan(values)
    with np.errstate(invalid='ignore'):
        result: DoubleArray = np.where(there, values, 0).sum(axis=-1) / there.sum(axis=-1)
    return result


def gait(
    similarity: AnyArray, probes: Walks, gallery: Walks, missing_counts: bool = False
) -> Gait:
    """Compare every probe with every view of the gallery by a table of similarities.

    Args:
        similarity: (p, g), higher is more alike; a distance goes in negated.
        probes, gallery: their labels; the gallery's conditions do not matter.
        missing_counts: a probe whose person has no walk in a gallery view is an error there,
            instead of being left out.

    Raises:
        ProtocolError: shapes that do not fit.
    """
    table = blocks(similarity, len(probes), len(gallery))
    return _gait(table, probes, gallery, missing_counts)


def gait_vectors(
    probe_vectors: AnyArray,
    gallery_vectors: AnyArray,
    probes: Walks,
    gallery: Walks,
    missing_counts: bool = False,
) -> Gait:
    """Compare every probe with every view of the gallery by the cosine of vectors.

    Args:
        probe_vectors, gallery_vectors: (p, d) and (g, d), any length.
        probes, gallery, missing_counts: as for `gait`.

    Raises:
        ProtocolError: shapes that do not fit, or vectors without a direction.
    """
    for name, vectors, walks in (
        ('probes', probe_vectors, probes),
        ('gallery', gallery_vectors, gallery),
    ):
        if len(vectors) != len(walks):
            raise ProtocolError(f'{name}: {len(vectors)} vectors, but {len(walks)} labels')
    return _gait(cosines(probe_vectors, gallery_vectors), probes, gallery, missing_counts)


def _gait(
    parts: Iterable[tuple[int, AnyArray]], probes: Walks, gallery: Walks, missing_counts: bool
) -> Gait:
    if not len(probes) or not len(gallery):
        raise ProtocolError(f'{len(probes)} probes and {len(gallery)} in the gallery: none to see')
    views = np.unique(gallery.views)
    shape = (len(probes), len(views))
    hit, valid = np.zeros(shape, np.bool_), np.ones(shape, np.bool_)
    for start, block in parts:
        rows = slice(start, start + len(block))
        right = probes.ids[rows, None] == gallery.ids[None]
        for i, view in enumerate(views):
            columns = gallery.views == view
            own = right[:, columns]
            values = block[:, columns]
            best = np.where(own, values, -np.inf).max(axis=1)
            other = np.where(own, -np.inf, values).max(axis=1)
            hit[rows, i] = own.any(axis=1) & (best > other)
            if not missing_counts:
                valid[rows, i] = own.any(axis=1)
    return Gait(
        tuple(dict.fromkeys(probes.conditions)),
        tuple(np.unique(probes.views).tolist()),
        tuple(views.tolist()),
        probes,
        hit,
        valid,
    )
