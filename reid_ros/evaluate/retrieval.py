"""Closed-set re-identification: CMC, mAP and mINP by the rules of the public data sets.

Sources: Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015 (Market-1501:
CMC, mAP, junk and distractors); Zheng et al., MARS, ECCV 2016 (the same rules on tracklets); Wei
et al., Person Transfer GAN, CVPR 2018 (MSMT17); Ye et al., Deep Learning for Person
Re-identification: A Survey and Outlook, TPAMI 2022 (mINP).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.intervals import LEVEL, ROUNDS, Rate, bootstrap
from reid_ros.evaluate.ranking import ProtocolError, blocks, cosines, labels, precision, ranks
from reid_ros.types import AnyArray, BoolArray, DoubleArray, IntArray

RANKS = (1, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which candidates exist for a query.

    Attributes:
        name: of the data set.
        junk: identity of gallery entries that exist for no query; None: there is none.
        distractor: identity of gallery entries that are always wrong; None: there is none.
        other_cameras: entries of the query's person in the query's camera do not exist.
    """

    name: str
    junk: int | None = None
    distractor: int | None = None
    other_cameras: bool = True


MARKET1501 = Protocol('Market-1501', junk=-1, distractor=0)
MARS = Protocol('MARS', junk=-1, distractor=0)
MSMT17 = Protocol('MSMT17')
"""Its identities begin at 0, which is a person here."""
GAIT3D = Protocol('Gait3D', other_cameras=False)
"""Fixed probes against the whole gallery (Zheng et al., Gait Recognition in the Wild with Dense 3D
Representations, CVPR 2022; OpenGait's evaluation)."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Whom each row shows, and where.

    Attributes:
        ids: (n,) identities.
        cameras: (n,) cameras.
    """

    ids: IntArray
    cameras: IntArray

    def __post_init__(self) -> None:
        n = len(self.ids)
        object.__setattr__(self, 'ids', labels('identities', self.ids, n))
        object.__setattr__(self, 'cameras', labels('cameras', self.cameras, n))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The answer to every query that has one.

    Attributes:
        queries: (m,) rows of the queries that count: a right answer exists for them.
        ids: (m,) their identities.
        first, last: (m,) ranks, from 1, of the first and the last right answer.
        ap: (m,) average precision, the mean of the precisions at the right answers.
        ap_trapezoid: (m,) the same by the trapezium rule of the Market-1501 authors' own script;
            tables of the last years give the plain one.
        inp: (m,) inverse negative penalty, right answers over the rank of the last one.
        skipped: queries without any right answer in the gallery.
    """

    queries: IntArray
    ids: IntArray
    first: IntArray
    last: IntArray
    ap: DoubleArray
    ap_trapezoid: DoubleArray
    inp: DoubleArray
    skipped: int

    def cmc(self, most: int) -> DoubleArray:
        """(most,) share of the queries with a right answer at rank 1, 2, ..."""
        counts = np.bincount(np.minimum(self.first, most + 1), minlength=most + 2)
        result: DoubleArray = np.cumsum(counts[1 : most + 1]) / len(self.first)
        return result

    def hits(self, rank: int) -> BoolArray:
        """(m,) whether a right answer stands at this rank or better."""
        result: BoolArray = self.first <= rank
        return result

    def scores(self) -> dict[str, float]:
        """rank-1, rank-5, rank-10, rank-20, mAP and mINP, 0 to 1."""
        found = {f'rank-{rank}': float(self.hits(rank).mean()) for rank in RANKS}
        return {**found, 'mAP': float(self.ap.mean()), 'mINP': float(self.inp.mean())}

    def intervals(
        self, draw: np.random.Generator, rounds: int = ROUNDS, level: float = LEVEL
    ) -> dict[str, Rate]:
        """`scores` with intervals by bootstrap over identities.

        Raises:
            ProtocolError: fewer than two identities.
        """
        columns: dict[str, AnyArray] = {f'rank-{rank}': self.hits(rank) for rank in RANKS}
        columns |= {'mAP': self.ap, 'mINP': self.inp}
        return {
            name: bootstrap(column, self.ids, draw, rounds, level)
            for name, column in columns.items()
        }


def retrieve(
    similarity: AnyArray, query: Samples, gallery: Samples, protocol: Protocol = MARKET1501
) -> Retrieval:
    """Rank the gallery for every query by a table of similarities.

    Args:
        similarity: (q, g), higher is more alike; a distance goes in negated.
        query, gallery: labels of rows and columns.
        protocol: which candidates exist for a query.

    Raises:
        ProtocolError: shapes that do not fit, or no query with a right answer.
    """
    return _retrieve(blocks(similarity, len(query), len(gallery)), query, gallery, protocol)


def retrieve_vectors(
    queries: AnyArray,
    entries: AnyArray,
    query: Samples,
    gallery: Samples,
    protocol: Protocol = MARKET1501,
) -> Retrieval:
    """Rank the gallery for every query by the cosine of vectors, block by block.

    Args:
        queries: (q, d) vectors of any length; entries: (g, d) those of the gallery.
        query, gallery: their labels.
        protocol: which candidates exist for a query.

    Raises:
        ProtocolError: shapes that do not fit, or no query with a right answer.
    """
    for name, vectors, samples in (('queries', queries, query), ('gallery', entries, gallery)):
        if len(vectors) != len(samples):
            raise ProtocolError(f'{name}: {len(vectors)} vectors, but {len(samples)} labels')
    return _retrieve(cosines(queries, entries), query, gallery, protocol)


def _retrieve(
    parts: Iterable[tuple[int, AnyArray]], query: Samples, gallery: Samples, protocol: Protocol
) -> Retrieval:
    exists = np.ones(len(gallery), np.bool_)
    if protocol.junk is not None:
        exists = gallery.ids != protocol.junk
    nobody = {label for label in (protocol.junk, protocol.distractor) if label is not None}
    found: list[tuple[int, IntArray]] = []
    for start, block in parts:
        for row, similarity in enumerate(block, start):
            person = int(query.ids[row])
            if person in nobody:
                continue
            same = gallery.ids == person
            right = same & exists
            if protocol.other_cameras:
                right &= gallery.cameras != query.cameras[row]
            answer = ranks(similarity, right, exists & ~same)
            if len(answer):
                found.append((row, answer))
    if not found:
        raise ProtocolError(
            f'{protocol.name}: none of {len(query)} queries has a right answer among '
            f'{len(gallery)} in the gallery'
            + (' seen by another camera' if protocol.other_cameras else '')
        )
    rows = np.array([row for row, _ in found], np.int64)
    answers = [answer for _, answer in found]
    last = np.array([answer[-1] for answer in answers], np.int64)
    return Retrieval(
        rows,
        query.ids[rows],
        np.array([answer[0] for answer in answers], np.int64),
        last,
        np.array([precision(answer) for answer in answers]),
        np.array([_trapezoid(answer) for answer in answers]),
        np.array([len(answer) for answer in answers]) / last,
        len(query) - len(rows),
    )


def _trapezoid(found: IntArray) -> float:
    """Area under precision over recall, straight from the rank before each hit to the hit."""
    hits = np.arange(1, len(found) + 1)
    before = np.where(found > 1, (hits - 1) / np.maximum(found - 1, 1), 1.0)
    return float((before + hits / found).mean() / 2)
