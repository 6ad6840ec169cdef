import clips
import pytest

from reid_ros.report.ledger import Ledger
from reid_ros.types import Event


def told(persons, events=(), track=1, camera='a', confirmed=True):
    """A ledger of one track with these persons, moment by moment; events by moment."""
    ledger = Ledger()
    for moment, person in enumerate(persons):
        of = clips.frame(camera, moment)
        ledger.add(
            moment,
            [clips.found(of, (track, person), confirmed=confirmed)],
            [event for at, event in events if at == moment],
        )
    return ledger


def history(ledger, length, track=1, camera='a'):
    return [ledger.person(camera, track, moment) for moment in range(length)]


def merged(into, gone):
    return Event('merged', into, 0, 'a', 1, gone)


@pytest.mark.parametrize(
    ('online', 'after'),
    [
        ([0, 0, 4, 4], [4, 4, 4, 4]),  # applied back to the track's start
        ([4, 0, 4], [4, 4, 4]),
        ([4, 4, 0, 0], [4, 4, 0, 0]),  # given up, and never forward
        ([4, 0, 5, 5], [4, 5, 5, 5]),  # split: the new identity from where the old was given up
        ([0, 0], [0, 0]),
    ],
)
def test_an_identity_is_applied_back_and_never_forward(online, after):
    assert history(told(online), len(online)) == after


def test_a_merged_number_is_replaced_by_the_surviving_one_wherever_it_was_seen():
    ledger = told([0, 7, 7, 2], [(3, merged(2, 7))])
    assert history(ledger, 4) == [2, 2, 2, 2]
    assert ledger.merged_from(2) == [7]


def test_merges_follow_each_other():
    ledger = told([9, 7, 2], [(1, merged(7, 9)), (2, merged(2, 7))])
    assert history(ledger, 3) == [2, 2, 2]


def test_a_number_that_lives_again_after_a_merge_is_not_replaced():
    ledger = told([7, 2, 7], [(1, merged(2, 7))])
    assert history(ledger, 3) == [2, 2, 7]


def test_merges_in_a_circle_end():
    ledger = told([1, 1], [(0, merged(2, 1)), (0, merged(1, 2))])
    assert history(ledger, 2)[0] in (1, 2)


def test_a_person_is_confirmed_under_the_number_that_survives():
    ledger = told([7, 7], [(1, merged(2, 7))])
    assert ledger.confirmed(2)
    provisional = told([7, 7], confirmed=False)
    assert not provisional.confirmed(7)
    provisional.add(2, [], [Event('confirmed', 7, 0)])
    assert provisional.confirmed(7)


def test_tracks_that_never_got_a_person_are_counted():
    ledger = told([0, 0], track=1)
    ledger.add(2, [clips.found(clips.frame(), (2, 5), (3, 0))], [])
    assert ledger.undecided() == 2


def test_an_unknown_track_is_nobody():
    assert Ledger().person('a', 1, 0) == 0
