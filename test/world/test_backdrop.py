"""Pictures of places: right in perspective and depth, equal for equal cameras."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from reid_ros.lens import Lens, Pose, View
from reid_ros.world import place
from reid_ros.world.backdrop import Backdrop
from reid_ros.world.place import KINDS
from reid_ros.world.seeds import generator

_DISTORTION = (-0.28, 0.09, 0.0005, -0.0003, 0.0)


def _view(x, y, z, heading, tilt, distortion=_DISTORTION, width=320, height=240):
    c, s, ct, st = np.cos(heading), np.sin(heading), np.cos(tilt), np.sin(tilt)
    forward, right = np.array([c * ct, s * ct, -st]), np.array([s, -c, 0])
    spin = np.column_stack([right, np.cross(forward, right), forward])
    focal = 0.75 * width
    matrix = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    lens = Lens(matrix, np.array(distortion))
    return View(width, height, lens, Pose(spin, np.array([x, y, z], float)))


@pytest.fixture(scope='module')
def drawn():
    return place.draw(generator('train', 'backdrop', 1), 'office')


@pytest.fixture(scope='module')
def backdrop(drawn):
    return Backdrop(drawn)


@pytest.fixture
def corner(drawn):
    """A camera high in a corner that looks down into the room."""
    return _view(0.4, 0.4, 2.6, np.arctan2(drawn.size[1], drawn.size[0]), 0.4)


@pytest.fixture
def robot(drawn):
    return _view(drawn.size[0] / 2, drawn.size[1] / 2, 0.9, 0.4, 0.03)


def _points(view, depth):
    """(h, w, 3) world points of all pixels, inverted by Newton's method from `Lens.pixels`."""
    pixels = np.stack(np.meshgrid(np.arange(view.width), np.arange(view.height)), -1)
    pixels = pixels.reshape(-1, 2).astype(float)
    rays = view.lens.rays(pixels)
    for _ in range(40):
        error = pixels - view.lens.pixels(rays)
        rays[:, :2] += 0.8 * error / view.lens.matrix[0, 0]
    assert np.abs(error).max() < 1e-6
    local = rays * depth.reshape(-1, 1)
    points = local @ view.pose.rotation.T + view.pose.position
    return points.reshape(view.height, view.width, 3)


