"""When enough was seen of a track to say who it is, or that it is nobody known."""

import numpy as np
import pytest

from reid_ros import patience
from reid_ros.evidence import Match
from reid_ros.seen import SeenTrack

NS = 1_000_000_000
SETTLE_S = 0.5
NOBODY = Match(-1, 0.0, False, False)
NEARLY = Match(-1, 0.0, True, False)
EITHER = Match(0, 1.0, True, True, 1)


def seen_for(seconds, crops=8, quality=0.9):
    track = SeenTrack('hall', 1, 0, round(seconds * NS), np.array([0, 0, 60, 160], np.float32))
    for _ in range(crops):
        track.add(np.array([1.0, 0.0], np.float32), quality)
    return track


def waits_s(match, strange, alone=False, **track):
    """Seconds until such a track is somebody new."""
    steps = (step / 10 for step in range(100))
    new = (s for s in steps if patience.new(seen_for(s, **track), match, strange, SETTLE_S, alone))
    return next(new, np.inf)


@pytest.mark.parametrize(
    ('match', 'strange', 'expected'),
    [
        (NOBODY, 1.0, 0.5),
        (NEARLY, 1.0, 1.5),
        (NOBODY, 0.5, 0.5),
        (NOBODY, 0.1, 5.0),
        (NEARLY, 0.1, 5.0),
        (EITHER, 0.5, np.inf),
    ],
)
def test_the_likelier_somebody_known_the_longer_a_new_number_is_waited_for(
    match, strange, expected
):
    assert waits_s(match, strange) == expected


def test_poor_views_wait_longer():
    assert waits_s(NOBODY, 1.0, quality=0.1) == 2.0


def test_who_was_compared_with_nobody_is_new_only_where_nobody_is_known():
    assert waits_s(None, 1.0) == np.inf
    assert waits_s(None, 1.0, alone=True) == 0.5


def test_without_looks_a_track_is_somebody_in_the_end():
    assert waits_s(None, 1.0, crops=0) == 1.0
