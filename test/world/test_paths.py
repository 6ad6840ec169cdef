import itertools

import numpy as np
import pytest

from reid_ros.world import cast, place, rig
from reid_ros.world.crowd import APART_M, ROBOT_APART_M
from reid_ros.world.odometry import MOST_MPS, MOST_RADPS
from reid_ros.world.paths import RATE_HZ, walks
from reid_ros.world.routes import BLOCKED_M, Floor
from reid_ros.world.scenario import SUITE, Scenario, WorldError, named
from reid_ros.world.seeds import generator

SEED = 3


class Stage:
    """A world without its pictures."""

    def __init__(self, scenario, seed=SEED):
        self.scenario = scenario
        self.place = place.draw(generator('test', 'place', seed), scenario.place)
        self.people = cast.cast(scenario, seed)
        self.cameras = rig.cameras(scenario, self.place, seed)
        self.walks = walks(scenario, self.people, self.place, self.cameras, seed)
        self.paths = self.walks.people
        self.xy = np.stack([path.steps.xy for path in self.paths])
        self.here = np.stack([path.steps.present for path in self.paths])

    def seen_s(self, path, camera, begin, end):
        """Seconds of a stay in which a fixed camera has the person whole in view."""
        rows = np.arange(int(begin * RATE_HZ), int(end * RATE_HZ), 6)
        return rig.seen(camera, path.steps.xy[rows]).sum() * 6 / RATE_HZ


@pytest.fixture(scope='module')
def stages():
    return {name: Stage(named(name)) for name in SUITE}


@pytest.mark.parametrize('name', SUITE)
def test_nobody_runs_into_anybody(stages, name):
    stage = stages[name]
    met = 0
    for i in range(len(stage.paths)):
        for j in range(i):
            both = stage.here[i] & stage.here[j]
            apart = np.linalg.norm(stage.xy[i] - stage.xy[j], axis=1)[both]
            assert (apart > APART_M - 0.03).all(), (i, j)
            met += int((apart < 1.3).any())
    assert met > 5  # or nothing was avoided


@pytest.mark.parametrize('name', SUITE)
def test_nobody_walks_through_furniture_or_walls(stages, name):
    stage = stages[name]
    x1, y1 = stage.place.size
    for xy in (stage.xy[k][stage.here[k]] for k in range(len(stage.paths))):
        for x0, y0, right, top in stage.place.obstacles:
            away = np.maximum(np.maximum([x0, y0] - xy, xy - [right, top]), 0)
            assert np.linalg.norm(away, axis=1).min() > 0.15
        out = ((xy < 0.1) | (xy > [x1 - 0.1, y1 - 0.1])).any(axis=1)
        gap = np.linalg.norm(xy[out][:, None] - stage.place.doors[None, :, :2], axis=2)
        assert (gap.min(axis=1) < 2.2).all()


@pytest.mark.parametrize('name', SUITE)
def test_people_walk_forward_at_the_pace_of_people(stages, name):
    speeds = []
    for path in stages[name].paths:
        for begin, end in path.visits():
            rows = slice(round(begin * RATE_HZ) + 1, round(end * RATE_HZ) - 1)
            wide = path.steps.xy[rows.start - 1 : rows.stop + 1]
            velocity = (wide[2:] - wide[:-2]) * RATE_HZ / 2
            heading = path.steps.heading[rows]
            forward = velocity[:, 0] * np.cos(heading) + velocity[:, 1] * np.sin(heading)
            sideways = velocity[:, 1] * np.cos(heading) - velocity[:, 0] * np.sin(heading)
            assert np.abs(sideways).max() < 0.25
            assert forward.min() > -0.1
            assert forward.max() < 1.9
            assert np.abs(np.diff(heading)).max() * RATE_HZ < 4.5
            assert np.abs(np.diff(forward)).max() * RATE_HZ < 6.0
            assert (path.steps.speed[rows] >= forward - 1e-9).all()
            speeds.append(path.steps.speed[rows])
    speeds = np.concatenate(speeds)
    assert 0.05 < (speeds < 0.1).mean() < 0.45  # they stop now and then
    assert 0.8 < np.median(speeds[speeds > 0.3]) < 1.4


@pytest.mark.parametrize('name', SUITE)
def test_every_stay_can_be_identified_and_many_people_are_seen_by_two_cameras(stages, name):
    stage = stages[name]
    fixed = [camera for camera in stage.cameras if not camera.moving]
    several = 0
    for path in stage.paths:
        assert path.visits()
        shown = np.array(
            [[stage.seen_s(path, c, *visit) for c in fixed] for visit in path.visits()]
        )
        assert (shown.sum(axis=1) >= 3.0).all()
        several += int((shown.sum(axis=0) >= 1.0).sum() >= 2)
    assert several >= 0.5 * len(stage.paths)


@pytest.mark.parametrize('name', SUITE)
def test_about_as_many_are_there_as_ordered(stages, name):
    there = stages[name].here.sum(axis=0).mean()
    assert there == pytest.approx(stages[name].scenario.at_once, rel=0.45)


