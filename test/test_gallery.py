"""The persons known so far."""

import numpy as np
import pytest
from people import degrees, figures, turned

from reid_ros.gallery import Gallery, GalleryError, Person
from reid_ros.prototypes import NOVEL_COSINE, PROTOTYPES

ANNA, BERT, CARL = figures('anna', 'bert', 'carl')


def gallery(*people, cameras=('hall',)):
    """People 1, 2, ... with one vector per camera."""
    result = Gallery()
    for figure in people:
        number = result.born(0).number
        for camera in cameras:
            result.learn(number, figure.look, camera, 1.0)
    return result


def angle(cosine):
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


# -- prototypes ----------------------------------------------------------------------------------


def test_like_vectors_of_a_camera_become_one_prototype_in_their_middle():
    draw = np.random.default_rng(0)
    known = gallery(ANNA)
    for _ in range(50):
        known.learn(1, turned(ANNA.look, 8, draw), 'hall', 1.0)
    ((camera, weight, vector),) = known.prototypes(1)
    assert (camera, weight) == ('hall', pytest.approx(21, abs=1))
    assert degrees(vector, ANNA.look) < 4
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert known[1].crops == 51


def test_an_unlike_vector_and_another_camera_found_new_prototypes():
    known = gallery(ANNA)
    known.learn(1, ANNA.turn(40).look, 'hall', 1.0)
    known.learn(1, ANNA.look, 'yard', 1.0)
    assert [camera for camera, _, _ in known.prototypes(1)] == ['hall', 'hall', 'yard']


def test_there_are_at_most_eight_diverse_prototypes_and_no_camera_starves():
    draw = np.random.default_rng(1)
    known = gallery(ANNA, cameras=('hall', 'yard', 'door'))
    for _ in range(300):
        known.learn(1, turned(ANNA.look, draw.uniform(0, 90), draw), 'hall', 1.0)
    known.learn(1, ANNA.look, 'yard', 1.0)
    found = known.prototypes(1)
    assert len(found) == PROTOTYPES
    assert {camera for camera, _, _ in found} == {'hall', 'yard', 'door'}
    hall = np.stack([vector for camera, _, vector in found if camera == 'hall'])
    assert len(hall) == 6
    cosines = (hall @ hall.T)[np.triu_indices(6, 1)]
    assert cosines.max() < NOVEL_COSINE


def test_more_cameras_than_places_are_all_learnt_without_failing():
    known = gallery(ANNA, cameras=[f'cam{i}' for i in range(12)])
    found = known.prototypes(1)
    assert len(found) == PROTOTYPES
    assert all(np.isfinite(vector).all() for _, _, vector in found)


def test_a_prototype_follows_slow_changes():
    known = gallery(ANNA)
    for step in range(90):
        known.learn(1, ANNA.turn(step).look, 'hall', 1.0)
    known.learn(1, ANNA.turn(90).look, 'hall', 1.0)
    best = max(ANNA.turn(90).look @ vector for _, _, vector in known.prototypes(1))
    assert angle(best) < 20


def test_a_heavy_prototype_still_moves():
    known = gallery(ANNA)
    for _ in range(1000):
        known.learn(1, ANNA.look, 'hall', 1.0)
    target = ANNA.turn(15).look
    for _ in range(60):
        known.learn(1, target, 'hall', 1.0)
    assert min(degrees(target, vector) for _, _, vector in known.prototypes(1)) < 3


# -- closeness -----------------------------------------------------------------------------------


def test_closeness_is_that_of_a_plain_loop():
    draw = np.random.default_rng(2)
    known = Gallery()
    for _ in range(40):
        number = known.born(0).number
        look = draw.normal(size=64)
        look /= np.linalg.norm(look)
        for _ in range(int(draw.integers(0, 12))):
            camera = str(draw.choice(['hall', 'yard']))
            known.learn(number, turned(look, 40, draw), camera, float(draw.uniform(0.3, 1)))
    for number in (3, 40, 17, 1):
        known.forget(number)
    vectors = np.stack([turned(ANNA.look, 30, draw) for _ in range(5)])
    cameras = ['hall', 'yard', 'hall', 'door', 'yard']
    found = known.closeness(vectors, cameras)
    assert sorted(found.persons.tolist()) == sorted(p.number for p in known)
    for row, (vector, camera) in enumerate(zip(vectors, cameras)):
        for number, column in known.columns.items():
            assert found.persons[column] == number
            same = [v @ vector for c, _, v in known.prototypes(number) if c == camera]
            cross = [v @ vector for c, _, v in known.prototypes(number) if c != camera]
            for values, got in ((same, found.same), (cross, found.cross)):
                want = max(values, default=np.nan)
                np.testing.assert_allclose(got[row, column], want, atol=1e-5)
            own = known.own_closeness(vector[None], [camera], [number])
            np.testing.assert_allclose(own.same[0, 0], found.same[row, column], atol=1e-5)
            np.testing.assert_allclose(own.cross[0, 0], found.cross[row, column], atol=1e-5)


def test_an_empty_gallery_is_close_to_nobody():
    found = Gallery().closeness(ANNA.look[None], ['hall'])
    assert found.persons.shape == (0,)
    assert found.same.shape == found.cross.shape == (1, 0)


def test_a_person_without_vectors_is_close_to_nobody_even_in_the_place_of_a_forgotten_one():
    known = gallery(ANNA, BERT)
    known.forget(2)
    known.born(0)
    found = known.closeness(BERT.look[None], ['hall'])
    assert found.persons.tolist() == [1, 3]
    assert np.isnan(found.same[0, 1])
    assert np.isnan(found.cross[0, 1])


