"""Who is who by how they walk, beside looks or alone, played through scenes."""

import dataclasses
import sqlite3

import numpy as np
import pytest
from people import CLEAR, NS, Stage, figures, lookalike, turned

from reid_ros.calibration import Calibration, Condition, Spread
from reid_ros.evidence import ALIKE, CHANGED, Evidence, joined
from reid_ros.gait import Gait
from reid_ros.gallery import Gallery
from reid_ros.gallery_store import _TABLES, GalleryStore, ModelId
from reid_ros.identify import Identifier

# One person in two walks is 40 degrees apart, two people 76.
STRIDES = Calibration(
    Condition(Spread(35.0, 6.0, 200), Spread(76.0, 6.0, 500)),
    Condition(Spread(40.0, 6.0, 200), Spread(76.0, 6.0, 500)),
)
ANNA, BERT, CARL = figures('anna', 'bert', 'carl')
LENGTH = 48
SOURCE = np.random.default_rng(5)


def unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def gait_of(name):
    """(48,) how somebody walks: people are about 76 degrees apart."""
    common = np.zeros(LENGTH)
    common[0] = 1.0
    own = np.random.default_rng(sum(map(ord, name))).normal(size=LENGTH) / np.sqrt(LENGTH)
    return unit(0.45 * common + 0.9 * own)


class Walkway(Stage):
    """A stage whose tracks get a gait vector after 1.2 s, and one every half second then.

    Attributes:
        walks: how the people of a name walk; those without are not seen walking.
    """

    def __init__(self, *cameras, walks=None, gait=STRIDES, looks=True, **options):
        super().__init__(*cameras, **options)
        self.walks, self.looks = walks or {}, looks
        self._first = {}
        self.gait_draw = np.random.default_rng(9)
        if gait is not None:
            old = self.identifier
            self.identifier = Identifier(
                self.gallery, CLEAR, self.topology, old.config, old.keep, gait
            )

    def _observation(self, camera, cast):
        seen = super()._observation(camera, cast)
        known = {t.number: t for t in self._tracks[camera]}
        rows, vectors, since, reasons = [], [], [], []
        for row, number in enumerate(seen.tracks.ids.tolist()):
            name = known[number].figure.name
            first = self._first.setdefault((camera, number, name), self.now_ns)
            age = (self.now_ns - first) / NS
            walk = self.walks.get(name)
            enough = age >= 1.15 and round(age * 10) % 5 == 2
            reasons.append('' if age >= 1.15 else 'few')
            if walk is not None and seen.tracks.detection[row] >= 0 and enough:
                rows.append(row)
                angle = abs(30.0 + 4.0 * self.gait_draw.normal())
                vectors.append(turned(walk, angle, self.gait_draw))
                since.append(max(first, self.now_ns - 2 * NS))
        gait = Gait(
            np.array(rows, np.int64),
            np.array(vectors, np.float32).reshape(len(rows), LENGTH if rows else 0),
            np.full(len(rows), 0.9, np.float32),
            np.array(since, np.int64),
            tuple(reasons),
        )
        if not self.looks:
            nothing = np.empty(0, np.int64)
            seen = dataclasses.replace(
                seen,
                rows=nothing,
                vectors=np.empty((0, 0), np.float32),
                qualities=np.empty(0, np.float32),
            )
        return dataclasses.replace(seen, gait=gait)

    def gait_number(self, figure, camera):
        """Who a figure is by gait alone, now."""
        scene = self.identifier.scene
        (track,) = (t for t in self._tracks[camera] if t.figure.name == figure.name)
        return scene.track(camera, track.number).walk.person


def walks(*names):
    return {name: gait_of(name) for name in names}


def changed(figure, seed=3):
    """The same person in other clothes, which look like nobody's."""
    look = turned(figure.look, 62, np.random.default_rng(seed))
    return dataclasses.replace(figure, look=look)


