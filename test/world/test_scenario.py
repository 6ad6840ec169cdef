import dataclasses

import pytest

from reid_ros.types import ReidError
from reid_ros.world.cast import look_alike, person
from reid_ros.world.scenario import SCENARIOS, SUITE, Scenario, WorldError, named


def test_the_suite_has_the_six_worlds_that_are_asked_for():
    assert SUITE == ('crossing', 'crowded', 'look_alikes', 'clothing', 'absence', 'robot')
    assert set(SUITE) < set(SCENARIOS)


@pytest.mark.parametrize('name', SUITE)
def test_a_world_of_the_suite_is_long_fast_and_full_enough(name):
    scenario = SCENARIOS[name]
    assert scenario.name == name
    assert 40 <= scenario.seconds <= 60
    assert 10 <= scenario.rate_hz <= 15
    assert 3 <= scenario.cameras <= 4
    assert 8 <= scenario.people <= 16
    assert scenario.portrait == 1
    assert (scenario.width, scenario.height) == (640, 480)


def test_the_demo_is_three_cameras_ten_people_and_two_look_alikes():
    demo = SCENARIOS['demo']
    assert (demo.cameras, demo.people, demo.look_alikes) == (3, 10, 1)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'people': 0}, 'people: 0 is outside 1 to 250'),
        ({'people': 300}, 'people: 300 is outside 1 to 250'),
        ({'people': 2.5}, 'people: 2.5 is not a int'),
        ({'rate_hz': -1.0}, 'rate_hz: -1.0 is outside 0.5 to 120'),
        ({'seconds': 0.0}, 'seconds: 0.0 is outside 1.0 to 3600'),
        ({'loss': 1.5}, 'loss: 1.5 is outside 0.0 to 0.9'),
        ({'place': 'haal'}, "place: 'haal': did you mean 'hall'?"),
        ({'place': 'moon'}, 'hall, office, shop, yard'),
        ({'overlapping': 0, 'apart': 0, 'portrait': 0}, 'no camera'),
        ({'overlapping': 1}, 'set it to 0 or to 2 to 8'),
        ({'portrait': 4}, 'portrait: 4 is outside 0 to 3'),
        ({'at_once': 11}, 'at_once: 11 is outside 1 to 10'),
        ({'look_alikes': 6}, 'look_alikes: 6 is outside 0 to 5'),
        ({'same_body': 11}, 'same_body: 11 is outside 0 to 10'),
        ({'width': 320, 'height': 480}, 'height: 480 is outside 120 to 320'),
        ({'clothing_change': 0.5, 'at_once': 10}, 'valid are 1 to 9'),
        ({'clothing_change': 0.5, 'seconds': 20.0}, 'valid are 24 to 3600'),
        ({'peopel': 3}, "did you mean 'people'?"),
    ],
)
def test_what_cannot_be_is_refused_with_the_valid_range(changes, said):
    with pytest.raises(WorldError, match='custom: ') as caught:
        Scenario().custom(**changes)
    assert said in str(caught.value)
    assert isinstance(caught.value, ReidError)


def test_an_unknown_scenario_is_refused_with_the_known_ones():
    with pytest.raises(WorldError, match=r"did you mean 'crossing'.*demo"):
        named('crosing')


def test_more_people_than_the_floor_holds_are_refused():
    scenario = Scenario(people=60, at_once=60)
    scenario.fits(120.0)
    with pytest.raises(WorldError, match=r'60 people do not fit on 119 m2.* 1 to 59'):
        scenario.fits(119.0)


def test_whole_numbers_are_taken_for_seconds():
    assert Scenario().custom(seconds=30).seconds == 30.0


@pytest.mark.parametrize(('at_once', 'visit_s'), [(5, 10.0), (8, 40.0), (1, 8.0), (10, 45.0)])
def test_a_stay_lasts_as_long_as_keeps_that_many_people_there(at_once, visit_s):
    scenario = Scenario(people=10, at_once=at_once, absence_s=10.0)
    assert scenario.visit_s == pytest.approx(visit_s)


def test_a_scenario_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Scenario().people = 3


def test_a_look_alike_wears_what_another_wears_and_keeps_skin_hair_and_body():
    model, own, one = person('train', 6), person('train', 7), look_alike('train', 7, 6)
    worn, copied = one.outfits[0], model.outfits[0]
    assert (worn.skin, worn.hair, worn.hair_style) == (
        own.outfits[0].skin, own.outfits[0].hair, own.outfits[0].hair_style,
    )  # fmt: skip
    bare = {'skin': copied.skin, 'hair': copied.hair, 'hair_style': copied.hair_style}
    assert dataclasses.replace(worn, grain=copied.grain, **bare) == copied
    assert one.body == own.body
    assert one.look_alike_of == model.number
