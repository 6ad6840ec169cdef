from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_ros.moments import LEAP_NS, WINDOW_NS, Moments, Order

MS = 1_000_000
S = 1_000_000_000


@dataclass(frozen=True)
class Shot:
    camera: str
    stamp_ns: int


def shots(camera: str, *stamps_ms: float) -> list[Shot]:
    return [Shot(camera, round(stamp * MS)) for stamp in stamps_ms]


def grouped(moments: Moments[Shot], frames: list[Shot]) -> list[list[Shot]]:
    result = []
    for frame in frames:
        moments.push(frame)
        result += list(moments.ready())
    for camera in sorted({frame.camera for frame in frames}):
        moments.close(camera)
        result += list(moments.ready())
    return result


def test_frames_within_the_window_are_one_moment_in_the_order_of_the_cameras():
    frames = [*shots('b', 0, 33), *shots('a', 4, 36)]
    assert grouped(Moments(['a', 'b']), frames) == [
        [Shot('a', 4 * MS), Shot('b', 0)],
        [Shot('a', 36 * MS), Shot('b', 33 * MS)],
    ]


@pytest.mark.parametrize(('later_ns', 'number'), [(WINDOW_NS - 1, 1), (WINDOW_NS, 2)])
def test_a_frame_a_whole_window_later_is_the_next_moment(later_ns, number):
    assert len(grouped(Moments(['a', 'b']), [Shot('a', 0), Shot('b', later_ns)])) == number


def test_a_moment_waits_for_every_open_camera():
    moments: Moments[Shot] = Moments(['a', 'b'])
    moments.push(Shot('a', 0))
    assert list(moments.ready()) == []
    assert moments.waiting('a') == 1
    moments.push(Shot('b', S))
    assert list(moments.ready()) == [[Shot('a', 0)]]
    assert (moments.waiting('a'), moments.waiting('b')) == (0, 1)


def test_a_closed_camera_is_not_waited_for_until_it_is_reopened():
    moments: Moments[Shot] = Moments(['a', 'b'])
    moments.close('b')
    moments.push(Shot('a', 0))
    assert list(moments.ready()) == [[Shot('a', 0)]]
    moments.reopen('b')
    moments.push(Shot('a', 40 * MS))
    assert list(moments.ready()) == []


def test_a_camera_at_a_higher_rate_never_gives_two_frames_to_one_moment():
    frames = [*shots('a', 0, 5, 10, 15), *shots('b', 0)]
    result = grouped(Moments(['a', 'b']), frames)
    assert [[shot.camera for shot in moment] for moment in result] == [
        ['a', 'b'], ['a'], ['a'], ['a'],
    ]  # fmt: skip


def test_a_camera_that_was_not_announced_is_refused():
    with pytest.raises(KeyError):
        Moments(['a']).push(Shot('b', 0))


streams = st.lists(
    st.lists(st.integers(1, 60 * MS), max_size=12), min_size=1, max_size=4
)  # gaps between the frames of each camera


def interleaved(draw: st.DataObject, lists: list[list[Shot]]) -> list[Shot]:
    lists = [list(frames) for frames in lists if frames]
    result = []
    while lists:
        chosen = draw.draw(st.sampled_from(lists))
        result.append(chosen.pop(0))
        lists = [frames for frames in lists if frames]
    return result


def cumulative(camera: str, gaps: list[int], jump_at: int | None) -> list[Shot]:
    result, now = [], 0
    for number, gap in enumerate(gaps):
        now = now + gap if number != jump_at else now - 5 * S
        result.append(Shot(camera, now))
    return result


@settings(max_examples=200, deadline=None)
@given(streams, st.data())
def test_the_order_of_arrival_does_not_change_the_moments(gaps, data):
    jumps = [data.draw(st.none() | st.integers(0, 11)) for _ in gaps]
    lists = [cumulative(f'c{i}', g, j) for i, (g, j) in enumerate(zip(gaps, jumps))]
    names = [f'c{i}' for i in range(len(lists))]

    def run(frames: list[Shot]) -> list[list[Shot]]:
        moments: Moments[Shot] = Moments(names)
        result = []
        left = {name: sum(f.camera == name for f in frames) for name in names}
        for name in names:
            if not left[name]:
                moments.close(name)
        for frame in frames:
            moments.push(frame)
            left[frame.camera] -= 1
            if not left[frame.camera]:
                moments.close(frame.camera)
            result += list(moments.ready())
        return result

    first, second = (run(interleaved(data, lists)) for _ in range(2))
    assert first == second
    for name, frames in zip(names, lists):
        assert [f for moment in first for f in moment if f.camera == name] == frames
    assert all(len({f.camera for f in moment}) == len(moment) for moment in first)


