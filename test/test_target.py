"""Who the target is, and when that is sure."""

import numpy as np
import pytest

from reid_ros.config import TargetConfig
from reid_ros.ground import Places
from reid_ros.target import Look, Target, chosen
from reid_ros.types import Event, Sightings

S = 1_000_000_000
NEAR, FAR = (0, 0, 40, 100), (0, 0, 20, 50)
STEP_S = 0.1


def look(camera, *rows, stamp_s=0.0, asked=True, score=0.8, **columns):
    """Rows are (track, person, box, spot): the spot is a place x y, a distance, or None."""
    n = len(rows)
    spots = [row[3] if len(row) > 3 else None for row in rows]
    placed = [spot if isinstance(spot, tuple) else None for spot in spots]
    positions = np.array([(*(spot or (0, 0)), 0) for spot in placed], np.float64).reshape(-1, 3)
    found = Sightings(
        camera,
        round(stamp_s * S),
        0,
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.full(n, 0.9, np.float32),
        np.array([row[0] for row in rows], np.uint32),
        np.array([row[1] for row in rows], np.uint32),
        np.full(n, score, np.float32),
        np.asarray(columns.get('confirmed', np.ones(n, bool))),
        np.asarray(columns.get('predicted', np.zeros(n, bool))),
        np.zeros(n, np.uint32),
        np.zeros(n, np.float32),
    )
    far = [
        np.inf if spot is None else np.hypot(*spot) if isinstance(spot, tuple) else spot
        for spot in spots
    ]
    sure = np.array([spot is not None for spot in placed], bool)
    places = Places(positions, np.tile(0.01 * np.eye(3), (n, 1, 1)), sure, np.zeros(n))
    return Look(found, np.array(far, np.float64), places, 'map', asked)


class Scene:
    """Plays moments to a target; time goes on by itself."""

    def __init__(self, mode='nearest', person='', **settings):
        self.target = Target(TargetConfig(mode=mode, person_id=person, **settings))
        self.now_s = 0.0
        self.names = {}

    def see(self, camera, *rows, events=(), **options):
        """One image; the number of images in which the target is surely seen."""
        return self.moment((camera, rows, options), events=events)

    def moment(self, *images, events=()):
        self.now_s += STEP_S
        looks = [look(name, *rows, stamp_s=self.now_s, **more) for name, rows, more in images]
        return self.target.step(looks, events, self.names, self.now_s)

    def watch(self, seconds, camera, *rows, **options):
        for _ in range(round(seconds / STEP_S)):
            aims = self.see(camera, *rows, **options)
        return aims

    @property
    def locked(self):
        return self.target.locked(self.now_s)


def merged(into, gone, camera='a', track=1):
    return Event('merged', into, 0, camera, track, previous=gone)


# -- the choice ----------------------------------------------------------------------------------


def test_the_nearest_is_chosen_once_and_kept_when_somebody_comes_nearer():
    scene = Scene()
    scene.see('a', (1, 5, NEAR, 2.0), (2, 6, FAR, 4.0))
    scene.see('a', (1, 5, NEAR, 4.0), (2, 6, FAR, 2.0))
    assert scene.target.person == 5


def test_without_distances_the_tallest_is_the_nearest():
    scene = Scene()
    scene.see('a', (1, 5, FAR), (2, 6, NEAR))
    assert scene.target.person == 6


def test_nobody_is_chosen_while_somebody_unknown_is_nearer():
    scene = Scene()
    scene.see('a', (1, 5, NEAR, 2.0), (2, 6, FAR, 4.0), confirmed=[False, True])
    assert (scene.target.person, scene.target.state) == (0, 'unselected')
    scene.see('a', (1, 5, NEAR, 2.0), (2, 6, FAR, 4.0))
    assert scene.target.person == 5