# -- beside looks --------------------------------------------------------------------------------


def test_who_comes_back_in_other_clothes_is_known_by_gait():
    for gait, persons in ((STRIDES, 1), (None, 2)):
        stage = Walkway('hall', walks=walks('anna'), gait=gait)
        number = stage.enrol(ANNA, seconds=6)
        stage.wait(20)
        stage.play(6, hall=[changed(ANNA)])
        assert len(stage.gallery) == persons
        assert (stage.number(ANNA) == number) == (persons == 1)


def test_candidates_by_gait_alone_rank_who_walks_alike():
    other = lookalike('bert', ANNA, 8)
    stage = Walkway('hall', walks=walks('anna', 'bert'))
    stage.play(6, hall=[ANNA, other])
    first, second = stage.number(ANNA), stage.number(other)
    stage.wait(20)
    stage.play(6, hall=[ANNA])
    (row,) = stage.moments[-1][1]
    asked = 'hall', [row.track], stage.moments[-1][0]
    looks = stage.identifier.candidates(*asked)
    gait = stage.identifier.candidates(*asked, gait=True)
    assert looks.persons[0, 0] == gait.persons[0, 0] == first
    assert second not in gait.persons[0], 'nobody who walks otherwise'


def test_a_stranger_in_the_same_clothes_is_told_by_gait():
    other = lookalike('bert', ANNA, 8)
    for gait, persons in ((STRIDES, 2), (None, 1)):
        stage = Walkway('hall', walks=walks('anna', 'bert'), gait=gait)
        number = stage.enrol(ANNA, seconds=6)
        stage.wait(20)
        stage.play(8, hall=[other])
        assert len(stage.gallery) == persons
        assert (stage.number(other) == number) == (persons == 1)


def test_look_alikes_who_both_come_back_are_told_apart_by_gait():
    other = lookalike('bert', ANNA, 8)
    stage = Walkway('hall', walks=walks('anna', 'bert'))
    stage.play(6, hall=[ANNA, other])
    first, second = stage.number(ANNA), stage.number(other)
    assert first != second
    for figure, number in ((other, second), (ANNA, first), (other, second)):
        stage.wait(20)
        stage.play(6, hall=[figure])
        assert stage.number(figure) == number
    assert len(stage.gallery) == 2


def test_people_who_are_not_seen_to_walk_are_known_by_looks_as_before():
    plain, walked = Stage('hall', 'door'), Walkway('hall', 'door')
    for stage in (plain, walked):
        stage.play(3, hall=[ANNA, BERT], door=[CARL])
        stage.wait(5)
        stage.play(3, hall=[CARL], door=[ANNA])
    assert plain.moments == walked.moments
    assert plain.events == walked.events


def test_one_odd_walk_splits_nobody():
    """A window with somebody else's legs in it: looks and the walks around it outweigh it."""
    stage = Walkway('hall', walks=walks('anna'))
    number = stage.enrol(ANNA, seconds=6)
    stage.wait(10)
    stage.play(3, hall=[ANNA])
    stage.walks = {'anna': gait_of('somebody')}
    stage.play(0.5, hall=[ANNA])
    stage.walks = walks('anna')
    stage.play(4, hall=[ANNA])
    assert stage.numbers(ANNA) == {number}
    assert 'split' not in stage.kinds()


def test_silhouettes_from_before_an_exchange_say_nothing_of_who_is_there_now():
    stage = Walkway('hall', walks=walks('anna', 'bert'))
    stage.play(8, hall=[ANNA, BERT])
    track = stage.identifier.scene.track('hall', 1)
    assert track.walk.count > 5
    track.restart()
    assert track.walk.total is None
    track.walk.add(gait_of('anna'), 0.9, track.seen_ns - 1)
    assert track.walk.count == 0
    track.walk.add(gait_of('anna'), 0.9, track.seen_ns)
    assert track.walk.count == 1


