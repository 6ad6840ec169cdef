"""Identity over time, against plain loops written from the definitions, and told by hand."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from stories import MS, STEP, answers, merges, people, story

from reid_ros.evaluate.identity import over_time

LEAST = 0.3
ABSENT = 5.0
APART = ((0, 1), (1, 2))


def lies_on(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (both - shared) >= 0.5


class Plain:
    """Lists and dictionaries instead of arrays."""

    def __init__(self, truth, given):
        self.rows = [
            (int(i), int(t), int(c), tuple(b), v)
            for i, t, c, b, v in zip(
                truth.ids, truth.stamp_ns, truth.camera, truth.boxes, truth.visible
            )
        ]
        self.rows.sort(key=lambda row: row[:3])
        self.all = [
            (int(p), int(t), int(c), tuple(b), bool(s))
            for p, t, c, b, s in zip(
                given.persons, given.stamp_ns, given.camera, given.boxes, given.confirmed
            )
        ]
        self.given, self.on = [], {}
        for answer in self.all:
            under = [r for r in self.rows if r[1:3] == answer[1:3] and lies_on(r[3], answer[3])]
            assert len(under) < 2
            if under and under[0][4] < LEAST:
                continue
            self.given.append((*answer, under[0] if under else None))
            if under:
                self.on[under[0]] = answer
        self.rows = [row for row in self.rows if row[4] >= LEAST]
        self.own = self.pairing()

    def number(self, row):
        return self.on[row][0] if row in self.on else 0

    def sure(self, row):
        return self.number(row) > 0 and self.on[row][4]

    def pairing(self):
        everybody = sorted({row[0] for row in self.rows})
        numbers = sorted({self.number(row) for row in self.rows} - {0})
        counts = np.zeros((len(everybody), len(numbers)))
        for row in self.rows:
            if self.number(row):
                counts[everybody.index(row[0]), numbers.index(self.number(row))] += 1
        best = linear_sum_assignment(counts, maximize=True)
        return counts, everybody, numbers, counts[best].sum()

    def visits(self):
        found = []
        for person, camera in sorted({(row[0], row[2]) for row in self.rows}):
            own = [row for row in self.rows if (row[0], row[2]) == (person, camera)]
            visit = [own[0]]
            for row in own[1:]:
                if row[1] - visit[-1][1] > 1000 * MS:
                    found.append(visit)
                    visit = []
                visit.append(row)
            found.append(visit)
        return sorted(found, key=lambda v: (v[0][0], v[0][1], v[0][2]))

    def usual(self, visit):
        numbers = [self.number(row) for row in visit if self.number(row)]
        return max(numbers, key=numbers.count, default=0)  # max keeps the first of equals

    def delays(self, has):
        waited = []
        for visit in self.visits():
            there = [row for row in visit if has(row)]
            waited.append((there[0][1] - visit[0][1]) / 1e9 if there else None)
        return waited

    def kept(self, pairs, joined):
        right = wrong = 0
        for before, now in pairs:
            a, b = self.usual(before), self.usual(now)
            if a and b:
                until = max(before[-1][1], now[-1][1])
                for stamp, gone, kept in joined:
                    if stamp <= until:
                        a = kept if a == gone and stamp >= before[0][1] else a
                        b = kept if b == gone and stamp >= now[0][1] else b
                right += a == b
                wrong += a != b
        return len(pairs), right, wrong, len(pairs) - right - wrong

    def handovers(self):
        pairs = itertools.pairwise(self.visits())
        return [(a, b) for a, b in pairs if a[0][0] == b[0][0] and a[0][2] != b[0][2]]

    def returns(self):
        found = []
        for visit in self.visits():
            before = [
                v
                for v in self.visits()
                if v[0][0] == visit[0][0] and (v[0][1], v[0][2]) < (visit[0][1], visit[0][2])
            ]
            if before:
                # The one that ended last; of equals the one that began last.
                last = max(before, key=lambda v: (v[-1][1], v[0][1], v[0][2]))
                if visit[0][1] - last[-1][1] >= ABSENT * 1e9:
                    found.append((last, visit))
        return found

    def images(self):
        """Seconds of each image (camera, stamp)."""
        length = {}
        seen = {(r[2], r[1]) for r in self.rows} | {(a[2], a[1]) for a in self.given}
        for camera in {c for c, _ in seen}:
            stamps = sorted(t for c, t in seen if c == camera)
            gaps = [(b - a) / 1e9 for a, b in itertools.pairwise(stamps)]
            usual = float(np.median(gaps)) if gaps else 0.0
            for stamp, gap in zip(stamps, [*gaps, usual]):
                length[camera, stamp] = min(gap, 2 * usual)
        return length

    def followed(self, joined):
        seconds = {'locked': 0.0, 'wrong': 0.0, 'lost': 0.0}
        length, targets = self.images(), 0
        for person in sorted({row[0] for row in self.rows}):
            sure = [row for row in self.rows if row[0] == person and self.sure(row)]
            if not sure:
                continue
            targets += 1
            since = sure[0][1]
            for (camera, stamp), lasts in length.items():
                if stamp < since:
                    continue
                number = self.number(sure[0])
                for when, gone, kept in joined:
                    if since <= when <= stamp and gone == number:
                        number = kept
                at = [a for a in self.given if (a[2], a[1]) == (camera, stamp) and a[0] == number]
                under = [a[5][0] if a[5] else None for a in at]
                there = any((r[2], r[1], r[0]) == (camera, stamp, person) for r in self.rows)
                if any(one != person for one in under):
                    seconds['wrong'] += lasts
                elif under:
                    seconds['locked'] += lasts
                elif there:
                    seconds['lost'] += lasts
        return targets, seconds

    def clashes(self):
        found = dict.fromkeys(
            ('duplicates', 'crowds', 'confused', 'pairs', 'apart', 'apart_chances'), 0
        )
        for camera, stamp in {(a[2], a[1]) for a in self.all}:
            numbers = [a[0] for a in self.all if (a[2], a[1]) == (camera, stamp) and a[0]]
            found['crowds'] += len(numbers) > 1
            found['duplicates'] += sum(numbers.count(n) > 1 for n in set(numbers))
            on = [self.number(r) for r in self.rows if (r[2], r[1]) == (camera, stamp)]
            for a, b in itertools.combinations([n for n in on if n], 2):
                found['pairs'] += 1
                found['confused'] += a == b
            for first, second in APART:
                if first == camera:
                    other = [a[0] for a in self.all if (a[2], a[1]) == (second, stamp) and a[0]]
                    found['apart'] += sum(n in other for n in numbers)
                    found['apart_chances'] += len(numbers) if other else 0
        return found


@pytest.fixture(scope='module')
def told():
    """(plain, ours, merges) of random stories."""
    result = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        truth, given = story(rng)
        joined = merges(rng)
        ours = over_time(truth, given, 0.5, LEAST, ABSENT, 1.0, APART, joined)
        result.append((Plain(truth, given), ours, joined))
    return result


def test_times_to_an_identity_are_those_of_the_definition(told):
    some = never = 0
    for plain, ours, _ in told:
        for has, delay in (
            (lambda row, plain=plain: plain.number(row) > 0, ours.provisional),
            (plain.sure, ours.confirmed),
        ):
            waited = plain.delays(has)
            named = [w for w in waited if w is not None]
            assert delay.visits == len(waited)
            assert delay.never == pytest.approx((len(waited) - len(named)) / max(len(waited), 1))
            if named:
                assert delay.median_s == pytest.approx(np.median(named))
                assert delay.p90_s == pytest.approx(np.percentile(named, 90))
            else:
                assert delay.median_s is delay.p90_s is None
            some, never = some + (np.max(named, initial=0) > 0), never + (delay.never > 0)
    assert min(some, never) > 50


def test_shares_are_those_of_the_definition(told):
    for plain, ours, _ in told:
        shares = ours.shares
        assert shares.sightings == len(plain.rows)
        assert shares.found == sum(row in plain.on for row in plain.rows)
        assert shares.decided == sum(plain.number(row) > 0 for row in plain.rows)
        assert shares.confirmed == sum(plain.sure(row) for row in plain.rows)
        assert shares.right + shares.wrong == shares.confirmed
        bearers = Counter((plain.number(row), row[0]) for row in plain.rows)
        another = sum(
            plain.sure(row)
            and any(
                (times, -person) > (bearers[number, row[0]], -row[0])
                for (number, person), times in bearers.items()
                if number == plain.number(row)
            )
            for row in plain.rows
        )
        assert shares.another == another
        counts, everybody, numbers, most = plain.own
        if not len(numbers):
            continue
        rows, columns = linear_sum_assignment(counts, maximize=True)
        own = {everybody[i]: numbers[j] for i, j in zip(rows, columns) if counts[i, j]}
        right = sum(plain.sure(r) and plain.number(r) == own.get(r[0]) for r in plain.rows)
        others = counts.copy()
        others[rows, columns] = -1
        if unique(counts, most):
            assert shares.right == right
    assert sum(ours.shares.wrong for _, ours, _ in told) > 100


def unique(counts, most):
    """Whether no other pairing is as good: forbid each pair of the best one in turn."""
    for i, j in zip(*linear_sum_assignment(counts, maximize=True)):
        if counts[i, j]:
            other = counts.copy()
            other[i, j] = 0
            if other[linear_sum_assignment(other, maximize=True)].sum() == most:
                return False
    return True


def test_handovers_are_those_of_the_definition(told):
    total = np.zeros(4, int)
    for plain, ours, joined in told:
        wanted = plain.kept(plain.handovers(), joined)
        assert dataclasses.astuple(ours.handover) == wanted
        total += wanted
    assert (total > 10).all()


def test_returns_are_those_of_the_definition(told):
    total = np.zeros(4, int)
    for plain, ours, joined in told:
        wanted = plain.kept(plain.returns(), joined)
        assert dataclasses.astuple(ours.reacquired) == wanted
        total += wanted
    assert (total > 10).all()


def test_following_is_that_of_the_definition(told):
    total = np.zeros(3)
    for plain, ours, joined in told:
        targets, seconds = plain.followed(joined)
        got = ours.target
        assert got.targets == targets
        assert got.people == len({row[0] for row in plain.rows})
        assert [got.locked_s, got.wrong_s, got.lost_s] == pytest.approx(
            [seconds['locked'], seconds['wrong'], seconds['lost']]
        )
        total += [got.locked_s, got.wrong_s, got.lost_s]
    assert (total > 50).all()


def test_clashes_are_those_of_the_definition(told):
    total = {}
    for plain, ours, _ in told:
        wanted = plain.clashes()
        assert dataclasses.asdict(ours.clashes) == wanted
        total = {name: total.get(name, 0) + count for name, count in wanted.items()}
    assert min(total.values()) > 15


def stay(camera, begin, end, person, place, extra=1.0):
    return [(camera, step, person, place, extra) for step in range(begin, end)]


def test_silence_is_never_wrong_but_shows():
    truth = people(stay(0, 0, 20, 1, 0) + stay(1, 30, 50, 1, 0))
    said = over_time(truth, answers([]))
    assert (said.confirmed.median_s, said.confirmed.never) == (None, 1.0)
    assert (said.shares.wrong, said.shares.confirmed, said.shares.sightings) == (0, 0, 40)
    assert (said.handover.times, said.handover.silent, said.handover.accuracy) == (1, 1, 0.0)
    assert (said.target.people, said.target.targets, said.target.locked) == (1, 0, 0.0)


def test_a_target_that_jumps_to_another_person_counts_as_wrong():
    """Two people; number 7 sits on the first for a second, then on the second for two."""
    truth = people(stay(0, 0, 30, 1, 0) + stay(0, 0, 30, 2, 1))
    given = answers(stay(0, 0, 10, 7, 0) + stay(0, 10, 30, 7, 1))
    target = over_time(truth, given).target
    # Person 1 is locked 1 s and wrong 2 s; person 2 gets 7 at 1 s and keeps it.
    assert (target.locked_s, target.wrong_s, target.lost_s) == pytest.approx((3.0, 2.0, 0.0))


def test_a_target_goes_on_under_the_number_that_its_own_was_merged_into():
    truth = people(stay(0, 0, 30, 1, 0))
    given = answers(stay(0, 0, 10, 7, 0) + stay(0, 10, 30, 4, 0))
    assert over_time(truth, given).target.lost_s == pytest.approx(2.0)
    joined = [(10 * STEP, 7, 4)]
    assert over_time(truth, given, merges=joined).target.lost_s == 0


def test_one_number_in_two_cameras_counts_only_where_they_see_other_ground():
    truth = people(stay(0, 0, 5, 1, 0) + stay(1, 0, 5, 2, 0))
    given = answers(stay(0, 0, 5, 7, 0) + stay(1, 0, 5, 7, 0))
    assert over_time(truth, given).clashes.apart == 0
    assert over_time(truth, given, apart=[(0, 1)]).clashes.apart == 5


def test_nothing_at_all_is_measured():
    said = over_time(people([]), answers([]))
    assert said.as_json()['shares']['sightings'] == said.handover.times == 0
