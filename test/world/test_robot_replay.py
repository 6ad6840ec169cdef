"""A robot's world as a bag: replayed with its configuration it is tracked with odometry."""

import json

import pytest

from reid_ros.cli import main
from reid_ros.world.scenario import Scenario
from reid_ros.world.world import World
from reid_ros.world.write import write

ROBOT = Scenario(
    people=8, at_once=6, seconds=10.0, overlapping=0, apart=0, portrait=0, robot=True,
    width=320, height=240, rate_hz=7.0,
)  # fmt: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('robot') / 'world'
    write(World(ROBOT, 2), out)
    return out


def scores(folder, config, capsys):
    status = main(
        ['replay', str(folder / 'world.mcap'), '--config', str(config), '--appearance', 'none',
         '--out', str(config.with_suffix('')), '--no-video', '--quiet', '--json']
    )  # fmt: skip
    assert status == 0
    return json.loads(capsys.readouterr().out)['scores']['hindsight']


def test_people_before_a_turning_robot_keep_their_numbers_by_its_odometry(folder, capsys):
    settings = json.loads((folder / 'config.yaml').read_text())
    settings['cameras']['robot'].pop('mount')
    plain = folder / 'plain.yaml'
    plain.write_text(json.dumps(settings))
    with_it = scores(folder, folder / 'config.yaml', capsys)
    without = scores(folder, plain, capsys)
    assert with_it['IDF1'] > without['IDF1'] + 10
