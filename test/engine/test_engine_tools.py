"""What an owner of a Jetson types: doctor and bench engine, on a machine that stands in."""

import io
import json
import sys
from pathlib import Path

import networks
import pytest

from reid_ros import cli
from reid_ros.bench import engines
from reid_ros.cli.building import building
from reid_ros.config import Config, ModelConfig
from reid_ros.doctor import inference

MODULE = """
import sys
sys.path.insert(0, {folder!r})
import gpu_stand_in
from reid_ros.engine.cuda import Cuda
library = gpu_stand_in.Library()
trt = gpu_stand_in.tensorrt(library)
vars(trt.trouble).update({trouble!r})
globals().update(vars(trt))
Cuda.open = staticmethod(lambda: Cuda(library))
"""


@pytest.fixture
def jetson(tmp_path, monkeypatch):
    """A TensorRT for processes that are started from now on, and a GPU that nvidia-smi sees."""

    def make(**trouble):
        for name, text in (
            ('tensorrt.py', MODULE.format(folder=str(Path(__file__).parent), trouble=trouble)),
            ('nvidia-smi', '#!/bin/sh\necho "Orin (nvgpu), 540.4.0, 7620 MiB"\n'),
        ):
            path = tmp_path / name
            path.write_text(text)
            path.chmod(0o755)
        monkeypatch.setenv('PYTHONPATH', str(tmp_path))
        monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')

    return make


@pytest.fixture
def network(tmp_path):
    path = networks.convolutions(tmp_path / 'toy.onnx')
    card = networks.appearance(input={'height': 32, 'width': 16}, output={'vector': 24})
    networks.write(tmp_path, card)
    return path


def found(config):
    return {finding.subject: finding for finding in inference.findings(config)}


def test_the_doctor_builds_an_engine_and_names_the_command_for_the_networks(
    jetson, network, tmp_path
):
    jetson()
    config = Config(
        backend='tensorrt', backend_strict=True, engine_cache_dir=str(tmp_path),
        model=ModelConfig('none', str(network)),
    )  # fmt: skip
    told = found(config)
    assert told['tensorrt'].level == 'ok'
    assert '10.3.0 loads; it built an engine and ran it' in told['tensorrt'].found
    assert 'backend' not in told  # strict, and it runs
    assert f"'reid_ros bench engine {network}'" in told['engine'].step


def test_the_doctor_tells_why_no_engine_runs_and_a_strict_node_does_not_start(jetson, tmp_path):
    jetson(build='Error 2: out of memory')
    told = found(
        Config(backend='tensorrt', backend_strict=True, model=ModelConfig('none', 'none'))
    )
    assert told['tensorrt'].level == 'problem'
    assert 'lower max_batch' in told['tensorrt'].found
    assert told['backend'].stops
    assert 'engine' not in told


def bench(capsys, *arguments):
    status = cli.main(['bench', 'engine', *map(str, arguments)])
    return status, capsys.readouterr()


def test_bench_engine_builds_keeps_and_times_every_backend(
    machine, network, tmp_path, capsys, monkeypatch
):
    settings = tmp_path / 'settings.yaml'
    settings.write_text(f'engine_cache_dir: {tmp_path / "engines"}\nmax_batch: 4\n')
    wishes = (network, '--config', settings, '--rounds', 3, '--threads', 1)
    status, said = bench(capsys, *wishes, '--batch', 1, 4)
    assert status == 0
    rows = said.out.splitlines()
    assert [row.split()[1] for row in rows[1:]] == [
        'tensorrt', 'tensorrt', 'ort_tensorrt', 'ort_cuda', 'cpu', 'cpu',
    ]  # fmt: skip
    assert 'half, built in' in rows[1]
    assert 'of the error allowed, captured' in rows[1]
    assert 'does not run: ort_tensorrt: this onnxruntime' in rows[3]

    status, said = bench(capsys, *wishes, '--batch', 2, '--backend', 'tensorrt', '--json')
    content = json.loads(said.out)
    (row,) = content['rows']
    assert (status, row['kept'], row['batch'], row['arithmetic']) == (0, True, 2, 'half')
    assert 0 < row['differs'] < 0.03
    assert 0 < row['worst'] < 1
    assert f'--config {settings} --backend tensorrt --batch 2 --rounds 3' in content['command']


def test_bench_engine_fails_where_the_named_backend_does_not_run(
    machine, network, tmp_path, capsys
):
    machine.trouble.answer = 5.0
    settings = tmp_path / 'settings.yaml'
    settings.write_text(f'engine_cache_dir: {tmp_path / "engines"}\n')
    status, said = bench(
        capsys, network, '--config', settings, '--backend', 'tensorrt', '--threads', 1
    )
    assert status == 1
    assert 'does not run: tensorrt: the engine answers something else' in said.out


def test_bench_engine_refuses_what_it_does_not_know(network, capsys):
    status, said = bench(capsys, network, '--backend', 'tensort')
    assert status != 0
    assert "did you mean 'tensorrt'" in said.err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_each_build_has_a_bar_that_goes_away(monkeypatch):
    monkeypatch.setattr('reid_ros.progress.BAR_S', 0.0)
    monkeypatch.setattr('sys.stderr', Terminal())
    tell = building()
    for name in ('a.onnx', 'b.onnx'):
        for share in (0.0, 0.3, 0.6, 0.9):
            tell(share, f'{name}: Building Engine')
    first, last = (sys.stderr.getvalue().index(f'60/100 % of the TensorRT engine of {name}')
                   for name in ('a.onnx', 'b.onnx'))  # fmt: skip
    assert first < last
    assert sys.stderr.getvalue().endswith(' \r')


def test_an_engine_in_words():
    row = engines.Row('a', 'tensorrt', 'tensorrt', '', 2, arithmetic='half', built_s=61, worst=0.4)
    assert engines.engine(row) == 'half, built in 61 s, 40 % of the error allowed, call by call'
    assert engines.engine(engines.Row('a', 'cpu', 'cpu', '', 2)) == ''


def test_both_graphs_of_a_gait_network_get_engines(machine, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / 'gait')
    import gait_graphs

    path = gait_graphs.write(tmp_path)
    settings = tmp_path / 'settings.yaml'
    settings.write_text(f'engine_cache_dir: {tmp_path / "engines"}\n')
    wishes = ('--config', settings, '--rounds', 3, '--threads', 1, '--batch', 2)
    status, said = bench(capsys, path, *wishes, '--backend', 'tensorrt', '--json')
    assert status == 0
    rows = json.loads(said.out)['rows']
    assert [row['network'] for row in rows] == ['walk', 'walk, head']
    assert all(row['arithmetic'] == 'half' and row['differs'] < 0.03 for row in rows)
    names = sorted(path.name.split('-')[0] for path in (tmp_path / 'engines').glob('*.engine'))
    assert names == ['walk', 'walk_head']
