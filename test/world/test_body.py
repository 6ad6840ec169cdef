"""Bodies are those of adults, each his own."""

from dataclasses import fields, replace

import numpy as np
import pytest

from reid_ros.types import ReidError
from reid_ros.world import body
from reid_ros.world.seeds import generator


def people(count):
    return [body.draw(generator('train', 'body', number)) for number in range(count)]


def test_the_same_seed_builds_the_same_body():
    assert body.draw(generator('test', 3)) == body.draw(generator('test', 3))
    assert body.draw(generator('test', 3)) != body.draw(generator('test', 4))


def test_statures_are_those_of_women_and_men():
    crowd = people(600)
    women = [person.stature for person in crowd if person.shape < 0.5]
    men = [person.stature for person in crowd if person.shape >= 0.5]
    for statures, (mean, spread) in ((women, body.SHAPES['woman']), (men, body.SHAPES['man'])):
        assert len(statures) > 200
        assert np.mean(statures) == pytest.approx(mean, abs=0.012)
        assert np.std(statures) == pytest.approx(spread, rel=0.2)


def test_segments_add_up_to_the_stature():
    for person in people(100):
        ankle = person.foot_height - 0.025
        tall = ankle + person.leg + person.trunk + person.neck + person.head_height
        assert tall == pytest.approx(person.stature, rel=0.02)


def test_ratios_differ_from_person_to_person():
    crowd = people(300)
    ratios = np.array([person.leg / person.stature for person in crowd])
    assert ratios.mean() == pytest.approx(0.491, abs=0.004)
    assert 0.008 < ratios.std() < 0.015


def test_a_heavy_build_is_broad_and_has_a_belly():
    crowd = people(600)
    heavy = [person for person in crowd if person.build > 1.2]
    slender = [person for person in crowd if person.build < -0.8]
    for name in ('waist_breadth', 'waist_depth', 'hip_breadth', 'thigh_radius', 'belly'):
        broad = np.mean([getattr(person, name) for person in heavy])
        narrow = np.mean([getattr(person, name) for person in slender])
        assert broad > 1.1 * narrow, name


def test_every_part_has_a_size_that_people_have():
    for person in people(300):
        for field in fields(person):
            assert np.isfinite(getattr(person, field.name))
        assert 1.40 < person.stature < 2.0
        assert person.hip_spacing < person.hip_breadth < person.stature / 3
        assert person.head_breadth < person.shoulder_breadth
        assert person.thigh_radius > person.calf_radius > person.forearm_radius * 0.95


def test_an_impossible_part_is_refused_by_name():
    with pytest.raises(ReidError, match=r'body\.thigh is -0\.4'):
        replace(body.draw(generator('train', 1)), thigh=-0.4)
