"""Gait over machines: vectors of one network there are persons here."""

import dataclasses
import sys
from pathlib import Path

from machines import S, Sender, identity, settings

sys.path.append(str(Path(__file__).parents[1] / 'gait'))

from test_gait_pipeline import RATE_HZ, SLIM, WIDE, Film, toy  # noqa: F401

from reid_ros.config import ModelConfig
from reid_ros.pipeline import Pipeline
from reid_ros.ros.table import sightings_table


def test_people_known_by_gait_alone_are_the_same_persons_over_the_network(ros, toy):  # noqa: F811
    model = ModelConfig(detector='none', appearance='none', gait=str(toy))
    config = dataclasses.replace(settings('a', 'b', wait_s=5.0), model=model, backend='cpu')
    expected, observations = {}, []
    with Pipeline.load(config) as pipeline:
        film = Film(pipeline, 100 * S)
        for cast in ({'a': [SLIM, WIDE], 'b': []}, {'a': [], 'b': [WIDE, SLIM]}):
            film.step = 0
            for _ in range(48):
                for found in film.play(1 / RATE_HZ, **cast).sightings:
                    rows = sightings_table(found).tolist()
                    expected[found.camera, found.stamp_ns] = rows
                observations += pipeline.observations
    assert {row[8] for rows in expected.values() for row in rows} == {0, 1, 2}
    sender = Sender(ros, identity(ros, config))
    assert sender.networks[1] != 0
    last = [dataclasses.replace(o, stamp_ns=o.stamp_ns + S) for o in observations[-2:]]
    sender.send(sender.messages([*observations, *last]))
    ros.spin_until(lambda: expected.keys() <= sender.told.keys())
    told = sender.told
    assert {key: told[key] for key in expected} == expected
