"""Who is who in rendered worlds, vectors beside vectors."""

import json

import numpy as np
import pytest

from reid_ros.bench import contenders as who
from reid_ros.bench import fitting, identity
from reid_ros.calibration import CAUTIOUS
from reid_ros.cli import main
from reid_ros.pipeline import Pipeline
from reid_ros.world.scenario import SCENARIOS
from reid_ros.world.world import World

pytestmark = pytest.mark.slow

SMALL = SCENARIOS['crossing'].custom(
    people=5, at_once=4, seconds=9.0, overlapping=2, apart=0, portrait=0, width=320, height=240,
    rate_hz=10.0,
)  # fmt: skip


@pytest.fixture(scope='module')
def rows():
    contenders = [who.contender(name) for name in ('colour', 'oracle')]
    told = []
    found = identity.watch(World(SMALL, 4, 'validation'), contenders, told.append)
    assert sum(told) == found[0].images
    return {row.contender: row for row in found}


def test_the_oracle_knows_nearly_everybody_and_is_never_wrong(rows):
    row = rows['oracle']
    assert row.idf1 > 85
    assert row.idf1 > row.live_idf1
    assert row.wrong < 3
    assert row.handover >= 70
    assert (row.duplicates, row.confused) == (0, 0)


def test_both_contenders_get_the_same_images_and_boxes(rows):
    a, b = rows['colour'], rows['oracle']
    assert (a.images, a.sightings, a.people) == (b.images, b.sightings, b.people)
    assert a.sightings > 200
    assert a.idf1 < b.idf1


def test_the_means_weigh_shares_by_their_counts(rows):
    import dataclasses

    row = rows['oracle']
    other = dataclasses.replace(row, handover=0.0, handovers=3 * max(row.handovers, 1), idf1=0.0)
    (mean,) = identity.means([row, other])
    assert mean['idf1'] == row.idf1 / 2
    expected = row.handover * row.handovers / (row.handovers + other.handovers)
    assert mean['handover'] == pytest.approx(expected)


def test_ghosts_get_vectors_of_nobody():
    world = World(SMALL, 4, 'validation')
    oracle = who.Oracle(world)
    shot = next(s for s in world.shots() if len(s.truth) > 1)
    rng = np.random.default_rng(0)
    vectors = np.stack([oracle(shot, np.array([0, 0, 1, -1, -1]), rng) for _ in range(50)])
    cosines = np.einsum('kid,kjd->ij', vectors, vectors) / 50
    assert cosines[0, 1] > 0.85
    assert np.abs(cosines[[0, 0, 3, 1], [2, 3, 4, 4]]).max() < 0.15


def test_tracks_of_rendered_people_are_those_of_their_owners():
    world = World(SMALL, 4, 'train')
    oracle = who.contender('colour')
    pipeline = Pipeline(who.settings(world), None, oracle.embedder)
    tracks = fitting.observed(pipeline, [c.name for c in world.cameras], fitting.boxed(world))
    assert len(tracks.persons) >= 4
    assert set(tracks.persons.tolist()) <= {person.number for person in world.people}
    np.testing.assert_allclose(np.linalg.norm(tracks.vectors, axis=1), 1, atol=1e-5)
    joined = fitting.Tracks.joined([tracks, tracks])
    assert len(set(joined.persons.tolist())) == 2 * len(set(tracks.persons.tolist()))


def test_tracks_of_rendered_walkers_have_vectors_of_gait(monkeypatch):
    world = World(SMALL, 4, 'train')
    pipeline = Pipeline(who.settings(world), None, None, walks=who.seeing('gait'))
    cameras = [camera.name for camera in world.cameras]
    tracks = fitting.observed(pipeline, cameras, fitting.boxed(world), gait=True)
    length = pipeline.sight.walks.gaits.card.output.vector
    assert len(tracks.persons) >= 3
    assert tracks.vectors.shape == (len(tracks.persons), length)
    np.testing.assert_allclose(np.linalg.norm(tracks.vectors, axis=1), 1, atol=1e-5)
    assert set(tracks.persons.tolist()) <= {person.number for person in world.people}
    # Each world is seen by eyes of its own: tracks of the one before mean others.
    given = []
    monkeypatch.setattr(fitting, 'named', lambda name: SMALL)
    monkeypatch.setattr(fitting, 'observed', lambda *args: (given.append(args), tracks)[1])
    monkeypatch.setattr(fitting.Calibration, 'of', lambda *columns: CAUTIOUS)
    found, joined = fitting.fitted(
        None, ('a', 'b'), (4,), 'train', walks=lambda: who.seeing('gait')
    )
    assert found is CAUTIOUS
    assert len(joined.persons) == 2 * len(tracks.persons)
    assert [args[-1] for args in given] == [True, True]
    assert given[0][0].sight.walks is not given[1][0].sight.walks


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--worlds', 'crossin'], "did you mean 'crossing'"),
        (['--contenders', 'colur'], 'colur'),
        (['--calibration', 'oracle'], 'NAME=FILE'),
    ],
)
def test_a_bad_argument_is_refused(arguments, said, capsys):
    assert main(['bench', 'identity', *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_table_and_the_file_hold_every_row(rows, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(identity, 'suite', lambda *arguments: list(rows.values()))
    file = tmp_path / 'identity.json'
    assert main(['bench', 'identity', '--quiet', '--seeds', '4', '--out', str(file)]) == 0
    said = capsys.readouterr().out
    assert said.count('crossing') == 2
    assert said.count(' all ') == 2
    content = json.loads(file.read_text())
    assert [row['contender'] for row in content['rows']] == ['colour', 'oracle']
    assert content['seeds'] == [4]
    assert content['means'][1]['contender'] == 'oracle'
