"""Known people and strangers: the rates are the system's own, and the tails are measured."""

import dataclasses
import json

import numpy as np
import pytest

from reid_ros.bench import openset
from reid_ros.bench.contenders import contender
from reid_ros.bench.hall import Hall
from reid_ros.bench.lineup import Crowd, Group, Seen, seen
from reid_ros.bench.openset import Sizes, judged, meetings
from reid_ros.bench.tails import impostors, tails
from reid_ros.calibration import Calibration
from reid_ros.cli import main
from reid_ros.config import GalleryConfig, IdentityConfig, TopologyConfig
from reid_ros.identify import Identifier
from reid_ros.scene import Observation
from reid_ros.topology import Topology
from reid_ros.types import ReidError, Tracks

pytestmark = pytest.mark.slow

LENGTH = 48
CAMERAS = 6


def looks(first, people, each, seed, noise=0.55, walks=1):
    """Tracks of people of whom many wear one of a few uniforms, so that strangers look alike."""
    draw = np.random.default_rng(seed)
    uniforms = np.random.default_rng(0).normal(size=(12, LENGTH))
    rows, persons, cameras = [], [], []
    for person in range(first, first + people):
        own = np.random.default_rng([person, 7])
        share = own.choice([0.0, 0.5, 0.75])
        look = np.sqrt(share) * uniforms[own.integers(12)]
        look = look + np.sqrt(1 - share) * own.normal(size=LENGTH)
        for camera in draw.permutation(CAMERAS)[:each].repeat(walks):
            rows.append(look + noise * draw.normal(size=LENGTH))
            persons.append(person)
            cameras.append(camera)
    vectors = np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)
    n = len(vectors)
    return Seen(
        vectors.astype(np.float32), np.full(n, 2.0), np.full(n, 4),
        np.array(persons), np.array(cameras),
    )  # fmt: skip


def normal(calibration):
    """The same calibration, strangers taken for normally distributed."""
    return Calibration(
        *(
            dataclasses.replace(one, impostor=dataclasses.replace(one.impostor, left=()))
            for one in (calibration.same_camera, calibration.cross_camera)
        )
    )


@pytest.fixture(scope='module')
def fitted():
    return openset.fitted(looks(10_000, 250, 3, seed=1, walks=2))


@pytest.fixture(scope='module')
def crowd():
    draw = np.random.default_rng(3)
    return Crowd.of(looks(0, 300, 3, seed=2), looks(5_000, 300, 4, seed=4), 1, draw)


def draws(*labels):
    return np.random.default_rng(len(str(labels)))


@pytest.fixture(scope='module')
def outcomes(crowd, fitted):
    sizes = Sizes(galleries=(10, 300))
    return {
        name: judged(crowd, 'looks', name, calibration, sizes, draws)
        for name, calibration in (('bent', fitted), ('normal', normal(fitted)))
    }


# -- what is asked -------------------------------------------------------------------------------


def test_nobody_is_enrolled_and_asked_for_by_the_same_camera(crowd):
    assert len(crowd.enrolled) == 300
    assert len(crowd.probes) == 600
    where = dict(zip(crowd.enrolled.persons.tolist(), crowd.enrolled.cameras.tolist()))
    assert all(
        where[person] != camera
        for person, camera in zip(crowd.probes.persons.tolist(), crowd.probes.cameras.tolist())
    )


def test_people_are_enrolled_from_a_track_that_shows_enough():
    known = looks(0, 40, 3, seed=2)
    poor = np.arange(len(known)) % 3 != 1
    known = dataclasses.replace(known, weights=np.where(poor, 0.5, 2.0))
    crowd = Crowd.of(known, looks(50, 5, 2, seed=3), 1, np.random.default_rng(0))
    assert crowd.enrolled.enough.all()
    blank = dataclasses.replace(known, counts=np.where(known.persons == 7, 0, 4))
    crowd = Crowd.of(blank, looks(50, 5, 2, seed=3), 1, np.random.default_rng(0))
    assert 7 not in crowd.enrolled.persons
    assert crowd.unseen == pytest.approx(3 / 130)


def test_galleries_share_nobody_and_every_stranger_meets_as_many(crowd):
    met = meetings(crowd, 30, np.random.default_rng(0))
    assert len(met) == 10
    enrolled = np.concatenate([one.enrolled.persons for one in met])
    assert sorted(enrolled.tolist()) == list(range(300))
    guests = []
    for one in met:
        strange = one.probes.persons >= 5_000
        assert set(one.probes.persons[~strange].tolist()) == set(one.enrolled.persons.tolist())
        guests.append(np.unique(one.probes.persons[strange]))
    times = np.unique(np.concatenate(guests), return_counts=True)[1]
    assert len(times) == 300
    assert set(times.tolist()) == {openset.MEETINGS}


