"""When enough was seen of a track to say who it is, or that it is nobody known."""

from __future__ import annotations

from reid_ros.evidence import Match
from reid_ros.seen import SeenTrack

DECIDE_CROPS = 3
"""Vectors behind a track before it may be taken for a known person."""
DECIDE_WEIGHT = 1.2
"""Sum of their qualities that this takes: three glimpses of a sleeve are not enough."""
BORN_WEIGHT = 5.0
"""The same before a track becomes a new person beside others, unless it is four times as old as
one must be: whoever gets a number from poor views gets another from good ones."""

STRANGE = 0.3
"""While a stranger is less likely than this, a track waits longer: the share of wrong numbers in
14 development worlds fell from 12 to 8.5 %, live IDF1 rose from 75.1 to 77.2."""
LONGER = 10
"""For so many times as long as one must be settled."""


def ready(track: SeenTrack, settle_s: float) -> bool:
    """True where there is enough to compare a track by, or no more can be waited for.

    Args:
        track: that is nobody yet.
        settle_s: seconds before a track may become a new person.
    """
    if track.walk.fresh is not None:
        return True
    if track.total is None:
        return False
    if track.count >= DECIDE_CROPS and track.weight >= DECIDE_WEIGHT:
        return track.fresh is not None
    return track.age_s() >= 4 * settle_s


def new(
    track: SeenTrack, match: Match | None, strange: float, settle_s: float, alone: bool
) -> bool:
    """True once a track has waited long enough without being anybody.

    Args:
        track: that is nobody yet.
        match: whom it was compared with; None = with nobody.
        strange: probability that it is nobody known.
        settle_s: see `ready`.
        alone: nobody is known whom it could be compared with.
    """
    age = track.age_s()
    if track.total is None:
        return age >= 2 * settle_s
    if match is None:  # where there are others, only who was compared with them is new
        return age >= settle_s and alone
    if match.ambiguous or (track.weight < BORN_WEIGHT and age < 4 * settle_s):
        return False
    if strange < STRANGE:
        return age >= LONGER * settle_s
    return age >= (3 * settle_s if match.undecided else settle_s)
