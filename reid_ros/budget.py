"""What a machine gives up where it cannot do everything in time: gait, embeddings, then frames.

The work that cameras ask for is what they send times what it was seen to cost. Where that is more
than a machine can do, or more than fits before a result is due, the less important is left out.
The order is that of the levels; a level is left only when there would be room for what it gave up.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from reid_ros.costs import MEMORY_S, Cost, Rate

LEVELS = ('', 'gait', 'embeddings', 'frames')
"""What is given up last, by level; what stands before it is given up too."""
FULL = 0.92
"""Share of the time that work may take; the rest is for what nobody measures."""
EASY = 0.8
"""Share of FULL that work must stay under before some of it is taken up again."""
PRESSED_S = 0.5
"""Seconds for which work must be too much before more is given up; deadlines hold meanwhile."""
CALM_S = 2.0
"""Seconds for which it must stay under it."""
TURN_S = 5.0
"""Seconds for which a camera has gait where not all can: a gait is seen over some steps."""
LEAST = 0.15
"""Share of the time that stays with embeddings before frames: else nobody new would be known."""
TOLD_S = 5.0
"""Seconds over which diagnostics tell what was given up."""
PATIENCE_S = 1.0
"""A camera that was not served for longer is, however late its image is."""
CAUTION = 3.0
"""How many mean errors of its forecast a step is given on top."""


@dataclass(slots=True)
class _Ledger:
    """What one camera asked for and what it got.

    Attributes:
        counts: KIND_wanted and KIND_given_up since the beginning, of gait, embeddings, frames.
        wanted, missed: the same by kind, lately.
        served_s: when an image of it was last taken.
        walked_s: when it was last given a turn of gait.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wanted: dict[str, Rate] = field(default_factory=lambda: _rates())
    missed: dict[str, Rate] = field(default_factory=lambda: _rates())
    served_s: float = -math.inf
    walked_s: float = -math.inf

    def note(self, kind: str, wanted: int, missed: int, now_s: float) -> None:
        for name, rates, number in (
            ('wanted', self.wanted, wanted),
            ('given_up', self.missed, missed),
        ):
            if number:
                rates[kind].add(now_s, number)
                self.counts[f'{kind}_{name}'] += number


