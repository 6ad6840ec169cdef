"""What all cameras show: who is visible, and who cannot be whom."""

import dataclasses

import numpy as np
import pytest
from people import NS, figures, standing, tracks

from reid_ros.config import TopologyConfig
from reid_ros.gallery import Gallery, GalleryError
from reid_ros.scene import Observation, Scene
from reid_ros.topology import Topology

ANNA, BERT = figures('anna', 'bert')
LEFT, RIGHT = (0, 100, 60, 260), (300, 100, 360, 260)


class Cast:
    """A scene with a gallery, told frame by frame."""

    def __init__(self, *people, overlap=(), transit=(), unlisted='may_overlap'):
        self.gallery = Gallery()
        for figure in people:
            number = self.gallery.born(0).number
            self.gallery.learn(number, figure.look, 'hall', 1.0)
        topology = Topology(TopologyConfig(overlap, transit, unlisted), ())
        self.scene = Scene(self.gallery, topology)

    def see(self, camera, at_s, boxes, looks=(), ids=None, places=None, **columns):
        """One frame; looks are vectors of the first tracks. Returns the tracks that ended."""
        ids = list(range(1, len(boxes) + 1)) if ids is None else ids
        return self.scene.observe(
            Observation(
                camera,
                round(at_s * NS),
                tracks(ids, boxes, **columns),
                np.arange(len(looks)),
                np.array(looks, np.float32) if looks else np.empty((0, 0), np.float32),
                np.full(len(looks), 0.8, np.float32),
                places=None if places is None else standing(places),
            )
        )

    def track(self, camera='hall', number=1):
        return self.scene.track(camera, number)

    def bind(self, person, camera='hall', number=1):
        track = self.track(camera, number)
        track.person = person
        self.scene.note(track)
        return track

    def impossible(self, at_s, camera='hall', number=1):
        (row,) = self.scene.impossible([self.track(camera, number)], round(at_s * NS))
        return {n for n, column in self.gallery.columns.items() if row[column]}


# -- tracks --------------------------------------------------------------------------------------


def test_a_track_is_known_from_its_first_confirmed_sighting_to_its_end():
    cast = Cast()
    cast.see('hall', 1.0, [LEFT], confirmed=[False])
    assert cast.track() is None
    cast.see('hall', 1.1, [LEFT])
    cast.see('hall', 1.6, [LEFT])
    assert cast.track().age_s() == pytest.approx(0.5)
    ended = cast.see('hall', 3.0, [], ended=[1, 99])
    assert [track.number for track in ended] == [1]
    assert cast.track() is None
    assert list(cast.scene.alive()) == []


def test_a_track_out_of_sight_is_alive_but_not_visible():
    cast = Cast()
    cast.see('hall', 1.0, [LEFT])
    cast.see('hall', 1.1, [LEFT], visible=[False])
    assert len(list(cast.scene.alive())) == 1
    assert list(cast.scene.visible()) == []
    assert cast.track().seen_ns == NS
    assert cast.track().risky


def test_crowded_tracks_are_risky():
    cast = Cast()
    cast.see('hall', 1.0, [LEFT, RIGHT])
    assert not cast.track().risky
    cast.see('hall', 1.1, [LEFT, (20, 100, 80, 260)])
    assert cast.track().risky
    assert cast.track(number=2).risky


def test_vectors_are_weighted_by_quality_and_the_last_three_are_kept():
    cast = Cast()
    for i in range(5):
        cast.see('hall', i / 10, [LEFT], [ANNA.look if i < 4 else BERT.look])
    track = cast.track()
    assert track.count == 5
    assert track.weight == pytest.approx(4.0)
    want = 4 * ANNA.look + BERT.look
    np.testing.assert_allclose(track.mean(), want / np.linalg.norm(want), atol=1e-5)
    want = 2 * ANNA.look + BERT.look
    np.testing.assert_allclose(track.latest(), want / np.linalg.norm(want), atol=1e-5)


