"""How rare strangers are where the cameras stand: learnt from whoever was told apart."""

from __future__ import annotations

import math

MEMORY = 0.9
"""Of what was learnt before, this is left after each track: about ten tracks count."""
LEAST = 0.1
"""Strangers always count for so many tracks."""
MOST = 20.0
"""Known people are never taken to be more than so many times as frequent as strangers."""


class Newcomers:
    """Odds that a track shows somebody known: in an office nearly always, in a station seldom.

    Each track counts by the probability that it showed a stranger, so that somebody known who was
    not recognised does not pass for one (Dempster, Laird and Rubin, JRSS B 39, 1977, the mixing
    proportions of a mixture). Nothing is known at first: both are alike likely.
    """

    def __init__(self) -> None:
        self._known = self._new = 1.0

    @property
    def log_odds(self) -> float:
        """Logarithm of the odds, at most that of MOST."""
        return math.log(min(self._known / self._new, MOST))

    def mistaken(self) -> None:
        """Somebody who passed for a stranger turned out to be known."""
        taken = min(1.0, max(self._new - LEAST, 0.0))
        self._known, self._new = self._known + taken, self._new - taken

    def note(self, stranger: float) -> None:
        """Count a track that is decided on.

        Args:
            stranger: probability that it is nobody known, 0 to 1.
        """
        self._known = MEMORY * self._known + 1.0 - stranger
        self._new = MEMORY * self._new + stranger