def _rates() -> dict[str, Rate]:
    return {kind: Rate(TOLD_S) for kind in LEVELS[1:]}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An image that may be taken.

    Attributes:
        camera: its name.
        came_s, due_s: when it came and when its result is due, steady clock.
    """

    camera: str
    came_s: float
    due_s: float


class Budget:
    """Says, step by step, which images are taken and what is done with them.

    Attributes:
        limit_s: seconds from an image to its result; 0 = no limit, then nothing is given up.
        level: of `LEVELS`.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        limit_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin with no experience.

        Args:
            cameras: names.
            limit_s: see the attributes; may be changed at any time.
            clock: steady, seconds.
        """
        self.limit_s, self.level = limit_s, 0
        self.clock = clock
        self._ledgers = {name: _Ledger() for name in cameras}
        self._offered, self._crops, self._shapes = Rate(), Rate(), Rate()
        self._frame, self._after, self._embed, self._gait = Cost(), Cost(), Cost(), Cost()
        self._crops_each = self._shapes_each = 0.0
        self._error_s = 0.0
        self._tokens, self._filled_s = 0.0, -math.inf
        self._eased_s, self._uneasy_s = math.inf, -math.inf
        self._walking, self._turn = set(cameras), -1

    # -- images --------------------------------------------------------------------------------

    def offered(self, camera: str, transport_s: float) -> Waiting:
        """An image came, so long after its stamp.

        One that is older than the limit tells of clocks that differ, or of a link that nothing
        here can mend: its time is counted from now.
        """
        now = self.clock()
        self._offered.add(now)
        self._ledgers[camera].note('frames', 1, 0, now)
        if not self.limit_s:
            return Waiting(camera, now, math.inf)
        age = transport_s if 0.0 <= transport_s < self.limit_s else 0.0
        return Waiting(camera, now, now + self.limit_s - age)

    def dropped(self, camera: str) -> None:
        """An image of a camera is not used."""
        self._ledgers[camera].note('frames', 0, 1, self.clock())

    def choose(self, waiting: Sequence[Waiting]) -> list[str]:
        """Cameras whose images are taken now; the others wait for the next step.

        Whoever waited longest to be served comes first. An image that came in time and is too late
        now, even with nothing but its people found, waits for a newer one to take its place, but
        its camera does not go without for long.
        """
        if not self.limit_s:
            return [one.camera for one in waiting]
        now = self.clock()
        taken: list[str] = []
        due = math.inf
        alone = self._frame.of(1) + self._caution_s
        for one in sorted(waiting, key=lambda w: (self._ledgers[w.camera].served_s, w.due_s)):
            due_s = min(due, one.due_s)
            if taken and now + self._forecast(len(taken) + 1) > due_s:
                continue
            if now + alone > due_s:
                hopeless = one.came_s + alone > one.due_s
                if not hopeless and now - self._ledgers[one.camera].served_s < self._patience_s:
                    continue
            taken.append(one.camera)
            due = due_s
        for camera in taken:
            self._ledgers[camera].served_s = now
        return taken

    @property
    def _patience_s(self) -> float:
        return max(PATIENCE_S, 3 * self.limit_s)

    def _forecast(self, frames: int) -> float:
        """Seconds that a step over so many frames takes at the present level, with caution."""
        crops = self._crops_each * frames
        result = self._frame.of(frames) + self._embed.of(crops)
        return result + self._gait.of(self._shapes_each * frames) + self._caution_s

    @property
    def _caution_s(self) -> float:
        return min(CAUTION * self._error_s, 0.3 * self.limit_s)

    # -- a step --------------------------------------------------------------------------------

    def begin(self, due_s: Mapping[str, float]) -> Allowance | None:
        """The budget of one step; None where there is no limit.

        Args:
            due_s: when the result of each camera's image is due.
        """
        if not self.limit_s:
            self.level = 0
            return None
        now = self.clock()
        self._eased_s = min(self._eased_s, now)
        self._weigh(now)
        self._take_turns(now)
        self._fill(now)
        return Allowance(self, list(due_s), min(due_s.values(), default=math.inf), now)

    def shares(self, camera: str) -> Mapping[str, float]:
        """Share of each kind of work that a camera asked for and did not get, lately."""
        now, ledger = self.clock(), self._ledgers[camera]
        result = {}
        for kind in LEVELS[1:]:
            wanted, missed = ledger.wanted[kind].per_s(now), ledger.missed[kind].per_s(now)
            result[kind] = min(missed / wanted, 1.0) if wanted else 0.0
        return result

    def counts(self, camera: str) -> Mapping[str, int]:
        """KIND_wanted and KIND_given_up of a camera since the beginning."""
        return self._ledgers[camera].counts

    def demand(self) -> Mapping[str, float]:
        """Share of the time that each kind of work would take if nothing were given up."""
        now = self.clock()
        return {
            'frames': self._offered.per_s(now) * self._frame.each(),
            'embeddings': self._crops.per_s(now) * self._embed.each(now),
            'gait': self._shapes.per_s(now) * self._gait.each(now),
        }

    def _needed(self, full: float) -> int:
        """The lowest level at which work takes no more than a share of the time."""
        work = self.demand()
        if sum(work.values()) <= full:
            return 0
        if work['frames'] + work['embeddings'] <= full:
            return 1
        return 2 if work['frames'] + LEAST <= full else 3

    def _weigh(self, now_s: float) -> None:
        """Raise the level where work was too much for a while, lower it where there was room."""
        needed = self._needed(FULL)
        if needed <= self.level:
            self._eased_s = now_s
        elif now_s - self._eased_s >= PRESSED_S:
            self.level, self._eased_s = needed, now_s
        if self._needed(FULL * EASY) >= self.level:
            self._uneasy_s = now_s
        elif now_s - self._uneasy_s >= CALM_S:
            self.level, self._uneasy_s = self.level - 1, now_s

    def _take_turns(self, now_s: float) -> None:
        """Say which cameras have gait: all, or as many as there is room for, for some seconds."""
        if not self.level:
            self._walking, self._turn = set(self._ledgers), -1
            return
        turn = int(now_s / TURN_S)
        if turn == self._turn and self.level == 1:
            return
        self._turn = turn
        work = self.demand()
        names = [n for n, one in self._ledgers.items() if now_s - one.served_s < TURN_S]
        room = FULL - work['frames'] - work['embeddings'] if self.level == 1 else 0.0
        share = min(max(room / work['gait'], 0.0), 1.0) if work['gait'] else 0.0
        names.sort(key=lambda name: self._ledgers[name].walked_s)
        self._walking = set(names[: int(share * len(names))])
        for name in self._walking:
            self._ledgers[name].walked_s = now_s

    def _fill(self, now_s: float) -> None:
        """Let the crops that may be embedded grow with the time."""
        each = self._embed.each(now_s)
        if self.level < LEVELS.index('embeddings') or not each:
            self._tokens, self._filled_s = math.inf, now_s
            return
        rate = max(FULL - self.demand()['frames'], LEAST) / each
        if not math.isfinite(self._tokens):
            self._tokens = 0.0
        self._tokens += rate * min(now_s - self._filled_s, MEMORY_S)
        self._tokens = min(self._tokens, max(1.0, 0.5 * rate))
        self._filled_s = now_s


class Allowance:
    """What one step may do; asked while it runs, and told what it took."""

    def __init__(self, budget: Budget, cameras: Sequence[str], due_s: float, now_s: float) -> None:
        self._budget, self._cameras, self._due_s, self._began_s = budget, cameras, due_s, now_s
        self._crops = self._shapes = 0
        self._forecast_s = budget._forecast(len(cameras)) - budget._caution_s

    def looks(self, camera: str, wanted: int) -> int:
        """How many detections of a camera a tracker in doubt may look at."""
        share = max(self._room() // max(len(self._cameras), 1), 1)
        given = min(wanted, share, self._room())
        self._grant(camera, given, wanted, wanted - given)
        return given

    def crops(self, wanted: Sequence[tuple[str, float, bool]]) -> list[bool]:
        """Which crops may be embedded: the most urgent first.

        Args:
            wanted: of each crop its camera, how urgent it is, and whether it is asked for anew.
        """
        order = sorted(range(len(wanted)), key=lambda i: -wanted[i][1])
        granted = set(order[: self._room()])
        for camera in self._cameras:
            mine = {i for i, one in enumerate(wanted) if one[0] == camera}
            fresh = {i for i in mine if wanted[i][2]}
            self._grant(camera, len(mine & granted), len(fresh), len(fresh - granted))
        return [i in granted for i in range(len(wanted))]

    def walks(self, wanted: Mapping[str, int]) -> set[str]:
        """Cameras of which silhouettes are looked at.

        Args:
            wanted: of how many people, by camera.
        """
        own, now = self._budget, self._budget.clock()
        own._shapes.add(now, sum(wanted.values()))
        given = own._walking & wanted.keys()
        total = sum(wanted[camera] for camera in given)
        if self._left(now) < own._gait.of(total):
            given, total = set(), 0
        for camera, number in wanted.items():
            own._ledgers[camera].note('gait', number, 0 if camera in given else number, now)
        self._shapes += total
        own._shapes_each += 0.1 * (total / max(len(self._cameras), 1) - own._shapes_each)
        return given

    def done(self, cost_s: Mapping[str, float]) -> None:
        """The step is over; learn from what it took.

        Args:
            cost_s: seconds by stage: detect, track, embed, gait; whatever else.
        """
        own, n, now = self._budget, len(self._cameras), self._budget.clock()
        if not n:
            return
        total = now - self._began_s
        embed = cost_s.get('embed', 0.0) if self._crops else 0.0
        gait = cost_s.get('gait', 0.0) if self._shapes else 0.0
        if self._crops:
            own._embed.learn(self._crops, embed, now)
        if self._shapes:
            own._gait.learn(self._shapes, gait, now)
        own._frame.learn(n, max(total - embed - gait, 0.0), now)
        before = cost_s.get('detect', 0.0) + cost_s.get('track', 0.0)
        own._after.learn(n, max(total - embed - gait - before, 0.0), now)
        own._crops_each += 0.1 * (self._crops / n - own._crops_each)
        if self._forecast_s:
            own._error_s += 0.05 * (abs(total - self._forecast_s) - own._error_s)

    def _left(self, now_s: float) -> float:
        """Seconds until the last work must begin."""
        own = self._budget
        return self._due_s - now_s - own._after.of(len(self._cameras)) - own._caution_s

    def _room(self) -> int:
        """Crops that may still be embedded; one a step even where it is late."""
        own = self._budget
        if own._tokens < 1.0:
            return 0
        each = own._embed.each()
        by_time = self._left(own.clock()) / each if each else math.inf
        room = min(max(by_time, 1.0 - self._crops), own._tokens)
        return int(min(max(room, 0.0), 1e6))

    def _grant(self, camera: str, given: int, fresh: int, missed: int) -> None:
        """Count crops: given, asked for anew, and of these not given."""
        own, now = self._budget, self._budget.clock()
        own._tokens -= given
        self._crops += given
        own._crops.add(now, fresh)
        own._ledgers[camera].note('embeddings', fresh, missed, now)