def test_who_changes_clothes_leaves_and_comes_back_in_others(stages):
    changed = 0
    for person, path in zip(stages['clothing'].people, stages['clothing'].paths):
        worn = [path.at((begin + end) / 2).outfit[0] for begin, end in path.visits()]
        if person.changes:
            assert worn[:2] == [0, 1]
            changed += 1
        else:
            assert set(worn) == {0}
    assert changed == 5


def test_who_was_absent_for_long_comes_back_before_another_camera(stages):
    stage = stages['absence']
    groups = [{'cam1', 'cam2'}, {'cam3'}]
    back = 0
    for path in stage.paths:
        visits = path.visits()
        if len(visits) < 2:
            continue
        assert visits[1][0] - visits[0][1] > 0.65 * stage.scenario.absence_s
        most = []
        for begin, end in visits[:2]:
            shown = [
                sum(stage.seen_s(path, c, begin, end) for c in stage.cameras if c.name in group)
                for group in groups
            ]
            most.append(int(np.argmax(shown)))
        back += most[0] != most[1]
    assert back >= 0.7 * len(stage.paths)


def test_the_robot_drives_as_it_can_and_keeps_away_from_people_and_furniture(stages):
    stage = stages['robot']
    true = stage.walks.robot.true
    for k in range(len(stage.paths)):
        apart = np.linalg.norm(stage.xy[k] - true[:, :2], axis=1)[stage.here[k]]
        assert apart.min() > ROBOT_APART_M - 0.06
        assert apart.min() > 0.7
    velocity = np.gradient(true[:, :2], 1 / RATE_HZ, axis=0)
    speed = np.linalg.norm(velocity, axis=1)
    turn = np.abs(np.gradient(true[:, 2], 1 / RATE_HZ))
    assert speed.max() < MOST_MPS + 0.02
    assert turn.max() < MOST_RADPS + 0.02
    assert np.linalg.norm(np.diff(true[:, :2], axis=0), axis=1).sum() > 5.0
    assert (speed < 0.02).mean() > 0.02
    assert Floor(stage.place).clearance(true[:, :2]).min() > 0.3


def test_phase_goes_on_while_walking_and_stands_while_standing(stages):
    path = stages['crossing'].paths[0]
    begin, end = path.visits()[0]
    rows = slice(int(begin * RATE_HZ) + 1, int(end * RATE_HZ) - 1)
    step = np.diff(path.steps.phase[rows])
    speed = path.steps.speed[rows][1:]
    assert (step >= 0).all()
    assert (step[speed > 0.5] > 0.3 / RATE_HZ).all()
    assert step[speed < 0.01].max(initial=0.0) < 0.2 / RATE_HZ


def test_a_path_is_read_between_its_rows_but_not_across_an_absence(stages):
    path = next(p for p in stages['robot'].paths if len(p.visits()) > 1)
    begin, end = path.visits()[0]
    middle = (int((begin + end) / 2 * RATE_HZ) + 0.5) / RATE_HZ
    row = int(middle * RATE_HZ)
    np.testing.assert_allclose(path.at(middle).xy[0], path.steps.xy[row : row + 2].mean(axis=0))
    gone = path.at(np.array([end + 0.5 / RATE_HZ, path.visits()[1][0] - 0.5 / RATE_HZ]))
    assert not gone.present.any()
    assert path.at(1e9).time_s.tolist() == [1e9]


def test_the_same_seed_gives_the_same_paths_and_another_gives_others(stages):
    name = 'robot'
    again = Stage(named(name))
    for one, two in zip(stages[name].paths, again.paths):
        np.testing.assert_array_equal(one.steps.xy, two.steps.xy)
        np.testing.assert_array_equal(one.steps.phase, two.steps.phase)
    other = Stage(named(name), SEED + 1)
    assert not np.array_equal(stages[name].xy, other.xy)
    np.testing.assert_array_equal(stages[name].walks.robot.told, again.walks.robot.told)


def test_people_that_do_not_fit_are_refused():
    scenario = Scenario(people=100, at_once=90, place='office')
    scene = place.draw(generator('test', 'place', 1), 'office')
    with pytest.raises(WorldError, match=r'at_once: 90 people do not fit .* valid are 1 to \d+'):
        walks(scenario, cast.cast(scenario, 1), scene, (), 1)


@pytest.mark.parametrize('kind', ['hall', 'office', 'corridor', 'shop', 'yard'])
def test_ways_lead_round_furniture_in_every_kind_of_place(kind):
    scene = place.draw(generator('test', 'ways', kind), kind)
    floor = Floor(scene)
    cells = floor.grid(0.4)
    rng = generator('test', 'ways', kind, 'ends')
    bends = 0
    for _ in range(60):
        start, goal = cells[rng.integers(len(cells), size=2)]
        way = np.concatenate([start[None], floor.route(start, goal)])
        np.testing.assert_array_equal(way[-1], goal)
        bends += len(way) - 2
        for a, b in itertools.pairwise(way):
            points = a + (b - a) * np.linspace(0, 1, 80)[:, None]
            assert floor.clearance(points).min() > BLOCKED_M - 0.08
    assert bends > (0 if kind == 'corridor' else 10)


def test_more_people_are_still_worked_out():
    stage = Stage(Scenario(people=40, at_once=30, seconds=6.0))
    assert stage.here.sum(axis=0).max() >= 28
