"""All scores of a saved run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_ros.evaluate.identity import OverTime, over_time
from reid_ros.evaluate.named import Named, named
from reid_ros.evaluate.saved import Run
from reid_ros.evaluate.tracking import Tracking, tracking
from reid_ros.evaluate.truth import CameraTruth
from reid_ros.evaluate.values import Answers, EvaluateError, People
from reid_ros.types import BoolArray, IntArray

LEAST_VISIBLE = 0.25
"""Of whom less can be seen, nobody need find: no detector is trained to do it."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What `reid_ros evaluate` says.

    Attributes:
        cameras: those with truth.
        unknown: cameras of the run without truth, which are not scored.
        iou, least_visible: as asked for.
        published: tracking scores of the persons as they were published.
        hindsight: those of `<camera>.txt`, with identities applied back to the start of their
            tracks; None where the run has no such files.
        time: identity over time, as published.
        people, answers: what was compared.
        seen: the sightings, each with its answer.
    """

    cameras: tuple[str, ...]
    unknown: tuple[str, ...]
    iou: float
    least_visible: float
    published: Tracking
    hindsight: Tracking | None
    time: OverTime
    people: People
    answers: Answers
    seen: Named

    def as_json(self) -> dict[str, Any]:
        """Plain values; shares of tracking in percent, of identity 0 to 1."""
        return {
            'cameras': list(self.cameras),
            'cameras_without_truth': list(self.unknown),
            'iou': self.iou,
            'least_visible': self.least_visible,
            'published': self.published.as_json(),
            'hindsight': None if self.hindsight is None else self.hindsight.as_json(),
            'identity': self.time.as_json(),
        }


def score_run(
    run: Run,
    truth: Mapping[str, CameraTruth],
    iou: float = 0.5,
    least_visible: float = LEAST_VISIBLE,
    apart: Sequence[tuple[str, str]] = (),
) -> Scores:
    """Score a run, in the images and cameras whose truth is known.

    Args:
        iou: overlap from which on a box is on a person.
        least_visible: people of whom less can be seen do not count, nor what is said of them.
        apart: pairs of cameras that see no common ground.

    Raises:
        EvaluateError: no such overlap, share or camera; truth and run do not belong together.
    """
    if not 0.0 <= least_visible <= 1.0:
        raise EvaluateError(f'a visible share of {least_visible:g}: give one from 0 to 1')
    pairs = [(_number(run, a), _number(run, b)) for a, b in apart]
    people = run.people(truth)
    answers = run.answers.take(
        _known(run, truth, run.answers.camera, run.answers.frame, run.answers.stamp_ns)
    )
    boxes = people.as_boxes(least_visible)
    hindsight = None
    if run.hindsight is not None:
        given = run.hindsight
        stamp_ns = np.zeros(len(given), np.int64)
        for number, clock in enumerate(run.clocks):
            own = given.camera == number
            stamp_ns[own] = clock.stamps(given.frame[own] - 1)
        kept = given.take(_known(run, truth, given.camera, given.frame, stamp_ns))
        hindsight = tracking(boxes, kept, iou)
    return Scores(
        tuple(camera for camera in run.cameras if camera in truth),
        tuple(camera for camera in run.cameras if camera not in truth),
        iou,
        least_visible,
        tracking(boxes, answers.as_boxes(), iou),
        hindsight,
        over_time(people, answers, iou, least_visible, apart=pairs, merges=run.merges),
        people,
        answers,
        named(people, answers, iou, least_visible),
    )


def _number(run: Run, camera: str) -> int:
    if camera not in run.cameras:
        raise EvaluateError(
            f'no camera of this run is called {camera!r}; there are {", ".join(run.cameras)}'
        )
    return run.cameras.index(camera)


def _known(
    run: Run,
    truth: Mapping[str, CameraTruth],
    camera: IntArray,
    frame: IntArray,
    stamp_ns: IntArray,
) -> BoolArray:
    """(n,) whether it is known who is in the row's image.

    MOT text has no line for an empty image: there every image counts as known.
    """
    result = np.zeros(len(camera), np.bool_)
    for number, name in enumerate(run.cameras):
        own = camera == number
        if name in truth:
            images = truth[name].images
            result[own] = np.isin(stamp_ns[own], images) if truth[name].by_stamp else True
    return result
