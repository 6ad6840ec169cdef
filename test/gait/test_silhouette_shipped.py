"""The silhouette network that comes with the package: whole, small, and good at people."""

import json

import numpy as np
import pytest

from reid_ros.bench.silhouette import Seen, agreement, overlap, score, sheet, speed, truth
from reid_ros.card import find, sha256
from reid_ros.check import check
from reid_ros.config import config_dir
from reid_ros.model import Model
from reid_ros.silhouette import Silhouetter, Silhouettes

LIMIT = 2_000_000
"""Bytes."""


@pytest.fixture(scope='module')
def shipped():
    return find('silhouette', 'silhouette')


@pytest.fixture(scope='module')
def network(shipped):
    path, card = shipped
    with Model.load(path, card, backend='cpu', threads=1) as model:
        yield Silhouetter(model)


def test_the_file_is_the_one_of_the_card_and_small(shipped):
    path, card = shipped
    assert sha256(path) == card.sha256
    assert path.stat().st_size <= LIMIT


def test_the_card_says_how_the_network_came_to_be(shipped):
    training = shipped[1].training
    assert training['precision'] == 'int8'
    assert len(training['commit'].rstrip('+')) == 40
    assert 'reid_ros train run config/train/silhouette' in training['command']
    assert 'reid_ros export' in shipped[1].command
    assert '/work' not in json.dumps(shipped[1].to_json())
    scores, full = training['validation']['choose'], training['fp32']['choose']
    assert 0.8 < scores['iou'] <= 1
    assert full['iou'] - scores['iou'] < 0.01


def test_the_network_fits_its_card(shipped):
    path, card = shipped
    picture = np.random.default_rng(0).integers(0, 256, (128, 64, 3), np.uint8)
    assert check(path, card, picture).problems == []


@pytest.mark.slow
def test_it_cuts_out_rendered_people_whom_it_has_never_seen(network, monkeypatch):
    monkeypatch.setattr('reid_ros.bench.silhouette.CAMERAS', 2)
    found = score('silhouette', network, 'usual', truth('usual', 12), lambda pictures: None)
    assert found.crops == 24
    assert found.overlap > 0.72
    assert found.overlap_aligned > 0.72
    assert found.kept > 0.6
    assert sum(found.reasons.values()) == 24


@pytest.mark.slow
def test_its_speed_is_told_with_and_without_what_is_around_it(shipped, network, monkeypatch):
    monkeypatch.setattr('reid_ros.bench.silhouette.CAMERAS', 1)
    monkeypatch.setattr('reid_ros.bench.silhouette.ROUNDS', 3)
    found = speed('silhouette', shipped[0], network, 2, truth('usual', 1))
    assert found.network_ms > 0
    assert found.ms > 0
    assert found.megabytes == pytest.approx(shipped[0].stat().st_size / 1e6, abs=0.01)


def test_committed_results_are_of_a_network_that_beats_the_selfie_model_on_the_world():
    path = config_dir().parent / 'docs' / 'results' / 'silhouette.json'
    if not path.is_file():
        pytest.skip('installed without docs')
    content = json.loads(path.read_text(encoding='utf-8'))
    assert '/work' not in path.read_text(encoding='utf-8')
    by = {(row['network'], row['pictures']): row['overlap'] for row in content['rows']}
    for pictures in ('usual', 'eyes', 'harsh'):
        assert by['silhouette', pictures] > by['seg_selfie_segmentation', pictures] + 0.1


# -- how sources are compared where there is no truth --------------------------------------------


def seen(left, right, reason=''):
    """Somebody whose silhouettes fill the rows of these slices."""
    looks = {}
    for name, rows in (('left', left), ('right', right)):
        mask = np.zeros((1, 64, 44), np.uint8)
        mask[0, rows] = 255
        why = reason if name == 'right' else ''
        quality = np.array([0.0 if why else 1.0], np.float32)
        looks[name] = Silhouettes(mask, quality, (why,))
    return Seen(np.full((90, 40, 3), 120, np.uint8), looks)


def test_agreement_is_the_mean_overlap_where_both_see_somebody():
    people = [
        seen(slice(0, 64), slice(0, 32)),
        seen(slice(0, 64), slice(0, 64), 'truncated'),
        seen(slice(0, 64), slice(0, 0), 'empty'),
    ]
    found = agreement('hall', people, 'left', 'right')
    assert (found.crops, found.overlap) == (3, 0.75)
    assert (found.kept_one, found.kept_other) == (1.0, pytest.approx(1 / 3, abs=1e-3))


def test_overlap_of_two_empty_masks_is_whole():
    nothing = np.zeros((4, 4), bool)
    assert overlap(nothing, nothing) == 1.0
    assert overlap(nothing, ~nothing) == 0.0


def test_a_contact_sheet_shows_everybody_and_marks_what_is_not_used():
    people = [seen(slice(0, 64), slice(0, 64), 'merged')] * 3
    picture = sheet(people, columns=2, high=64)
    assert picture.shape == (2 * 64, 2 * 3 * 44, 3)
    good, bad = picture[20:40, 44 + 10 : 88 - 4], picture[20:40, 88 + 10 : 132 - 4]
    assert (good == 255).all()
    assert (bad[..., 2] == 255).all()
    assert (bad[..., 0] < 100).all()