def test_a_vector_is_fresh_for_one_frame():
    cast = Cast()
    cast.see('hall', 1.0, [LEFT], [ANNA.look])
    assert cast.track().fresh is not None
    cast.see('hall', 1.1, [LEFT])
    assert cast.track().fresh is None


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_vector_that_is_no_number_is_passed_over(bad):
    cast = Cast()
    cast.see('hall', 1.0, [LEFT], [np.full(64, bad, np.float32)])
    assert cast.track().count == 0
    with pytest.raises(ValueError, match='track 1 of hall has no vector'):
        cast.track().mean()


def test_a_vector_of_another_length_is_refused():
    cast = Cast(ANNA)
    with pytest.raises(GalleryError, match='a vector of 32 numbers does not fit'):
        cast.see('hall', 1.0, [LEFT], [np.eye(32)[0]])


def test_a_restarted_track_goes_on_as_nobody_with_its_last_vectors():
    cast = Cast(ANNA)
    for i in range(6):
        cast.see('hall', i / 10, [LEFT], [ANNA.look if i < 3 else BERT.look])
    track = cast.bind(1)
    track.restart()
    assert (track.person, track.left, track.count) == (0, 1, 3)
    np.testing.assert_allclose(track.mean(), BERT.look, atol=1e-5)


def test_a_camera_that_is_forgotten_takes_its_tracks_along():
    cast = Cast(ANNA)
    cast.see('hall', 1.0, [LEFT])
    cast.see('door', 1.0, [LEFT])
    cast.scene.forget_camera('hall')
    cast.scene.forget_camera('nowhere')
    assert [track.camera for track in cast.scene.alive()] == ['door']


def test_a_track_lets_go_of_a_person_who_was_forgotten():
    cast = Cast(ANNA)
    cast.see('hall', 1.0, [LEFT])
    cast.bind(1)
    cast.gallery.forget(1)
    cast.see('hall', 1.1, [LEFT])
    assert cast.track().person == 0


# -- who cannot be whom --------------------------------------------------------------------------


def test_whoever_is_seen_beside_a_track_is_not_its_person():
    cast = Cast(ANNA, BERT)
    for at_s in (1.0, 1.4):
        cast.see('hall', at_s, [LEFT, RIGHT])
    cast.bind(1)
    assert cast.impossible(1.4, number=2) == {1}
    cast.scene.forbid('hall', round(1.4 * NS))
    cast.see('hall', 9.0, [RIGHT], ids=[2], ended=[1])
    assert cast.impossible(9.0, number=2) == {1}


def test_two_persons_side_by_side_are_told_apart_for_good():
    cast = Cast(ANNA, BERT)
    for at_s in (1.0, 1.4):
        cast.see('hall', at_s, [LEFT, RIGHT])
    cast.bind(1)
    cast.bind(2, number=2)
    cast.scene.forbid('hall', round(1.4 * NS))
    assert cast.gallery[1].never == {2}
    assert cast.gallery[2].never == {1}


@pytest.mark.parametrize(
    ('other', 'times', 'never'),
    [
        ((10, 110, 50, 250), (1.0, 1.4), set()),
        ((70, 100, 130, 260), (1.0, 1.1), set()),
        ((70, 100, 130, 260), (1.0, 1.4), {2}),
        (RIGHT, (1.0, 1.1), {2}),
    ],
    ids=('on one another', 'young', 'beside', 'young and far off'),
)
def test_only_boxes_that_cannot_be_one_person_tell_two_apart(other, times, never):
    cast = Cast(ANNA, BERT)
    for at_s in times:
        cast.see('hall', at_s, [LEFT, other])
    cast.bind(1)
    cast.bind(2, number=2)
    cast.scene.forbid('hall', round(times[-1] * NS))
    assert cast.gallery[1].never == never