# -- alone ---------------------------------------------------------------------------------------


def test_without_looks_people_are_known_by_gait():
    stage = Walkway('hall', 'door', looks=False, walks=walks('anna', 'bert'))
    stage.play(6, hall=[ANNA, BERT])
    anna, bert = stage.number(ANNA), stage.number(BERT)
    assert anna != bert
    assert stage.gallery[anna].confirmed
    stage.wait(20)
    stage.play(6, hall=[BERT], door=[ANNA])
    assert (stage.number(ANNA, 'door'), stage.number(BERT, 'hall')) == (anna, bert)
    assert len(stage.gallery) == 2


def test_gait_alone_says_who_it_is_beside_looks():
    stage = Walkway('hall', 'door', walks=walks('anna', 'bert'))
    stage.play(6, hall=[ANNA, BERT])
    assert stage.gait_number(ANNA, 'hall') == 0  # nobody was known when they were first compared
    anna, bert = stage.number(ANNA), stage.number(BERT)
    stage.wait(20)
    stage.play(4, door=[ANNA, BERT])
    assert stage.gait_number(ANNA, 'door') == anna
    assert stage.gait_number(BERT, 'door') == bert
    identities, _ = stage.identifier.step([stage._observation('door', [ANNA, BERT])])
    assert set(identities[0].gait_persons.tolist()) == {anna, bert}
    assert (identities[0].gait_scores > 0.9).all()


def test_a_stranger_is_nobody_by_gait():
    stage = Walkway('hall', 'door', walks=walks('anna', 'bert', 'carl'))
    stage.play(6, hall=[ANNA, BERT])
    stage.wait(20)
    stage.play(4, door=[CARL])
    assert stage.gait_number(CARL, 'door') == 0


# -- evidence ------------------------------------------------------------------------------------


def evidence(llr, log_p):
    return Evidence(np.array([llr], float), np.array([log_p], float))


def test_where_gait_says_nothing_looks_count_as_before():
    looks = evidence([9.0, -9.0, np.nan], [-8.0, -0.1, np.nan])
    none = Evidence.none(1, 3)
    both = looks.with_gait(none)
    np.testing.assert_array_equal(both.llr, looks.llr)
    np.testing.assert_array_equal(both.log_p, looks.log_p)


def test_looks_speak_against_nobody_without_limit_beside_gait_and_for_somebody_as_bounded():
    looks = evidence([40.0, 20.0, -40.0, 0.0, np.nan], [-30.0, -20.0, -0.1, -1.0, np.nan])
    gait = evidence([1.0] * 5, [-2.0] * 5)
    both = looks.with_gait(gait)
    expected = [41.0, 21.0, 1 + np.log(CHANGED), 1.0, 1.0]
    np.testing.assert_allclose(both.llr[0], expected, atol=0.06)
    nobody = np.zeros((1, 5))
    found = joined(np.arange(5), looks, nobody > 0, nobody, gait)
    np.testing.assert_allclose(found.llr, both.llr)
    bounded = [1 - np.log(ALIKE), 1 - np.log(ALIKE), 1 + np.log(CHANGED), 1.0, 1.0]
    np.testing.assert_allclose(found.bounded[0], bounded, atol=0.06)
    # However alike a stranger looks, gait that speaks against it prevails.
    against = joined(np.arange(5), looks, nobody > 0, nobody, evidence([-5.0] * 5, [-0.1] * 5))
    assert against.llr[0, 0] > 30
    assert not against.accepted(0.2).any()


def test_shares_of_strangers_join_by_kinds_that_speak_for_the_person():
    looks = evidence([5.0, 5.0, -5.0, -5.0, np.nan], [-6.0, -6.0, -0.1, -0.1, np.nan])
    gait = evidence([4.0, -4.0, 4.0, -4.0, 4.0], [-5.0, -0.2, -5.0, -0.2, -5.0])
    fisher = -11 + np.log(1 + 11)
    expected = [fisher, -6 + np.log(2), -5 + np.log(2), 0.0, -5.0]
    np.testing.assert_allclose(looks.with_gait(gait).log_p[0], expected)


