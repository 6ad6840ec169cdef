import argparse
import hashlib
import http.server
import json
import shutil
import sys
import threading

import cv2
import networks
import numpy as np
import pytest
from samples import data

from reid_ros import card as room
from reid_ros.cli import models
from reid_ros.types import ReidError


def run(*arguments):
    """Exit status of `reid_ros models ...`; the error of a user's mistake goes to stderr."""
    parser = argparse.ArgumentParser()
    models.add(parser.add_subparsers())
    args = parser.parse_args(['models', *map(str, arguments)])
    try:
        return args.call(args)
    except ReidError as error:
        print(error, file=sys.stderr)
        return 2


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder of cards and one of files; nothing else is known."""
    cards, files = tmp_path / 'cards', tmp_path / 'files'
    cards.mkdir()
    files.mkdir()
    monkeypatch.setattr(room, 'card_dirs', lambda: [cards])
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('REID_ROS_MODELS', str(files))
    return cards, files


def toy(files, card, **network):
    """A network in its place with the card beside it; returns the path."""
    networks.write(files, card)
    return networks.means(files / 'toy.onnx', **network)


def verdict(capsys, *arguments):
    status = run('check', *arguments, '--json', '--backend', 'cpu')
    said = json.loads(capsys.readouterr().out)
    assert said['ok'] == (status == 0)
    assert status in (0, 2)
    return said


def test_the_list_says_what_is_here_and_what_can_be_had(places, capsys):
    cards, files = places
    networks.write(cards, networks.appearance('have', licence='MIT'))
    networks.write(cards, networks.detector('yolox_raw', 'fetch', url='https://example.org/a'))
    networks.write(cards, networks.appearance('build', command='make it'))
    (files / 'have.onnx').write_bytes(b'x' * 1_500_000)
    assert run('list') == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert 'here, 1.5 MB' in lines['have']
    assert 'MIT' in lines['have']
    assert 'pull' in lines['fetch']
    assert 'make' in lines['build']

    assert run('list', '--kind', 'detector', '--json') == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row['name'], row['path'], row['url']) == ('fetch', None, 'https://example.org/a')
    assert run('list', '--kind', 'cat') == 2
    assert 'choose detector' in capsys.readouterr().err


def test_a_card_is_told_in_words(places, capsys):
    cards, _ = places
    entry = {'fit': 'letterbox_topleft', 'order': 'bgr', 'pad': 114}
    networks.write(
        cards, networks.detector('yolox_raw', input=entry, licence='MIT', url='https://x.org/t')
    )
    assert run('describe', 'toy') == 0
    said = capsys.readouterr().out
    for words in (
        '64 x 64 pixels, the image in its top left corner, the rest grey 114',
        'NCHW, BGR, float32',
        'class 0 of 3 is a person; overlapping boxes are removed afterwards',
        'not on this machine',
        'sha256    unknown',
    ):
        assert words in said
    assert run('describe', 'toy', '--json') == 0
    assert json.loads(capsys.readouterr().out)['input']['pad'] == 114
    made = {'teacher': 'vit', 'scores': {'mAP': 9}}
    networks.write(places[0], networks.appearance('made', training=made))
    assert run('describe', 'made') == 0
    assert 'trained   teacher vit\n' in capsys.readouterr().out
    assert run('describe', 'tou') == 2
    assert "did you mean 'toy'" in capsys.readouterr().err


def test_a_network_that_fits_is_said_to_fit(places, capsys):
    path = toy(places[1], networks.appearance(input={'height': 8, 'width': 4}), batch='n')
    said = verdict(capsys, path)
    assert said['ok']
    fits = '\n'.join(said['fits'])
    for words in (
        'input NCHW, 4 x 8 pixels, float32', 'vector of length 3', 'batch free',
        'runs on cpu', 'nodes on CPUExecutionProvider',
    ):  # fmt: skip
        assert words in fits
    assert any('cannot be checked: that the network wants RGB' in note for note in said['notes'])


CLIPS = {'layout': 'NHWC', 'dtype': 'uint8', 'frames': 4}


def test_a_network_of_clips_is_checked_too(places, capsys):
    bytes_in = {'layout': 'NHWC', 'dtype': 'uint8', 'batch': 'n'}
    path = toy(places[1], networks.appearance(input=CLIPS), frames=4, **bytes_in)
    said = verdict(capsys, path)
    assert said['ok'], said['problems']
    assert 'input clips of 4, NHWC, 4 x 8 pixels, uint8' in said['fits']
    assert run('describe', path) == 0
    assert 'clips of 4 images of 4 x 8 pixels' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('card', 'network', 'words'),
    [
        ({'input': CLIPS}, {'layout': 'NHWC', 'dtype': 'uint8'}, '4 axes and not the 5 of'),
        (
            {'input': CLIPS},
            {'layout': 'NHWC', 'dtype': 'uint8', 'frames': 2},
            'clips have 2 frames, the card says 4',
        ),
        ({}, {'frames': 2}, '5 axes and not the 4 of a batch of images'),
        ({'input': {'layout': 'NHWC'}}, {}, 'is NCHW and not NHWC'),
        ({}, {'layout': 'NHWC'}, 'is NHWC and not NCHW'),
        ({'input': {'height': 9}}, {}, '8 pixels in height, the card says 9'),
        ({}, {'dtype': 'float16'}, 'its input is float16, the card says float32'),
        ({}, {'channels': 1}, '1 colour channels'),
        ({'output': {'vector': 512}}, {}, 'vectors of length 3, the card says 512'),
        ({'output': {'names': ['feature']}}, {}, "no output 'feature', only vector"),
        ({'input': {'name': 'data'}}, {}, "no input 'data', only image"),
    ],
)
def test_what_does_not_fit_is_said_in_words(places, capsys, card, network, words):
    path = toy(places[1], networks.appearance(**card), **network)
    said = verdict(capsys, path)
    assert not said['ok']
    assert any(words in problem for problem in said['problems'])
    assert run('check', path) == 2
    out = capsys.readouterr().out
    assert f'PROBLEM {said["problems"][0]}' in out
    assert out.endswith('does not fit\n')


def test_all_that_is_wrong_is_said_at_once(places, capsys):
    card = networks.appearance(
        input={'height': 9, 'width': 5, 'dtype': 'float16'}, output={'names': ['v']}
    )
    assert len(verdict(capsys, toy(places[1], card))['problems']) == 4


def constant(files, card, outputs, **options):
    networks.write(files, card)
    arrays = {name: np.asarray(value, np.float32) for name, value in outputs.items()}
    return networks.constant(files / 'toy.onnx', arrays, **options)


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        (np.full((1, 3), np.nan), '100.0% values that are no numbers'),
        (np.zeros((1, 3)), 'all zero, so it has no direction'),
        (np.ones((1, 3)), 'one vector for two different pictures'),
    ],
)
def test_a_vector_that_says_nothing_is_a_problem(places, capsys, value, words):
    card = networks.appearance(input={'height': 64, 'width': 64})
    said = verdict(capsys, constant(places[1], card, {'v': value}))
    assert any(words in problem for problem in said['problems'])


def test_scores_outside_zero_to_one_are_no_probabilities(places, capsys):
    table = np.zeros((1, 7, 84))
    table[0, 4:] = np.linspace(-6, 3, 84)
    path = constant(places[1], networks.detector('yolov8'), {'out': table})
    (problem,) = verdict(capsys, path)['problems']
    assert 'from -6 to 3' in problem
    assert "output.scores may have to be 'sigmoid'" in problem
    constant(places[1], networks.detector('yolov8', output={'scores': 'sigmoid'}), {'out': table})
    said = verdict(capsys, path)
    assert said['ok']
    assert any('people above 0.25' in line for line in said['fits'])


def test_another_decoder_is_told(places, capsys):
    path = constant(places[1], networks.detector('rtdetr_deploy'), {'out': np.zeros((1, 20, 6))})
    (problem,) = verdict(capsys, path)['problems']
    assert '1 outputs, the decoder rtdetr_deploy reads 3' in problem


def test_a_batch_that_is_free_in_name_only_is_a_problem(places, capsys):
    """Answers of one fixed row, whatever the number of images."""
    card = networks.detector('yolo_nms')
    path = constant(places[1], card, {'out': np.zeros((1, 20, 6))}, batch='n')
    said = verdict(capsys, path)
    assert said['problems'] == ['its batch is declared free, but 2 images give 1 rows: 1x20x6']


def test_a_file_without_a_card_is_described_with_the_next_step(places, capsys):
    path = networks.means(places[1] / 'new.onnx')
    assert run('check', path) == 2
    said = capsys.readouterr()
    assert 'takes   image 1x3x8x4 float32' in said.out
    assert 'answers vector 1x3 float32' in said.out
    assert 'has no card: write' in said.err


def test_a_card_elsewhere_can_be_tried(places, tmp_path, capsys):
    path = networks.means(places[1] / 'new.onnx')
    card = networks.write(tmp_path, networks.appearance())
    assert verdict(capsys, path, '--card', card)['ok']


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['gone.onnx'], 'no such model file'),
        (['toy', '--card', 'CARD'], '--card goes with a file'),
        (['FILE', '--image', 'gone.jpg'], 'gone.jpg: no picture that can be read'),
    ],
)
def test_a_mistake_on_the_command_line_is_told(places, tmp_path, capsys, arguments, words):
    file = toy(places[1], networks.appearance())
    known = {'CARD': networks.write(tmp_path, networks.appearance()), 'FILE': file}
    assert run('check', *(known.get(text, text) for text in arguments)) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize('name', ['yolox_nano_416x416', 'FastestDet'])
def test_a_real_detector_finds_the_people_of_a_real_picture(tmp_path, capsys, name):
    capture = cv2.VideoCapture(str(data('video', 'vtest.avi')))
    cv2.imwrite(str(tmp_path / 'frame.png'), capture.read()[1])
    capture.release()
    path = shutil.copy(data('models', f'{name}.onnx'), tmp_path)
    said = verdict(capsys, path, '--image', tmp_path / 'frame.png')
    assert said['ok']
    (line,) = [line for line in said['fits'] if line.startswith('finds')]
    assert int(line.split()[1]) >= 4


def test_a_real_network_against_a_wrong_card_does_not_fit(tmp_path, capsys):
    path = data('models', 'person-reidentification-retail-0248.onnx')
    wrong = networks.appearance(input={'height': 256, 'width': 128}, output={'vector': 512})
    said = verdict(capsys, path, '--card', networks.write(tmp_path, wrong))
    assert said['problems'] == [
        'its input inputs:0 1x256x128x3 float32 is NHWC and not NCHW: mend input.layout'
    ]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the folder `web`."""
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    web = tmp_path / 'web'
    web.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(web))

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield web, f'http://127.0.0.1:{httpd.server_port}'
    httpd.shutdown()
    httpd.server_close()
    thread.join(5)


