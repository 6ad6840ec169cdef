"""Person search: finding a person in whole images, detections and vectors together.

Rules of CUHK-SYSU (Xiao et al., Joint Detection and Identification Feature Learning for Person
Search, CVPR 2017) and PRW (Zheng et al., Person Re-identification in the Wild, CVPR 2017), as
their authors' and successors' evaluation code applies them:

- A detection is right where its overlap with the person's box w x h reaches
  min(0.5, w h / ((w + 10) (h + 10))); of several in one image the most similar one alone is right,
  all other detections of the gallery are wrong.
- Average precision is taken over the detections and multiplied by the share of the person's boxes
  that were found at all.
- CUHK-SYSU: each query has its own gallery of images, 50 to 4000, of a given size.
- PRW: the gallery is every frame but the query's own; optionally only those of other cameras.

Ties count against, see `ranking`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.boxes import area, iou
from reid_ros.evaluate.intervals import LEVEL, ROUNDS, Rate, bootstrap
from reid_ros.evaluate.ranking import ProtocolError, cosines, labels, precision, ranks, unit
from reid_ros.types import AnyArray, BoolArray, DoubleArray, FloatArray, IntArray

TOPS = (1, 5, 10)
MARGIN_PX = 10.0
IOU = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """What a network detected, all images one after another.

    Attributes:
        images: (n,) number of the image, from 0.
        boxes: (n, 4) pixels, corners x0 y0 x1 y1.
        scores: (n,) of the detector, 0 to 1.
        vectors: (n, d), any length.
    """

    images: IntArray
    boxes: FloatArray
    scores: FloatArray
    vectors: FloatArray

    def __post_init__(self) -> None:
        n = len(self.images)
        _set(self, images=labels('images of detections', self.images, n))
        _set(self, boxes=_boxes('detections', self.boxes, n))
        if np.shape(self.scores) != (n,):
            raise ProtocolError(f'{np.shape(self.scores)} scores of {n} detections')
        _set(
            self,
            vectors=unit(
                'detections', np.reshape(self.vectors, (n, -1)) if n else np.empty((0, 0))
            ),
        )
        if len(self.vectors) != n:
            raise ProtocolError(f'{len(self.vectors)} vectors of {n} detections')


@dataclass(frozen=True, slots=True)
class Truth:
    """Who really stands where; unknown people may be left out.

    Attributes:
        images: (t,) number of the image, from 0.
        boxes: (t, 4) pixels.
        ids: (t,) identities; one person stands in an image once.
        cameras: (m,) camera of each of the m images.
    """

    images: IntArray
    boxes: FloatArray
    ids: IntArray
    cameras: IntArray

    def __post_init__(self) -> None:
        n = len(self.images)
        _set(self, images=labels('images of truth', self.images, n))
        _set(self, ids=labels('identities', self.ids, n))
        _set(self, boxes=_boxes('truth', self.boxes, n))
        _set(self, cameras=labels('cameras', self.cameras, len(self.cameras)))
        if n and not 0 <= int(self.images.min()) <= int(self.images.max()) < len(self.cameras):
            raise ProtocolError(
                f'truth names image {int(self.images.max())} of {len(self.cameras)} images'
            )
        pairs = np.stack([self.images, self.ids])
        single, counts = np.unique(pairs, axis=1, return_counts=True)
        if n and counts.max() > 1:
            image, person = single[:, counts.argmax()]
            raise ProtocolError(f'person {person} stands in image {image} more than once')


@dataclass(frozen=True, slots=True)
class Queries:
    """Who is looked for.

    Attributes:
        ids: (q,) identities.
        images: (q,) image that the query was cut from; never in its own gallery.
        vectors: (q, d), any length.
    """

    ids: IntArray
    images: IntArray
    vectors: FloatArray

    def __post_init__(self) -> None:
        n = len(self.ids)
        _set(self, ids=labels('identities of queries', self.ids, n))
        _set(self, images=labels('images of queries', self.images, n))
        _set(self, vectors=unit('queries', self.vectors))
        if len(self.vectors) != n:
            raise ProtocolError(f'{len(self.vectors)} vectors of {n} queries')

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Search:
    """The answer to every query whose person is in its gallery.

    Attributes:
        queries: (m,) rows of the queries that count.
        ids: (m,) their identities.
        first: (m,) rank of the first right detection, from 1; 0 where none was found.
        recall: (m,) share of the person's boxes that were found.
        ap: (m,) average precision times recall.
        skipped: queries whose person is nowhere in their gallery.
    """

    queries: IntArray
    ids: IntArray
    first: IntArray
    recall: DoubleArray
    ap: DoubleArray
    skipped: int

    def hits(self, top: int) -> BoolArray:
        """(m,) whether a right detection is among the first so many."""
        result: BoolArray = (self.first > 0) & (self.first <= top)
        return result

    def scores(self) -> dict[str, float]:
        """mAP, top-1, top-5, top-10 and recall, 0 to 1."""
        found = {f'top-{top}': float(self.hits(top).mean()) for top in TOPS}
        return {'mAP': float(self.ap.mean()), **found, 'recall': float(self.recall.mean())}

    def intervals(
        self, draw: np.random.Generator, rounds: int = ROUNDS, level: float = LEVEL
    ) -> dict[str, Rate]:
        """`scores` with intervals by bootstrap over identities.

        Raises:
            ProtocolError: fewer than two identities.
        """
        columns: dict[str, AnyArray] = {'mAP': self.ap}
        columns |= {f'top-{top}': self.hits(top) for top in TOPS}
        columns |= {'recall': self.recall}
        return {
            name: bootstrap(column, self.ids, draw, rounds, level)
            for name, column in columns.items()
        }


def least_iou(boxes: FloatArray) -> FloatArray:
    """(n,) overlap that a detection of these true boxes must reach; less for small ones."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    shrunk = width * height / ((width + MARGIN_PX) * (height + MARGIN_PX))
    result: FloatArray = np.minimum(shrunk, IOU)
    return result