def test_a_robot_asks_its_own_cameras_who_is_nearest():
    scene = Scene()
    wall = ('wall', [(1, 6, NEAR, 1.0)], {'asked': False})
    scene.moment(wall)
    assert scene.target.person == 0
    scene.moment(wall, ('own', [(1, 5, FAR, 3.0)], {}))
    assert scene.target.person == 5


@pytest.mark.parametrize('column', [{'confirmed': [False]}, {'predicted': [True]}, {'score': 0.3}])
@pytest.mark.parametrize('mode', ['nearest', 'id'])
def test_an_unsure_sighting_is_no_target(mode, column):
    scene = Scene(mode, '5')
    assert scene.see('a', (1, 5, NEAR), **column) == []
    assert not scene.locked


def test_an_undecided_track_is_never_the_target():
    assert Scene().see('a', (1, 0, NEAR)) == []


def test_an_operator_is_followed_by_their_name():
    scene = Scene('enrolled')
    assert scene.see('a', (1, 5, NEAR)) == []
    scene.names = {5: 'operator'}
    assert len(scene.see('a', (1, 5, NEAR), (2, 6, NEAR))) == 1
    scene.names = {6: 'operator'}
    assert scene.see('a', (1, 5, NEAR), (2, 6, NEAR))[0].row == 0, 'chosen once'


def test_another_mode_or_person_is_another_choice_and_another_timeout_is_not():
    scene = Scene()
    scene.see('a', (1, 5, NEAR))
    scene.target.configure(TargetConfig(mode='nearest', lost_timeout_s=2.0))
    assert scene.target.person == 5
    scene.target.configure(TargetConfig(mode='off'))
    assert (scene.target.person, scene.locked, scene.target.state) == (0, False, 'off')
    assert scene.see('a', (1, 5, NEAR)) == []


def test_the_target_is_aimed_at_in_every_camera_nearest_first():
    scene = Scene('id', 'ann')
    scene.names = {5: 'ann'}
    aims = scene.moment(
        ('a', [(1, 6, FAR, (1.0, 0.0)), (2, 5, FAR, (6.0, 0.0))], {}),
        ('b', [(4, 5, NEAR, (5.9, 0.0))], {}),
    )
    assert [(aim.image, aim.row) for aim in aims] == [(1, 0), (0, 1)]


@pytest.mark.parametrize(
    ('text', 'person'), [('12', 12), (' ann ', 4), ('bob', 0), ('', 0), ('²', 0)]
)
def test_a_person_is_chosen_by_number_or_name(text, person):
    assert chosen(text, {4: 'ann', 9: ''}) == person


# -- lost and found ------------------------------------------------------------------------------


def test_a_lost_target_is_not_replaced_by_somebody_else():
    scene = Scene(lost_timeout_s=0.5)
    scene.see('a', (1, 5, NEAR))
    assert scene.target.locked(scene.now_s + 0.4)
    assert not scene.target.locked(scene.now_s + 0.6)
    assert scene.watch(9.0, 'a', (2, 6, NEAR)) == []
    assert scene.target.state == 'lost'
    scene.watch(0.4, 'b', (1, 5, NEAR))
    assert scene.locked


def test_a_clock_that_was_set_back_locks_nothing():
    scene = Scene()
    scene.see('a', (1, 5, NEAR))
    assert not scene.target.locked(scene.now_s - 5.0)


def test_a_target_that_is_hidden_for_a_moment_stays_locked_and_unseen():
    scene = Scene(lost_timeout_s=0.5)
    scene.see('a', (1, 5, NEAR))
    assert scene.see('a', (1, 5, NEAR), predicted=[True]) == []
    assert scene.locked
    scene.watch(0.6, 'a', (1, 5, NEAR), predicted=[True])
    assert not scene.locked


def test_a_track_that_is_said_to_be_another_unlocks_at_once():
    scene = Scene()
    scene.watch(1.0, 'a', (1, 5, NEAR))
    assert scene.see('a', (1, 0, NEAR)) == []
    assert not scene.locked
    assert scene.target.person == 5


