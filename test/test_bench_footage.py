"""Scores on real footage, tested on footage that is drawn here and whose answer is known."""

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from samples import data

from reid_ros.bench import encoders, footage, reel
from reid_ros.bench.footage import Footage, Looks, Score
from reid_ros.card import named as card_named
from reid_ros.card import onnx_of
from reid_ros.cli import main

networks = pytest.importorskip('networks', reason='onnx is not installed')

SHIRTS = {
    'red': ((40, 40, 200), (120, 60, 30)),
    'green': ((60, 160, 40), (30, 30, 30)),
    'green too': ((60, 160, 40), (30, 30, 30)),
    'white': ((220, 220, 220), (140, 90, 30)),
}
"""Blue, green and red of the shirt and of the trousers."""


def film(path, size, frames, people, rate=10.0):
    """A film of people who stand in boxes.

    Args:
        people: frame -> (x0, y0, x1, y1, clothes) of everybody in it.
    """
    width, height = size
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = {'.avi': b'MJPG', '.mp4': b'mp4v'}[path.suffix]
    writer = cv2.VideoWriter(str(path), int.from_bytes(codec, 'little'), rate, size)
    assert writer.isOpened()
    draw = np.random.default_rng(5)
    for index in range(frames):
        image = draw.integers(90, 130, (height, width, 3), np.uint8)
        for x0, y0, x1, y1, clothes in people(index):
            shirt, trousers = SHIRTS[clothes]
            middle, light = (y0 + y1) // 2, draw.uniform(0.9, 1.1)
            image[y0:middle, x0:x1] = np.multiply(shirt, light).clip(0, 255)
            image[middle:y1, x0:x1] = np.multiply(trousers, light).clip(0, 255)
        writer.write(image)
    writer.release()
    return path


BOX = (56, 16, 104, 144)
VISITS = {'A': (5, 64, 'red'), 'B': (75, 134, 'green'), 'C': (145, 204, 'green too')}


def visits(folder):
    """Three people one after another, two of them in the same clothes, and who sees them."""
    films = reel.FILES['one-by-one']

    def people(index):
        return [(*BOX, c) for first, last, c in VISITS.values() if first <= index <= last]

    film(folder / films[0], (160, 160), 210, people)
    rows = [f'{name}\t{first}\t{last}' for name, (first, last, _) in VISITS.items()]
    (folder / films[1]).write_text('\n'.join(['person\tfirst_frame\tlast_frame', *rows]) + '\n')
    # The detector says of every picture, an empty one too, that somebody is there.
    scale = 64 / 160
    answer = np.array([[[*(scale * edge for edge in BOX), 0.9, 0]]], np.float32)
    networks.constant(folder / 'always.onnx', {'boxes': answer})
    networks.write(folder, networks.detector('yolo_nms', 'always'))
    return str(folder / 'always.onnx')


PLACES = {'red': (10, 10, 60, 120), 'white': (90, 20, 140, 130)}


@pytest.fixture
def cameras(tmp_path, monkeypatch):
    """Four cameras that see two people, and the table of where."""
    lines = ['camera\tframe\tx0\ty0\tx1\ty1\tperson']
    for file in reel.FILES['multicam']:
        film(tmp_path / file, (160, 140), 41, lambda _: [(*b, c) for c, b in PLACES.items()], 20.0)
        for frame, (clothes, box) in itertools.product(range(0, 41, 10), PLACES.items()):
            lines.append('\t'.join(map(str, (Path(file).stem, frame, *box, clothes))))
    table = tmp_path / 'config' / 'footage' / 'multicam.tsv'
    table.parent.mkdir(parents=True)
    table.write_text('\n'.join(lines) + '\n')
    monkeypatch.setattr(reel, 'config_dir', lambda: tmp_path / 'config')
    return tmp_path


def crossing(folder):
    """Three people in one film from above, with truth in every tenth frame."""
    places = [(10, 10, 40, 90, 'red'), (60, 20, 90, 100, 'green'), (110, 10, 140, 90, 'white')]
    films = reel.FILES['vtest']
    film(folder / films[0], (160, 120), 61, lambda _: places)
    rows = []
    for frame in (1, *range(10, 61, 10)):
        for number, (x0, y0, x1, y1, _) in enumerate(places, 3):
            rows.append(f'{frame},{number},{x0},{y0},{x1 - x0},{y1 - y0},1,1,1')
        # Somebody who does not count, half behind the first.
        rows.append(f'{frame},9,{10},{30},{30},{80},0,1,1')
    (folder / films[1]).write_text('\n'.join(rows) + '\n')


