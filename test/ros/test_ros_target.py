import pytest
from ros_builders import sightings

from reid_ros.config import TargetConfig
from reid_ros.ros.target import Target, chosen
from reid_ros.types import Event

NEAR, FAR = (0, 0, 40, 100), (0, 0, 20, 50)


def step(target, *found, events=(), distances=None, names=None, now_s=0.0):
    distances = distances or [[float('inf')] * len(f) for f in found]
    return target.step(found, events, distances, names or {}, now_s)


def test_the_nearest_is_chosen_once_and_kept_when_somebody_comes_nearer():
    target = Target(TargetConfig(mode='nearest'))
    step(target, sightings('a', (1, 5, NEAR), (2, 6, FAR)), distances=[[2.0, 4.0]])
    assert target.person == 5
    step(target, sightings('a', (1, 5, NEAR), (2, 6, FAR)), distances=[[4.0, 2.0]])
    assert target.person == 5


def test_a_lost_target_is_not_replaced_by_somebody_else():
    target = Target(TargetConfig(mode='nearest', lost_timeout_s=0.5))
    step(target, sightings('a', (1, 5, NEAR)), now_s=0.0)
    assert target.locked(0.4)
    assert step(target, sightings('a', (2, 6, NEAR)), now_s=9.0) == []
    assert not target.locked(9.0)
    assert len(step(target, sightings('b', (1, 5, NEAR)), now_s=10.0)) == 1
    assert target.locked(10.0)


def test_without_distances_the_tallest_is_the_nearest():
    target = Target(TargetConfig(mode='nearest'))
    step(target, sightings('a', (1, 5, FAR), (2, 6, NEAR)))
    assert target.person == 6


@pytest.mark.parametrize('column', [{'confirmed': [False]}, {'predicted': [True]}])
def test_an_unsure_sighting_is_no_target(column):
    for mode in ('nearest', 'id'):
        target = Target(TargetConfig(mode=mode, person_id='5'))
        assert step(target, sightings('a', (1, 5, NEAR), **column)) == []
        assert not target.locked(0.0)


def test_an_undecided_track_is_never_the_target():
    target = Target(TargetConfig(mode='nearest'))
    assert step(target, sightings('a', (1, 0, NEAR))) == []


def test_a_merge_carries_the_target_over_and_a_forgotten_person_releases_it():
    target = Target(TargetConfig(mode='nearest'))
    step(target, sightings('a', (1, 5, NEAR)))
    merge = Event('merged', 2, 0, previous=5)
    assert len(step(target, sightings('a', (1, 2, NEAR)), events=[merge])) == 1
    step(target, sightings('a'), events=[Event('forgotten', 2, 0)], now_s=9.0)
    assert target.person == 0


def test_another_mode_or_person_releases_at_once():
    target = Target(TargetConfig(mode='nearest'))
    step(target, sightings('a', (1, 5, NEAR)))
    target.configure(TargetConfig(mode='nearest', lost_timeout_s=2.0))
    assert target.person == 5
    target.configure(TargetConfig(mode='off'))
    assert (target.person, target.locked(0.0)) == (0, False)


def test_the_target_is_aimed_at_in_every_camera_nearest_first():
    target = Target(TargetConfig(mode='id', person_id='ann'))
    found = [sightings('a', (1, 6, FAR), (2, 5, FAR)), sightings('b', (4, 5, NEAR))]
    aims = step(target, *found, names={5: 'ann'}, distances=[[1.0, 6.0], [3.0]])
    assert [(aim.image, aim.row) for aim in aims] == [(1, 0), (0, 1)]


@pytest.mark.parametrize(
    ('text', 'person'), [('12', 12), (' ann ', 4), ('bob', 0), ('', 0), ('²', 0)]
)
def test_a_person_is_chosen_by_number_or_name(text, person):
    assert chosen(text, {4: 'ann', 9: ''}) == person