def test_another_track_must_bear_the_number_for_a_while():
    scene = Scene()
    scene.watch(1.0, 'a', (1, 5, NEAR))
    scene.watch(1.0, 'a')
    assert scene.see('b', (9, 5, NEAR)) == []
    assert scene.target.state == 'doubt'
    assert len(scene.watch(0.3, 'b', (9, 5, NEAR))) == 1


# -- numbers that change -------------------------------------------------------------------------


def test_a_merge_carries_the_target_over_with_the_body_that_was_followed():
    scene = Scene()
    scene.see('a', (1, 5, NEAR))
    assert len(scene.see('a', (1, 2, NEAR), events=[merged(2, 5)])) == 1
    assert scene.target.person == 2
    assert scene.locked


def test_two_merges_at_once_are_followed_to_the_end():
    scene = Scene()
    scene.see('a', (1, 5, NEAR))
    scene.see('a', (1, 1, NEAR), events=[merged(2, 5), merged(1, 2)])
    assert scene.target.person == 1


def test_a_merge_with_another_body_releases_the_target():
    """Person 2 walks about; then the numbers say that our target, who is gone, was person 2."""
    scene = Scene()
    scene.watch(5.0, 'a', (1, 5, NEAR), (2, 2, FAR))
    scene.watch(3.0, 'a', (2, 2, FAR))
    assert scene.see('a', (2, 2, FAR), events=[merged(2, 5, track=2)]) == []
    assert (scene.target.person, scene.target.state) == (0, 'released')
    assert scene.watch(5.0, 'a', (2, 2, FAR)) == []
    assert not scene.locked
    scene.target.release()  # somebody chooses again
    assert len(scene.see('a', (2, 2, FAR))) == 1


def test_a_merge_waits_a_moment_for_the_camera_that_follows():
    scene = Scene()
    scene.watch(1.0, 'b', (7, 5, NEAR))
    assert scene.see('a', (2, 2, FAR), events=[merged(2, 5, track=2)]) == []
    assert (scene.target.state, scene.locked) == ('doubt', False)
    assert len(scene.see('b', (7, 2, NEAR))) == 1
    assert scene.target.person == 2


def test_a_merge_that_the_followed_body_does_not_share_releases():
    scene = Scene()
    scene.watch(1.0, 'b', (7, 5, NEAR))
    scene.see('a', (2, 2, FAR), events=[merged(2, 5, track=2)])
    for _ in range(15):
        scene.see('b', (7, 3, NEAR))
    assert scene.target.state == 'released'


@pytest.mark.parametrize('mode', ['nearest', 'id'])
@pytest.mark.parametrize('kind', ['expired', 'forgotten'])
def test_who_is_forgotten_is_not_replaced(mode, kind):
    scene = Scene(mode, '5')
    scene.see('a', (1, 5, NEAR))
    scene.see('a', events=[Event(kind, 5, 0)])
    assert scene.watch(2.0, 'a', (2, 6, NEAR)) == []
    assert scene.target.state == 'released'


def split(person, previous, track=1):
    return Event('split', person, 0, 'a', track, previous=previous)


def test_who_was_nearest_a_moment_ago_is_not_looked_for_under_a_number_that_was_wrong():
    scene = Scene()
    scene.watch(1.0, 'a', (1, 5, NEAR))
    scene.see('a', (1, 8, NEAR), events=[split(8, 5)])
    assert scene.target.state == 'released'
    assert scene.watch(2.0, 'b', (3, 5, NEAR)) == []


def test_after_a_longer_walk_together_the_number_is_believed_and_the_track_is_not():
    """A tracker exchanged two people who crossed; the target is on the other track now."""
    scene = Scene()
    scene.watch(5.0, 'a', (1, 5, NEAR), (2, 6, NEAR))
    assert scene.see('a', (1, 6, NEAR), (2, 0, NEAR), events=[split(6, 5)]) == []
    assert not scene.locked
    aims = scene.watch(0.5, 'a', (1, 6, NEAR), (2, 5, NEAR))
    assert [aim.row for aim in aims] == [1]