# -- what is decided -----------------------------------------------------------------------------


def identified(enrolled, calibration, camera, vector, false_accept):
    """Whom the identifier itself takes a new track of three such crops for."""
    hall = Hall(enrolled, calibration)
    identifier = Identifier(
        hall.gallery,
        calibration,
        Topology(TopologyConfig(), ()),
        IdentityConfig(false_accept=false_accept),
        GalleryConfig(max_persons=2000, ttl_s=1e6),
    )
    answer = 0
    for k in range(3):
        tracks = Tracks(
            np.array([1], np.uint32), np.array([[10, 10, 60, 160]], np.float32),
            np.ones(1, np.float32), np.zeros(1, np.int64), np.ones(1, np.bool_),
            np.empty(0, np.uint32),
        )  # fmt: skip
        stamp = 3_600_000_000_000 + k * 100_000_000
        found = Observation(
            camera, stamp, tracks, np.zeros(1, np.int64), vector[None], np.full(1, 0.8, np.float32)
        )
        answer = int(identifier.step([found])[0][0].persons[0])
    return answer


def test_decisions_are_those_of_the_identifier(crowd, fitted):
    rows = np.arange(60)
    enrolled = crowd.enrolled.take(rows)
    near = np.isin(crowd.probes.persons, enrolled.persons)
    probes = Seen.joined([crowd.probes.take(near).take(rows), crowd.strangers.take(rows)])
    hall = Hall(enrolled, fitted)
    said = hall.taken(hall.scores(probes), 0.1)
    assert 20 < (said > 0).sum() < 110
    for row, number in enumerate(said.tolist()):
        camera, vector = str(int(probes.cameras[row])), probes.vectors[row]
        assert identified(enrolled, fitted, camera, vector, 0.1) == number


def test_false_accepts_stay_within_twice_what_is_configured(outcomes):
    rows = outcomes['bent'].decided
    assert [(row.people, row.galleries, row.configured) for row in rows] == [
        (people, galleries, limit)
        for people, galleries in ((10, 30), (300, 1))
        for limit in openset.FALSE_ACCEPTS
    ]
    for row in rows:
        assert row.kept == (row.fpir.value <= 2 * row.configured)
        assert row.fpir.low <= row.fpir.value <= row.fpir.high
        assert row.fpir.low <= 2 * row.configured
    tpir = {(row.people, row.configured): row.tpir.value for row in rows}
    assert tpir[10, 0.1] > tpir[10, 0.001] > 0.1
    assert tpir[10, 0.01] > tpir[300, 0.01]


def test_a_normal_tail_promises_too_much_where_people_wear_uniforms(outcomes):
    far = {
        name: {row.said: row.realised / row.said for row in outcome.tails
               if row.condition == 'cross_camera'}
        for name, outcome in outcomes.items()
    }  # fmt: skip
    assert far['normal'][1e-3] > 4
    assert 0.3 < far['bent'][1e-3] < 2
    wide = {name: outcome.decided[-2] for name, outcome in outcomes.items()}
    assert (wide['normal'].people, wide['normal'].configured) == (300, 0.01)
    assert wide['normal'].fpir.value > wide['bent'].fpir.value


def test_what_never_happened_is_not_taken_for_certain(crowd, fitted):
    sure = dataclasses.replace(crowd, enrolled=crowd.enrolled.take(np.arange(20)))
    outcome = judged(sure, 'looks', 'fit', fitted, Sizes(galleries=(20,)), draws)
    (rare,) = [row for row in outcome.decided if row.configured == 0.001]
    assert rare.wrong.value == 0
    assert rare.wrong.high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_the_curve_and_the_rates_tell_the_same(outcomes):
    outcome = outcomes['bent']
    for row in outcome.scored:
        (curve,) = [
            c for c in outcome.curves if (c['score'], c['people']) == (row.score, row.people)
        ]
        fpir, tpir = np.array(curve['fpir']), 1 - np.array(curve['fnir'])
        fewer, more = tpir[fpir <= row.at].max(), tpir[fpir >= row.at].min()
        assert fewer - 1e-6 <= row.tpir.value <= more + 1e-6


