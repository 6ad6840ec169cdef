import dataclasses
import json
from pathlib import Path

import networks
import pytest

from reid_ros import card as room
from reid_ros.card import Card, CardError, cards, find, named
from reid_ros.decode import MAKERS, decoder

SHIPPED = Path(__file__).parents[1] / 'config' / 'models'


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Folders of cards, of the cache and of the user's own models, all empty."""
    folders = {name: tmp_path / name for name in ('cards', 'cache', 'own')}
    folders['cards'].mkdir()
    folders['own'].mkdir()
    monkeypatch.setattr(room, 'card_dirs', lambda: [folders['cards']])
    monkeypatch.setenv('XDG_CACHE_HOME', str(folders['cache']))
    monkeypatch.setenv('REID_ROS_MODELS', str(folders['own']))
    folders['cache'] = folders['cache'] / 'reid_ros' / 'models'
    folders['cache'].mkdir(parents=True)
    return folders


def broken(change, value=None):
    """The toy card with one entry changed; `a.b` reaches into a block, None removes."""
    card = networks.detector('yolox_raw')
    *path, last = change.split('.')
    block = card
    for name in path:
        block = block[name]
    if value is None:
        block.pop(last)
    else:
        block[last] = value
    return card


@pytest.mark.parametrize(
    ('change', 'value', 'words'),
    [
        ('licenze', 'MIT', "licenze: no such setting; did you mean 'licence'"),
        ('input.haight', 64, "input.haight: no such setting; did you mean 'height'"),
        ('output.decoder', 'yolox', None),
        ('output.decoder', 'yolox_rwa', "did you mean 'yolox_raw'"),
        ('input.layout', 'NWHC', 'input.layout'),
        ('input.height', 0, 'input.height: 0 is outside'),
        ('input.height', 'tall', "input.height: 'tall' is not a int"),
        ('input.height', None, 'height and width are missing'),
        ('input.mean', [1.0], 'not one number per colour'),
        ('input.std', [1.0, 0.0, 1.0], 'must be above 0'),
        ('input.extra', ['size'], 'is not "NAME size_wh'),
        ('output.person', 3, '3 is not one of 3 classes'),
        ('output.strides', [], 'must be numbers from 1'),
        ('output.decoder', None, 'output.decoder: missing; known: yolox_raw'),
        ('kind', None, 'kind: missing'),
        ('kind', 'appearance', 'output.vector: missing'),
        ('kind', 'detektor', "did you mean 'detector'"),
        ('file', None, 'file: missing'),
        ('path', '/x', "path: no such entry; did you mean 'file'"),
        ('sha256', 'ABC', 'not 64 lower-case hexadecimal digits'),
        ('calibration', 3, 'calibration: 3 is not a block'),
        ('training', 'long', "training: 'long' is not a block"),
        ('input.frames', 4, 'clips are fed as NHWC uint8 alone'),
    ],
)
def test_a_mistake_in_a_card_is_told_with_its_place(tmp_path, change, value, words):
    path = networks.write(tmp_path, broken('name', 'toy'))
    path.write_text(json.dumps(broken(change, value)))
    if words is None:
        assert Card.read(path).output.decoder == value
        return
    with pytest.raises(CardError) as error:
        Card.read(path)
    assert str(error.value).startswith(str(path))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ('text', 'words'), [('{', 'is no JSON'), ('[]', 'is no card'), (None, 'No such file')]
)
def test_a_file_that_is_no_card_is_told(tmp_path, text, words):
    path = tmp_path / 'card.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(CardError, match=words):
        Card.read(path)


def test_bytes_take_no_mean():
    with pytest.raises(CardError, match='uint8 network takes the pixels as they are'):
        Card.of(networks.appearance(input={'dtype': 'uint8', 'mean': [1.0, 1.0, 1.0]}))


@pytest.mark.parametrize('block', ['calibration', 'training'])
def test_free_blocks_are_kept_as_they_are(tmp_path, block):
    facts = {'same': {'mean': 0.2}, 'pairs': [1, 2]}
    card = Card.read(networks.write(tmp_path, networks.appearance(**{block: facts})))
    assert getattr(card, block) == facts
    assert card.path == tmp_path / 'toy.json'


def test_a_written_card_reads_the_same(tmp_path):
    free = {'calibration': {'a': [1.5]}, 'training': {'teacher': 'vit', 'scores': {'mAP': 90.5}}}
    odd = {'layout': 'NHWC', 'dtype': 'uint8', 'order': 'bgr', 'frames': 2}
    card = Card.of(networks.appearance(also=['x.onnx'], input=odd, note='größer', **free))
    path = tmp_path / 'new.json'
    card.write(path)
    assert dataclasses.replace(Card.read(path), path=None) == card
    assert [file.name for file in tmp_path.iterdir()] == ['new.json']


@pytest.mark.parametrize('path', sorted(SHIPPED.glob('*.json')), ids=lambda path: path.stem)
def test_every_shipped_card_survives_writing(path):
    card = dataclasses.replace(Card.read(path), path=None)
    assert Card.of(json.loads(json.dumps(card.to_json()))) == card


