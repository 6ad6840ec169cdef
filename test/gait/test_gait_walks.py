"""Silhouettes over time to vectors: what is enough of a walk, and what is none."""

import dataclasses
import weakref
from collections import Counter

import cv2
import gait_graphs
import numpy as np
import pytest

from reid_ros.card import find, head_of
from reid_ros.config import GaitConfig
from reid_ros.gait import GaitError, Gaits, Seen
from reid_ros.model import Model
from reid_ros.pace import Newest
from reid_ros.silhouette import Silhouettes
from reid_ros.types import Tracks

NS = 1_000_000_000
SHAPE = (gait_graphs.CHANNELS, gait_graphs.ROWS, gait_graphs.COLUMNS)


@pytest.fixture(scope='module')
def graphs(tmp_path_factory):
    path, card = find(str(gait_graphs.write(tmp_path_factory.mktemp('gait'))), 'gait')
    frames = Model.load(path, card, backend='cpu')
    return frames, Model.load(*head_of(path, card, SHAPE), backend='cpu')


class Counted:
    """A network that counts what it is fed."""

    def __init__(self, model):
        self.model, self.card = model, model.card
        self.rows = self.calls = 0

    def infer(self, batch):
        self.rows += len(batch)
        self.calls += 1
        return self.model.infer(batch)