# -- places --------------------------------------------------------------------------------------

DOUBLE = ('b', [(4, 5, NEAR, (9.0, 4.0))], {})
"""A look-alike who bears the target's number in another camera."""


def doubled(scene):
    """The look-alike turns up while the target is surely seen."""
    scene.watch(2.0, 'a', (1, 5, NEAR, (2.0, 0.0)))
    for _ in range(10):
        scene.moment(('a', [(1, 5, NEAR, (2.0, 0.0))], {}), DOUBLE)


def test_a_number_in_two_places_at_once_is_in_doubt():
    scene = Scene()
    there = ('a', [(1, 5, NEAR, (2.0, 0.0))], {})
    scene.moment(there)
    assert scene.locked
    for _ in range(5):
        assert scene.moment(there, ('b', [(4, 5, NEAR, (9.0, 4.0))], {})) == []
    assert (scene.locked, scene.target.state) == (False, 'doubt')
    for _ in range(5):
        aims = scene.moment(there, ('b', [], {}))
    assert len(aims) == 1


def test_a_track_that_was_seen_elsewhere_at_the_same_time_is_never_the_target():
    """The target leaves, the look-alike stays."""
    scene = Scene()
    doubled(scene)
    for _ in range(35):
        assert scene.moment(('a', [], {}), DOUBLE) == []
    assert scene.target.state == 'doubt'
    # The target comes back on a track of its own, and the look-alike's ends.
    assert len(scene.watch(1.0, 'a', (2, 5, NEAR, (2.0, 1.0)))) == 1


@pytest.mark.parametrize('unsure_s', [0.0, 2.0])
def test_a_number_that_stays_with_somebody_else_is_the_targets_no_more(unsure_s):
    """Nobody is taken for the target by it later: who that is must be said again."""
    scene = Scene(mode='id', person='5')
    doubled(scene)
    for _ in range(10):
        assert scene.moment(('a', [], {}), DOUBLE) == []
    # While its looks leave doubt the other track bears the number all the same.
    for _ in range(round(unsure_s / STEP_S)):
        assert scene.see('b', (4, 5, NEAR, (9.0, 4.0)), score=0.1) == []
    for _ in range(45):
        assert scene.moment(('a', [], {}), DOUBLE) == []
    assert scene.target.state == 'released'
    assert 'person 5 is not who was followed' in scene.target.reason
    assert scene.moment(('a', [], {}), DOUBLE) == []


def test_a_fixed_camera_that_saw_the_target_elsewhere_than_the_robots_is_not_believed():
    """Far away a camera's track went over to a look-alike; the robot stands before the target."""
    scene = Scene()
    mine, far = ('robot', [(1, 5, NEAR, (2.0, 0.0))], {}), {'asked': False}
    beside, away = (('wall', [(4, 5, NEAR, place)], far) for place in [(2.2, 0.1), (9.0, 4.0)])
    for _ in range(20):
        assert len(scene.moment(mine, beside)) == 2
    # Nobody is followed while both show somebody ...
    for _ in range(10):
        assert scene.moment(mine, away) == []
    assert (scene.locked, scene.target.reason) == (False, 'seen in two places at once')
    # ... and then whom the robot sees, but not whom the other camera does ...
    for _ in range(10):
        assert scene.moment(('robot', [], {}), away) == []
    assert (scene.locked, scene.target.reason) == (False, 'cameras disagree on who it is')
    for _ in range(10):
        aims = scene.moment(mine, ('wall', [], {}))
    assert (len(aims), scene.locked) == (1, True)
    # ... until both see the target in one place.
    for _ in range(10):
        aims = scene.moment(mine, beside)
    assert len(aims) == 2
    assert len(scene.moment(('robot', [], {}), beside)) == 1


