"""What people wear."""

import math

import numpy as np
import pytest

from reid_ros.world import outfit as outfits
from reid_ros.world.seeds import generator

COMMON = ('black', 'grey', 'blue', 'white')


def wardrobe(n=1500, split='train'):
    rng = generator(split, 'outfits')
    return [outfits.draw(rng) for _ in range(n)]


def test_the_same_seed_gives_the_same_clothes():
    assert wardrobe(20) == wardrobe(20)
    assert wardrobe(20) != wardrobe(20, 'test')


def test_colours_are_skewed_as_stated():
    people = wardrobe()
    for part, shares in (('upper', outfits.UPPER_SHARES), ('lower', outfits.LOWER_SHARES)):
        assert math.isclose(sum(shares.values()), 1.0)
        worn = [getattr(someone, part).colour for someone in people]
        for colour in COMMON:
            share = worn.count(colour) / len(worn)
            assert abs(share - shares[colour]) < 0.06, (part, colour)
        common = sum(worn.count(colour) for colour in COMMON) / len(worn)
        assert 0.72 < common < 0.93, part
        assert max(set(worn), key=worn.count) == 'black'


def test_two_people_in_black_are_close_but_not_equal():
    tones = [o.upper.bgr for o in wardrobe(400) if o.upper.colour == 'black']
    assert len(set(tones)) > 0.7 * len(tones)
    assert np.ptp(np.array(tones), axis=0).max() < 30


@pytest.mark.parametrize('seed', range(25))
def test_changed_clothes_keep_skin_and_hair(seed):
    rng = generator('validation', 'change', seed)
    before = outfits.draw(rng)
    after = outfits.change(before, rng)
    for kept in ('skin', 'hair', 'hair_style', 'glasses'):
        assert getattr(after, kept) == getattr(before, kept)
    colours = [(o.upper.colour, o.lower.colour) for o in (before, after)]
    assert colours[0] != colours[1]


def test_a_bag_changes_nothing_else():
    rng = generator('train', 'bag')
    before = outfits.draw(rng)
    after = outfits.with_bag(before, rng, 'backpack')
    assert after.bag == 'backpack'
    assert (after.upper, after.lower, after.grain) == (before.upper, before.lower, before.grain)
    drawn = {outfits.with_bag(before, rng).bag for _ in range(60)}
    assert drawn == {'backpack', 'shoulder bag', 'handbag'}


def test_a_coat_hangs_over_the_same_trousers():
    rng = generator('train', 'coat')
    before = outfits.draw(rng)
    after = outfits.with_coat(before, rng)
    assert after.upper.kind == 'coat'
    assert after.hem >= 0.6
    assert after.lower == before.lower
    assert after.inner == before.upper.bgr


def test_every_kind_of_garment_is_worn_by_somebody():
    people = wardrobe()
    assert {o.upper.kind for o in people} >= {
        't-shirt',
        'shirt',
        'jumper',
        'jacket',
        'coat',
        'dress',
    }
    assert {o.lower.kind for o in people} == {'trousers', 'jeans', 'leggings', 'shorts', 'skirt'}
    assert {o.hat for o in people} == {'none', 'cap', 'beanie', 'brim'}
    assert {o.bag for o in people} == {'none', 'backpack', 'shoulder bag', 'handbag'}
