"""How tall people are, measured and weighed."""

import math

import numpy as np
import pytest

from reid_ros.ground import by_height, on_ground
from reid_ros.lens import Lens, Pose
from reid_ros.stature import (
    BINS,
    LASTING_M,
    LEAST,
    NS,
    PEOPLE,
    POPULATION_M,
    SHAKE_M,
    WRONG,
    Stature,
    Statures,
    llr,
    mean,
)

LENS = Lens(np.array([[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]]), np.zeros(0))


def camera(up, down_deg):
    """Pose of a camera so high above the floor that looks along x, and down."""
    t = math.radians(down_deg)
    x, z = np.array([0.0, -1.0, 0.0]), np.array([math.cos(t), 0.0, -math.sin(t)])
    return Pose(np.column_stack([x, np.cross(z, x), z]), np.array([0.0, 0.0, up]))


def box(pose, far, left, tall):
    """Of somebody who stands so far before the camera."""
    ends = np.array([[far, left, 0.0], [far, left, tall]])
    (u, bottom), (_, top) = LENS.pixels((ends - pose.position) @ pose.rotation)
    return np.array([[u - 30, top, u + 30, bottom]], np.float32)


@pytest.mark.parametrize(('up', 'down'), [(2.6, 15.0), (0.9, 0.0), (1.7, 5.0)])
@pytest.mark.parametrize('tall', [1.1, 1.62, 1.95])
def test_a_stature_is_measured_from_feet_and_head(up, down, tall):
    pose = camera(up, down)
    for far, left in ((4.0, 0.5), (6.0, -1.5), (9.0, 0.0)):
        found = on_ground(box(pose, far, left, tall), LENS, pose, 480)
        if found.tall[0]:
            assert found.tall[0] == pytest.approx(tall, abs=0.01)
    far = on_ground(box(pose, 9.0, 0.0, tall), LENS, pose, 480)
    assert far.tall[0] > 0


def test_whom_the_border_cuts_or_who_is_no_person_has_no_stature():
    pose = camera(2.6, 15.0)
    whole = box(pose, 6.0, 0.0, 1.7)
    headless, footless, giant = whole.copy(), whole.copy(), box(pose, 6.0, 0.0, 2.6)
    headless[0, 1], footless[0, 3] = 1.0, 479.0
    for cut in (headless, footless, giant):
        assert on_ground(cut, LENS, pose, 480).tall.tolist() == [0.0]
    assert by_height(whole, LENS, 1.7).tall.tolist() == [0.0]


def _of(values, start_ns=0, step_ns=NS // 2):
    result = Stature()
    for i, value in enumerate(values):
        result.add(start_ns + i * step_ns, value)
    return result


def test_a_stature_is_the_median_of_half_seconds():
    found = _of([1.7, 1.72, 1.71, 0.9, 1.69, 5.0])  # the last half second goes on
    assert found.count == 5
    assert found.metres == pytest.approx(1.7)
    dense = _of([1.6, 1.8] * 20, step_ns=NS // 20)
    assert dense.count == 3
    assert dense.metres == pytest.approx(1.7)
    assert _of([1.7] * 100).count == BINS


def test_statures_of_several_tracks_join():
    assert mean([]) == (0.0, 0, 0)
    metres, count, tracks = mean([_of([1.6] * 3), _of([1.8] * 7), Stature()])
    assert (count, tracks) == (8, 2)
    assert metres == pytest.approx((2 * 1.6 + 6 * 1.8) / 8)


def test_alike_speaks_for_one_person_and_unlike_for_two():
    assert llr((1.7, LEAST - 1, 1), (1.2, 9, 1)) == 0.0
    assert llr((1.7, 9, 1), (0.0, 0, 1)) == 0.0
    same, near, far = (llr((1.7, 9, 1), (value, 9, 1)) for value in (1.7, 1.76, 2.1))
    assert same > 0.8 > near > -1.0
    assert far == pytest.approx(math.log(WRONG), abs=0.1)
    assert llr((1.7, 9, 1), (1.76, 9, 1)) == llr((1.76, 9, 1), (1.7, 9, 1))
    assert llr((1.7, 2, 1), (1.7, 2, 1)) < same  # less was seen
    assert llr((1.7, 9, 1), (1.85, 36, 4)) < llr((1.7, 9, 1), (1.85, 36, 1))  # one pose may err


def test_the_ratio_is_that_of_drawn_people():
    """Calibrated: among pairs of equal evidence, so many are one person as the ratio says."""
    draw = np.random.default_rng(3)
    people = draw.normal(1.7, POPULATION_M, 40000)

    def seen(tall):
        spread = math.sqrt(LASTING_M**2 + SHAKE_M**2 / 9)
        return tall + draw.normal(0, spread, len(tall))

    mistaken = np.where(draw.random(len(people)) < WRONG, draw.permutation(people), people)
    genuine = [llr((a, 9, 1), (b, 9, 1)) for a, b in zip(seen(people), seen(mistaken))]
    impostor = [
        llr((a, 9, 1), (b, 9, 1)) for a, b in zip(seen(people), seen(draw.permutation(people)))
    ]
    for low, high in ((-1.0, 0.0), (0.0, 0.5), (0.5, 1.2)):
        one = np.mean((np.array(genuine) > low) & (np.array(genuine) <= high))
        two = np.mean((np.array(impostor) > low) & (np.array(impostor) <= high))
        assert low - 0.15 < math.log(one / two) < high + 0.15


def _seen(known, persons, tall, steps, boxes=None):
    """So many half seconds of the same people."""
    persons, tall = np.array(persons), np.array(tall, np.float64)
    if boxes is None:
        boxes = np.array([[100.0 * i, 0, 100 * i + 50, 100] for i in range(len(persons))])
    for step in range(steps):
        known.note(step * NS // 2, persons, tall, boxes)


def test_who_was_measured_is_as_tall_as_that_and_everybody_else_as_usual():
    known = Statures()
    _seen(known, [4, 7, 0], [1.5, 1.9, 1.2], BINS)
    assert known.of(np.array([4, 7, 0, 9]), 1.7) == pytest.approx([1.5, 1.9, 1.7, 1.7], abs=0.04)
    assert known.of(np.array([4]), 1.7)[0] > 1.5  # drawn towards the usual


def test_a_glance_a_hidden_head_and_a_covered_body_measure_nobody():
    known = Statures()
    _seen(known, [4], [1.5], LEAST)  # the last half second is not over
    _seen(known, [5], [0.0], BINS)
    _seen(known, [6, 7], [1.5, 1.5], BINS, np.array([[0.0, 0, 50, 100], [10, 0, 60, 100]]))
    assert known.of(np.array([4, 5, 6, 7]), 1.7).tolist() == [1.7] * 4


def test_an_image_that_comes_late_measures_nobody():
    known = Statures()
    _seen(known, [4], [1.5], BINS)
    before = known.of(np.array([4]), 1.7)
    _seen(known, [4], [1.9], BINS - 2)
    assert known.of(np.array([4]), 1.7).tolist() == before.tolist()


def test_so_many_are_remembered():
    known = Statures()
    for number in range(1, PEOPLE + 2):
        _seen(known, [number], [1.5], LEAST + 1)
    found = known.of(np.array([1, 2, PEOPLE + 1]), 1.7)
    assert found[0] == 1.7
    assert (found[1:] < 1.6).all()
