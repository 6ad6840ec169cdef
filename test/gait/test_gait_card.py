import gait_graphs
import numpy as np
import pytest

from reid_ros.card import Card, CardError, find, head_of
from reid_ros.check import check
from reid_ros.model import Model

SHAPE = (gait_graphs.CHANNELS, gait_graphs.ROWS, gait_graphs.COLUMNS)


def verdict(path):
    picture = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    return check(path, Card.read(path.with_suffix('.json')), picture, 'cpu')


@pytest.mark.parametrize(
    ('entries', 'words'),
    [
        ({'head': ''}, 'head: missing; a gait network is two graphs'),
        ({'input': {'layout': 'NCHW'}}, 'input.layout: gait networks take masks as NHW uint8'),
        ({'input': {'dtype': 'float32'}}, 'input.layout: gait networks take masks as NHW uint8'),
        ({'input': {'channels': 2}}, 'input.channels: images have 3, not 2'),
        ({'kind': 'appearance'}, 'head: a network of kind appearance has none'),
        ({'kind': 'appearance', 'head': ''}, 'and no others do'),
        ({'kind': 'head'}, "kind: 'head'"),
    ],
)
def test_a_mistake_in_a_gait_card_is_told(entries, words):
    with pytest.raises(CardError, match=words):
        Card.of(gait_graphs.card(**entries))


def test_both_graphs_of_a_gait_network_load_and_answer_a_vector(tmp_path):
    path, card = find(str(gait_graphs.write(tmp_path)), 'gait')
    masks = np.random.default_rng(1).integers(0, 256, (5, 64, 44), dtype=np.uint8)
    with Model.load(path, card, backend='cpu') as frames:
        features = frames.infer(masks)[0]
    assert features.shape == (5, *SHAPE)
    with Model.load(*head_of(path, card, SHAPE), backend='cpu') as head:
        vector = head.infer(features.max(axis=0)[None])[0]
    assert vector.shape == (1, gait_graphs.LENGTH)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_missing_head_is_told(tmp_path):
    path, card = find(str(gait_graphs.write(tmp_path)), 'gait')
    (tmp_path / 'walk_head.onnx').unlink()
    with pytest.raises(CardError, match=r'its head walk_head\.onnx is not beside'):
        head_of(path, card, SHAPE)
    assert any('walk_head.onnx' in problem for problem in verdict(path).problems)


def test_a_sound_gait_network_passes_the_check(tmp_path):
    found = verdict(gait_graphs.write(tmp_path))
    assert found.problems == []
    assert any('NHW, 44 x 64 pixels, uint8' in line for line in found.fits)
    assert any('vector of length 24, norm 1' in line for line in found.fits)


def test_a_head_that_does_not_fit_its_frames_is_told(tmp_path):
    path = gait_graphs.write(tmp_path)
    gait_graphs.head(tmp_path / 'walk_head.onnx', channels=6)
    assert any('6 channels, and only 4' in problem for problem in verdict(path).problems)
    gait_graphs.head(tmp_path / 'walk_head.onnx', unit=False)
    assert any('not of unit length' in problem for problem in verdict(path).problems)


def test_masks_of_another_size_are_told(tmp_path):
    path = gait_graphs.write(tmp_path, input={'width': 64})
    assert any('44 pixels in width, the card says 64' in p for p in verdict(path).problems)
