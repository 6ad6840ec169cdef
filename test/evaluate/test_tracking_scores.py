"""HOTA, IDF1 and CLEAR against TrackEval and against what can be counted by hand."""

import importlib.util
import time
from pathlib import Path

import mot_scenes
import numpy as np
import pytest

from reid_ros.evaluate.matching import best, solved
from reid_ros.evaluate.tracking import tracking
from reid_ros.evaluate.values import Boxes, EvaluateError


def difference(ours, theirs):
    return max(abs(ours[name] - value) for name, value in theirs.items())


@pytest.mark.parametrize('chunk', range(10))
def test_random_scenes_score_as_in_trackeval(chunk):
    kinds = set()
    for seed in range(24 * chunk, 24 * chunk + 24):
        rng = np.random.default_rng(seed)
        truth, results = mot_scenes.scene(rng, cameras=int(rng.integers(1, 4)))
        kinds.add((len(truth) > 0, len(results) > 0))
        ours = tracking(truth, results).as_json()
        assert difference(ours, mot_scenes.trackevals(truth, results)) < 1e-6, seed
    assert (True, True) in kinds


def test_the_random_scenes_hold_every_kind():
    """Scenes without truth, without results, with switches, gaps, misses and false boxes."""
    none_true = none_found = switches = gaps = missed = false = empty = 0
    for seed in range(240):
        rng = np.random.default_rng(seed)
        truth, results = mot_scenes.scene(rng, cameras=int(rng.integers(1, 4)))
        score = tracking(truth, results).clear
        none_true += not len(truth) and len(results) > 0
        none_found += not len(results) and len(truth) > 0
        empty += len({*truth.frame.tolist()} ^ {*results.frame.tolist()}) > 0
        switches += score.idsw
        gaps += score.frag
        missed += score.fn
        false += score.fp
    assert min(none_true, none_found, empty) > 10
    assert min(switches, gaps, missed, false) > 500


@pytest.mark.parametrize('iou', [0.3, 0.75])
def test_another_overlap_scores_as_in_trackeval(iou):
    truth, results = mot_scenes.scene(np.random.default_rng(3), 2, 40, 10)
    theirs = mot_scenes.trackevals(truth, results, iou)
    assert difference(tracking(truth, results, iou).as_json(), theirs) < 1e-6


def motmetrics_data():
    found = importlib.util.find_spec('motmetrics')
    if found is None or found.origin is None:
        pytest.skip('motmetrics, whose wheel holds the TUD sequences, is not installed')
    return Path(found.origin).parent / 'data'


@pytest.mark.parametrize(
    ('name', 'hota', 'idf1'),
    [('TUD-Campus', 39.140, 55.766), ('TUD-Stadtmitte', 39.785, 64.462)],
)
def test_the_tud_sequences_score_as_in_trackeval(name, hota, idf1):
    from reid_ros.evaluate.motfile import read_mot

    folder = motmetrics_data() / name
    truth, results = (read_mot(folder / f'{kind}.txt').boxes() for kind in ('gt', 'test'))
    ours = tracking(truth, results).as_json()
    assert difference(ours, mot_scenes.trackevals(truth, results)) < 1e-6
    assert ours['HOTA'] == pytest.approx(hota, abs=5e-4)
    assert ours['IDF1'] == pytest.approx(idf1, abs=5e-4)


def motchallenge(truth, results):
    """TrackEval's MOTChallenge preprocessing: ignored truth as its class 'distractor'."""
    dataset = object.__new__(mot_scenes.oracle().datasets.MotChallenge2DBox)
    dataset.do_preproc, dataset.benchmark = True, 'MOT17'
    dataset.class_name_to_class_id = {
        'pedestrian': 1, 'person_on_vehicle': 2, 'static_person': 7, 'distractor': 8,
        'reflection': 12,
    }  # fmt: skip
    dataset.valid_class_numbers = list(range(1, 14))
    raw = mot_scenes.sequence(truth, results)
    frames = sorted({*truth.frame.tolist(), *results.frame.tolist()})
    here = [truth.frame == frame for frame in frames]
    raw['gt_classes'] = [np.where(truth.ignored[rows], 8, 1) for rows in here]
    raw['gt_extras'] = [{'zero_marked': np.ones(rows.sum())} for rows in here]
    raw['gt_dets'] = [truth.boxes[rows] for rows in here]
    raw['tracker_dets'] = [results.boxes[results.frame == frame] for frame in frames]
    raw['tracker_classes'] = [np.ones(len(boxes)) for boxes in raw['tracker_dets']]
    raw['tracker_confidences'] = raw['tracker_classes']
    raw['seq'] = 'scene'
    return dataset.get_preprocessed_seq_data(raw, 'pedestrian')


