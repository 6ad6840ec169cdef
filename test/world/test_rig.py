import itertools

import numpy as np
import pytest

from reid_ros.config import TopologyConfig
from reid_ros.lens import Pose
from reid_ros.topology import Topology
from reid_ros.world import place, rig
from reid_ros.world.routes import Floor
from reid_ros.world.scenario import KINDS, SCENARIOS, START_NS, Scenario, WorldError
from reid_ros.world.seeds import generator


def drawn(scenario, seed=0):
    """A place and its cameras."""
    scene = place.draw(generator('test', 'rig place', scenario.name, seed), scenario.place)
    return scene, rig.cameras(scenario, scene, seed)


@pytest.fixture(scope='module')
def rigs():
    return [(name, *drawn(SCENARIOS[name], seed)) for seed, name in enumerate(SCENARIOS)]


def test_there_are_as_many_cameras_as_ordered_each_with_its_name(rigs):
    for name, _, cameras in rigs:
        scenario = SCENARIOS[name]
        fixed = [c for c in cameras if not c.moving]
        assert [c.name for c in fixed] == [f'cam{k + 1}' for k in range(scenario.fixed)]
        assert [c.name for c in cameras if c.moving] == ['robot'] * scenario.robot
        assert sum(c.height > c.width for c in fixed) == scenario.portrait
        assert {tuple(sorted((c.width, c.height))) for c in cameras} == {(480, 640)}
        focals = {round(c.lens.matrix[0, 0], 3) for c in cameras}
        assert len(focals) == len(cameras)


def test_fixed_cameras_hang_at_walls_and_look_down_into_the_place(rigs):
    for _, scene, cameras in rigs:
        for camera in cameras:
            if camera.moving:
                continue
            x, y, z = camera.pose.position
            assert 2.3 <= z <= 3.2
            assert 0 < x < scene.size[0]
            assert 0 < y < scene.size[1]
            right, down, forward = camera.pose.rotation.T
            assert -np.sin(np.radians(43)) < forward[2] < 0
            assert down[2] < -0.6
            assert abs(right[2]) < 0.1
            np.testing.assert_allclose(np.cross(right, down), forward, atol=1e-9)


def test_people_are_large_enough_and_not_too_large(rigs):
    for _, scene, cameras in rigs:
        points = Floor(scene).grid(0.4)
        for camera in (c for c in cameras if not c.moving):
            cells = points[rig.seen(camera, points)]
            assert len(cells) >= 0.02 * len(points)
            ends = [
                camera.view().look(np.column_stack([cells, np.full(len(cells), z)]))[0]
                for z in (0.0, 1.7)
            ]
            tall = np.linalg.norm(ends[1] - ends[0], axis=1)
            assert tall.min() >= 80 * 480 / 480 - 1e-6
            assert tall.max() <= 360 + 1e-6


def test_overlapping_cameras_share_ground_and_cameras_apart_share_none(rigs):
    shared, alone = 0, 0
    for name, scene, cameras in rigs:
        scenario = SCENARIOS[name]
        points = Floor(scene).grid(0.25)
        fixed = [c for c in cameras if not c.moving]
        for (i, a), (j, b) in itertools.combinations(enumerate(fixed), 2):
            if max(i, j) < scenario.overlapping:
                whole = [rig.seen(c, points) for c in (a, b)]
                assert (whole[0] & whole[1]).sum() >= 0.22 * (whole[0] | whole[1]).sum()
                shared += 1
            else:
                assert not (body_in(a, points) & body_in(b, points)).any()
                alone += 1
    assert shared > 8
    assert alone > 8


def body_in(camera, points):
    """Where any point of a thin person, at a hand's breadth, is in the picture."""
    result = np.zeros(len(points), bool)
    for z in np.arange(0.0, 1.95, 0.1):
        pixels, depth = camera.view().look(np.column_stack([points, np.full(len(points), z)]))
        with np.errstate(invalid='ignore'):
            inside = (pixels >= 0).all(axis=1) & (pixels < [camera.width, camera.height]).all(1)
        result |= inside & (depth > 0)
    return result


def test_overlaps_are_what_the_topology_wants_and_say_the_truth(rigs):
    for name, scene, cameras in rigs:
        scenario = SCENARIOS[name]
        config = TopologyConfig(
            overlap=rig.overlaps(cameras, scene),
            transit=rig.transits(cameras, scene, scenario.seconds),
        )
        topology = Topology(config, [c.name for c in cameras])
        for (i, a), (j, b) in itertools.combinations(enumerate(cameras), 2):
            expected = max(i, j) < scenario.overlapping or b.moving
            assert topology.overlap(a.name, b.name) == expected


