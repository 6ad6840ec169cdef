import pytest

from reid_ros.ros.stamps import Stamps

S = 1_000_000_000
NOW = 100 * S


@pytest.mark.parametrize(
    ('stamps', 'verdict'),
    [
        ([0], 'zero'),
        ([NOW + 2 * S], 'future'),
        ([NOW + S // 2], 'next'),
        ([NOW, NOW], 'late'),
        ([NOW, NOW - S // 2], 'late'),
        ([NOW, NOW - 2 * S], 'back'),
        ([NOW, 0, NOW + 1], 'next'),
        ([NOW + 9 * S, NOW], 'next'),
    ],
)
def test_a_stamp_is_judged_by_the_clock_and_by_those_before(stamps, verdict):
    judge = Stamps()
    assert [judge.judge(stamp, NOW) for stamp in stamps][-1] == verdict


@pytest.mark.parametrize(('rate', 'used'), [(0, 60), (30, 60), (15, 30), (10, 20), (7, 14)])
def test_images_are_thinned_evenly_to_the_rate(rate, used):
    judge = Stamps(max_rate_hz=rate)
    verdicts = [judge.judge(S + i * S // 30, NOW) for i in range(60)]
    assert verdicts.count('next') == pytest.approx(used, abs=1)


def test_jitter_does_not_halve_the_rate():
    judge = Stamps(max_rate_hz=30.0)
    stamps = [S + i * S // 30 + (i % 2) * 2_000_000 for i in range(60)]
    assert [judge.judge(s, NOW) for s in stamps].count('next') >= 58


def test_gaps_between_stamps_tell_how_many_images_are_missing():
    judge = Stamps()
    for i in [*range(20), *range(23, 30), *range(31, 40)]:
        judge.judge(S + i * S // 30, NOW)
    assert judge.missing == 3 + 1


def test_a_pause_and_a_jump_back_are_no_loss():
    judge = Stamps()
    for i in [*range(20), *range(2000, 2020), *range(20)]:
        judge.judge(S + i * S // 30, NOW)
    assert judge.missing == 0


def test_a_camera_that_is_held_up_and_catches_up_has_lost_nothing():
    judge = Stamps()
    stamps = [S + i * S // 30 for i in range(40)]
    stamps[20] += 2 * S // 30
    stamps[21] = stamps[20] + 1_000_000
    stamps[22] = stamps[21] + 1_000_000
    for stamp in stamps:
        judge.judge(stamp, NOW)
    assert judge.missing == 0