@pytest.mark.parametrize(
    ('settings', 'impossible'),
    [
        ({'unlisted': 'may_overlap'}, set()),
        ({'unlisted': 'apart'}, {1}),
        ({'overlap': ('hall yard',), 'unlisted': 'apart'}, set()),
        ({'overlap': ('hall', 'yard')}, {1}),
    ],
)
def test_who_is_visible_in_a_camera_that_is_apart_is_not_here(settings, impossible):
    cast = Cast(ANNA, **settings)
    cast.see('hall', 1.0, [LEFT])
    cast.see('yard', 1.0, [LEFT])
    cast.bind(1)
    assert cast.impossible(1.0, 'yard') == impossible


def test_who_was_visible_elsewhere_a_while_ago_may_be_here():
    cast = Cast(ANNA, unlisted='apart')
    cast.see('hall', 1.0, [LEFT])
    cast.bind(1)
    for at_s, impossible in ((1.2, {1}), (1.3, set())):
        cast.see('yard', at_s, [LEFT])
        assert cast.impossible(at_s, 'yard') == impossible


@pytest.mark.parametrize(('at_s', 'impossible'), [(5, {1}), (30, set()), (200, {1})])
def test_a_walk_that_is_too_short_or_too_long_is_impossible(at_s, impossible):
    cast = Cast(ANNA, transit=('hall yard 20 180',))
    cast.see('hall', 1.0, [LEFT])
    cast.bind(1)
    cast.see('hall', 1.1, [])
    cast.see('yard', 1.0 + at_s, [LEFT])
    assert cast.impossible(1.0 + at_s, 'yard') == impossible


def test_a_person_who_was_never_seen_may_be_anywhere():
    cast = Cast(ANNA, transit=('hall yard 20 180',))
    cast.see('yard', 1.0, [LEFT])
    assert cast.impossible(1.0, 'yard') == set()


@pytest.mark.parametrize(('overlap', 'apart'), [((), False), (('hall', 'yard'), True)])
def test_two_persons_are_side_by_side_where_one_cannot_be_in_both_places(overlap, apart):
    cast = Cast(ANNA, BERT, overlap=overlap)
    cast.see('hall', 1.0, [LEFT])
    cast.see('yard', 1.0, [LEFT])
    cast.bind(1)
    cast.bind(2, 'yard')
    assert cast.scene.elsewhere(1) == ({2} if apart else set())
    cast.see('yard', 1.0, [LEFT, RIGHT])
    cast.bind(1, 'yard', 2)
    assert cast.scene.elsewhere(1) == {2}
    assert cast.scene.elsewhere(3) == set()


# -- where people were ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('away_s', 'box', 'near'),
    [
        (1.0, (40, 100, 100, 260), 1.0),
        (1.0, (600, 100, 660, 260), 0.0),
        (4.0, (600, 100, 660, 260), 1.0),
        (6.0, (0, 100, 60, 260), 0.0),
    ],
)
def test_a_person_who_left_a_moment_ago_nearby_is_likelier_to_be_back(away_s, box, near):
    cast = Cast(ANNA)
    cast.see('hall', 1.0, [LEFT])
    cast.bind(1)
    cast.see('hall', 1.1, [], ended=[1])
    cast.see('hall', 1.0 + away_s, [box], ids=[2])
    found = cast.scene.recent([cast.track(number=2)])
    assert found.tolist() == [[near]]
    cast.see('yard', 1.0 + away_s, [box])
    assert cast.scene.recent([cast.track('yard')]).tolist() == [[0.0]]


def test_a_merge_moves_tracks_places_and_what_is_forbidden():
    cast = Cast(ANNA, BERT, *figures('carl'))
    cast.see('hall', 1.0, [LEFT, RIGHT])
    cast.bind(2)
    cast.track(number=2).never.add(2)
    cast.gallery.merge(1, 2)
    cast.scene.merge(1, 2)
    assert cast.track().person == 1
    assert cast.track(number=2).never == {1}
    cast.see('hall', 1.1, [RIGHT], ids=[2], ended=[1])
    cast.see('hall', 1.2, [RIGHT, LEFT], ids=[2, 3])
    assert cast.scene.recent([cast.track(number=3)]).tolist() == [[1.0, 0.0]]