def body(phase, swing=9.0, wide=8):
    """A silhouette whose legs are at a phase of the walking cycle, seen from the side."""
    mask = np.zeros((64, 44), np.uint8)
    cv2.ellipse(mask, (22, 6), (4, 6), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (22, 23), (wide, 14), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        foot = 22 + side * swing * np.sin(2 * np.pi * phase)
        cv2.line(mask, (22, 34), (round(foot), 62), 255, 6)
    return mask


def tracks(boxes, ids=None, ended=(), visible=None):
    n = len(boxes)
    seen = np.ones(n, bool) if visible is None else np.asarray(visible, bool)
    return Tracks(
        np.asarray(range(1, n + 1) if ids is None else ids, np.uint32),
        np.asarray(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.9, np.float32),
        np.where(seen, np.arange(n), -1).astype(np.int64),
        np.ones(n, bool),
        np.asarray(ended, np.uint32),
    )


def shapes(masks, quality=0.9, reasons=None):
    n = len(masks)
    return Silhouettes(
        np.asarray(masks, np.uint8).reshape(n, 64, 44),
        np.full(n, quality, np.float32),
        ('',) * n if reasons is None else tuple(reasons),
    )


def box(x, height=160.0, y=300.0):
    return x, y - height, x + 0.4 * height, y


class Film:
    """People who walk to the right before one camera, or stand.

    Attributes:
        gaits: what is tested.
        answers: one per frame.
    """

    def __init__(self, gaits, rate_hz=12.0, camera='hall'):
        self.gaits, self.rate_hz, self.camera = gaits, rate_hz, camera
        self.now_ns, self.index, self.answers = 10 * NS, 0, []

    def seen(self, speed=150.0, x=0.0, masks=None, **options):
        time = self.index / self.rate_hz
        masks = [body(time)] if masks is None else masks
        boxes = [box(x + speed * time + 300 * i) for i in range(len(masks))]
        return Seen(self.camera, self.now_ns, tracks(boxes), shapes(masks, **options))

    def play(self, frames, **how):
        for _ in range(frames):
            self.answers += self.gaits.step([self.seen(**how)])
            self.tick()
        return self.answers[-1]

    def tick(self, seconds=None):
        self.now_ns += round(NS / self.rate_hz if seconds is None else seconds * NS)
        self.index += 1

    def reasons(self):
        return [answer.reasons[0] for answer in self.answers]


# -- the running maximum -------------------------------------------------------------------------


def test_a_walk_keeps_its_own_silhouettes_and_not_the_whole_batches():
    held, batches = Newest(), []
    for k in range(4):
        batch = np.full((3, 2, 4, 4), k, np.float32)
        held.add(batch[1])
        batches.append(weakref.ref(batch))
        untouched = batch.copy()
    held.drop()
    np.testing.assert_array_equal(batch, untouched)
    del batch
    assert [one() for one in batches] == [None] * 4
    assert held.maximum().max() == 3.0


@pytest.mark.parametrize('window', [1, 2, 3, 7, 30])
def test_the_running_maximum_is_that_of_the_newest(window):
    rng = np.random.default_rng(window)
    values = rng.normal(size=(80, 3, 4)).astype(np.float32)
    held = Newest()
    for i, one in enumerate(values):
        held.add(one)
        if len(held) > window or (i > 40 and len(held) > 1 and rng.random() < 0.2):
            held.drop()
        np.testing.assert_array_equal(held.maximum(), values[i + 1 - len(held) : i + 1].max(0))


@pytest.mark.parametrize('window', [12, 20, 30])
def test_a_vector_is_that_of_the_whole_window_at_once(graphs, window):
    film = Film(Gaits(*graphs, GaitConfig(window=window, period_s=0.0)))
    film.play(50)
    frames, head = graphs
    masks = np.stack([body(i / film.rate_hz) for i in range(50)])
    told = 0
    for i, answer in enumerate(film.answers):
        if not len(answer.rows):
            continue
        first = max(0, i + 1 - window)
        whole = head.infer(frames.infer(masks[first : i + 1])[0].max(axis=0)[None])[0]
        np.testing.assert_allclose(answer.vectors, whole, atol=1e-5)
        assert answer.since_ns.tolist() == [10 * NS + first * round(NS / film.rate_hz)]
        told += 1
    assert told == 50 - 11
    np.testing.assert_allclose(np.linalg.norm(film.answers[-1].vectors, axis=1), 1, atol=1e-5)


def test_a_silhouette_enters_the_network_once_and_all_cameras_in_one_batch(graphs):
    frames, head = Counted(graphs[0]), Counted(graphs[1])
    gaits = Gaits(frames, head, GaitConfig(period_s=0.0))
    films = [Film(gaits, camera=name) for name in ('hall', 'door')]
    for _ in range(20):
        both = gaits.step([film.seen(masks=[body(0.1), body(film.index / 12)]) for film in films])
        for film in films:
            film.tick()
    assert [len(answer.rows) for answer in both] == [2, 2]
    assert (frames.calls, frames.rows) == (20, 80)
    assert (head.calls, head.rows) == (9, 36)


def test_cameras_and_tracks_do_not_mix(graphs):
    alone = Film(Gaits(*graphs, GaitConfig(period_s=0.0)))
    alone.play(20)
    gaits = Gaits(*graphs, GaitConfig(period_s=0.0))
    film, other = Film(gaits), Film(gaits, camera='door')
    for _ in range(20):
        masks = [body(film.index / 12), body(film.index / 9 + 0.3, wide=12)]
        here, there = gaits.step([film.seen(masks=masks), other.seen(masks=masks[::-1])])
        film.tick()
        other.tick()
    np.testing.assert_allclose(here.vectors[:1], alone.answers[-1].vectors, atol=1e-5)
    np.testing.assert_allclose(here.vectors, there.vectors[::-1], atol=1e-5)


# -- enough of a walk ----------------------------------------------------------------------------


@pytest.mark.parametrize(('rate_hz', 'first'), [(4.0, 12), (12.0, 12), (25.0, 21), (60.0, 49)])
def test_a_vector_takes_enough_silhouettes_and_most_of_a_cycle(graphs, rate_hz, first):
    film = Film(Gaits(*graphs, GaitConfig(window=60)), rate_hz=rate_hz)
    film.play(60)
    reasons = film.reasons()
    assert reasons[: first - 1] == ['few'] * (first - 1)
    assert set(reasons[first - 1 :]) == {''}
    assert len(film.answers[first - 1].rows) == 1


def test_vectors_come_once_a_period(graphs):
    film = Film(Gaits(*graphs, GaitConfig(period_s=0.5)), rate_hz=10.0)
    film.play(41)
    assert [i for i, a in enumerate(film.answers) if len(a.rows)] == [11, 16, 21, 26, 31, 36]


def test_the_least_number_may_change_live(graphs):
    gaits = Gaits(*graphs, GaitConfig(min_frames=40))
    film = Film(gaits)
    assert film.play(30).reasons == ('few',)
    gaits.config = GaitConfig(min_frames=12)
    assert len(film.play(1).rows) == 1
    gaits.config = GaitConfig(min_frames=45)
    assert film.play(1).reasons == ('few',)
    assert film.play(20).reasons == ('',)


@pytest.mark.parametrize('shake', [0.0, 2.5])
def test_who_stands_still_has_no_vector(graphs, shake):
    rng = np.random.default_rng(0)
    film = Film(Gaits(*graphs, GaitConfig()))
    for _ in range(60):
        seen = film.seen(speed=0.0, x=rng.normal() * shake, masks=[body(0.1)])
        film.answers += film.gaits.step([seen])
        film.tick()
    assert set(film.reasons()) == {'few', 'still'}
    assert film.reasons()[-1] == 'still'
    film.play(30, speed=150.0, x=-150.0 * 5)
    assert film.reasons()[-1] == ''


def test_who_walks_towards_the_camera_is_known_by_growing(graphs):
    film = Film(Gaits(*graphs, GaitConfig()))
    for i in range(24):
        tall = 120 * 1.25 ** (i / 12)
        seen = Seen('hall', film.now_ns, tracks([box(300 - 0.2 * tall, tall)]), shapes([body(0)]))
        film.answers += film.gaits.step([seen])
        film.tick()
    assert film.reasons()[-1] == ''


def test_a_panning_camera_makes_nobody_walk(graphs):
    film = Film(Gaits(*graphs, GaitConfig()))
    pan = np.eye(3)
    pan[0, 2] = 40.0
    for _ in range(30):
        film.gaits.is_due('hall', film.now_ns, pan)
        film.answers += film.gaits.step([film.seen(speed=480.0, masks=[body(0.1)])])
        film.tick()
    assert film.reasons()[-1] == 'still'
    assert 'jump' not in film.reasons()


# -- what is no walk -----------------------------------------------------------------------------


def dot():
    mask = np.zeros((64, 44), np.uint8)
    mask[30, 20] = 255
    return mask


@pytest.mark.parametrize(
    ('masks', 'options', 'reason'),
    [
        ([np.zeros((64, 44))], {}, 'empty'),
        ([dot()], {}, 'empty'),
        ([body(0.2)], {'quality': 0.0, 'reasons': ('merged',)}, 'merged'),
        ([body(0.2)], {'quality': 0.0, 'reasons': ('truncated',)}, 'truncated'),
    ],
)
def test_bad_silhouettes_give_no_vector_and_say_why(graphs, masks, options, reason):
    film = Film(Gaits(*graphs, GaitConfig()))
    last = film.play(30, masks=masks, **options)
    assert last.reasons == (reason,)
    assert not any(len(answer.rows) for answer in film.answers)
    assert film.gaits.counts['hall'] == Counter({reason: 30})


@pytest.mark.parametrize('shape', [(64, 64), (128, 88), (1, 1), (0, 0)])
@pytest.mark.parametrize('kind', [np.uint8, np.float64, bool])
def test_silhouettes_of_another_size_or_type_are_unfit(graphs, shape, kind):
    film = Film(Gaits(*graphs, GaitConfig()))
    good = film.seen()
    bad = dataclasses.replace(good.silhouettes)
    masks = np.ones((1, *shape), kind)
    with pytest.raises(ValueError, match='expected uint8'):
        dataclasses.replace(bad, masks=masks)
    object.__setattr__(bad, 'masks', masks)  # as a source of another's making may
    for _ in range(20):
        (answer,) = film.gaits.step([dataclasses.replace(good, silhouettes=bad)])
    assert answer.reasons == ('unfit',)
    assert len(answer.rows) == 0


def test_a_short_walk_has_no_vector(graphs):
    film = Film(Gaits(*graphs, GaitConfig()))
    film.play(11)
    assert set(film.reasons()) == {'few'}


def test_after_a_gap_a_walk_begins_anew(graphs):
    film = Film(Gaits(*graphs, GaitConfig()))
    film.play(20)
    film.tick(1.5)
    film.play(12)
    assert film.reasons()[20:] == ['gap', *['few'] * 10, '']
    assert film.answers[-1].since_ns[0] >= film.now_ns - 1.1 * NS


def test_poor_silhouettes_in_between_do_not_end_a_walk(graphs):
    film = Film(Gaits(*graphs, GaitConfig(period_s=0.0)))
    film.play(20)
    film.play(6, quality=0.0, reasons=('merged',))
    film.play(1)
    assert film.reasons()[20:] == ['merged'] * 6 + ['']


@pytest.mark.parametrize('how', ['place', 'size', 'shape'])
def test_a_mask_that_jumps_to_another_person_begins_anew(graphs, how):
    film = Film(Gaits(*graphs, GaitConfig(period_s=0.0)))
    film.play(20)
    other = {
        'place': {'x': 400.0},
        'size': {},
        'shape': {'masks': [np.roll(body(0.1), 13, axis=1)]},
    }[how]
    for _ in range(13):
        seen = film.seen(**other)
        if how == 'size':
            boxes = seen.tracks.boxes.copy()
            boxes[:, 1] -= 120
            seen = dataclasses.replace(seen, tracks=tracks(boxes))
        film.answers += film.gaits.step([seen])
        film.tick()
    assert film.reasons()[20] == 'jump'
    assert film.reasons()[21:31] == ['few'] * 10
    assert all(a.since_ns[0] > 11 * NS for a in film.answers[20:] if len(a.rows))


def test_a_track_that_ended_is_forgotten_and_its_number_tells_nothing(graphs):
    film = Film(Gaits(*graphs, GaitConfig(period_s=0.0)))
    film.play(20)
    gone = Seen('hall', film.now_ns, tracks([], ended=[1]), Silhouettes.none())
    assert film.gaits.step([gone])[0].reasons == ()
    film.tick()
    assert film.play(1).reasons == ('few',)
    film.play(15)
    film.gaits.reset_camera('hall')
    assert film.play(1).reasons == ('few',)


def test_a_track_out_of_sight_is_no_reason_to_count(graphs):
    film = Film(Gaits(*graphs, GaitConfig()))
    film.play(20)
    seen = film.seen()
    hidden = dataclasses.replace(seen, tracks=tracks(seen.tracks.boxes, visible=[False]))
    (answer,) = film.gaits.step([hidden])
    assert answer.reasons == ('away',)
    assert 'away' not in film.gaits.counts['hall']


@pytest.mark.parametrize(
    ('rate_hz', 'share'), [(5.0, 1.0), (12.0, 1.0), (15.0, 1.0), (30.0, 0.5), (60.0, 0.25)]
)
def test_fast_cameras_are_thinned(graphs, rate_hz, share):
    gaits = Gaits(*graphs, GaitConfig(rate_hz=15.0))
    jitter = np.random.default_rng(3)
    stamps = np.arange(240) / rate_hz * NS + jitter.normal(size=240) * 0.05 * NS / rate_hz
    asked = sum(gaits.is_due('hall', round(stamp)) for stamp in stamps)
    assert asked / 240 == pytest.approx(share, abs=0.03)


def test_a_network_for_other_silhouettes_is_refused(graphs):
    frames, head = graphs
    odd = Counted(frames)
    entry = dataclasses.replace(frames.card.input, width=64)
    odd.card = dataclasses.replace(frames.card, input=entry)
    with pytest.raises(GaitError, match='64 x 64, but they are 44 x 64'):
        Gaits(odd, head, GaitConfig())
