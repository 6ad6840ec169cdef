"""Pictures of people whom somebody else follows: what an album makes of them."""

import networks
import numpy as np
import pytest

from reid_ros.card import Card
from reid_ros.config import EmbedConfig
from reid_ros.crops import SEEN_NS, Album, Crop
from reid_ros.embed import Embedder
from reid_ros.model import Model

NS = 1_000_000_000
STEP_NS = NS // 10
RED, BLUE = (30, 30, 220), (220, 60, 30)


@pytest.fixture(scope='module')
def embedder(tmp_path_factory):
    path = tmp_path_factory.mktemp('crops') / 'look.onnx'
    networks.means(path)
    with Model.load(path, Card.of(networks.appearance('look')), backend='cpu') as model:
        yield Embedder(model)


@pytest.fixture
def album(embedder):
    return Album('lens', EmbedConfig(period_s=0.5), embedder)


def crop(track, colour, x=100.0, **more):
    image = np.full((160, 60, 3), colour, np.uint8)
    return Crop(track, image, (x, 100.0, x + 60.0, 260.0), 640, 480, **more)


def test_pictures_become_tracks_with_vectors(album):
    seen = album.observe([crop(4, RED), crop(2, BLUE, 300.0)], {2, 4}, NS)
    assert (seen.camera, seen.stamp_ns) == ('lens', NS)
    assert seen.tracks.ids.tolist() == [2, 4]
    assert seen.tracks.boxes[1].tolist() == [100, 100, 160, 260]
    assert seen.tracks.confirmed.all()
    assert not seen.tracks.predicted.any()
    assert seen.rows.tolist() == [0, 1]
    assert np.allclose(np.linalg.norm(seen.vectors, axis=1), 1.0, atol=1e-5)
    assert (seen.qualities > 0.3).all()


def test_the_colours_of_a_picture_are_read_in_its_order(embedder):
    vectors = []
    for order, colour in (('bgr', RED), ('rgb', RED[::-1]), ('bgr', RED[::-1])):
        album = Album('lens', EmbedConfig(), embedder)
        vectors.append(album.observe([crop(1, colour, order=order)], {1}, NS).vectors[0])
    assert vectors[0] @ vectors[1] == pytest.approx(1.0, abs=1e-4)
    assert vectors[0] @ vectors[2] < 0.99


def test_somebody_is_looked_at_often_at_first_and_then_now_and_then(album):
    looks = []
    for i in range(40):
        seen = album.observe([crop(1, RED)], {1}, NS + i * STEP_NS)
        looks.append(len(seen.rows))
    assert looks[:8] == [1] * 8
    assert sum(looks[8:]) == pytest.approx(32 * 0.1 / 0.5, abs=2)


def test_who_has_no_new_picture_stays_and_is_not_looked_at_again(album):
    album.observe([crop(1, RED), crop(2, BLUE, 300.0)], {1, 2}, NS)
    seen = album.observe([crop(2, BLUE, 300.0)], {1, 2}, NS + 2 * STEP_NS)
    assert seen.tracks.ids.tolist() == [1, 2]
    assert seen.rows.tolist() == [1]
    assert not seen.tracks.predicted.any()
    late = album.observe([crop(2, BLUE, 300.0)], {1, 2}, NS + SEEN_NS + STEP_NS)
    assert late.tracks.predicted.tolist() == [True, False], 'long without a picture'


def test_who_is_not_followed_any_more_has_ended_once(album):
    album.observe([crop(1, RED), crop(2, BLUE, 300.0)], {1, 2}, NS)
    seen = album.observe([], {2}, NS + STEP_NS)
    assert (seen.tracks.ids.tolist(), seen.tracks.ended.tolist()) == ([2], [1])
    seen = album.observe([], {2}, NS + 2 * STEP_NS)
    assert seen.tracks.ended.tolist() == []
    assert len(album) == 1


def test_a_picture_of_nobody_who_is_followed_is_left_aside(album):
    seen = album.observe([crop(9, RED)], {1}, NS)
    assert (len(seen.tracks), len(seen.rows)) == (0, 0)


def test_a_picture_that_comes_late_does_not_turn_time_back(album):
    album.observe([crop(1, RED)], {1, 2}, NS + 3 * STEP_NS)
    seen = album.observe([crop(2, BLUE, 300.0)], {1, 2}, NS)
    assert seen.stamp_ns == NS + 3 * STEP_NS
    assert seen.rows.tolist() == [1]


def test_a_person_whom_another_hides_counts_less(album):
    alone = album.observe([crop(1, RED)], {1}, NS).qualities[0]
    # Who stands nearer ends lower in the image.
    hidden = Crop(2, np.full((160, 60, 3), BLUE, np.uint8), (110, 90, 170, 250), 640, 480)
    seen = album.observe([crop(1, RED), hidden], {1, 2}, NS + 5 * STEP_NS)
    values = dict(zip(seen.tracks.ids[seen.rows].tolist(), seen.qualities.tolist()))
    assert values[1] == pytest.approx(alone, abs=1e-5)
    assert values.get(2, 0.0) < 0.5 * alone