def test_a_written_card_says_how_an_image_is_fed_even_as_usual():
    written = Card.of(networks.appearance()).to_json()
    assert written['input']['resize'] == 'linear'
    assert written['input']['order'] == 'rgb'
    assert 'path' not in written
    assert 'note' not in written


def test_a_card_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(CardError, match=r'gone/new\.json: No such file'):
        Card.of(networks.appearance()).write(tmp_path / 'gone' / 'new.json')


def test_a_network_of_clips_cannot_serve_a_robot(places):
    odd = {'layout': 'NHWC', 'dtype': 'uint8', 'frames': 4}
    networks.write(places['cards'], networks.appearance('toy', input=odd))
    (places['own'] / 'toy.onnx').write_bytes(b'x')
    assert find('toy')[1].input.frames == 4
    with pytest.raises(
        CardError, match='toy takes clips of 4 frames, but a robot looks at single'
    ):
        find('toy', 'appearance')


def test_a_card_beside_the_file_wins(places, tmp_path):
    networks.write(places['cards'], networks.appearance('toy', licence='known'))
    file = tmp_path / 'toy.onnx'
    file.write_bytes(b'x')
    assert find(str(file))[1].licence == 'known'
    networks.write(tmp_path, networks.appearance('mine', licence='beside')).rename(
        tmp_path / 'toy.json'
    )
    assert find(str(file)) == (file, Card.read(tmp_path / 'toy.json'))


def test_a_renamed_file_is_known_by_its_checksum(places, tmp_path):
    file = tmp_path / 'renamed.onnx'
    file.write_bytes(b'weights')
    with pytest.raises(CardError, match=r'renamed\.onnx has no card: write .*renamed\.json'):
        find(str(file))
    networks.write(places['cards'], networks.appearance('toy', sha256=room.sha256(file)))
    assert find(str(file))[1].name == 'toy'


@pytest.mark.parametrize('where', ['cards', 'own', 'cache'])
@pytest.mark.parametrize('file', ['toy.onnx', 'toy_v2.onnx'])
def test_a_name_finds_its_file_in_every_place(places, where, file):
    networks.write(places['cards'], networks.appearance('toy', also=['toy_v2.onnx']))
    (places[where] / file).write_bytes(b'x')
    path, card = find('toy', 'appearance')
    assert path == places[where] / file
    assert card.name == 'toy'


@pytest.mark.parametrize(
    ('entry', 'words'),
    [
        ({'url': 'https://example.org/toy.onnx'}, "get it with 'reid_ros models pull toy'"),
        ({'command': 'export.py toy'}, 'export.py toy makes it; put it there'),
        ({}, 'put it there, or give the path of the file'),
    ],
)
def test_a_missing_file_is_told_with_the_next_step(places, entry, words):
    networks.write(places['cards'], networks.appearance('toy', **entry))
    with pytest.raises(CardError) as error:
        find('toy')
    assert words in str(error.value)
    assert str(places['own']) in str(error.value)


def test_a_name_that_nobody_knows_is_told_with_the_nearest(places):
    networks.write(places['cards'], networks.appearance('osnet_small'))
    with pytest.raises(CardError, match="no model 'osnet_smal': did you mean 'osnet_small'"):
        find('osnet_smal')


def test_a_network_of_another_kind_is_refused(places):
    networks.write(places['cards'], networks.appearance('toy'))
    (places['own'] / 'toy.onnx').write_bytes(b'x')
    with pytest.raises(
        CardError, match='toy is of kind appearance and cannot serve as a detector'
    ):
        find('toy', 'detector')


@pytest.mark.parametrize(
    ('name', 'words'), [('gone.onnx', 'no such model file'), ('model.pt', r'is no \.onnx file')]
)
def test_a_file_that_cannot_be_used_is_told(places, tmp_path, name, words):
    (tmp_path / 'model.pt').write_bytes(b'x')
    with pytest.raises(CardError, match=words):
        find(str(tmp_path / name))


@pytest.mark.parametrize('path', sorted(SHIPPED.glob('*.json')), ids=lambda path: path.stem)
def test_every_card_that_is_shipped_is_sound(path):
    card = Card.read(path)
    assert card.name == path.stem
    assert card.licence
    assert card.source
    assert card.url or card.command or card.sha256, 'nobody could get this file'
    if card.kind == 'detector':
        assert decoder(card).shapes


def test_the_shipped_cards_show_every_decoder_and_no_name_twice():
    known = cards()
    assert {card.output.decoder for card in known} >= set(MAKERS)
    assert len({card.file for card in known}) == len(known)
    assert named('yolox_nano').kind == 'detector'
    assert named('osnet_x0_25_msmt17').output.vector == 512


def test_what_is_not_free_is_said():
    for card in cards():
        if 'ultralytics' in card.source or card.output.decoder == 'efficient_nms':
            assert 'AGPL-3.0' in card.licence
