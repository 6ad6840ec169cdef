"""Real footage: PETS2009 S2L1, ground truth for every tenth frame, beside the peers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from samples import data
from scipy.optimize import linear_sum_assignment

from reid_ros import boxes
from reid_ros.calibration import Calibration
from reid_ros.card import named
from reid_ros.config import Config, DetectConfig
from reid_ros.detect import Detector
from reid_ros.embed import Embedder
from reid_ros.model import Model
from reid_ros.pipeline import Pipeline
from reid_ros.report.ledger import Ledger
from reid_ros.types import Detections, Frame

RATE_HZ = 10
LAST = 320  # frame of the last annotation

Answer = tuple[np.ndarray, np.ndarray]
"""Numbers of the tracks shown in a frame, and their boxes."""


@dataclass(frozen=True)
class Truth:
    ids: np.ndarray
    boxes: np.ndarray
    counts: np.ndarray


pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def truth() -> dict[int, Truth]:
    rows = np.loadtxt(data('video', 'vtest_gt_sparse.txt'), delimiter=',')
    result = {}
    for frame in np.unique(rows[:, 0]).astype(int):
        here = rows[rows[:, 0] == frame]
        corners = np.hstack((here[:, 2:4], here[:, 2:4] + here[:, 4:6]))
        result[int(frame)] = Truth(here[:, 1].astype(int), corners, here[:, 6] > 0)
    return result


@pytest.fixture(scope='module')
def found() -> list[tuple[Frame, Detections]]:
    """What YOLOX-nano finds in the annotated part of the clip."""
    pytest.importorskip('trackeval', reason='trackeval is not installed')
    path = data('models', 'yolox_nano_416x416.onnx')
    detector = Detector(Model.load(path, named('yolox_nano'), backend='cpu'), DetectConfig())
    film = cv2.VideoCapture(str(data('video', 'vtest.avi')))
    result = []
    for index in range(LAST):
        read, image = film.read()
        assert read
        frame = Frame('vtest', index * 1_000_000_000 // RATE_HZ, image, index)
        result.append((frame, detector.detect([frame])[0]))
    return result


@pytest.fixture(scope='module')
def ours(found: list[tuple[Frame, Detections]]) -> dict[str, list[Answer]]:
    """The tracks and the persons of the pipeline as it is installed, and of motion alone."""
    looks = Embedder(
        Model.load(
            data('models', 'osnet_x0_25_msmt17.onnx'), named('osnet_x0_25_msmt17'), backend='cpu'
        )
    )
    calibration = Calibration.from_json(looks.model.card.calibration, 'its card')
    answers = {}
    answers['motion'], _ = played(found, Pipeline(Config()))
    answers['tracks'], answers['persons'] = played(
        found, Pipeline(Config(), embedder=looks, calibration=calibration)
    )
    return answers


def played(
    found: list[tuple[Frame, Detections]], pipeline: Pipeline
) -> tuple[list[Answer], list[Answer]]:
    """What each frame shows: tracks, and persons as the MOT text of a run has them."""
    ledger = Ledger()
    seen = []
    for index, (frame, people) in enumerate(found):
        moment = pipeline.step([replace(frame, detections=people)])
        ledger.add(index, moment.sightings, moment.events)
        (shown,) = moment.sightings
        real = ~shown.predicted
        seen.append((shown.tracks[real].astype(int), shown.boxes[real]))
    persons = []
    for index, (numbers, corners) in enumerate(seen):
        who = np.array([ledger.person('vtest', int(n), index) for n in numbers], int)
        persons.append((who[who > 0], corners[who > 0]))
    return seen, persons


def theirs(found: list[tuple[Frame, Detections]], tracker: object, images: bool) -> list[Answer]:
    supervision = pytest.importorskip('supervision')
    answers = []
    for frame, people in found:
        given = supervision.Detections(
            xyxy=people.boxes.astype(float),
            confidence=people.scores.astype(float),
            class_id=np.zeros(len(people), int),
        )
        answer = tracker.update(given, frame=frame.image) if images else tracker.update(given)
        sure = answer.tracker_id >= 0
        answers.append((answer.tracker_id[sure], answer.xyxy[sure]))
    return answers


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return boxes.iou(a.astype(np.float64), b.astype(np.float64))


def scored(truth: dict[int, Truth], answers: list[Answer]) -> tuple[float, float]:
    """IDF1 and HOTA, percent; boxes on people who do not count are dropped, as MOT does."""
    from trackeval import metrics

    real_ids, ids, likeness = [], [], []
    for frame, real in truth.items():
        mine, corners = answers[frame - 1]
        like = overlap(real.boxes, corners)
        i, j = linear_sum_assignment(np.where(like >= 0.5, like, 0), maximize=True)
        kept = np.ones(len(mine), bool)
        kept[j[(like[i, j] >= 0.5) & ~real.counts[i]]] = False
        real_ids.append(real.ids[real.counts])
        ids.append(mine[kept])
        likeness.append(like[real.counts][:, kept])
    names, rows = np.unique(np.concatenate(real_ids), return_inverse=True)
    own, columns = np.unique(np.concatenate(ids), return_inverse=True)
    sequence = {
        'gt_ids': np.split(rows, np.cumsum([len(a) for a in real_ids])[:-1]),
        'tracker_ids': np.split(columns, np.cumsum([len(a) for a in ids])[:-1]),
        'similarity_scores': likeness,
        'num_gt_ids': len(names),
        'num_tracker_ids': len(own),
        'num_gt_dets': len(rows),
        'num_tracker_dets': len(columns),
    }
    identity = metrics.Identity({'PRINT_CONFIG': False}).eval_sequence(sequence)
    return 100 * identity['IDF1'], 100 * float(
        np.mean(metrics.HOTA().eval_sequence(sequence)['HOTA'])
    )


def peers() -> dict[str, Callable[[], object]]:
    trackers = pytest.importorskip('trackers', reason='roboflow trackers is not installed')
    kinds = {
        'SORT': trackers.SORTTracker,
        'ByteTrack': trackers.ByteTrackTracker,
        'OC-SORT': trackers.OCSORTTracker,
        'BoT-SORT': trackers.BoTSORTTracker,
        'C-BIoU': trackers.CBIoUTracker,
    }
    result = {}
    for name, kind in kinds.items():
        # A lost track is theirs for 30 frames of a nominal 30 Hz; our default is two seconds.
        result[name] = lambda kind=kind: kind(frame_rate=RATE_HZ)
        result[f'{name}, 2 s'] = lambda kind=kind: kind(frame_rate=RATE_HZ, lost_track_buffer=60)
    return result


@pytest.mark.parametrize('kind', ['tracks', 'persons'])
def test_people_are_told_apart_on_real_footage(truth, ours, kind):
    idf1, hota = scored(truth, ours[kind])
    print(f'{kind}: IDF1 {idf1:.1f} HOTA {hota:.1f}')
    # What the best peer reached here, for where no peer is installed; the next test compares.
    assert idf1 > 67.8
    assert hota > 51.9


def test_real_footage_is_tracked_at_least_as_well_as_by_the_best_peer(truth, found, ours):
    table = {
        name: scored(truth, theirs(found, build(), images='BoT' in name))
        for name, build in peers().items()
    }
    best = [max(row[i] for row in table.values()) for i in (0, 1)]
    table |= {f'reid_ros, {kind}': scored(truth, answers) for kind, answers in ours.items()}
    for name, (idf1, hota) in sorted(table.items(), key=lambda row: -row[1][0]):
        print(f'{name:30} IDF1 {idf1:5.1f}  HOTA {hota:5.1f}')
    for kind in ('tracks', 'persons'):
        idf1, hota = table[f'reid_ros, {kind}']
        assert idf1 >= best[0]
        assert hota >= best[1]