def test_tails_count_pairs_of_strangers(crowd, fitted):
    found = impostors(crowd)
    assert sum(map(len, found.values())) == len(crowd.strangers) * len(crowd.enrolled)
    rows = tails(crowd, 'looks', 'fit', fitted)
    row = next(r for r in rows if (r.condition, r.said) == ('cross_camera', 1e-3))
    condition = fitted.cross_camera
    close = condition.log_p(found['cross_camera']) <= np.log(1e-3)
    assert row.realised == pytest.approx(close.mean(), abs=1e-12)
    assert condition.log_p(np.array(row.said_deg)) == pytest.approx(np.log(1e-3), abs=0.02)


# -- what is shown -------------------------------------------------------------------------------

SMALL = Group('validation', 2, 0, 3, seen_by=2, cameras=2)


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp('vectors')
    contenders = [contender('colour'), contender('oracle')]
    told = []
    return folder, contenders, seen(SMALL, contenders, folder, told.append), sum(told)


def test_all_contenders_see_the_same_tracks(shown):
    _, _, (colour, oracle), told = shown
    assert told == len(colour) == len(SMALL) == 6
    np.testing.assert_array_equal(colour.persons, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(colour.persons, oracle.persons)
    np.testing.assert_array_equal(colour.weights, oracle.weights)
    good = oracle.counts > 0
    cosines = oracle.vectors[good] @ oracle.vectors[good].T
    one = oracle.persons[good][:, None] == oracle.persons[good][None]
    assert cosines[one].min() > 0.9
    assert cosines[~one].max() < 0.5
    assert np.isnan(oracle.vectors[~good]).all()


def test_what_was_kept_is_read_again(shown):
    folder, contenders, first, _ = shown
    files = sorted(folder.iterdir())
    assert len(files) == 2
    times = [file.stat().st_mtime_ns for file in files]
    told = []
    for one, other in zip(first, seen(SMALL, contenders, folder, told.append)):
        np.testing.assert_array_equal(one.vectors, other.vectors)
        np.testing.assert_array_equal(one.counts, other.counts)
    assert told == [6]  # not one by one, as they are drawn
    assert [file.stat().st_mtime_ns for file in sorted(folder.iterdir())] == times


def test_a_damaged_file_is_named(shown, tmp_path):
    folder, contenders, _, _ = shown
    name = next(file.name for file in folder.iterdir() if file.name.startswith('oracle'))
    (tmp_path / name).write_bytes(b'no such thing')
    with pytest.raises(ReidError, match='delete it'):
        seen(SMALL, contenders[1:], tmp_path)
    blocked = tmp_path / 'file'
    blocked.write_text('')
    with pytest.raises(ReidError, match='cannot keep vectors'):
        seen(SMALL, contenders, blocked / 'in')


def test_the_command_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    small = Sizes(galleries=(2, 4), strangers=4, each=2, probes=1, fit=4, cameras=2)
    monkeypatch.setattr(openset, 'QUICK', small)
    out = tmp_path / 'openset.json'
    words = ['bench', 'openset', '--quick', '--fit', '--split', 'validation', '--quiet']
    assert main([*words, '--contenders', 'oracle', '--out', str(out)]) == 0
    text = capsys.readouterr().out
    assert 'oracle, calibration: by construction' in text
    assert 'oracle, calibration: fitted on 4 people' in text
    content = json.loads(out.read_text())
    assert content['command'].startswith(
        'reid_ros bench openset --contenders oracle --fit --quick'
    )
    assert content['seeds'] == [openset.SEED]
    assert {row['part'] for row in content['rows']} >= {'scored', 'decided'}
    decided = [row for row in content['rows'] if row['part'] == 'decided']
    assert len(decided) == 2 * 2 * 3
    assert all(row['tpir'] == 1.0 and row['fpir'] == 0.0 for row in decided[:6])
    assert [goal['fpir_kept'] for goal in content['goals']] == [True, True]
    assert content['goals'][0]['tpir'] is None  # no gallery of 100
    cosines = [row for row in content['rows'] if row.get('score') == 'cosine']
    assert {row['calibration'] for row in cosines} == {'by construction'}
    Calibration.from_json(content['fitted']['oracle'], 'results')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--calibration', 'nobody=x.json'], 'give NAME=FILE'),
        (['--fit-people', '9'], 'needs --fit'),
    ],
)
def test_wrong_words_are_refused_before_anything_is_drawn(words, message, capsys):
    assert main(['bench', 'openset', *words]) != 0
    assert message in capsys.readouterr().err