def colour():
    return encoders.load(['colour'])[0]


def judged(seen, what, level='piece', one=None):
    crops = footage.looks(one or colour(), seen)
    units = crops if level == 'crop' else footage.pieces(crops, seen.quality, what.piece_s)
    return units, footage.score(units, what, seen.names)


ONE_BY_ONE, MULTICAM, VTEST = footage.FOOTAGE


# -- footage to crops ----------------------------------------------------------------------------


def test_whoever_is_seen_during_a_visit_is_the_visitor(tmp_path):
    detector = visits(tmp_path)
    seen = reel.reel('one-by-one', tmp_path, detector)
    assert seen.names == ('A', 'B', 'C')
    assert np.bincount(seen.people).tolist() == [30, 30, 30]  # every second frame of a visit
    for person, (first, last, _) in enumerate(VISITS.values()):
        stamps = seen.stamps_s[seen.people == person]
        assert first / 10 <= stamps.min() <= stamps.max() <= last / 10
    shirt = np.stack([crop[20:50, 10:38].mean(axis=(0, 1)) for crop in seen.crops])
    assert (shirt[seen.people == 0].argmax(axis=1) == 2).all()
    assert (shirt[seen.people != 0].argmax(axis=1) == 1).all()


def test_who_wears_the_same_is_hardest_to_tell_apart(tmp_path):
    seen = reel.reel('one-by-one', tmp_path, visits(tmp_path))
    units, found = judged(seen, ONE_BY_ONE)
    assert np.bincount(units.people).tolist() == [6, 6, 6]
    assert found.hardest[0] == 'B and C'
    assert 0.2 < found.hardest[1] < 0.8
    # Of three couples two are told apart always.
    assert found.values['auc'] == pytest.approx((2 + found.hardest[1]) / 3, abs=0.12)
    assert found.values['rank_1'] < 0.95


def test_cameras_are_compared_with_each_other_and_never_with_themselves(cameras):
    seen = reel.reel('multicam', cameras)
    assert len(seen) == 4 * 5 * 2
    assert seen.stamps_s.max() == 2.0
    units, found = judged(seen, MULTICAM)
    assert len(units) == 4 * 3 * 2  # pieces from 0, 1 and 2 s on
    right, wrong = footage.pairs(units, MULTICAM)
    same = units.cameras[:, None] == units.cameras[None]
    assert not (right & same).any()
    assert not (wrong & same).any()
    assert found.genuine == 2 * 6 * 9
    assert found.impostor == 12 * 9
    assert found.values == {'auc': 1.0, 'rank_1': 1.0, 'map': 1.0}


def test_who_does_not_count_hides_others_but_is_not_scored(tmp_path):
    crossing(tmp_path)
    seen = reel.reel('vtest', tmp_path)
    assert seen.names == ('3', '4', '5')
    assert np.bincount(seen.people).tolist() == [7, 7, 7]
    hidden = seen.quality[seen.people == 0]
    assert hidden.max() < 0.6 * seen.quality[seen.people == 2].min()
    _, found = judged(seen, VTEST, 'crop')
    assert found.values['auc'] == 1.0


def test_names_that_are_swapped_at_random_are_worth_nothing(tmp_path):
    crossing(tmp_path)
    seen = reel.reel('vtest', tmp_path)
    vectors = footage.looks(colour(), seen).vectors
    draw = np.random.default_rng(1)
    areas = []
    for _ in range(12):
        swapped = Looks(vectors, draw.permutation(seen.people), seen.cameras, seen.stamps_s)
        areas.append(footage.score(swapped, VTEST, seen.names).values['auc'])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.08)


def test_crops_are_what_a_frame_would_give(cameras):
    """So that a network sees of the kept crop what it would see in a run."""
    from reid_ros.images import crop_batch

    seen = reel.reel('multicam', cameras)
    film_ = cv2.VideoCapture(str(cameras / reel.FILES['multicam'][0]))
    _, image = film_.read()
    spec = colour().encoder.card.input
    box = np.array([[10, 10, 60, 120]], np.float32)
    crop = seen.crops[0]
    whole = np.array([[0, 0, crop.shape[1], crop.shape[0]]], np.float32)
    np.testing.assert_array_equal(crop_batch(crop, whole, spec), crop_batch(image, box, spec))