def test_a_pulled_network_is_found_by_its_name(places, server, capsys):
    web, url = server
    body = networks.means(web / 'toy.onnx').read_bytes()
    checksum = hashlib.sha256(body).hexdigest()
    networks.write(places[0], networks.appearance(url=f'{url}/toy.onnx', sha256=checksum))
    assert run('check', 'toy') == 2
    assert "get it with 'reid_ros models pull toy'" in capsys.readouterr().err
    assert run('pull', 'toy') == 0
    path = room.cache_dir() / 'toy.onnx'
    assert capsys.readouterr().out == f'{path}\n'
    assert path.read_bytes() == body
    assert verdict(capsys, 'toy')['ok']


def test_a_checksum_that_nobody_knows_must_be_given_or_waived(places, server, capsys):
    web, url = server
    body = networks.means(web / 'toy.onnx').read_bytes()
    networks.write(places[0], networks.appearance(url=f'{url}/toy.onnx'))
    assert run('pull', 'toy') == 2
    assert 'give --sha256 SUM, or --no-verify' in capsys.readouterr().err
    assert run('pull', 'toy', '--sha256', '0' * 64) == 2
    assert 'another file than expected' in capsys.readouterr().err
    assert not list(places[1].parent.glob('cache/**/*.onnx*'))
    assert run('pull', 'toy', '--sha256', hashlib.sha256(body).hexdigest().upper()) == 0
    assert run('pull', 'toy', '--no-verify', '--to', places[1]) == 0
    assert (places[1] / 'toy.onnx').read_bytes() == body