@pytest.mark.parametrize('share', [0.5, 0.05, 0.005])
def test_no_more_strangers_pass_than_the_joined_share_says(share):
    """Independent looks and gait of strangers, by the calibrations' own distributions."""
    draw = np.random.default_rng(0)
    n = 40_000
    angles = draw.normal(62, 6, n), draw.normal(76, 6, n)
    conditions = CLEAR.cross_camera, STRIDES.cross_camera
    looks, gait = (Evidence(c.llr(a)[None], c.log_p(a)[None]) for c, a in zip(conditions, angles))
    assert (looks.with_gait(gait).log_p <= np.log(share)).mean() <= share * 1.1


# -- the gallery ---------------------------------------------------------------------------------


def test_gait_of_a_person_survives_in_the_store_and_in_a_merger(tmp_path):
    model, gait = ModelId('looks', 64, 'a' * 64), ModelId('walk', LENGTH, 'b' * 64)
    known = Gallery()
    for i, figure in enumerate((ANNA, BERT)):
        number = known.born(i).number
        known.learn(number, figure.look, 'hall', 1.0)
        known.learn(number, gait_of(figure.name), 'hall', 0.7, 'gait')
        known.confirm(number)
    with GalleryStore(tmp_path / 'g.db', model, gait) as store:
        store.save(known)
    loaded = Gallery()
    with GalleryStore(tmp_path / 'g.db') as store:
        assert (store.model, store.gait) == (model, gait)
        store.load(loaded)
    assert loaded[1].walks == 1
    ((camera, weight, vector),) = loaded.prototypes(1, 'gait')
    assert (camera, weight) == ('hall', pytest.approx(0.7))
    np.testing.assert_array_equal(vector, gait_of('anna'))
    loaded.merge(1, 2)
    assert len(loaded.prototypes(1, 'gait')) == 2
    assert loaded[1].walks == 2
    loaded.forget(1)
    assert not np.isfinite(loaded.closeness(gait_of('anna')[None], ['hall'], 'gait').same).any()


def test_a_store_refuses_the_vectors_of_another_gait_network(tmp_path):
    known = Gallery()
    known.learn(known.born(0).number, gait_of('anna'), 'hall', 1.0, 'gait')
    known.confirm(1)
    with GalleryStore(tmp_path / 'g.db', None, ModelId('walk', LENGTH, 'b' * 64)) as store:
        store.save(known)
    with pytest.raises(Exception, match='holds 1 persons by walk'):
        GalleryStore(tmp_path / 'g.db', None, ModelId('other', LENGTH, 'c' * 64))


def test_a_gallery_from_before_gait_is_taken_over(tmp_path):
    path = tmp_path / 'g.db'
    old = sqlite3.connect(path, isolation_level=None)
    old.executescript(f'{_TABLES} PRAGMA user_version = 1;')
    old.execute("INSERT INTO person VALUES (4, 'Anna', 1, 7, '{}', 5, '[]', '[]')")
    old.execute(
        "INSERT INTO prototype VALUES (4, 'hall', 2.0, ?)", (ANNA.look.astype('<f4').tobytes(),)
    )
    old.close()
    for _ in range(2):
        known = Gallery()
        with GalleryStore(path, None, ModelId('walk', LENGTH, 'b' * 64)) as store:
            store.load(known)
            assert (known[4].name, known[4].walks) == ('Anna', len(known.prototypes(4, 'gait')))
            if not known[4].walks:
                known.learn(4, gait_of('anna'), 'hall', 1.0, 'gait')
            store.save(known)
    assert known[4].walks == 1
    np.testing.assert_array_equal(known.prototypes(4)[0][2], ANNA.look)
