import itertools
import json

import numpy as np
import pytest

from reid_ros import cli
from reid_ros.bench.pipeline import run, table
from reid_ros.bench.scenes import Conditions, scene
from reid_ros.bench.tracker import idf1, ours, score
from reid_ros.boxes import iou


def test_a_scene_is_the_same_every_time_and_another_with_another_seed():
    first, again, other = (scene(Conditions(people=5, seconds=1, seed=s)) for s in (1, 1, 2))
    for a, b in zip(first, again):
        assert a.stamp_ns == b.stamp_ns
        np.testing.assert_array_equal(a.detections.boxes, b.detections.boxes)
    assert first[0].detections.boxes[0, 0] != other[0].detections.boxes[0, 0]


def test_a_scene_keeps_its_conditions():
    shots = scene(Conditions(people=20, seconds=20, rate_hz=10, jitter=0.3, drop=0.25))
    gaps = np.diff([shot.stamp_ns for shot in shots]) / 1e9
    assert len(shots) == pytest.approx(150, rel=0.15)
    assert gaps.min() > 0
    assert gaps.std() > 0.02
    found = real = right = 0
    for shot in shots:
        best = iou(shot.boxes, shot.detections.boxes).max(axis=1, initial=0)
        real += len(shot.people)
        right += int((best > 0.5).sum())
        found += len(shot.detections)
        assert len(shot.people) == len(set(shot.people.tolist()))
    assert right / real == pytest.approx(0.96, abs=0.03)
    assert (found - right) / real == pytest.approx(0.02, abs=0.015)


def test_the_camera_motion_of_a_scene_explains_where_people_go():
    shots = scene(Conditions(people=20, seconds=3, pan_px_s=600, rate_hz=10))
    with_ego, without = [], []
    for before, now in itertools.pairwise(shots):
        for row, person in enumerate(before.people):
            (match,) = (now.people == person).nonzero()
            if len(match):
                x = before.boxes[row, [0, 2]].mean()
                moved = now.boxes[match[0], [0, 2]].mean()
                without.append(abs(moved - x))
                with_ego.append(abs(moved - (x + now.ego[0, 2])))
    assert np.mean(with_ego) < 15 < np.mean(without)


def test_people_who_look_alike_are_more_alike_to_themselves():
    shots = scene(Conditions(people=6, seconds=2, dimensions=64, miss=0, clutter=0))
    vectors = np.concatenate([shot.vectors for shot in shots])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    who = []
    for shot in shots:
        who += shot.people[iou(shot.boxes, shot.detections.boxes).argmax(axis=0)].tolist()
    same = np.equal.outer(who, who)
    cosines = vectors @ vectors.T
    assert cosines[same].mean() > cosines[~same].mean() + 0.1


def test_idf1_is_full_for_the_truth_and_counts_a_switch():
    shots = scene(Conditions(people=4, seconds=2, miss=0))
    perfect = [(shot.people + 10, shot.boxes) for shot in shots]
    assert idf1(shots, perfect) == pytest.approx(100)
    half = len(shots) // 2
    switched = [
        (np.where(ids == 10, 99, ids) if row >= half else ids, found)
        for row, (ids, found) in enumerate(perfect)
    ]
    lost = sum((shot.people == 0).sum() for shot in shots[half:])
    kept = sum((shot.people == 0).sum() for shot in shots[:half])
    everything = sum(len(shot.people) for shot in shots)
    assert idf1(shots, switched) == pytest.approx(100 * (1 - min(lost, kept) / everything))
    nothing = [(np.empty(0, np.int64), np.empty((0, 4), np.float32))] * len(shots)
    assert idf1(shots, nothing) == 0


def test_idf1_is_that_of_trackeval():
    metrics = pytest.importorskip('trackeval', reason='trackeval is not installed').metrics
    shots = scene(Conditions(people=12, seconds=4, rate_hz=10))
    contender = ours('motion')
    step = contender.build()
    answers = [contender.read(step(shot)) for shot in shots]
    tracks = np.unique(np.concatenate([ids for ids, _ in answers]))
    sequence = {
        'gt_ids': [shot.people for shot in shots],
        'tracker_ids': [np.searchsorted(tracks, ids) for ids, _ in answers],
        'similarity_scores': [
            iou(shot.boxes, found).astype(float) for shot, (_, found) in zip(shots, answers)
        ],
        'num_gt_ids': 12,
        'num_tracker_ids': len(tracks),
        'num_gt_dets': sum(len(shot.people) for shot in shots),
        'num_tracker_dets': sum(len(ids) for ids, _ in answers),
    }
    oracle = metrics.Identity({'PRINT_CONFIG': False}).eval_sequence(sequence)
    assert idf1(shots, answers) == pytest.approx(100 * oracle['IDF1'])


@pytest.mark.parametrize(
    ('conditions', 'least'),
    [
        (Conditions(people=20, dimensions=64), 92),
        (Conditions(people=20, rate_hz=5, jitter=0.3, dimensions=64), 86),
        (Conditions(people=20, rate_hz=10, pan_px_s=300, dimensions=64), 90),
        (Conditions(people=20, drop=0.3, dimensions=64), 92),
    ],
)
def test_tracking_holds_up_under_the_conditions_of_a_robot(conditions, least):
    shots = scene(conditions)
    everything = score(ours('motion + ego + appearance'), shots, 20, 1)
    assert everything.idf1 > least


def test_ego_motion_and_appearance_are_each_worth_something():
    scenes = [
        scene(Conditions(people=20, rate_hz=10, pan_px_s=500, dimensions=64, seed=seed))
        for seed in range(3)
    ]
    motion, ego, everything = (
        np.mean([score(ours(given), shots, 20, 1).idf1 for shots in scenes])
        for given in ('motion', 'motion + ego', 'motion + ego + appearance')
    )
    assert motion < ego < everything


def test_bench_tracker_prints_times_and_scores(capsys):
    arguments = ['bench', 'tracker', '--people', '3', '6', '--repeats', '1', '--json']
    assert cli.main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row['people'], row['features']) for row in rows] == [
        (3, 'motion + ego + appearance'),
        (3, 'motion'),
        (6, 'motion + ego + appearance'),
        (6, 'motion'),
    ]
    for row in rows:
        assert row['frames'] == 450
        assert 0 < row['median_ms'] <= row['p95_ms']
        assert row['idf1'] > 80
    assert cli.main(arguments[:-1]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert 'median ms' in lines[0]


@pytest.mark.slow
def test_tracking_has_no_loop_over_pairs():
    def median_ms(people):
        shots = scene(Conditions(people=people, dimensions=512))
        return score(ours('motion + ego + appearance'), shots, people, 2).median_ms

    assert median_ms(100) < 10 * median_ms(20)  # about 2.5 times; 25 if every pair took its turn


@pytest.mark.parametrize('count', ['0', '-3', 'many'])
def test_bench_refuses_a_number_of_people_that_is_none(count, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(['bench', 'tracker', '--people', count])
    assert stopped.value.code == 2
    assert '--people' in capsys.readouterr().err


def test_the_pipeline_is_timed_around_its_networks():
    result = run(people=5, cameras=2, seconds=5)
    assert result.persons == 5  # the same five before each camera
    assert 0 < result.crops < 5
    assert set(result.stages_ms) == {'detect', 'track', 'embed', 'identify'}
    assert result.median_ms == pytest.approx(sum(result.stages_ms.values()), rel=0.5)
    assert not result.networks_ms
    assert 'not measured' in table([result])
