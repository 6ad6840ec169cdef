"""What the floor tells of persons: where they were a moment ago, and how tall they are."""

import dataclasses
import math

import numpy as np
import pytest
from people import Stage, figures

from reid_ros.meeting import FLOOR_M2, LOST, NS, Spot, walk
from reid_ros.presence import Presence
from reid_ros.seen import SeenTrack

ANNA, _ = figures('anna', 'emil')


def spot(seconds, x, y=0.0, variance=0.01):
    return Spot(round(seconds * NS), x, y, variance)


def test_who_begins_where_somebody_ended_is_likely_them():
    near, farther, away = (walk(spot(10, 3.0), spot(11, x)) for x in (3.3, 4.2, 9.0))
    assert near > 1.0 > farther > away
    assert away < -2.5
    assert away >= math.log(LOST)


def test_with_time_a_place_tells_less_and_in_the_end_nothing():
    soon, later = (abs(walk(spot(10, 3.0), spot(10 + s, 3.0))) for s in (0.5, 4.0))
    assert soon > later
    assert walk(spot(10, 3.0), spot(19, 3.0)) == 0.0
    assert walk(spot(10, 3.0), spot(10, 3.0)) == 0.0
    assert walk(spot(10, 3.0), spot(9, 3.0)) == 0.0


def test_the_ratio_of_walks_is_calibrated():
    """Strollers of the model against strangers anywhere on the floor."""
    draw = np.random.default_rng(2)
    n, side = 20000, math.sqrt(FLOOR_M2)
    began = draw.random((n, 2)) * side
    spread = math.sqrt(0.01 + 0.01 + 0.2**2 + 0.7**2)
    own = np.where(draw.random((n, 1)) < LOST, draw.random((n, 2)) * side,
                   began + spread * draw.standard_normal((n, 2)))  # fmt: skip
    other = draw.random((n, 2)) * side

    def values(ends):
        return np.array([walk(spot(0, *a), spot(1, *b)) for a, b in zip(began, ends)])

    genuine, impostor = values(own), values(other)
    for low, high in ((-3.1, -1.0), (-1.0, 1.0), (1.0, 2.5)):
        one = np.mean((genuine > low) & (genuine <= high))
        two = np.mean((impostor > low) & (impostor <= high))
        assert low - 0.3 < math.log(one / two) < high + 0.3


def _track(number, tall, start_s, seconds=6.0, person=0, x=0.0):
    result = SeenTrack('hall', number, round(start_s * NS), 0, np.zeros(4, np.float32))
    for step in range(round(seconds * 10)):
        result.seen_ns = round((start_s + step / 10) * NS)
        result.stature.add(result.seen_ns, tall)
        result.spot = Spot(result.seen_ns, x, 0.0, 0.01)
        result.began = result.began or result.spot
    result.person = person
    return result


def test_presence_tells_the_tall_from_the_short():
    presence = Presence()
    presence.note(_track(1, 1.60, 0, person=1))
    presence.note(_track(2, 1.85, 0, person=2))
    again = _track(3, 1.61, 60)
    found = presence.evidence([again], {1: 0, 2: 1, 7: 2})
    assert found.shape == (1, 3)
    assert found[0, 0] > 0.8
    assert found[0, 1] < -2.0
    assert found[0, 2] == 0.0
    own = presence.own([_track(4, 1.62, 70, person=2)])
    assert own[0, 0] < -2.0
    assert presence.of_person(1, {1: 0, 2: 1})[1] < -2.0


def test_a_track_is_no_evidence_for_itself():
    presence = Presence()
    track = _track(1, 1.6, 0, person=1)
    presence.note(track)
    presence.note(track)
    assert presence.own([track])[0, 0] == 0.0


def test_presence_follows_merges_and_forgets():
    presence = Presence()
    presence.note(_track(1, 1.84, 0, person=1, x=1.0))
    presence.note(_track(2, 1.85, 20, person=2, x=4.0))
    presence.merge(1, 2)
    begun = _track(3, 1.85, 27, x=4.0)
    found = presence.evidence([begun], {1: 0})
    assert found[0, 0] > 0.5  # where number 2 was a moment ago
    assert presence.evidence([begun], {2: 0}).tolist() == [[0.0]]
    presence.forget(1)
    assert presence.evidence([begun], {1: 0, 2: 1}).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize('known', [True, False])
def test_a_look_alike_of_another_stature_does_not_take_a_number(known):
    """Through the whole of identity: same looks and place, one after the other."""
    stage = Stage('hall')
    short, tall = (dataclasses.replace(ANNA, spot=(2.0, 2.0), tall=known * t) for t in (1.6, 1.9))
    number = stage.enrol(ANNA)
    stage.play(4, hall=[short])
    assert stage.number(short) == number
    stage.wait(20)
    stage.play(4, hall=[tall])
    assert (stage.number(tall) == number) == (not known)
    stage.wait(20)
    stage.play(4, hall=[short])
    assert stage.number(short) == number