def test_least_transit_times_lie_below_what_a_fast_walker_needs(rigs):
    told = 0
    for name, scene, cameras in rigs:
        points = Floor(scene).grid(0.4)
        fields = {c.name: points[rig.glimpsed(c, points)] for c in cameras if not c.moving}
        for text in rig.transits(cameras, scene, SCENARIOS[name].seconds):
            first, second, least, most = text.split()
            gap = np.linalg.norm(fields[first][:, None] - fields[second][None], axis=2).min()
            assert 0.3 <= float(least) <= gap / 2.3
            assert float(most) >= SCENARIOS[name].seconds
            told += 1
    assert told > 3


def test_lenses_are_mild_and_show_no_ghosts_from_outside_the_picture(rigs):
    for _, _, cameras in rigs:
        for camera in cameras:
            assert len(camera.lens.distortion) == 5
            assert np.abs(camera.lens.distortion).max() < 0.15
            reach = np.tan(np.radians(np.linspace(0, 85, 200)))
            ray = np.column_stack([reach, np.zeros(200), np.ones(200)])
            assert (np.diff(camera.lens.pixels(ray)[:, 0]) > 0).all()


def test_the_robot_carries_its_camera_low_level_or_tilted_up_a_little():
    scenario = Scenario(overlapping=0, apart=0, portrait=0, robot=True)
    for seed in range(20):
        _, cameras = drawn(scenario, seed)
        camera = cameras[-1]
        assert camera.moving
        assert 0.6 <= camera.pose.position[2] <= 1.2
        tilt = np.degrees(np.arcsin(camera.pose.rotation[2, 2]))
        assert 0 <= tilt <= 8
        view = camera.view(Pose.planar(5, 3, np.pi / 2))
        ahead, depth = view.look(np.array([[5.0, 6.0, camera.pose.position[2]]]))
        assert depth[0] == pytest.approx(3.0, abs=0.4)
        assert abs(ahead[0, 0] - camera.width / 2) < 40
        with pytest.raises(ValueError, match='where is the robot'):
            camera.view()


def test_a_fixed_view_is_always_the_same_object():
    _, cameras = drawn(SCENARIOS['demo'])
    assert cameras[0].view() is cameras[0].view()


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(('overlapping', 'apart'), [(2, 1), (0, 2), (2, 2)])
def test_every_kind_of_place_takes_cameras(kind, overlapping, apart):
    scenario = Scenario(place=kind, overlapping=overlapping, apart=apart)
    _, cameras = drawn(scenario)
    assert len(cameras) == overlapping + apart


def test_too_many_cameras_for_a_place_are_refused():
    scenario = Scenario(place='office', overlapping=8, apart=4)
    with pytest.raises(WorldError, match=r'8 overlapping cameras and 4 apart do not fit .* fewer'):
        drawn(scenario)


def test_splits_hang_their_cameras_elsewhere():
    scenario = SCENARIOS['demo']
    scene = place.draw(generator('test', 'p'), 'hall')
    at = {tuple(rig.cameras(scenario, scene, 0, s)[0].pose.position) for s in ('train', 'test')}
    assert len(at) == 2


def stamps(jitter, loss, seconds=200.0):
    _, cameras = drawn(Scenario(jitter=jitter, loss=loss, rate_hz=10.0))
    return rig.stamps_ns(cameras[0], seconds, generator('test', 'stamps')), cameras[0]


def test_stamps_without_jitter_or_loss_are_those_of_a_clock():
    told, camera = stamps(0.0, 0.0)
    assert len(told) in (1999, 2000)
    assert told[0] == START_NS + round(camera.phase / 10 * 1e9)
    assert set(np.diff(told).tolist()) <= {99_999_999, 100_000_000, 100_000_001}


def test_stamps_shake_and_frames_get_lost_as_ordered():
    told, _ = stamps(0.1, 0.05)
    gaps = np.diff(told) / 1e9
    assert (gaps > 0).all()
    assert 0.03 < 1 - len(told) / 2000 < 0.07
    assert gaps[gaps < 0.15].std() == pytest.approx(0.1 * 0.1 * np.sqrt(2), rel=0.15)
    assert told[0] >= START_NS
    assert told[-1] <= START_NS + 200_000_000_000
    assert told.dtype == np.int64


@pytest.mark.parametrize('jitter', [0.0, 0.3])
def test_the_shortest_world_still_has_a_frame(jitter):
    told, _ = stamps(jitter, 0.9, seconds=0.05)
    assert len(told) == 1
