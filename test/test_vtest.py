"""Real footage: PETS2009 S2L1, ground truth for every tenth frame, beside the peers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from samples import data
from scipy.optimize import linear_sum_assignment

from reid_ros import boxes
from reid_ros.card import named
from reid_ros.config import DetectConfig, TrackConfig
from reid_ros.detect import Detector
from reid_ros.embed import Embedder
from reid_ros.model import Model
from reid_ros.track import Tracker
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
    """What YOLOX-nano finds, and what OSNet makes of it, in the annotated part of the clip."""
    pytest.importorskip('trackeval', reason='trackeval is not installed')
    path = data('models', 'yolox_nano_416x416.onnx')
    detector = Detector(Model.load(path, named('yolox_nano'), backend='cpu'), DetectConfig())
    network = data('models', 'osnet_x0_25_msmt17.onnx')
    embedder = Embedder(Model.load(network, named('osnet_x0_25_msmt17'), backend='cpu'))
    film = cv2.VideoCapture(str(data('video', 'vtest.avi')))
    result = []
    for index in range(LAST):
        read, image = film.read()
        assert read
        frame = Frame('vtest', index * 1_000_000_000 // RATE_HZ, image, index)
        (people,) = detector.detect([frame])
        (vectors,) = embedder.vectors([(frame, people.boxes)])
        result.append((frame, replace(people, vectors=vectors)))
    return result


def ours(found: list[tuple[Frame, Detections]], appearance: bool) -> list[Answer]:
    tracker = Tracker(TrackConfig(appearance=appearance))
    answers = []
    for frame, people in found:
        tracks = tracker.step(people, frame.stamp_ns, vectors=people.vectors)
        seen = tracks.confirmed & ~tracks.predicted
        answers.append((tracks.ids[seen], tracks.boxes[seen]))
    return answers


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


def test_people_are_told_apart_on_real_footage(truth, found):
    idf1, hota = scored(truth, ours(found, appearance=True))
    print(f'IDF1 {idf1:.1f} HOTA {hota:.1f}')
    # What the best peer reached here, for where no peer is installed; the next test compares.
    assert idf1 > 67.8
    assert hota > 51.9


def test_real_footage_is_tracked_at_least_as_well_as_by_the_best_peer(truth, found):
    table = {
        name: scored(truth, theirs(found, build(), images='BoT' in name))
        for name, build in peers().items()
    }
    for appearance in (False, True):
        name = f'reid_ros, {"motion + appearance" if appearance else "motion"}'
        table[name] = scored(truth, ours(found, appearance))
    for name, (idf1, hota) in sorted(table.items(), key=lambda row: -row[1][0]):
        print(f'{name:30} IDF1 {idf1:5.1f}  HOTA {hota:5.1f}')
    idf1, hota = table.pop('reid_ros, motion + appearance')
    assert idf1 >= max(row[0] for row in table.values())
    assert hota >= max(row[1] for row in table.values())
