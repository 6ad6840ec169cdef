"""Open-set identification: how often strangers are taken for somebody, and the known found.

As defined by ISO/IEC 19795-1 and used by NIST (Grother, Ngan, Hanaoka: Face Recognition Vendor
Test, part 2: Identification, NISTIR 8271). A search is mated where the person stands in the
gallery.

- FPIR: share of the searches without mate that return any candidate above the threshold.
- TPIR: share of the searches with mate whose mate stands above the threshold and at rank 1 (or a
  lower rank that is asked for); 1 - TPIR is FNIR.

A candidate is a person: of several entries of one person the most similar one speaks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.intervals import LEVEL, ROUNDS, Rate, bootstrap, draws, ends, share
from reid_ros.evaluate.ranking import ProtocolError, blocks, cosines, labels
from reid_ros.types import AnyArray, BoolArray, DoubleArray, IntArray

_ROUNDS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Point:
    """What one threshold gives.

    Attributes:
        threshold: candidates strictly above it are returned.
        fpir, tpir: with intervals.
    """

    threshold: float
    fpir: Rate
    tpir: Rate


@dataclass(frozen=True, slots=True)
class Det:
    """A curve of detection error trade-off, from few false answers to many.

    Attributes:
        threshold, fpir, fnir: (n,).
    """

    threshold: DoubleArray
    fpir: DoubleArray
    fnir: DoubleArray


@dataclass(frozen=True, slots=True)
class Searches:
    """One search per probe, reduced to what every threshold needs.

    Attributes:
        ids: (p,) whom the probe shows.
        mated: (p,) whether that person is in the gallery.
        top: (p,) similarity of the best candidate.
        mate: (p,) similarity of the person itself, -inf without mate.
        rank: (p,) rank of the person itself among all persons, from 1; 0 without mate. Another
            person who is as similar stands before it.
        enrolled: persons in the gallery.
    """

    ids: IntArray
    mated: BoolArray
    top: DoubleArray
    mate: DoubleArray
    rank: IntArray
    enrolled: int

    def at(self, threshold: float, rank: int = 1, method: str = 'wilson') -> Point:
        """The rates at a threshold, with 'wilson' or 'clopper_pearson' intervals.

        Raises:
            ProtocolError: no search with a mate, or none without.
        """
        self._both()
        false, true = self._answers(threshold, rank)
        return Point(
            threshold,
            share(int(false.sum()), len(false), method),
            share(int(true.sum()), len(true), method),
        )

    def at_fpir(self, fpir: float, rank: int = 1, method: str = 'wilson') -> Point:
        """The rates at the lowest threshold that keeps the FPIR.

        Raises:
            ProtocolError: too few searches without mate to show such a rate.
        """
        return self.at(self.threshold(fpir), rank, method)

    def threshold(self, fpir: float) -> float:
        """Lowest similarity above which at most this share of strangers has a candidate.

        Raises:
            ProtocolError: too few searches without mate to show such a rate.
        """
        self._both()
        tops = np.sort(self.top[~self.mated])[::-1]
        allowed = _allowed(fpir, len(tops))
        return float(tops[allowed]) if allowed < len(tops) else -np.inf

    def bootstrapped(
        self,
        fpir: float,
        draw: np.random.Generator,
        rank: int = 1,
        rounds: int = ROUNDS,
        level: float = LEVEL,
    ) -> Point:
        """As `at_fpir`, intervals by resampling identities, the threshold set anew in each round.

        So the TPIR's interval holds that the threshold itself is only known from these strangers.

        Raises:
            ProtocolError: as `at_fpir`, or fewer than two identities on either side.
        """
        threshold = self.threshold(fpir)
        false, true = self._answers(threshold, rank)
        strangers, known = ~self.mated, self.mated
        order = np.argsort(-self.top[strangers], kind='stable')
        tops = self.top[strangers][order]
        groups, whose = np.unique(self.ids[strangers][order], return_inverse=True)
        found = np.where(self.rank[known] <= rank, self.mate[known], -np.inf)
        upward = np.argsort(found, kind='stable')
        found = found[upward]
        persons, mates = np.unique(self.ids[known][upward], return_inverse=True)
        values: list[DoubleArray] = []
        for start in range(0, rounds, _ROUNDS_AT_ONCE):
            n = min(_ROUNDS_AT_ONCE, rounds - start)
            above = np.cumsum(draws(len(groups), n, draw)[:, whose], axis=1)
            limit = np.floor(fpir * above[:, -1:] + 1e-9)
            # No row where all are allowed: then everything is above.
            first = (above <= limit).sum(axis=1)
            least = np.append(tops, -np.inf)[first]
            below = np.cumsum(draws(len(persons), n, draw)[:, mates], axis=1)
            lost = np.searchsorted(found, least, side='right')
            behind = np.concatenate([np.zeros((n, 1)), below], axis=1)[np.arange(n), lost]
            values.append(1 - behind / below[:, -1])
        low, high = ends(np.concatenate(values), level)
        rate = Rate(float(true.mean()), low, high, len(true))
        return Point(threshold, bootstrap(false, self.ids[strangers], draw, rounds, level), rate)

    def det(self, points: int = 100, rank: int = 1) -> Det:
        """FNIR over FPIR at points whose FPIR is evenly spread on a logarithmic axis.

        Raises:
            ProtocolError: no search with a mate, or none without.
        """
        self._both()
        tops = np.sort(self.top[~self.mated])[::-1]
        n = len(tops)
        rows = np.unique(np.round(np.geomspace(1, n, points)).astype(np.int64)) - 1
        threshold = tops[rows].astype(np.float64)
        found = np.sort(np.where(self.rank <= rank, self.mate, -np.inf)[self.mated])
        fpir = np.searchsorted(-tops, -threshold, side='left') / n
        fnir = np.searchsorted(found, threshold, side='right') / len(found)
        return Det(threshold, fpir, fnir)

    def _answers(self, threshold: float, rank: int) -> tuple[BoolArray, BoolArray]:
        false = self.top[~self.mated] > threshold
        true = (self.mate > threshold) & (self.rank <= rank)
        return false, true[self.mated]

    def _both(self) -> None:
        if not self.mated.any() or self.mated.all():
            raise ProtocolError(
                f'{int(self.mated.sum())} of {len(self.mated)} probes show a person of the '
                'gallery: an open set needs probes of known people and of strangers'
            )


def _allowed(fpir: float, n: int) -> int:
    if not 0 < fpir <= 1:
        raise ProtocolError(f'FPIR {fpir}: choose above 0, at most 1')
    allowed = int(np.floor(fpir * n + 1e-9))
    if not allowed:
        raise ProtocolError(
            f'{n} probes of strangers cannot show an FPIR of {fpir}: '
            f'at least {int(np.ceil(1 / fpir - 1e-9))} are needed'
        )
    return allowed


def search(similarity: AnyArray, probes: AnyArray, gallery: AnyArray) -> Searches:
    """Search the gallery for every probe by a table of similarities.

    Args:
        similarity: (p, g), higher is more alike; a distance goes in negated.
        probes, gallery: (p,) and (g,) identities; several entries of a person are one candidate.

    Raises:
        ProtocolError: shapes that do not fit, or an empty gallery.
    """
    return _search(blocks(similarity, len(probes), len(gallery)), probes, gallery)


def search_vectors(
    probe_vectors: AnyArray, gallery_vectors: AnyArray, probes: AnyArray, gallery: AnyArray
) -> Searches:
    """Search the gallery for every probe by the cosine of vectors, block by block.

    Args:
        probe_vectors, gallery_vectors: (p, d) and (g, d), any length.
        probes, gallery: (p,) and (g,) identities.

    Raises:
        ProtocolError: shapes that do not fit, or an empty gallery.
    """
    for name, vectors, ids in (
        ('probes', probe_vectors, probes),
        ('gallery', gallery_vectors, gallery),
    ):
        if len(vectors) != len(ids):
            raise ProtocolError(f'{name}: {len(vectors)} vectors, but {len(ids)} identities')
    return _search(cosines(probe_vectors, gallery_vectors), probes, gallery)


def _search(
    parts: Iterable[tuple[int, AnyArray]], probes: AnyArray, gallery: AnyArray
) -> Searches:
    ids, entries = labels('probes', probes, len(probes)), labels('gallery', gallery, len(gallery))
    if not len(entries):
        raise ProtocolError('the gallery is empty: nobody can be found in it')
    order = np.argsort(entries, kind='stable')
    persons, starts = np.unique(entries[order], return_index=True)
    column = np.minimum(np.searchsorted(persons, ids), len(persons) - 1)
    mated = persons[column] == ids
    top, mate = np.empty(len(ids)), np.full(len(ids), -np.inf)
    rank = np.zeros(len(ids), np.int64)
    for start, block in parts:
        best = np.maximum.reduceat(block[:, order], starts, axis=1)
        rows = slice(start, start + len(block))
        top[rows] = best.max(axis=1)
        own = best[np.arange(len(best)), column[rows]]
        before = (best >= own[:, None]).sum(axis=1)  # itself included
        mate[rows] = np.where(mated[rows], own, -np.inf)
        rank[rows] = np.where(mated[rows], before, 0)
    return Searches(ids, mated, top, mate, rank, len(persons))


def enrolment(
    ids: AnyArray, size: int, draw: np.random.Generator, each: int = 1
) -> tuple[IntArray, IntArray]:
    """Rows of a random gallery of `size` people, and those of all probes.

    Of each enrolled person `each` rows, drawn too, are the gallery; all other rows are probes:
    theirs with mate, those of everybody else without.

    Args:
        ids: (n,) identities, one per tracklet.
        size: persons in the gallery.
        draw: source of the choice.
        each: entries of a person.

    Raises:
        ProtocolError: fewer such people, or nobody left over to be a stranger.
    """
    people = labels('identities', ids, len(ids))
    persons, counts = np.unique(people, return_counts=True)
    able = persons[counts > each]
    if size < 1 or size > len(able) or size >= len(persons):
        raise ProtocolError(
            f'no gallery of {size} people: {len(persons)} people, {len(able)} of them with more '
            f'than {each} rows, allow 1 to {min(len(able), len(persons) - 1)}'
        )
    chosen = draw.choice(able, size, replace=False)
    # Rows by person, in random order within one: the first few of each are enrolled.
    order = np.lexsort((draw.random(len(people)), people))
    first = np.searchsorted(people[order], chosen)
    gallery = np.sort(order[(first[:, None] + np.arange(each)).ravel()])
    return gallery, np.setdiff1d(np.arange(len(people)), gallery)


@dataclass(frozen=True, slots=True)
class Realised:
    """What a system did that decided by itself.

    Attributes:
        fpir: share of the strangers who were taken for somebody.
        tpir: share of the known who were taken for themselves.
        wrong: share of the known who were taken for somebody else.
    """

    fpir: Rate
    tpir: Rate
    wrong: Rate


def realised(
    accepted: AnyArray,
    ids: AnyArray,
    enrolled: AnyArray,
    method: str = 'wilson',
    draw: np.random.Generator | None = None,
) -> Realised:
    """The rates of decisions already taken.

    Args:
        accepted: (p,) person whom the system named, 0 = nobody, in the identities of the truth.
        ids: (p,) whom the probe shows, from 1.
        enrolled: identities in the gallery.
        method: 'wilson' or 'clopper_pearson'.
        draw: where given, intervals by bootstrap over identities instead.

    Raises:
        ProtocolError: no probe with a mate, none without, or a person named who is not enrolled.
    """
    truth = labels('identities', ids, len(ids))
    said = labels('accepted', accepted, len(truth))
    known = np.unique(np.asarray(enrolled, np.int64))
    if (truth < 1).any():
        raise ProtocolError(f'identity {int(truth.min())}: identities begin at 1, 0 is nobody')
    unknown = np.setdiff1d(said[said != 0], known)
    if len(unknown):
        raise ProtocolError(f'person {unknown[0]} was accepted but is not enrolled')
    mated = np.isin(truth, known)
    if not mated.any() or mated.all():
        raise ProtocolError(
            f'{int(mated.sum())} of {len(mated)} probes show an enrolled person: an open set '
            'needs probes of known people and of strangers'
        )

    def rate(hits: BoolArray, of: BoolArray) -> Rate:
        if draw is not None:
            return bootstrap(hits[of], truth[of], draw)
        return share(int(hits[of].sum()), int(of.sum()), method)

    return Realised(
        rate(said != 0, ~mated),
        rate(said == truth, mated),
        rate((said != 0) & (said != truth), mated),
    )