def test_a_merge_leaves_a_person_to_the_track_seen_last():
    cast = Cast(ANNA, BERT)
    cast.see('hall', 1.0, [LEFT])
    cast.bind(1)
    cast.see('hall', 1.5, [LEFT, RIGHT], visible=[False, True])
    cast.bind(2, number=2)
    cast.gallery.merge(1, 2)
    cast.scene.merge(1, 2)
    assert (cast.track().person, cast.track(number=2).person) == (0, 1)
    assert cast.track().left == 1


def test_only_tracks_that_cannot_share_a_person_are_rivals():
    cast = Cast(ANNA, overlap=('hall door', 'yard'))
    for camera in ('hall', 'door', 'yard'):
        cast.see(camera, 1.0, [LEFT, RIGHT])
        cast.bind(1, camera)
    claimant = cast.track('hall', 2)
    assert {(t.camera, t.number) for t in cast.scene.rivals(claimant, 1)} == {
        ('hall', 1),
        ('yard', 1),
    }
    cast.see('hall', 1.1, [LEFT, RIGHT], visible=[False, True])
    assert len(cast.scene.rivals(claimant, 1)) == 2


def test_a_forgotten_person_was_nowhere():
    cast = Cast(ANNA, BERT)
    cast.see('hall', 1.0, [LEFT])
    cast.bind(1)
    cast.scene.forget(1)
    cast.see('hall', 1.1, [dataclasses.replace(ANNA).box()], ids=[2], ended=[1])
    assert cast.scene.recent([cast.track(number=2)]).tolist() == [[0.0, 0.0]]


# -- views of one body ---------------------------------------------------------------------------


class Floor(Cast):
    """A scene of cameras that know where on the floor people stand."""

    def stand(self, seconds=1.0, **spots):
        """Each camera sees somebody on each of its spots, for some time."""
        for step in range(round(seconds * 10)):
            for camera, at in spots.items():
                boxes = [(200 * i, 100, 200 * i + 60, 260) for i in range(len(at))]
                self.see(camera, 100 + step / 10, boxes, places=at)

    def views(self, camera, number=1):
        found = self.scene.views(self.track(camera, number), 101 * NS)
        return {(track.camera, track.number) for track in found}


def test_undecided_tracks_on_one_spot_are_views_of_one_body():
    floor = Floor(overlap=('hall door yard',))
    floor.stand(hall=[(2.0, 3.0), (6.0, 3.0)], door=[(6.1, 3.0), (2.1, 3.0)], yard=[(2.0, 3.1)])
    assert floor.views('hall', 1) == {('door', 2), ('yard', 1)}
    assert floor.views('hall', 2) == {('door', 1)}
    assert floor.views('yard', 1) == {('hall', 1), ('door', 2)}


def test_a_body_has_one_view_in_each_camera_and_a_view_one_body():
    floor = Floor(overlap=('hall door',))
    floor.stand(hall=[(2.0, 3.0), (2.5, 3.0)], door=[(2.05, 3.0)])
    assert floor.views('door') == {('hall', 1)}
    assert floor.views('hall', 1) == {('door', 1)}
    assert floor.views('hall', 2) == set()


def test_who_has_a_number_is_no_undecided_view():
    floor = Floor(ANNA, overlap=('hall door',))
    floor.stand(hall=[(2.0, 3.0)], door=[(2.0, 3.0)])
    floor.bind(1, 'door')
    assert floor.views('hall') == set()


def test_cameras_that_are_apart_have_no_view_of_one_body():
    floor = Floor(unlisted='apart')
    floor.stand(hall=[(2.0, 3.0)], door=[(2.0, 3.0)])
    assert floor.views('hall') == set()