def every_frame(queries: Queries, truth: Truth, other_cameras: bool = False) -> list[IntArray]:
    """PRW's galleries: of each query all images but its own, or those of other cameras."""
    images = np.arange(len(truth.cameras))
    if other_cameras:
        return [images[truth.cameras != truth.cameras[image]] for image in queries.images]
    return [images[images != image] for image in queries.images]


def galleries(
    queries: Queries, truth: Truth, size: int, draw: np.random.Generator
) -> list[IntArray]:
    """CUHK-SYSU's kind of galleries: the person's other images, filled up with images without it.

    The data set brings lists of its own for 50 to 4000 images; this draws such lists.

    Raises:
        ProtocolError: the person alone fills the gallery, or there are too few images.
    """
    result = []
    for person, own in zip(queries.ids.tolist(), queries.images.tolist()):
        shown = truth.images[truth.ids == person]
        wanted = shown[shown != own]
        others = np.setdiff1d(np.arange(len(truth.cameras)), [*shown, own])
        if not len(wanted) <= size <= len(wanted) + len(others):
            raise ProtocolError(
                f'no gallery of {size} images for person {person}: {len(wanted)} images show it '
                f'and {len(others)} do not'
            )
        rest = draw.choice(others, size - len(wanted), replace=False)
        result.append(np.sort(np.concatenate([wanted, rest])))
    return result


def search(
    found: Found,
    truth: Truth,
    queries: Queries,
    images: Sequence[IntArray],
    least_score: float = 0.5,
) -> Search:
    """Look for every query in its gallery.

    Args:
        found: detections of all images.
        truth: who really stands where.
        queries: whom to look for.
        images: gallery of each query, as `every_frame`, `galleries` or the data set give it.
        least_score: detections below it are dropped first.

    Raises:
        ProtocolError: shapes that do not fit, a query in its own gallery, or nobody to find.
    """
    if len(images) != len(queries):
        raise ProtocolError(f'{len(images)} galleries for {len(queries)} queries')
    kept = found.scores >= least_score
    where, boxes, vectors = found.images[kept], found.boxes[kept], found.vectors[kept]
    if len(where) and not 0 <= int(where.min()) <= int(where.max()) < len(truth.cameras):
        raise ProtocolError(
            f'detections name image {int(where.max())} of {len(truth.cameras)} images'
        )
    order = np.argsort(where, kind='stable')
    where, boxes, vectors = where[order], boxes[order], vectors[order]
    hits = _hits(where, boxes, truth)
    rows, results = [], []
    nothing = [(0, np.empty((len(queries), 0), np.float32))]
    for start, block in cosines(queries.vectors, vectors) if len(where) else nothing:
        for row, similarity in enumerate(block, start):
            answer = _answer(row, images[row], truth, queries, where, similarity, hits)
            if answer is not None:
                rows.append(row)
                results.append(answer)
    if not rows:
        raise ProtocolError(f'none of {len(queries)} people stands in an image of its gallery')
    first, recall, ap = (np.array(column) for column in zip(*results))
    queried = np.array(rows, np.int64)
    return Search(
        queried, queries.ids[queried], first.astype(np.int64), recall, ap, len(queries) - len(rows)
    )


def _hits(where: IntArray, boxes: FloatArray, truth: Truth) -> list[IntArray]:
    """Rows of the detections that overlap each true box enough; `where` rises."""
    starts = np.searchsorted(where, truth.images, side='left').tolist()
    stops = np.searchsorted(where, truth.images, side='right').tolist()
    least = least_iou(truth.boxes)
    return [
        start + np.flatnonzero(iou(truth.boxes[i : i + 1], boxes[start:stop])[0] >= least[i])
        for i, (start, stop) in enumerate(zip(starts, stops))
    ]


def _answer(
    row: int,
    gallery: IntArray,
    truth: Truth,
    queries: Queries,
    where: IntArray,
    similarity: FloatArray,
    hits: Sequence[IntArray],
) -> tuple[int, float, float] | None:
    """Rank of the first right detection, recall and average precision; None: nobody to find."""
    inside = np.zeros(len(truth.cameras), np.bool_)
    inside[gallery] = True
    if inside[queries.images[row]]:
        raise ProtocolError(f'query {row} was cut from an image of its own gallery')
    there = np.flatnonzero((truth.ids == queries.ids[row]) & inside[truth.images])
    if not len(there):
        return None
    right = np.zeros(len(where), np.bool_)
    for person in there.tolist():
        if len(hits[person]):
            right[hits[person][similarity[hits[person]].argmax()]] = True
    answer = ranks(similarity, right, inside[where] & ~right)
    recall = len(answer) / len(there)
    if not len(answer):
        return 0, 0.0, 0.0
    return int(answer[0]), recall, precision(answer) * recall


def _boxes(name: str, boxes: AnyArray, n: int) -> FloatArray:
    result = np.asarray(boxes, np.float32)
    if result.shape != (n, 4):
        raise ProtocolError(f'boxes of {name}: {result.shape} is not ({n}, 4)')
    if n and not (area(result) > 0).all():
        row = int(np.flatnonzero(~(area(result) > 0))[0])
        raise ProtocolError(f'box {row} of {name} is empty: {result[row].tolist()}')
    return result


def _set(values: object, **columns: AnyArray) -> None:
    """Set fields of a frozen value while it is made."""
    for name, column in columns.items():
        object.__setattr__(values, name, column)
