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
    assert math.log(LOST) <= away < math.log(LOST) + 0.1


def test_with_time_a_place_tells_less_and_in_the_end_nothing():
    soon, later = (abs(walk(spot(10, 3.0), spot(10 + s, 3.0))) for s in (0.5, 4.0))
    assert soon > later
    assert walk(spot(10, 3.0), spot(19, 3.0)) == 0.0
    assert walk(spot(10, 3.0), spot(10, 3.0)) == 0.0
    assert walk(spot(10, 3.0), spot(9, 3.0)) == 0.0


@pytest.mark.parametrize('seconds', [0.2, 1, 3, 5, 8])
def test_who_begins_at_the_very_place_is_never_less_likely_them(seconds):
    """Beyond the floor nobody walks, so however long it took they are somewhere on it."""
    values = [walk(spot(10, 3.0), spot(10 + seconds, x)) for x in (3.0, 6.0, 15.0)]
    assert values[0] > -1e-9
    assert values == sorted(values, reverse=True)


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
        if tall:
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
    assert presence.of_person(1, {1: 0, 2: 1})[0][1] < -2.0


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


def test_glimpses_drive_out_no_stature():
    presence = Presence()
    presence.note(_track(1, 1.6, 0, person=1))
    for number in range(2, 40):
        presence.note(_track(number, 1.6, 10 * number, seconds=0.2, person=1))
    assert presence.own([_track(50, 1.9, 500, person=1)])[0, 0] < -2.0


def test_the_way_to_where_somebody_new_began_tells_who_they_may_be_yet():
    presence, columns = Presence(), {1: 0, 2: 1, 3: 2}
    presence.note(_track(1, 0.0, 0, person=1, x=1.0))
    presence.note(_track(2, 0.0, 0, person=2, x=9.0))
    begun = _track(3, 0.0, 6.5, person=3, x=9.2)
    presence.born(begun, 0)
    far, near, own = presence.of_person(3, columns)[0]
    assert far == pytest.approx(math.log(LOST), abs=0.1)
    assert near > 0.5
    assert own == 0.0
    assert presence.of_person(1, columns)[0][2] == far
    # One of them turns out to be somebody else's: what was known of the way goes with the number.
    presence.merge(2, 1)
    assert presence.of_person(3, columns)[0].tolist() == [0.0, near, 0.0]
    presence.forget(3)
    assert not presence.of_person(2, columns)[0].any()


def test_whoever_was_split_off_did_not_walk_here_from_the_person_they_were_taken_for():
    presence = Presence()
    track = _track(1, 0.0, 0, person=1, x=1.0)
    presence.note(track)
    track.restart()
    track.person, track.seen_ns = 2, track.seen_ns + NS
    presence.born(track, 1)
    assert presence.of_person(2, {1: 0, 2: 1})[0].tolist() == [0.0, 0.0]


def test_a_track_that_was_somebody_else_all_the_time_leaves_no_place():
    presence = Presence()
    track = _track(1, 1.9, 0, person=1, x=1.0)
    presence.note(track)
    assert presence.evidence([_track(2, 0.0, 7, x=1.0)], {1: 0})[0, 0] > 0.5
    presence.part(track)
    assert presence.evidence([_track(2, 0.0, 7, x=1.0)], {1: 0})[0, 0] == 0.0


def test_a_look_alike_in_two_cameras_is_split_off_in_both():
    """Either track would speak for the other: they stand on one spot."""
    stage = Stage('hall', 'yard', overlap=('hall yard',))
    short, tall = (dataclasses.replace(ANNA, spot=(2.0, 2.0), tall=t) for t in (1.6, 1.9))
    number = stage.enrol(ANNA)
    stage.play(6, hall=[short], yard=[short])
    assert stage.number(short) == number
    stage.wait(20)
    legless = dataclasses.replace(tall, tall=0.0)  # the yard sees no feet
    stage.play(8, hall=[tall], yard=[legless])
    other = stage.number(tall, 'hall')
    assert stage.number(legless, 'yard') == other != number
    stage.wait(20)
    stage.play(6, hall=[short], yard=[short])
    assert stage.number(short) == number


def test_a_camera_that_sees_no_feet_takes_nobody_from_the_others():
    """One body on one spot: the yard alone takes it for smaller than it was."""
    stage = Stage('hall', 'gate', 'yard', overlap=('hall gate', 'hall yard', 'gate yard'))
    anna = dataclasses.replace(ANNA, spot=(2.0, 2.0), tall=1.7)
    behind_a_table = dataclasses.replace(anna, tall=1.5)
    number = stage.enrol(ANNA)
    stage.play(6, hall=[anna])
    stage.wait(20)
    stage.play(8, hall=[anna], gate=[anna], yard=[behind_a_table])
    assert stage.number(anna, 'hall') == stage.number(behind_a_table, 'yard') == number