def test_kept_crops_are_the_same_and_need_no_detector(tmp_path, monkeypatch):
    detector, kept = visits(tmp_path), tmp_path / 'kept'
    first = reel.reel('one-by-one', tmp_path, detector, kept)
    monkeypatch.setattr(reel.Model, 'load', None)
    again = reel.reel('one-by-one', tmp_path, detector, kept)
    assert again.names == first.names
    for a, b in zip(first.crops, again.crops):
        np.testing.assert_array_equal(a, b)
    for name in ('quality', 'people', 'cameras', 'stamps_s'):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    monkeypatch.undo()
    table = tmp_path / reel.FILES['one-by-one'][1]
    table.write_text(table.read_text().replace('C\t145', 'C\t165'))
    # Ten frames less, and one until the new track counts.
    assert len(reel.reel('one-by-one', tmp_path, detector, kept)) == len(first) - 11
    assert len(list(kept.iterdir())) == 2


def test_missing_and_broken_footage_is_named(tmp_path, cameras):
    with pytest.raises(reel.FootageError, match=r'vtest\.avi: no such footage'):
        reel.reel('vtest', tmp_path)
    crossing(tmp_path)
    (tmp_path / 'video' / 'vtest.avi').write_bytes(b'nothing')
    with pytest.raises(reel.FootageError, match=r'vtest\.avi'):
        reel.reel('vtest', tmp_path)
    detector = visits(tmp_path)
    table = tmp_path / reel.FILES['one-by-one'][1]
    table.write_text(table.read_text().replace('first_frame', 'from'))
    with pytest.raises(reel.FootageError, match='person first_frame last_frame'):
        reel.reel('one-by-one', tmp_path, detector)
    table.write_text('person\tfirst_frame\tlast_frame\nA\t5000\t5100\n')
    with pytest.raises(reel.FootageError, match='0 of 1 visits'):
        reel.reel('one-by-one', tmp_path, detector)


# -- vectors to scores ---------------------------------------------------------------------------


def made(people, each=6, noise=0.6, seed=0, cameras=1, length=12):
    """Vectors around a direction of each person, a second apart."""
    draw = np.random.default_rng(seed)
    own = draw.normal(size=(people, length))
    who = np.repeat(np.arange(people), each)
    vectors = own[who] + noise * draw.normal(size=(len(who), length))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    stamps = np.tile(np.arange(each, dtype=float), people)
    return Looks(vectors.astype(np.float32), who, np.arange(len(who)) % cameras, stamps)


def names_of(people):
    return tuple(f'P{k}' for k in range(people))


@pytest.mark.parametrize(
    'what', [Footage('x', 'final', gap_s=2.0), Footage('x', 'f', across=True)]
)
def test_scores_are_those_of_a_plain_loop(what):
    units = made(4, each=7, noise=1.2, cameras=3)
    n = len(units)
    cosine = units.vectors.astype(float) @ units.vectors.astype(float).T

    def pair(i, j):
        if units.people[i] != units.people[j]:
            return 'wrong' if not what.across or units.cameras[i] != units.cameras[j] else ''
        if what.across:
            return 'right' if units.cameras[i] != units.cameras[j] else ''
        return 'right' if abs(units.stamps_s[i] - units.stamps_s[j]) >= what.gap_s else ''

    genuine, strangers = {}, {}
    for i, j in itertools.combinations(range(n), 2):
        if pair(i, j) == 'right':
            genuine.setdefault(units.people[i], []).append(cosine[i, j])
        elif pair(i, j) == 'wrong':
            couple = tuple(sorted((units.people[i], units.people[j])))
            strangers.setdefault(couple, []).append(cosine[i, j])
    areas = [
        np.mean([(a > b) + 0.5 * (a == b) for a in own for b in theirs])
        for own in genuine.values()
        for theirs in strangers.values()
    ]
    first, precisions = {}, {}
    for i in range(n):
        order = [j for j in np.argsort(-cosine[i]) if j != i and pair(i, j)]
        hits = [pair(i, j) == 'right' for j in order]
        if any(hits):
            places = np.flatnonzero(hits) + 1
            first.setdefault(units.people[i], []).append(hits[0])
            precisions.setdefault(units.people[i], []).append(
                np.mean(np.arange(1, len(places) + 1) / places)
            )
    found = footage.score(units, what, names_of(4))
    assert 0.6 < found.values['auc'] < 0.99
    assert found.values['auc'] == pytest.approx(np.mean(areas), abs=1e-6)
    assert found.values['rank_1'] == pytest.approx(np.mean([np.mean(v) for v in first.values()]))
    assert found.values['map'] == pytest.approx(np.mean([np.mean(v) for v in precisions.values()]))
    assert found.genuine == sum(map(len, genuine.values()))
    assert found.impostor == sum(map(len, strangers.values()))