def test_fixed_cameras_that_disagree_leave_the_target_in_doubt():
    scene = Scene(mode='id', person='5')
    near, far = (2.0, 0.0), (9.0, 4.0)
    fixed = {'asked': False}
    for _ in range(20):
        rows = [('wall', [(1, 5, NEAR, near)], fixed), ('door', [(4, 5, NEAR, near)], fixed)]
        assert len(scene.moment(*rows)) == 2
    rows[1] = ('door', [(4, 5, NEAR, far)], fixed)
    assert scene.moment(*rows) == []
    assert (scene.locked, scene.target.state) == (False, 'doubt')


def test_a_number_in_one_place_of_two_cameras_is_one_target():
    scene = Scene()
    for _ in range(5):
        aims = scene.moment(
            ('a', [(1, 5, NEAR, (2.0, 0.0))], {}), ('b', [(4, 5, NEAR, (2.3, 0.2))], {})
        )
    assert len(aims) == 2


def test_a_track_that_another_camera_says_to_be_somebody_else_is_not_aimed_at():
    """A tracker exchanged the target with a look-alike beside them; a second camera did not."""
    scene = Scene()
    here, beside = (2.0, 0.0), (2.0, 0.7)
    right = ('a', [(1, 5, NEAR, here), (2, 6, NEAR, beside)], {})
    for _ in range(20):
        assert len(scene.moment(right, ('b', [(3, 5, NEAR, here), (4, 6, NEAR, beside)], {}))) == 2
    for _ in range(10):
        aims = scene.moment(right, ('b', [(3, 5, NEAR, beside), (4, 0, NEAR, here)], {}))
        assert [(aim.image, aim.row) for aim in aims] == [(0, 0)]
    assert scene.locked
    # Said by images that come one by one, too.
    assert scene.see('b', (3, 5, NEAR, beside), (4, 0, NEAR, here)) == []
    assert scene.locked
    # Nobody knows which of two cameras is right.
    for _ in range(3):
        assert scene.moment(right, ('b', [(3, 5, NEAR, beside), (4, 6, NEAR, here)], {})) == []
    assert (scene.locked, scene.target.reason) == (False, 'cameras disagree on who it is')


@pytest.mark.parametrize('other', [(2.0, 0.15), (2.0, 1.6), None])
def test_whoever_stands_near_the_target_denies_nothing_where_places_agree(other):
    """Two cameras see the target a little apart; another person is near, away, or not placed."""
    scene = Scene()
    for _ in range(20):
        rows = [(1, 5, NEAR, (2.0, 0.3)), (2, 6, NEAR, other)]
        aims = scene.moment(('a', rows, {}), ('b', [(3, 5, NEAR, (2.0, 0.0))], {}))
    assert len(aims) == 2


def test_a_number_that_leaps_to_another_body_is_not_followed():
    """Who was followed still stands there under another number: somebody must choose again."""
    scene = Scene()
    scene.watch(5.0, 'a', (1, 5, NEAR, (2.0, 0.0)), (2, 6, NEAR, (9.0, 4.0)))
    for _ in range(30):
        assert scene.see('a', (1, 6, NEAR, (2.0, 0.0)), (2, 5, NEAR, (9.0, 4.0))) == []
    assert scene.target.state == 'released'


def test_a_number_out_of_reach_is_doubted_until_it_lasts():
    scene = Scene()
    scene.watch(5.0, 'a', (1, 5, NEAR, (2.0, 0.0)))
    assert scene.watch(4.5, 'b', (2, 5, NEAR, (12.0, 4.0))) == []
    assert scene.target.state == 'doubt'
    assert len(scene.watch(1.0, 'b', (2, 5, NEAR, (12.0, 4.0)))) == 1


def test_who_comes_back_elsewhere_after_a_while_is_found_again():
    scene = Scene()
    scene.watch(5.0, 'a', (1, 5, NEAR, (2.0, 0.0)))
    scene.watch(6.0, 'b')
    assert len(scene.watch(0.6, 'b', (2, 5, NEAR, (12.0, 4.0)))) == 1
