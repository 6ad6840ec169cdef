"""`run` and `replay` that score themselves, with tiny networks on small bags."""

import json

import clips
import networks
import numpy as np
import pytest
import runs
from clips import IMAGE, MS, S, paint

from reid_ros.cli import main

BOX = (10, 10, 30, 60)


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """A detector that always sees one person at one place, and an appearance network."""
    folder = tmp_path_factory.mktemp('models')
    networks.constant(folder / 'one.onnx', {'rows': np.array([[[*BOX, 0.9, 0]]], np.float32)})
    networks.write(folder, networks.detector('yolo_nms', 'one'))
    networks.convolutions(folder / 'look.onnx')
    look = networks.appearance('look', input={'height': 32, 'width': 16}, output={'vector': 24})
    networks.write(folder, look)
    return folder


@pytest.fixture
def call(models, tmp_path):
    def run(verb, *arguments):
        return main([
            verb, *map(str, arguments), '--out', str(tmp_path / 'out'), '--quiet', '--no-video',
            '--detector', str(models / 'one.onnx'), '--appearance', str(models / 'look.onnx'),
            '--backend', 'cpu',
        ])  # fmt: skip

    return run


def film(camera, number=20):
    return [
        (f'/{camera}/image', S + i * 100 * MS, clips.message(IMAGE, S + i * 100 * MS, paint(i)))
        for i in range(number)
    ]


def where(call, tmp_path, bag):
    """The box in which the network's constant comes out, as MOT text: x, y, w, h."""
    assert call('replay', bag) == 0
    line = (tmp_path / 'out' / 'tracks' / 'hall.txt').read_text().splitlines()[0]
    return [float(v) for v in line.split(',')[2:6]]


def test_replay_finds_the_truth_in_the_bag(tmp_path, call, capsys, monkeypatch):
    plain = clips.bag(tmp_path / 'plain', film('hall'))
    x, y, w, h = where(call, tmp_path, plain)
    assert not (tmp_path / 'out' / 'scores.json').exists(), 'no truth, no scores'
    monkeypatch.setattr(runs, 'box', lambda person, step: (x, y, x + w, y + h))
    truth = [
        ('/hall/truth', S + i * 100 * MS, runs.truth_message([4], i, S + i * 100 * MS))
        for i in range(20)
    ]
    bag = clips.bag(tmp_path / 'bag', film('hall') + film('door') + truth)
    capsys.readouterr()
    assert call('replay', bag, '--json') == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)['scores']
    assert said == json.loads((tmp_path / 'out' / 'scores.json').read_text())
    assert (said['cameras'], said['cameras_without_truth']) == (['hall'], ['door'])
    assert 'no truth for door' in printed.err
    assert said['identity']['shares']['found'] >= 18
    assert said['hindsight']['FP'] == 0
    assert 'Against the truth' in (tmp_path / 'out' / 'report.html').read_text()


def test_run_takes_truth_as_text(tmp_path, call, capsys):
    plain = clips.bag(tmp_path / 'plain', film('hall'))
    x, y, w, h = where(call, tmp_path, plain)
    file = tmp_path / 'gt.txt'
    # One of two people is where the network sees somebody.
    file.write_text(
        ''.join(
            f'{i + 1},1,{x},{y},{w},{h},1,1,1\n{i + 1},2,{x + 200},{y},{w},{h},1,1,1\n'
            for i in range(20)
        )
    )
    clip = clips.video(tmp_path / 'hall.avi', 20)
    capsys.readouterr()
    assert call('run', clip, '--truth', file) == 0
    printed = capsys.readouterr().out
    said = json.loads((tmp_path / 'out' / 'scores.json').read_text())
    assert 'of 40 true sightings' in printed
    line = next(line for line in printed.splitlines() if line.startswith('IDF1 '))
    assert line.split()[1:3] == [
        f'{said[side]["IDF1"]:.1f}' for side in ('published', 'hindsight')
    ]
    assert 18 <= said['identity']['shares']['found'] <= 20


def test_truth_for_nobody_is_refused_before_the_run(tmp_path, call, capsys):
    clip = clips.video(tmp_path / 'hall.avi', 5)
    (tmp_path / 'gt').mkdir()
    assert call('run', clip, '--truth', tmp_path / 'gt') == 2
    assert 'no truth for hall' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