def test_ignored_truth_is_left_out_as_in_motchallenge():
    trackeval, compared = mot_scenes.oracle(), 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        truth, results = mot_scenes.scene(rng, frames=20)
        if not len(truth) or not len(results):
            continue
        ignored = rng.random(len(truth)) < 0.3
        truth = Boxes(truth.camera, truth.frame, truth.ids, truth.boxes, ignored)
        data = motchallenge(truth, results)
        quiet = {'THRESHOLD': 0.5, 'PRINT_CONFIG': False}
        hota = trackeval.metrics.HOTA().eval_sequence(data)
        clear = trackeval.metrics.CLEAR(quiet).eval_sequence(data)
        identity = trackeval.metrics.Identity(quiet).eval_sequence(data)
        ours = tracking(truth, results).as_json()
        assert ours['HOTA'] == pytest.approx(100 * hota['HOTA'].mean(), abs=1e-6)
        assert (ours['TP'], ours['FP'], ours['IDSW'], ours['Frag']) == (
            clear['CLR_TP'], clear['CLR_FP'], clear['IDSW'], clear['Frag'],
        )  # fmt: skip
        assert (ours['IDTP'], ours['IDFP']) == (identity['IDTP'], identity['IDFP'])
        compared += ours['FP'] < tracking(truth.take(~ignored), results).clear.fp
    assert compared > 20, 'results on ignored truth must make a difference'


def line(camera, frames, person, x=0.0):
    """Rows of one person who stands still."""
    return [(camera, frame, person, x, 0, x + 40, 100) for frame in frames]


def test_a_number_kept_across_cameras_is_worth_more_than_a_new_one():
    truth = mot_scenes.boxes(line(0, range(10), 1) + line(1, range(10), 1))
    kept = mot_scenes.boxes(line(0, range(10), 5) + line(1, range(10), 5))
    new = mot_scenes.boxes(line(0, range(10), 5) + line(1, range(10), 6))
    assert tracking(truth, kept).as_json()['IDF1'] == 100
    score = tracking(truth, new).as_json()
    assert (score['IDF1'], score['AssA'], score['IDSW']) == (50, pytest.approx(50), 0)


def test_switches_are_counted_in_each_camera():
    """The other camera's number in between is no switch."""
    truth = mot_scenes.boxes(line(0, range(4), 1) + line(1, range(4), 1))
    results = mot_scenes.boxes(line(0, (0, 1), 5) + line(0, (2, 3), 6) + line(1, range(4), 7))
    seen = tracking(truth, results)
    assert seen.clear.idsw == 1
    row, before, after = seen.clear.switches[0]
    where = seen.seen.truth_row[row]
    assert (truth.camera[where], truth.frame[where]) == (0, 2)
    assert seen.seen.answers[[before, after]].tolist() == [5, 6]


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(8)
    truth, results = mot_scenes.scene(rng, 2, 30, 8)
    shuffled = truth.take(rng.permutation(len(truth))), results.take(rng.permutation(len(results)))
    assert difference(tracking(*shuffled).as_json(), tracking(truth, results).as_json()) < 1e-9


def test_one_number_twice_on_a_person_is_right_once():
    truth = mot_scenes.boxes(line(0, range(5), 1))
    twice = mot_scenes.boxes(line(0, range(5), 3) + line(0, range(5), 3, x=2.0))
    score = tracking(truth, twice)
    assert (score.identity.idtp, score.identity.idfp, score.clear.fp) == (5, 5, 5)


def test_nothing_at_all_is_scored():
    score = tracking(Boxes.none(), Boxes.none()).as_json()
    assert score['HOTA'] == score['TP'] == 0


def test_a_person_twice_in_a_true_image_is_refused():
    truth = mot_scenes.boxes([*line(2, range(5), 4), *line(2, (3,), 4, 90.0)])
    with pytest.raises(EvaluateError, match='person 4 stands twice in frame 3 of camera 2'):
        tracking(truth, Boxes.none())


@pytest.mark.parametrize('iou', [0.0, -0.1, 1.01, float('nan')])
def test_an_impossible_overlap_is_refused(iou):
    with pytest.raises(EvaluateError, match='above 0 and at most 1'):
        tracking(Boxes.none(), Boxes.none(), iou)


def test_a_box_that_is_not_finite_is_refused():
    with pytest.raises(EvaluateError, match='row 1'):
        mot_scenes.boxes([(0, 0, 1, 0, 0, 5, 5), (0, 1, 1, 0, 0, float('nan'), 5)])


def test_the_shortcut_finds_what_the_solver_finds():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        n, m = rng.integers(1, 8, 2)
        i, j = (rng.random((n, m)) < rng.uniform(0.2, 1)).nonzero()
        values = rng.random(len(i)) ** 3
        step = np.zeros(len(i), np.int64)
        quick, sure = best(step, i, j, values, (n, m)), solved(i, j, values)
        assert len({*i[quick].tolist()}) == quick.sum() == len({*j[quick].tolist()})
        assert values[quick].sum() == pytest.approx(values[sure].sum())


def test_45000_boxes_take_at_most_four_tenths_of_a_second():
    """Three cameras, 750 frames, 20 people; of one core, whatever else the machine does."""
    truth, results = mot_scenes.crowd(np.random.default_rng(1))
    assert len(truth) == 45_000
    taken = []
    for _ in range(5):
        start = time.process_time()
        tracking(truth, results)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.4
