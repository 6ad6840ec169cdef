"""One body per person over all cameras, and what is said of whom it is; values only."""

import pytest
from ros_builders import sightings

from reid_ros.ros.bodies import REPEAT_NS, Bodies, Match, Matches

S = 1_000_000_000
TALL, SMALL = (100, 0, 200, 300), (100, 0, 150, 150)


class Play:
    """Bodies, a tenth of a second per moment; cameras that are not named send nothing."""

    def __init__(self):
        self.bodies = Bodies()
        self.now_ns = 10 * S

    def __call__(self, **cameras):
        """Each camera's rows are (track, person[, box[, confirmed]]); returns name -> body."""
        self.now_ns += S // 10
        found = []
        for name, rows in cameras.items():
            full = [(track, person, *more, *(TALL,)[len(more) :]) for track, person, *more in rows]
            found.append(
                sightings(
                    name,
                    *((t, p, box) for t, p, box, *_ in full),
                    stamp_ns=self.now_ns,
                    confirmed=[row[3] if len(row) > 3 else row[1] > 0 for row in full],
                )
            )
        self.last = self.bodies.step(found)
        return {body.name: body.person for body in self.last}

    def shown(self, name):
        (body,) = (body for body in self.last if body.name == name)
        return body.shown and (body.shown.image, body.shown.row)


@pytest.fixture
def play():
    return Play()


def test_two_cameras_on_one_person_make_one_body(play):
    assert play(a=[(1, 7)], b=[(4, 7)]) == {'b1': 7}
    assert play(a=[(1, 7)], b=[(4, 7), (5, 0)]) == {'b1': 7, 'b2': 0}


def test_who_is_decided_later_keeps_the_body(play):
    assert play(a=[(1, 0)]) == {'b1': 0}
    assert play(a=[(1, 7)]) == {'b1': 7}


def test_who_turns_out_to_be_somebody_else_s_second_view_gives_up_the_second_body(play):
    assert play(a=[(1, 7)], b=[(4, 0)]) == {'b1': 7, 'b2': 0}
    assert play(a=[(1, 7)], b=[(4, 7)]) == {'b1': 7}
    assert play(a=[(1, 7)], b=[(4, 9)]) == {'b1': 7, 'b3': 9}, 'a name is never used again'


def test_a_body_lives_on_while_another_camera_shows_it(play):
    play(a=[(1, 7)], b=[(4, 7)])
    assert play(a=[], b=[(4, 7)]) == {'b1': 7}
    assert play(a=[(2, 7)], b=[(4, 7)]) == {'b1': 7}
    assert play(a=[], b=[]) == {}
    assert play(a=[(3, 7)], b=[]) == {'b2': 7}


def test_a_hand_over_within_one_moment_keeps_the_body(play):
    play(a=[(1, 7)])
    assert play(a=[], b=[(4, 7)]) == {'b1': 7}


def test_a_body_stays_with_the_track_where_an_identity_is_corrected(play):
    play(a=[(1, 7), (2, 8)])
    assert play(a=[(1, 8), (2, 7)]) == {'b1': 8, 'b2': 7}
    assert play(a=[(1, 0), (2, 7)]) == {'b1': 0, 'b2': 7}


def test_a_camera_without_an_image_in_this_moment_still_shows_its_people(play):
    play(a=[(1, 7)], b=[(4, 8)])
    assert play(a=[(1, 7)]) == {'b1': 7, 'b2': 8}
    assert play.shown('b1') == (0, 0)
    assert play.shown('b2') is None
    for _ in range(10):
        last = play(a=[(1, 7)])
    assert last == {'b1': 7}, 'after a second it is silent'


def test_a_provisional_person_is_one_body_and_nobody(play):
    assert play(a=[(1, 7, TALL, False)], b=[(4, 7, TALL, False)]) == {'b1': 0}


def test_the_camera_that_shows_a_body_best_is_kept_until_another_is_clearly_better(play):
    play(a=[(1, 7, TALL)], b=[(4, 7, SMALL)])
    assert play.shown('b1') == (0, 0)
    play(a=[(1, 7, (0, 0, 50, 140))], b=[(4, 7, SMALL)])
    assert play.shown('b1') == (0, 0)
    play(a=[(1, 7, (0, 0, 50, 110))], b=[(4, 7, SMALL)])
    assert play.shown('b1') == (1, 0)


# -- what is said ---------------------------------------------------------------------------------


def test_a_match_is_said_once_and_repeated_for_late_comers():
    matches = Matches()
    assert matches.step({'b1': (7, 0.9), 'b2': (0, 0.0)}, 0) == [Match('b1', 7, 0.9)]
    assert matches.step({'b1': (7, 0.9), 'b2': (0, 0.0)}, S // 10) == []
    assert matches.step({'b1': (7, 0.88)}, S // 5) == []
    assert matches.step({'b1': (7, 0.8)}, S // 5) == [Match('b1', 7, 0.8)]
    assert matches.step({'b1': (7, 0.8)}, S // 5 + REPEAT_NS) == [Match('b1', 7, 0.8)]


@pytest.mark.parametrize('now', [{'b1': (0, 0.0)}, {}])
def test_what_does_not_hold_any_more_is_taken_back_with_confidence_0(now):
    matches = Matches()
    matches.step({'b1': (7, 0.9)}, 0)
    assert matches.step(now, S // 10) == [Match('b1', 7, 0.0)]
    assert matches.step(now, S // 5) == []


def test_a_correction_takes_back_before_it_says_anew():
    matches = Matches()
    matches.step({'b1': (7, 0.9), 'b2': (8, 0.9)}, 0)
    said = matches.step({'b1': (8, 0.9), 'b2': (7, 0.9)}, S // 10)
    assert said == [
        Match('b1', 7, 0.0),
        Match('b2', 8, 0.0),
        Match('b1', 8, 0.9),
        Match('b2', 7, 0.9),
    ]


def test_a_person_who_was_accepted_never_gets_the_confidence_of_a_rejection():
    (said,) = Matches().step({'b1': (7, 0.0)}, 0)
    assert 0.0 < said.confidence <= 1.0