def _nearest(drawn, view, points):
    """(h, w) depth of the nearest opaque face along each ray, by a plain loop over the faces."""
    rays = points - view.pose.position
    depth = (rays @ view.pose.rotation)[..., 2]
    rays = rays / depth[..., None]
    best = np.full(depth.shape, 1000.0)
    for quad in drawn.quads:
        if quad.surface.cutout or (view.pose.position - quad.corner) @ quad.normal <= 0:
            continue
        with np.errstate(divide='ignore', invalid='ignore'):
            z = ((quad.corner - view.pose.position) @ quad.normal) / (rays @ quad.normal)
            hit = view.pose.position + z[..., None] * rays - quad.corner
            s = hit @ quad.along / (quad.along @ quad.along)
            t = hit @ quad.down / (quad.down @ quad.down)
        inside = (z > 0) & (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
        best = np.where(inside & (z < best), z, best)
    return best


@pytest.mark.parametrize('moving', [False, True])
@pytest.mark.parametrize('distortion', [_DISTORTION, (0.0, 0.0, 0.0, 0.0, 0.0)])
def test_depth_is_that_of_the_planes_of_the_place(drawn, backdrop, moving, distortion):
    size = drawn.size
    view = _view(0.4, 0.4, 2.6, np.arctan2(size[1], size[0]), 0.4, distortion)
    depth = backdrop.canvas(view, moving).depth
    assert depth.dtype == np.float32
    assert depth.shape == (240, 320)
    wanted = _nearest(drawn, view, _points(view, np.ones_like(depth)))
    # Chair legs and leaves, which the plain loop leaves out, can only be nearer.
    right = np.abs(depth / wanted - 1) < 5e-4
    assert (right | (depth < wanted)).mean() > 0.998
    assert right.mean() > 0.85


@pytest.mark.parametrize('moving', [False, True])
def test_the_floor_lies_where_the_camera_says(drawn, backdrop, corner, moving):
    points = _points(corner, backdrop.canvas(corner, moving).depth)
    floor = np.abs(points[..., 2]) < 0.004
    assert floor.mean() > 0.2
    pixels, depth = corner.look(points[floor])
    rows, columns = np.nonzero(floor)
    assert np.abs(pixels - np.column_stack([columns, rows])).max() < 0.05
    assert depth.min() > 1


def test_a_moving_camera_sees_what_a_fixed_one_sees_from_there(backdrop, corner, robot):
    for view in (corner, robot):
        fixed, moving = backdrop.canvas(view), backdrop.canvas(view, moving=True)
        soft = [cv2.blur(one.image, (5, 5)).astype(float) for one in (fixed, moving)]
        assert np.abs(soft[0] - soft[1]).mean() < 3
        assert (np.abs(fixed.depth / moving.depth - 1) < 1e-3).mean() > 0.99


def test_a_canvas_belongs_to_its_caller(backdrop, corner):
    first = backdrop.canvas(corner)
    before = first.image.copy(), first.depth.copy()
    first.image[:] = 0
    first.depth[:] = 0
    again = backdrop.canvas(corner)
    assert (again.image == before[0]).all()
    assert (again.depth == before[1]).all()


def test_the_same_place_gives_the_same_bytes_and_others_do_not(drawn, backdrop, corner):
    twin = Backdrop(place.draw(generator('train', 'backdrop', 1), 'office'))
    other = Backdrop(place.draw(generator('train', 'backdrop', 2), 'corridor'))
    for moving in (False, True):
        mine = backdrop.canvas(corner, moving).image
        assert (twin.canvas(corner, moving).image == mine).all()
        assert np.abs(other.canvas(corner, moving).image.astype(int) - mine).mean() > 10


def test_what_was_drawn_before_changes_nothing(drawn, backdrop, robot):
    before = backdrop.canvas(robot, moving=True)
    for heading in np.linspace(0, 6, 7):
        backdrop.canvas(_view(3, 3, 0.7, heading, 0.0), moving=True)
    after = backdrop.canvas(robot, moving=True)
    assert (before.image == after.image).all()
    assert (before.depth == after.depth).all()


@pytest.mark.parametrize('kind', KINDS)
def test_no_pixel_inside_a_place_is_left_empty(kind):
    drawn = place.draw(generator('validation', 'backdrop', kind), kind)
    backdrop = Backdrop(drawn)
    for heading in (0.3, 2.0, 3.7, 5.2):
        view = _view(drawn.size[0] / 2, drawn.size[1] / 2, 1.0, heading, 0.1)
        canvas = backdrop.canvas(view, moving=True)
        assert canvas.depth.max() < 150
        assert canvas.depth.min() > 0.02
        assert 40 < canvas.image.mean() < 220
        assert canvas.image.std() > 15


def test_a_camera_upright_or_wide_gets_its_own_shape(backdrop):
    for width, height in ((180, 320), (320, 180)):
        view = _view(1, 1, 2, 0.7, 0.3, width=width, height=height)
        assert backdrop.canvas(view).image.shape == (height, width, 3)


def test_pictures_come_fast_enough_for_a_live_world(backdrop, drawn):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        views = [_view(4, 4, 0.9, h, 0.0, width=640, height=480) for h in np.linspace(0, 6, 10)]
        backdrop.canvas(views[0], moving=True)
        spent = []
        for view in views:
            start = time.process_time()
            backdrop.canvas(view, moving=True)
            spent.append(time.process_time() - start)
    finally:
        cv2.setNumThreads(threads)
    # 8 ms is the aim on a quiet core; a shared one gets room.
    assert min(spent) < 0.02
