"""One figure of an audit, and what it must be."""

from __future__ import annotations

from dataclasses import dataclass

from reid_ros.evaluate.intervals import Rate, share


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of an audit.

    Attributes:
        audit: which.
        case: which figure of it.
        value, low, high: 0 to 1, with its 95 % interval.
        n: trials behind it.
        chance: what guessing gives.
        wanted: what it must be, in words.
        passed: whether it is; None: it is shown to compare only, or could not be measured.
    """

    audit: str
    case: str
    value: float
    low: float
    high: float
    n: int
    chance: float
    wanted: str
    passed: bool | None


def at_chance(audit: str, case: str, hits: int, n: int, chance: float, tests: int) -> Finding:
    """Passes where guessing explains as many hits.

    Args:
        audit, case: which.
        hits: right answers.
        n: answers, each independent of the others.
        chance: of one guess.
        tests: how many such figures are looked at together; with twenty, one at 95 % fails by
            chance (Bonferroni's correction).
    """
    found = share(hits, n, 'clopper_pearson')
    strict = share(hits, n, 'clopper_pearson', 1 - 0.05 / tests)
    return Finding(
        audit, case, found.value, found.low, found.high, n, chance, 'chance',
        strict.low <= chance,
    )  # fmt: skip


def compared(audit: str, case: str, rate: Rate, chance: float, why: str) -> Finding:
    """A figure that stands beside others, and need not be anything."""
    return Finding(audit, case, rate.value, rate.low, rate.high, rate.n, chance, why, None)


def between(
    audit: str, case: str, rate: Rate, chance: float, least: float, most: float
) -> Finding:
    """Passes where the figure lies within a range, ends included."""
    wanted = f'{100 * least:.0f} to {100 * most:.0f} %'
    good = least <= rate.value <= most
    return Finding(audit, case, rate.value, rate.low, rate.high, rate.n, chance, wanted, good)
