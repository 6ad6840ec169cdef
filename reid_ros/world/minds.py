"""What one person is up to, and when people come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros.types import DoubleArray
from reid_ros.world.scenario import VISIT_S, Scenario

LEAVING_S = 6.0
"""A walk to the door, planned for."""
SHORT_S = 5.0
"""Shortest time until one thinks of leaving."""
LAST_S = 12.0
"""Before the end nobody comes any more: there is no time to be seen."""
_BACK_S = 9.0  # a walk to the door of those who must come back in time


@dataclass
class Mind:
    """What one person is up to.

    Attributes:
        begin_s: when the next stay begins.
        end_s: when this stay should end.
        back: whether this person must come back.
        inside: whether they are here.
        visit: number of the stay, -1 before the first.
        route: points left to walk to.
        wait_s: seconds left to stand.
        partner: row of the person to talk to, -1 = nobody.
        met: True while both stand and talk.
        entering, leaving: number of the door, -1 = not entering, not leaving.
        stations: how many places were looked at in this stay.
        shown_s: seconds of this stay in full view of a fixed camera.
    """

    begin_s: float
    end_s: float
    back: bool
    visit: int = -1
    inside: bool = False
    route: list[DoubleArray] = field(default_factory=list)
    wait_s: float = 0.0
    after_s: float = 0.0
    partner: int = -1
    met: bool = False
    patience_s: float = 0.0
    entering: int = -1
    leaving: int = -1
    stations: int = 0
    shown_s: float = 0.0
    order: tuple[int, ...] = ()


def first_stays(
    scenario: Scenario, changes: Sequence[bool], rng: np.random.Generator
) -> list[Mind]:
    """One mind per person; first stays are spread evenly over a cycle of stay and absence.

    Args:
        scenario: how many are to be there at once.
        changes: who comes back in other clothes.
        rng: for the order and the exact times.
    """
    visit_s, cycle_s = scenario.visit_s, scenario.visit_s + scenario.absence_s
    minds = []
    for rank, change in zip(rng.permutation(len(changes)).tolist(), changes):
        passed_s = (rank + rng.uniform(0.2, 0.8)) / len(changes) * cycle_s
        back = change or scenario.elsewhere
        if scenario.at_once == scenario.people:
            begin, end = 0.0, scenario.seconds + 1
        elif passed_s < visit_s:
            begin, end = 0.0, visit_s - passed_s - LEAVING_S
        else:
            begin, end = cycle_s - passed_s, cycle_s - passed_s + visit_s - LEAVING_S
        if back:
            # Early enough to leave, stay away and come back.
            end = min(end, scenario.seconds - scenario.absence_s - LAST_S - _BACK_S)
            begin = min(begin, max(0.0, end - VISIT_S - LEAVING_S))
        begin = min(begin, max(0.0, scenario.seconds - LAST_S - LEAVING_S))
        minds.append(Mind(begin, max(end, begin + SHORT_S), back))
    return minds
