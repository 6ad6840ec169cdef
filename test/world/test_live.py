"""A world whose robot is driven while it is played."""

import numpy as np
import pytest

from reid_ros.world.live import Base, LiveWorld
from reid_ros.world.paths import _steps
from reid_ros.world.scenario import SCENARIOS, WorldError

SCENARIO = SCENARIOS['robot'].custom(
    name='live', seconds=20.0, people=6, at_once=4, absence_s=3.0, width=320, height=240
)


def standing(world):
    x, y = np.array(world.place.size) / 2
    return Base(float(x), float(y), 0.0)


def played(world, until_s, base):
    for step in range(round(until_s / 0.05)):
        world.advance(step * 0.05, base)
    return world


@pytest.fixture(scope='module')
def world():
    live = LiveWorld(SCENARIO, 3, 'validation')
    return played(live, 20.0, standing(live))


def test_a_path_that_grows_is_the_one_that_is_rounded_at_once(world):
    compared = 0
    for row, (person, walking) in enumerate(zip(world.people, world._walking)):
        whole = _steps(world._play, row, world._count, person, tuple(walking.gaits))
        known = slice(0, round(19.4 * 60))  # the end of a world is rounded otherwise
        here = whole.present[known]
        np.testing.assert_array_equal(walking.steps.present[known], here)
        for name in ('xy', 'heading', 'speed', 'phase', 'visit'):
            was, is_ = getattr(whole, name)[known][here], getattr(walking.steps, name)[known][here]
            np.testing.assert_allclose(is_, was, atol=1e-9, err_msg=name)
        compared += int(here.sum())
    assert compared > 20 * 60


def test_people_give_way_to_the_robot_where_it_truly_is(world):
    def nearest(live, spot):
        away = []
        for step in range(400):
            spots, present = live.where(step * 0.05)
            away.append(np.linalg.norm(spots[present] - spot, axis=1).min(initial=9.0))
        return min(away)

    middle = np.array(world.place.size) / 2
    assert nearest(world, middle) > 0.7
    # Where nobody knows of a robot they do walk: the middle of the floor is no empty place.
    aside = LiveWorld(SCENARIO, 3, 'validation')
    played(aside, 20.0, Base(0.6, 0.6, 0.0))
    assert nearest(aside, middle) < 0.7


def test_the_same_drive_gives_the_same_pictures_and_another_drive_others(world):
    base = standing(world)
    robot = world.cameras[-1]
    assert robot.moving
    again = played(LiveWorld(SCENARIO, 3, 'validation'), 20.0, base)
    first = world.shot(robot, 7, 12.0, base, base.pose)
    second = again.shot(robot, 7, 12.0, base, base.pose)
    np.testing.assert_array_equal(first.frame.image, second.frame.image)
    assert first.truth.table().tobytes() == second.truth.table().tobytes()
    turned = world.shot(robot, 7, 12.0, Base(base.x, base.y, 2.0), base.pose)
    assert (first.frame.image != turned.frame.image).mean() > 0.5


def test_a_base_goes_on_as_it_drives():
    there = Base(1.0, 2.0, 0.0, forward=0.5, turn=0.2).after(0.4)
    assert (there.x, there.heading) == pytest.approx((1.2, 0.08), abs=1e-3)
    back = there.after(-0.4)
    assert (back.x, back.y, back.heading) == pytest.approx((1.0, 2.0, 0.0), abs=1e-9)


def test_a_world_without_a_robot_cannot_be_driven():
    with pytest.raises(WorldError, match='nothing can be driven'):
        LiveWorld(SCENARIOS['crossing'], 1)
