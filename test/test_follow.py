"""Speeds of a base that follows somebody."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_ros.follow import STILL, FollowConfig, Follower

CONFIG = FollowConfig()


def drive(follower, place, seconds=3.0, step_s=0.05):
    """Speeds on the way; the person stays where they are, seen from the base."""
    return [follower.step(place, step_s) for _ in range(round(seconds / step_s))]


def approach(distance, bearing=0.0, walk=0.0, seconds=20.0, config=CONFIG):
    """(distances, speeds) of a base that drives towards somebody who walks away along x."""
    follower, step_s = Follower(config), 0.05
    x = y = heading = 0.0
    px, py = distance * math.cos(bearing), distance * math.sin(bearing)
    away, speeds = [], []
    for _ in range(round(seconds / step_s)):
        dx, dy = px - x, py - y
        c, s = math.cos(heading), math.sin(heading)
        speed = follower.step((c * dx + s * dy, c * dy - s * dx), step_s)
        x += speed.forward * c * step_s
        y += speed.forward * s * step_s
        heading += speed.turn * step_s
        px += walk * step_s
        away.append(math.hypot(px - x, py - y))
        speeds.append(speed)
    return away, speeds


@pytest.mark.parametrize('bearing', [0.0, 0.8, -2.5, math.pi])
def test_the_base_turns_drives_up_and_keeps_its_distance(bearing):
    away, speeds = approach(5.0, bearing)
    assert away[-1] == pytest.approx(CONFIG.keep_m + CONFIG.slack_m, abs=0.1)
    assert min(away) >= CONFIG.keep_m
    assert speeds[-1].forward == pytest.approx(0.0, abs=0.02)


def test_somebody_who_walks_is_kept_up_with_at_a_distance():
    away, speeds = approach(3.0, walk=0.6)
    assert CONFIG.keep_m < away[-1] < 3.0
    assert speeds[-1].forward == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize('walk', [0.5, 1.0, 1.5])
def test_the_base_stands_before_somebody_who_comes_towards_it(walk):
    """They may come as near as they like; the base has stopped by then."""
    away, speeds = approach(8.0, walk=-walk, seconds=6.0 / walk)
    moving = [a for a, speed in zip(away, speeds) if speed.forward > 0.02]
    assert max(speed.forward for speed in speeds) > 0.3
    assert min(moving) > CONFIG.keep_m - 0.05


@given(st.floats(0.1, 12), st.floats(-3.1, 3.1))
def test_limits_hold_whatever_is_seen(distance, bearing):
    follower = Follower(CONFIG)
    last = STILL
    place = (distance * math.cos(bearing), distance * math.sin(bearing))
    for speed in drive(follower, place):
        assert 0.0 <= speed.forward <= CONFIG.speed_mps
        assert abs(speed.turn) <= CONFIG.turn_radps
        assert speed.forward - last.forward <= CONFIG.accelerate_mps2 * 0.05 + 1e-9
        assert last.forward - speed.forward <= CONFIG.brake_mps2 * 0.05 + 1e-9
        assert abs(speed.turn - last.turn) <= CONFIG.turn_radps2 * 0.05 + 1e-9
        last = speed


def test_it_never_drives_towards_somebody_who_is_near_or_behind():
    for place in ((1.2, 0.0), (0.5, 0.3), (-4.0, 0.1), (0.5, 3.0)):
        assert drive(Follower(CONFIG), place, 0.2)[-1].forward == 0.0


def test_who_is_not_well_placed_is_given_more_room():
    sure, vague = Follower(CONFIG), Follower(CONFIG)
    for _ in range(40):
        near, far = sure.step((2.5, 0.0), 0.05, 0.2), vague.step((2.5, 0.0), 0.05, 0.8)
    assert near.forward > 0.5
    assert far.forward == 0.0


def test_in_doubt_it_brakes_as_hard_as_it_may_and_stands():
    follower = Follower(CONFIG)
    moving = drive(follower, (6.0, 0.5))[-1]
    assert moving.forward > 0.6
    braking = drive(follower, None, 1.0)
    assert braking[0].forward == pytest.approx(moving.forward - CONFIG.brake_mps2 * 0.05)
    assert braking[-1].still


def test_a_halt_is_at_once():
    follower = Follower(CONFIG)
    drive(follower, (6.0, 0.0))
    assert follower.halt().still
    assert follower.step((6.0, 0.0), 0.05).forward == pytest.approx(0.6 * 0.05)


def test_a_long_pause_is_no_licence_to_leap():
    assert Follower(CONFIG).step((6.0, 0.0), 9.0).forward == pytest.approx(0.06)