def test_one_answer_for_everybody_earns_nothing():
    units = made(4)
    blind = Looks(np.ones_like(units.vectors) / 12**0.5, *(
        getattr(units, name) for name in ('people', 'cameras', 'stamps_s')
    ))  # fmt: skip
    found = footage.score(blind, ONE_BY_ONE, names_of(4))
    assert found.values['auc'] == 0.5
    assert found.values['rank_1'] == 0.0


def test_a_person_counts_alike_however_long_they_are_seen():
    units = made(3, each=12, noise=1.0, seed=3)
    rows = np.concatenate([np.arange(36), *[np.arange(12)] * 5])
    often = Looks(*(getattr(units, n)[rows] for n in ('vectors', 'people', 'cameras', 'stamps_s')))
    one, more = (footage.score(u, ONE_BY_ONE, names_of(3)) for u in (units, often))
    assert more.genuine > 3 * one.genuine
    assert more.values['auc'] == pytest.approx(one.values['auc'], abs=0.02)


def test_pairs_closer_in_time_than_the_gap_do_not_exist():
    units = made(2, each=5)
    right, wrong = footage.pairs(units, Footage('x', 'final', gap_s=3.0))
    assert right[0, :5].tolist() == [False, False, False, True, True]
    assert wrong[0].tolist() == [False] * 5 + [True] * 5


def test_pieces_are_means_by_quality_of_a_second_of_one_camera():
    units = made(2, each=10, cameras=2)
    stamps = np.tile(np.arange(10) * 0.5, 2)
    crops = Looks(units.vectors, units.people, np.zeros(20, np.int64), stamps)
    quality = np.linspace(0.2, 1.0, 20).astype(np.float32)
    found = footage.pieces(crops, quality, 1.0)
    assert found.people.tolist() == [0] * 5 + [1] * 5
    assert found.stamps_s[:2].tolist() == [0.25, 1.25]
    total = quality[2] * crops.vectors[2] + quality[3] * crops.vectors[3]
    np.testing.assert_allclose(found.vectors[1], total / np.linalg.norm(total), atol=1e-6)
    split = Looks(crops.vectors, crops.people, units.cameras, stamps)
    assert len(footage.pieces(split, quality, 1.0)) == 20


def test_intervals_hold_the_value_and_shrink_with_people():
    wide, narrow = (
        footage.ends(
            footage.score(made(k, noise=1.2, seed=2), ONE_BY_ONE, names_of(k)).rounds['auc']
        )
        for k in (4, 40)
    )
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    found = footage.score(made(40, noise=1.2, seed=2), ONE_BY_ONE, names_of(40))
    assert narrow[0] < found.values['auc'] < narrow[1]


def test_intervals_cover_as_often_as_they_say():
    """Of many samples of 25 people, the interval of 95 % misses the truth in about one of 20."""
    what = Footage('x', 'final', gap_s=1.0)

    def sample(people, seed):
        return footage.score(
            made(people, each=3, noise=1.3, seed=seed, length=6), what, names_of(people), 300
        )

    truth = np.mean([sample(60, 900 + k).values['auc'] for k in range(6)])
    hits = 0
    for seed in range(40):
        low, high = footage.ends(sample(25, seed).rounds['auc'])
        hits += low <= truth <= high
    assert hits >= 34


def test_differences_are_told_on_the_same_people():
    """Two networks that fail on the same people differ by less than either is sure of itself."""
    units = made(8, noise=1.3, seed=4)
    draw = np.random.default_rng(0)
    worse = units.vectors + 0.05 * draw.normal(size=units.vectors.shape).astype(np.float32)
    worse /= np.linalg.norm(worse, axis=1, keepdims=True)
    a = footage.score(units, ONE_BY_ONE, names_of(8))
    b = footage.score(
        Looks(worse, units.people, units.cameras, units.stamps_s), ONE_BY_ONE, names_of(8)
    )
    row = next(
        row
        for row in footage.rows({('net', 'f', 'crop'): a, ('colour', 'f', 'crop'): b})
        if row['network'] == 'net'
    )
    value, low, high = row['above_colour']['auc']
    assert value == pytest.approx(a.values['auc'] - b.values['auc'], abs=1e-4)
    assert low <= value <= high
    assert high - low < 0.5 * (row['auc_interval'][1] - row['auc_interval'][0])