def test_an_answer_does_not_change_when_the_gallery_does():
    known = gallery(ANNA, BERT, CARL)
    found = known.closeness(ANNA.look[None], ['hall'])
    known.forget(1)
    assert found.persons.tolist() == [1, 2, 3]


@pytest.mark.parametrize('what', ['learn', 'closeness', 'own_closeness', 'restore', 'expect'])
def test_a_vector_of_another_length_is_refused(what):
    known = gallery(ANNA)
    short = np.eye(1, 32, dtype=np.float32)
    call = {
        'learn': lambda: known.learn(1, short[0], 'hall', 1.0),
        'closeness': lambda: known.closeness(short, ['hall']),
        'own_closeness': lambda: known.own_closeness(short, ['hall'], [1]),
        'restore': lambda: known.restore(1, [('hall', 1.0, short[0])]),
        'expect': lambda: known.expect(32),
    }[what]
    with pytest.raises(GalleryError, match="'reid_ros gallery clear' or use the model it was"):
        call()
    assert degrees(known.prototypes(1)[0][2], ANNA.look) < 0.1


def test_a_cleared_gallery_takes_vectors_of_any_length():
    known = gallery(ANNA, BERT)
    known.clear()
    assert len(known) == 0
    number = known.born(0).number
    known.learn(number, np.eye(1, 32, dtype=np.float32)[0], 'hall', 1.0)
    assert number == 3
    assert len(known.prototypes(3)) == 1


# -- numbers and names ---------------------------------------------------------------------------


def test_numbers_are_never_used_again():
    known = gallery(ANNA, BERT)
    known.forget(2)
    assert known.born(0).number == 3
    known.clear()
    assert known.born(0).number == 4


def test_a_number_is_taken_once():
    known = gallery(ANNA)
    with pytest.raises(GalleryError, match='person 1 already'):
        known.insert(Person(1, 0))
    known.insert(Person(9, 0))
    assert known.born(0).number == 10


def test_nobody_is_found_under_an_unknown_number():
    with pytest.raises(GalleryError, match='no person 5; the gallery holds 1, 2'):
        gallery(ANNA, BERT)[5]
    with pytest.raises(GalleryError, match='the gallery holds nobody'):
        Gallery()[1]


def test_a_name_belongs_to_one_person_and_can_be_taken_away():
    known = gallery(ANNA, BERT)
    known.name(1, 'Anna')
    assert known[1].confirmed
    with pytest.raises(GalleryError, match="person 1 is already called 'Anna': merge the two"):
        known.name(2, 'Anna')
    known.name(1, 'Anna')
    known.name(1, '')
    known.name(2, 'Anna')
    assert [p.name for p in known] == ['', 'Anna']


# -- merging and forgetting ----------------------------------------------------------------------


def test_a_merge_brings_everything_together():
    known = gallery(ANNA, BERT, CARL)
    known.learn(2, BERT.look, 'yard', 1.0)
    known.name(2, 'Anna')
    known.cannot_link(2, 3)
    known[1].seen_ns.update(hall=5, yard=7)
    known[2].seen_ns.update(hall=9, yard=3)
    known[1].born_ns, known[2].born_ns = 4, 2
    known.merge(1, 2)
    merged = known[1]
    assert 2 not in known
    assert (merged.name, merged.confirmed, merged.born_ns) == ('Anna', True, 2)
    assert merged.seen_ns == {'hall': 9, 'yard': 7}
    assert merged.crops == 3
    assert merged.merged == {2}
    assert merged.never == {3}
    assert known[3].never == {1}
    assert {camera for camera, _, _ in known.prototypes(1)} == {'hall', 'yard'}


def test_merged_numbers_are_remembered_through_a_second_merge():
    known = gallery(ANNA, BERT, CARL)
    known.merge(2, 3)
    known.merge(1, 2)
    assert known[1].merged == {2, 3}


def test_people_seen_side_by_side_and_oneself_are_not_merged():
    known = gallery(ANNA, BERT)
    known.cannot_link(1, 2)
    for into, gone, words in ((1, 2, 'two people'), (2, 1, 'two people'), (1, 1, 'itself')):
        with pytest.raises(GalleryError, match=words):
            known.merge(into, gone)
    with pytest.raises(GalleryError, match='no person 8'):
        known.merge(1, 8)
    assert len(known) == 2


def test_whoever_is_forgotten_leaves_no_trace():
    known = gallery(ANNA, BERT, CARL)
    known.cannot_link(1, 3)
    known.forget(1)
    assert 1 not in known
    assert known[3].never == set()
    assert known.removed == {1}
    assert 1 not in known.changed
    vectors = known._known['look']._vectors.reshape(-1, 64)
    assert (vectors @ ANNA.look).max() < 0.6
    assert degrees(known.prototypes(3)[0][2], CARL.look) < 0.1


def test_a_random_life_of_a_gallery_agrees_with_a_plain_dictionary():
    """Births, deaths and lessons in any order keep every person's vectors their own."""
    draw = np.random.default_rng(5)
    known, plain = Gallery(), {}
    for _ in range(400):
        act = draw.random()
        if act < 0.3 or not plain:
            number = known.born(0).number
            assert number not in plain
            plain[number] = []
        elif act < 0.5:
            number = int(draw.choice(list(plain)))
            known.forget(number)
            del plain[number]
        else:
            number = int(draw.choice(list(plain)))
            if len(plain[number]) < PROTOTYPES:
                vector = turned(ANNA.look, 90, draw)
                known.learn(number, vector, 'hall', 1.0)
                plain[number].append(vector)
        assert {p.number for p in known} == set(plain) == set(known.columns)
    for number, vectors in plain.items():
        stored = [vector for _, _, vector in known.prototypes(number)]
        np.testing.assert_array_equal(np.array(stored), np.array(vectors))
