"""What happens in a world: how many people, how they behave, and who watches them."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reid_ros.config import ConfigError, checked, setting
from reid_ros.types import ReidError
from reid_ros.world import place

KINDS = tuple(place.KINDS)
"""Kinds of places."""
START_S = 1_704_067_200
"""Stamp of a world's first moment, seconds since 1970: 2024-01-01T00:00:00Z."""
START_NS = START_S * 1_000_000_000
DENSEST = 0.5
"""Most people per square metre of free floor: above it nobody can walk."""
VISIT_S = 8.0
"""Shortest planned stay of a person, seconds, so that everyone can be identified."""


class WorldError(ReidError):
    """A world that cannot be: names the value and the valid range."""


@dataclass(frozen=True)
class Scenario:
    """One kind of world; a seed makes a world of it.

    Raises:
        WorldError: a value out of its range, or values that do not fit each other.
    """

    name: str = 'custom'
    meaning: str = 'people walk about'
    people: int = setting(10, 'how many different people come', 1, 250)
    at_once: int = setting(6, 'how many of them are there at once, on average', 1, 250)
    seconds: float = setting(45.0, 'length, seconds', 1.0, 3600.0)
    place: str = setting('hall', 'kind of place', choices=KINDS)
    overlapping: int = setting(2, 'fixed cameras that see common ground', 0, 8)
    apart: int = setting(1, 'fixed cameras that see ground of their own alone', 0, 4)
    portrait: int = setting(1, 'how many of the fixed cameras stand upright', 0, 12)
    robot: bool = setting(False, 'a robot with a camera drives about')
    width: int = setting(640, 'longer side of an image, pixels', 160, 3840)
    height: int = setting(480, 'shorter side of an image, pixels', 120, 2160)
    rate_hz: float = setting(12.0, 'frames per second of each camera', 0.5, 120.0)
    jitter: float = setting(0.08, 'standard deviation of a stamp, in frame intervals', 0.0, 0.3)
    loss: float = setting(0.01, 'share of frames that never arrive', 0.0, 0.9)
    look_alikes: int = setting(0, 'pairs of people in the same clothes', 0, 125)
    same_body: int = setting(0, 'people who share one body, each with a gait of their own', 0, 250)
    clothing_change: float = setting(
        0.0, 'share of people who come back in other clothes', 0.0, 1.0
    )
    absence_s: float = setting(8.0, 'seconds until a person who left comes back', 1.0, 1800.0)
    elsewhere: bool = setting(False, 'who comes back is first seen by another camera')
    meetings: float = setting(0.5, 'how often a visitor meets somebody, per visit', 0.0, 3.0)

    def __post_init__(self) -> None:
        kinds = typing.get_type_hints(Scenario)
        for like in dataclasses.fields(self):
            if not like.metadata:
                continue
            try:
                value = checked(
                    f'{self.name}: {like.name}', getattr(self, like.name), like, kinds[like.name]
                )
            except ConfigError as error:
                raise WorldError(str(error)) from None
            object.__setattr__(self, like.name, value)
        self._agree()

    def _agree(self) -> None:
        """Raise where values do not fit each other."""
        for name, value, low, high, why in (
            ('at_once', self.at_once, 1, self.people, 'people that come'),
            ('look_alikes', self.look_alikes, 0, self.people // 2, 'pairs that can be made'),
            ('same_body', self.same_body, 0, self.people, 'people that come'),
            ('portrait', self.portrait, 0, self.fixed, 'fixed cameras'),
            ('height', self.height, 120, self.width, 'pixels of the longer side, width'),
        ):
            if not low <= value <= high:
                raise WorldError(
                    f'{self.name}: {name}: {value} is outside {low} to {high} ({why})'
                )
        if not self.cameras:
            raise WorldError(
                f'{self.name}: no camera: set overlapping to 2 to 8, apart to 1 to 4, or robot'
            )
        if self.overlapping == 1:
            raise WorldError(
                f'{self.name}: overlapping: 1 camera overlaps with nobody: set it to 0 or to 2 to '
                '8, or apart to 1'
            )
        if self.clothing_change and self.at_once == self.people:
            raise WorldError(
                f'{self.name}: at_once: {self.at_once} of {self.people} people never leave, so '
                f'nobody can come back in other clothes: valid are 1 to {self.people - 1}'
            )
        least = 2 * VISIT_S + self.absence_s
        if (self.clothing_change or self.elsewhere) and self.seconds < least:
            raise WorldError(
                f'{self.name}: seconds: {self.seconds:g} is too short to leave, stay away for '
                f'{self.absence_s:g} s and come back: valid are {least:g} to 3600'
            )

    @property
    def fixed(self) -> int:
        """Number of fixed cameras."""
        return self.overlapping + self.apart

    @property
    def cameras(self) -> int:
        """Number of cameras, the robot's included."""
        return self.fixed + self.robot

    @property
    def visit_s(self) -> float:
        """Mean length of a stay that keeps `at_once` people there, seconds."""
        share = self.at_once / self.people
        if share == 1:
            return self.seconds
        return max(VISIT_S, min(self.seconds, self.absence_s * share / (1 - share)))

    def custom(self, **changes: Any) -> Scenario:
        """The same with other values.

        Raises:
            WorldError: no such setting, or a bad value.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f'did you mean {close[0]!r}?' if close else f'known: {", ".join(known)}'
                raise WorldError(f'{self.name}: {name}: no such setting; {hint}')
        return dataclasses.replace(self, **changes)

    def fits(self, free_m2: float) -> None:
        """Raise WorldError where the people do not fit on so much free floor."""
        most = int(DENSEST * free_m2)
        if self.at_once > most:
            raise WorldError(
                f'{self.name}: at_once: {self.at_once} people do not fit on {free_m2:.0f} m2 of '
                f'free floor: valid are 1 to {most}'
            )


def _named(*scenarios: Scenario) -> Mapping[str, Scenario]:
    return MappingProxyType({scenario.name: scenario for scenario in scenarios})


SUITE = ('crossing', 'crowded', 'look_alikes', 'clothing', 'absence', 'robot')
"""Names of the standard suite."""
SCENARIOS = _named(
    Scenario(
        'crossing',
        'people cross and meet before two cameras with common ground and one apart',
        people=10, at_once=6, seconds=45.0, place='hall', absence_s=10.0, meetings=0.7,
    ),
    Scenario(
        'crowded',
        'many at once, who hide each other much of the time',
        people=16, at_once=12, seconds=40.0, place='hall', overlapping=3, apart=1, absence_s=6.0,
    ),
    Scenario(
        'look_alikes',
        'eight of twelve people wear what another of them wears',
        people=12, at_once=7, seconds=45.0, place='shop', look_alikes=4,
    ),
    Scenario(
        'clothing',
        'half of the people come back in other clothes',
        people=10, at_once=5, seconds=60.0, place='office', absence_s=12.0, clothing_change=0.5,
    ),
    Scenario(
        'absence',
        'everybody leaves for long and comes back before another camera',
        people=8, at_once=4, seconds=60.0, place='hall', absence_s=18.0, elsewhere=True,
    ),
    Scenario(
        'robot',
        'a robot drives among the people; two fixed cameras watch the same place',
        people=10, at_once=6, seconds=50.0, place='hall', robot=True, apart=0, overlapping=2,
        rate_hz=15.0,
    ),
    Scenario(
        'demo',
        'three cameras, ten people, two of them look alike',
        people=10, at_once=7, seconds=25.0, place='hall', look_alikes=1, absence_s=5.0,
        rate_hz=10.0,
    ),
    Scenario(
        'gait',
        'people of one body in the same few clothes: only how they walk tells them apart',
        people=12, at_once=6, seconds=60.0, place='hall', same_body=12, look_alikes=6,
    ),
    Scenario(
        'yard',
        'outdoors: large, one upright camera, nobody overlaps',
        people=10, at_once=6, seconds=45.0, place='yard', overlapping=0, apart=2,
    ),
)  # fmt: skip
"""Named scenarios: the standard suite (`SUITE`), the demo, and some more."""


def named(name: str) -> Scenario:
    """A scenario by its name.

    Raises:
        WorldError: there is none of that name; lists those there are.
    """
    if name not in SCENARIOS:
        close = difflib.get_close_matches(name, list(SCENARIOS), n=1)
        hint = f'did you mean {close[0]!r}? ' if close else ''
        raise WorldError(f'scenario {name!r}: {hint}there are {", ".join(SCENARIOS)}')
    return SCENARIOS[name]
