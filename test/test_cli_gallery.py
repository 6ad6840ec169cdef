"""`reid_ros gallery` on real files."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from reid_ros.cli import main
from reid_ros.gallery import Gallery
from reid_ros.gallery_store import GalleryStore, ModelId

MODEL = ModelId('net', 8, 'a' * 64)


@pytest.fixture
def file(tmp_path):
    """A gallery of three persons; 1 and 2 were seen side by side."""
    path = tmp_path / 'people.db'
    gallery = Gallery()
    for number in range(3):
        person = gallery.born(1_000_000_000 * number)
        person.seen_ns['hall'] = 2_000_000_000 + number
        vector = np.zeros(8, np.float32)
        vector[number] = 1.0
        gallery.learn(person.number, vector, 'hall', 1.0)
        gallery.confirm(person.number)
    gallery.cannot_link(1, 2)
    with GalleryStore(path, MODEL) as store:
        store.save(gallery)
    return path


def listed(file, capsys):
    capsys.readouterr()
    assert main(['gallery', 'list', str(file), '--json']) == 0
    return {row['person']: row for row in json.loads(capsys.readouterr().out)}


def test_names_are_kept(file, capsys):
    assert main(['gallery', 'name', str(file), '2', 'Ada']) == 0
    assert listed(file, capsys)[2]['name'] == 'Ada'
    assert main(['gallery', 'list', str(file)]) == 0
    assert 'Ada' in capsys.readouterr().out


def test_merged_persons_become_the_first(file, capsys):
    assert main(['gallery', 'merge', str(file), '1', '3']) == 0
    people = listed(file, capsys)
    assert set(people) == {1, 2}
    assert people[1]['merged'] == [3]


def test_persons_seen_side_by_side_are_not_merged(file, capsys):
    assert main(['gallery', 'merge', str(file), '1', '2']) == 2
    assert 'two people' in capsys.readouterr().err
    assert set(listed(file, capsys)) == {1, 2, 3}


def test_forgotten_persons_are_gone(file, capsys):
    assert main(['gallery', 'forget', str(file), '1', '3']) == 0
    assert set(listed(file, capsys)) == {2}


def test_one_unknown_number_changes_nothing(file, capsys):
    assert main(['gallery', 'forget', str(file), '1', '9']) == 2
    assert 'no person 9; the gallery holds 2, 3' in capsys.readouterr().err
    assert set(listed(file, capsys)) == {1, 2, 3}


def test_clearing_asks_first(file, capsys, monkeypatch):
    monkeypatch.setattr('builtins.input', lambda _: 'n')
    assert main(['gallery', 'clear', str(file)]) == 0
    assert len(listed(file, capsys)) == 3
    assert main(['gallery', 'clear', str(file), '--yes']) == 0
    assert listed(file, capsys) == {}


def test_a_cleared_gallery_takes_another_model_and_uses_no_number_again(file):
    assert main(['gallery', 'clear', str(file), '--yes']) == 0
    with GalleryStore(file, ModelId('other', 4, 'b' * 64)) as store:
        gallery = Gallery()
        store.load(gallery)
        assert gallery.born(0).number == 4


def test_a_missing_file_is_named_and_not_made(tmp_path, capsys):
    path = tmp_path / 'nobody.db'
    assert main(['gallery', 'list', str(path)]) == 2
    assert 'nobody.db: no such gallery' in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