def test_a_url_without_a_card_says_that_one_is_needed(places, server, tmp_path, capsys):
    web, url = server
    networks.means(web / 'new.onnx')
    assert run('pull', '--url', f'{url}/new.onnx?x=1', '--no-verify', '--to', tmp_path / 'to') == 0
    said = capsys.readouterr()
    assert said.out == f'{tmp_path / "to" / "new.onnx"}\n'
    assert 'it needs a card beside it, new.json' in said.err


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ([], "name a card ('reid_ros models list') or give --url"),
        (['made'], 'nobody offers made.onnx for download; it is made by: export it'),
        (['--url', 'https://example.org/page', '--no-verify'], 'name of an .onnx file'),
        (['mad'], "did you mean 'made'"),
    ],
)
def test_what_cannot_be_pulled_is_told(places, capsys, arguments, words):
    networks.write(places[0], networks.appearance('made', command='export it'))
    assert run('pull', *arguments) == 2
    assert words in capsys.readouterr().err


def test_what_is_built_in_is_listed_told_and_checked_and_needs_no_download(capsys):
    assert run('list', '--kind', 'appearance') == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert 'built in' in lines['colour']
    assert run('describe', 'colour') == 0
    said = capsys.readouterr().out
    assert 'colour: built in (colour-1), of kind appearance; no network' in said
    assert 'a vector of 324 numbers per crop' in said
    assert 'not on this machine' not in said
    found = verdict(capsys, 'colour')
    assert found['ok']
    assert any('tells a picture from itself' in line for line in found['fits'])
    assert run('pull', 'colour') == 2
    assert 'built in: there is nothing to download' in capsys.readouterr().err