def test_the_oracle_by_sorting_agrees_where_no_clock_jumps():
    frames = [*shots('a', 0, 31, 66, 101), *shots('b', 9, 47, 80), *shots('c', 14, 30, 46, 62)]
    rest, expected = list(frames), []
    while rest:
        start = min(f.stamp_ns for f in rest)
        moment = []
        for camera in 'abc':
            own = [f for f in rest if f.camera == camera and f.stamp_ns < start + WINDOW_NS]
            moment += own[:1]
        rest = [f for f in rest if f not in moment]
        expected.append(moment)
    assert grouped(Moments(['a', 'b', 'c']), frames) == expected


def test_cameras_that_begin_again_together_stay_in_step():
    again = shots('b', 9900, 9933, 9966, 0, 33, 66)
    frames = [*shots('a', 9900, 9933, 0, 33, 66), *again]  # a lost its last frame before the jump
    result = grouped(Moments(['a', 'b']), frames)
    assert [len(moment) for moment in result] == [2, 2, 1, 2, 2, 2]


def test_a_camera_whose_clock_was_set_back_does_not_hold_up_the_others():
    late = [5000 + 33 * i for i in range(90)]
    moments: Moments[Shot] = Moments(['a', 'b'])
    for shot in [*shots('a', *late[:10], *(33 * i for i in range(80))), *shots('b', *late)]:
        moments.push(shot)
    result = [shot.camera for moment in moments.ready() for shot in moment]
    assert result.count('b') == 90
    assert result.count('a') > 40


def test_a_stamp_is_judged_by_the_last_one_used():
    order = Order()
    stamps = [5 * S, 6 * S, 6 * S, 5 * S, 6 * S + 1, 5 * S, 5 * S + 1]
    assert [order.judge(stamp) for stamp in stamps] == [
        'next', 'next', 'late', 'late', 'next', 'back', 'next',
    ]  # fmt: skip


def test_cameras_whose_clocks_are_right_do_not_wait_for_one_whose_clock_was_never_set():
    moments: Moments[Shot] = Moments(['a', 'b', 'unset'])
    hours, given = 3600 * S, []
    for i in range(300):
        stamp = i * 33 * MS
        for camera in 'ab':
            if moments.waiting(camera) >= 30:
                moments.restart(camera)
            moments.push(Shot(camera, 1000 * hours + stamp))
        moments.push(Shot('unset', stamp))
        given.append([[shot.camera for shot in moment] for moment in moments.ready()])
    before, after = (given[:30], given[100:])
    assert {name for new in before for moment in new for name in moment} == {'unset'}
    # One moment with every image of the three, and a and b in step in each.
    shown = [moment for new in after for moment in new]
    assert len(shown) >= 190
    assert sum('a' in moment for moment in shown) >= 190
    assert all(('a' in moment) == ('b' in moment) for moment in shown)


@pytest.mark.parametrize(('ahead_ns', 'given_up'), [(LEAP_NS, 0), (LEAP_NS + 1, 1)])
def test_what_is_not_far_ahead_is_waited_for(ahead_ns, given_up):
    moments: Moments[Shot] = Moments(['a', 'b'])
    for shot in (Shot('a', S), Shot('b', S), Shot('b', S + ahead_ns)):
        moments.push(shot)
    assert len(list(moments.ready())) == 1
    assert moments.restart('a') == []
    assert len(moments.restart('b')) == given_up
    assert moments.waiting('b') == 1 - given_up


def test_a_camera_that_leapt_ahead_and_back_again_is_in_step_in_the_end():
    moments: Moments[Shot] = Moments(['a', 'b'])
    shown = []
    for i in range(400):
        stamp, leap = i * 33 * MS, 3600 * S if 100 <= i < 200 else 0
        moments.push(Shot('a', stamp))
        if moments.waiting('b') >= 30:
            moments.restart('b')
        moments.push(Shot('b', stamp + leap))
        shown += list(moments.ready())
    told = [shot for moment in shown for shot in moment if shot.camera == 'b']
    assert len(told) >= 300
    assert [shot.camera for shot in shown[-1]] == ['a', 'b']
