"""Places: what stands where, and that people can get everywhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reid_ros.world import place
from reid_ros.world.place import KINDS, RECESS_M
from reid_ros.world.seeds import generator

_CELL_M = 0.1


def _place(kind, seed=0):
    return place.draw(generator('train', 'place', kind, seed), kind)


_ALL = pytest.mark.parametrize(
    'drawn', [_place(kind, seed) for kind in KINDS for seed in range(3)], ids=lambda p: p.kind
)


def _numbers(drawn):
    quads = [(q.corner, q.along, q.down) for q in drawn.quads]
    return np.concatenate([np.ravel(quads), np.ravel(drawn.obstacles), np.ravel(drawn.doors)])


def _free(drawn, margin_m):
    """Cells of the floor whose middle is that far from walls and things."""
    cells = [round(side / _CELL_M) for side in drawn.size]
    blocked = np.zeros((cells[1] + 2, cells[0] + 2), np.uint8)
    blocked[[0, -1]] = blocked[:, [0, -1]] = 1
    for x0, y0, x1, y1 in (drawn.obstacles / _CELL_M).round().astype(int).tolist():
        blocked[max(y0, 0) + 1 : y1 + 1, max(x0, 0) + 1 : x1 + 1] = 1
    away = cv2.distanceTransform(1 - blocked, cv2.DIST_L2, 5) * _CELL_M
    return away >= margin_m


@pytest.mark.parametrize('kind', KINDS)
def test_the_same_random_numbers_give_the_same_place(kind):
    one, two = _place(kind), _place(kind)
    assert _numbers(one).tobytes() == _numbers(two).tobytes()
    assert [q.surface for q in one.quads] == [q.surface for q in two.quads]
    other = _place(kind, 1)
    assert one.size != other.size
    assert {q.surface for q in one.quads}.isdisjoint(q.surface for q in other.quads)


@_ALL
def test_things_stand_on_the_floor_and_apart(drawn):
    low, high = drawn.obstacles[:, :2], drawn.obstacles[:, 2:]
    assert len(drawn.obstacles) >= 3
    assert (low > 0).all()
    assert (high < drawn.size).all()
    for k, (x0, y0, x1, y1) in enumerate(drawn.obstacles):
        gap = place.WALKWAY_M
        near = (low[:, 0] < x1 + gap) & (high[:, 0] > x0 - gap)
        near &= (low[:, 1] < y1 + gap) & (high[:, 1] > y0 - gap)
        assert near.sum() == 1, k


@_ALL
def test_what_is_seen_of_things_stays_over_their_footprints(drawn):
    """Crowns of trees and leaves of plants may hang over; chairs stick out of no table's place."""
    for quad in drawn.quads:
        if quad.shell or quad.surface.cutout:
            continue
        corners = quad.corner[:2] + np.array([np.zeros(2), quad.along[:2], quad.down[:2]])
        x, y = corners.mean(axis=0)
        x0, y0, x1, y1 = drawn.obstacles.T
        slack = 0.1
        assert ((x0 - slack < x) & (x < x1 + slack) & (y0 - slack < y) & (y < y1 + slack)).any()


@_ALL
def test_every_door_can_be_reached_from_every_other_on_wide_ways(drawn):
    _, labels = cv2.connectedComponents(_free(drawn, 0.55).astype(np.uint8))
    inside = drawn.doors[:, :2] + 0.8 * np.column_stack(
        [np.cos(drawn.doors[:, 2]), np.sin(drawn.doors[:, 2])]
    )
    cells = (inside / _CELL_M + 1).astype(int)
    found = labels[cells[:, 1], cells[:, 0]]
    assert len(drawn.doors) >= 2
    assert (found > 0).all()
    assert len(set(found.tolist())) == 1
    # No pocket of the floor where somebody could stand is cut off.
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes.max() > 0.98 * sizes.sum()


@_ALL
def test_doors_lie_in_walls_and_lead_inward(drawn):
    x, y, heading = drawn.doors.T
    ahead = drawn.doors[:, :2] + 0.5 * np.column_stack([np.cos(heading), np.sin(heading)])
    on_wall = np.minimum.reduce([x, y, drawn.size[0] - x, drawn.size[1] - y])
    assert np.abs(on_wall).max() < 1e-9
    assert (ahead > 0).all()
    assert (ahead < drawn.size).all()
    assert RECESS_M > 1


@_ALL
def test_light_is_of_a_kind_that_figures_can_share(drawn):
    light = drawn.light
    assert np.linalg.norm(light.direction) == pytest.approx(1)
    assert light.direction[2] > 0.4
    assert 0.3 < light.ambient + light.diffuse <= 1.15
    ground = np.random.default_rng(0).uniform(0, drawn.size, (200, 2))
    assert 0.75 < light.brightness(ground).min() <= light.brightness(ground).max() < 1.45


def test_sizes_are_those_of_real_places():
    for seed in range(8):
        x, y = _place('hall', seed).size
        assert 14 <= x <= 20
        assert 10 <= y <= 14
        x, y = _place('corridor', seed).size
        assert 16 <= x <= 24
        assert 3 <= y <= 4


def test_an_unknown_kind_is_refused_with_those_that_exist():
    with pytest.raises(place.PlaceError, match=r"'harbour'.*hall, office, corridor, shop, yard"):
        place.draw(generator('train', 'place'), 'harbour')
