"""The benchmarks of gait: what it costs, and an oracle that stands in for a network."""

import json

import gait_graphs
import numpy as np
import pytest

from reid_ros.bench import gait
from reid_ros.bench.contenders import GAITS, contender, gait_oracle_calibration
from reid_ros.cli import main
from reid_ros.types import ReidError


def test_both_ways_to_a_vector_agree_and_are_timed(tmp_path):
    found = gait.measure(str(gait_graphs.write(tmp_path)), 2, 1, 2.0, 0.2)
    assert found.difference < 1e-5
    assert found.cached_ms > 0
    assert found.whole_ms > 0
    assert found.frame_ms == pytest.approx(found.cached_ms / gait.RATE_HZ)
    assert 'walk' in gait.table([found])


def test_the_table_is_written_with_how_to_repeat_it(tmp_path, capsys):
    path, out = gait_graphs.write(tmp_path), tmp_path / 'speed.json'
    words = ['bench', 'gait', path, '--tracks', 1, '--threads', 1, '--periods', 0.5]
    assert main([str(w) for w in [*words, '--repeats', 1, '--out', out, '--json']]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    kept = json.loads(out.read_text())
    assert kept['rows'] == [row]
    assert kept['command'].startswith(f'reid_ros bench gait {path} --tracks 1 --threads 1')
    assert row['network'] == 'walk'


def test_the_oracle_of_gait_tells_people_apart_as_a_small_network_does():
    found = gait_oracle_calibration()
    for condition in (found.same_camera, found.cross_camera):
        gap = condition.impostor.mean - condition.genuine.mean
        assert 2.5 < gap / np.hypot(condition.impostor.sd, condition.genuine.sd) * np.sqrt(2) < 4.0


@pytest.mark.parametrize('ending', ['', '+ground'])
def test_contenders_may_see_people_walk(ending):
    alone = contender(f'none+gaitoracle{ending}')
    assert (alone.looks, alone.gait, alone.ground) == (False, GAITS['+gaitoracle'], bool(ending))
    both = contender(f'colour{ending}+gaitoracle')
    assert (both.looks, both.gait, both.ground) == (True, 'oracle', bool(ending))
    assert both.embedder is not None
    assert contender(f'oracle{ending}').gait_calibration is None


def test_an_ending_that_nobody_knows_is_told():
    with pytest.raises(ReidError, match=r'no ending \+gate; known: \+gait'):
        contender('colour+gate')