def test_the_mean_of_footages_counts_each_alike():
    one = Score({'auc': 0.9, 'rank_1': 0.8, 'map': 0.7}, {}, 5, 3, 10, 20, ('a and b', 0.6))
    two = Score({'auc': 0.7, 'rank_1': 1.0, 'map': 0.9}, {}, 7, 2, 30, 40, ('c and d', 0.5))
    scores = []
    for score_, level in ((one, 0.1), (two, 0.3)):
        rounds = {name: np.full(4, level) for name in footage.MEASURES}
        scores.append(Score(score_.values, rounds, *(
            getattr(score_, n) for n in ('units', 'people', 'genuine', 'impostor', 'hardest')
        )))  # fmt: skip
    both = footage.mean(scores)
    assert both.values == pytest.approx({'auc': 0.8, 'rank_1': 0.9, 'map': 0.8})
    assert both.rounds['auc'].tolist() == pytest.approx([0.2] * 4)
    assert (both.people, both.genuine, both.hardest) == (5, 40, ('c and d', 0.5))


# -- the command ---------------------------------------------------------------------------------


def test_the_command_scores_final_footage_only_when_asked(cameras, capsys, monkeypatch):
    detector = visits(cameras)
    crossing(cameras)
    monkeypatch.delenv('REID_ROS_MODELS', raising=False)
    out = cameras / 'footage.json'
    call = ['bench', 'footage', 'colour', '--data', str(cameras), '--detector', detector]
    call += ['--cache', str(cameras / 'kept'), '--quiet']
    assert main([*call, '--out', str(out)]) == 0
    said = capsys.readouterr().out
    assert '--final' in said
    assert 'B and C' in said
    found = json.loads(out.read_text())
    assert found['parts'] == ['development']
    assert str(cameras) not in found['command'].split('--detector')[0]
    keys = {(row['footage'], row['level']) for row in found['rows']}
    assert keys == set(
        itertools.product(['one-by-one', 'multicam', 'development'], footage.LEVELS)
    )
    for row in found['rows']:
        for name in footage.MEASURES:
            low, high = row[f'{name}_interval']
            assert 0 <= low <= high <= 1
    assert main([*call, '--final', '--json']) == 0
    captured = capsys.readouterr()
    assert 'choose nothing' in captured.err
    rows = {(r['footage'], r['level']): r for r in json.loads(captured.out)['rows']}
    assert rows['vtest', 'crop']['auc'] == 1.0
    assert rows['vtest', 'piece']['units'] == 6


def test_without_footage_the_command_says_what_to_give(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv('REID_ROS_DATA', raising=False)
    assert main(['bench', 'footage', 'colour']) != 0
    assert '--data DIR' in capsys.readouterr().err
    assert main(['bench', 'footage', 'colour', '--data', str(tmp_path), '--quiet']) != 0
    assert 'no such footage' in capsys.readouterr().err


# -- the real footage ----------------------------------------------------------------------------


def test_the_labels_fit_the_real_films():
    """Colour alone tells the man, the woman and the bystander apart, so nobody's name is wrong."""
    root = data('multicam').parent
    seen = reel.reel('multicam', root)
    assert seen.names == ('bystander', 'man', 'woman')
    assert len(seen) > 85
    _, found = judged(seen, MULTICAM, 'crop')
    assert found.values['rank_1'] > 0.95
    assert found.values['auc'] > 0.85


@pytest.mark.slow
def test_the_baselines_are_what_they_were_on_the_real_development_footage():
    root = data('video').parent
    detector = data('models', 'yolox_nano_416x416.onnx')
    if onnx_of(card_named('yolox_nano')) is None:
        pytest.skip(f'put {detector.parent} into REID_ROS_MODELS')
    seen = reel.reel('one-by-one', root)
    assert seen.names == ('P1', 'P2', 'P3', 'P4', 'P5', 'P6')
    assert np.bincount(seen.people).min() >= 50
    _, found = judged(seen, ONE_BY_ONE)
    assert found.values['auc'] == pytest.approx(0.967, abs=0.01)
    assert found.hardest[0] == 'P2 and P4'
