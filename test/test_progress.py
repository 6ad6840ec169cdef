import io

import pytest

from reid_ros import progress
from reid_ros.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, 'perf_counter', lambda: Clock.now)
    return Clock


def test_a_bar_shows_share_rate_and_time_left(clock):
    out = io.StringIO()
    bar = Progress(out, 200, bar=True)
    clock.now += 2.0
    bar.add(50)
    text = out.getvalue()
    assert text.startswith('\r[#######.....................]')
    assert '25 %  50/200 frames, 25.0/s, 0:06 left' in text


def test_a_bar_is_taken_away_at_the_end(clock):
    out = io.StringIO()
    bar = Progress(out, 10, bar=True)
    clock.now += 1.0
    bar.add(10)
    bar.close()
    shown = out.getvalue().split('\r')
    assert set(shown[-2]) == {' '}
    assert shown[-1] == ''


def test_without_a_terminal_there_is_a_line_every_ten_seconds(clock):
    out = io.StringIO()
    lines = Progress(out, 1000)
    for _ in range(200):
        clock.now += 0.125
        lines.add(1)
    lines.close()
    assert out.getvalue().splitlines() == [
        '8 %  80/1000 frames, 8.0/s, 1:55 left',
        '16 %  160/1000 frames, 8.0/s, 1:45 left',
    ]


def test_without_a_total_there_is_no_promise(clock):
    out = io.StringIO()
    bar = Progress(out, 0, bar=True)
    clock.now += 4.0
    bar.add(10)
    assert out.getvalue() == '\r10 frames, 2.5/s, 0:04'


def test_the_rate_is_that_of_the_last_seconds(clock):
    out = io.StringIO()
    bar = Progress(out, 100000, bar=True)
    for rate in [1] * 50 + [100] * 20:
        clock.now += 1.0
        bar.add(rate)
    assert '100.0/s' in out.getvalue().split('\r')[-1]


def test_nothing_is_shown_where_nobody_looks(clock):
    quiet = Progress(None, 10)
    clock.now += 60
    quiet.add(5)
    quiet.close()
