"""Where cameras stand."""

import pytest

from reid_ros.config import ConfigError, TopologyConfig
from reid_ros.topology import NS, Topology

CAMERAS = ('hall', 'door', 'yard', 'garage')


def topology(*, overlap=(), transit=(), unlisted='may_overlap', cameras=CAMERAS):
    return Topology(TopologyConfig(overlap, transit, unlisted), cameras)


@pytest.mark.parametrize('unlisted', ['may_overlap', 'apart'])
def test_one_camera_never_shows_a_person_twice(unlisted):
    assert not topology(unlisted=unlisted).overlap('hall', 'hall')
    assert not topology(overlap=('hall door',), unlisted=unlisted).overlap('hall', 'hall')


def test_cameras_of_a_group_overlap_whatever_their_order():
    known = topology(overlap=('hall door', 'door yard'))
    assert known.overlap('hall', 'door')
    assert known.overlap('door', 'hall')
    assert known.overlap('door', 'yard')
    assert not known.overlap('hall', 'yard')


def test_a_camera_in_no_group_may_overlap_any_unless_said_otherwise():
    assert topology(overlap=('hall door',)).overlap('hall', 'garage')
    assert topology(overlap=('hall door',)).overlap('yard', 'garage')
    assert not topology(overlap=('hall door',), unlisted='apart').overlap('hall', 'garage')
    assert topology(overlap=('hall door',), unlisted='apart').overlap('hall', 'door')


def test_a_group_of_one_stands_apart_from_every_other_group():
    known = topology(overlap=('hall door', 'garage'))
    assert not known.overlap('garage', 'hall')
    assert known.overlap('garage', 'yard')


@pytest.mark.parametrize(
    ('seconds', 'possible'),
    [(-5, False), (0, False), (19.9, False), (20, True), (180, True), (181, False)],
)
def test_a_walk_has_a_least_and_a_most_time_in_both_directions(seconds, possible):
    known = topology(transit=('hall garage 20 180',))
    assert known.possible('hall', 'garage', int(seconds * NS)) is possible
    assert known.possible('garage', 'hall', int(seconds * NS)) is possible


def test_between_other_cameras_any_time_is_possible():
    known = topology(transit=('hall garage 20 180',))
    assert known.has_transits
    assert known.possible('hall', 'door', 0)
    assert known.possible('hall', 'hall', 0)
    assert not topology().has_transits


def test_a_walk_may_take_for_ever():
    assert topology(transit=('hall garage 20 inf',)).possible('hall', 'garage', 10**18)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('hall garage', 'two cameras and the least and most'),
        ('hall garage 20', 'two cameras and the least and most'),
        ('hall garage 20 180 3', 'two cameras and the least and most'),
        ('hall garage soon late', 'two cameras and the least and most'),
        ('', 'two cameras and the least and most'),
        ('hall garage 180 20', 'no range'),
        ('hall garage -1 20', 'no range'),
        ('hall garage nan 20', 'no range'),
        ('hall garage 20 nan', 'no range'),
        ('hall cellar 20 180', "no camera is called 'cellar'"),
        ('hall hall 20 180', 'itself'),
    ],
)
def test_a_walk_that_makes_no_sense_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        topology(transit=(text,))


def test_a_group_names_known_cameras():
    with pytest.raises(ConfigError, match="'cellar'; there are door, garage, hall, yard"):
        topology(overlap=('hall cellar',))


def test_without_a_list_of_cameras_any_name_is_taken():
    assert topology(overlap=('a b',), cameras=()).overlap('a', 'b')
