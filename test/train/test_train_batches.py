"""Batches are pure functions of numbers, and a clip's frames are changed alike."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train.augment import augment  # noqa: E402
from reid_ros.train.batches import Batches, ahead  # noqa: E402
from reid_ros.train.clips import DataError  # noqa: E402
from reid_ros.train.sampling import Identities, even, restricted  # noqa: E402
from reid_ros.train.settings import (  # noqa: E402
    AugmentConfig,
    DataConfig,
    Recipe,
    RunConfig,
)

STILL = AugmentConfig(flip=0, pad=0, erase=0)
ALL = AugmentConfig(
    colour=1, channel=1, grey=0.2, blur=0.5, coarse=0.5, noise=0.5, jpeg=0.5, shift=1
)


class Numbered:
    """Tracklets whose pixels tell tracklet and frame."""

    def __init__(self, people, length=6):
        self.people = np.array(people)
        self.cameras = np.arange(len(people)) % 3
        self.lengths = np.full(len(people), length)

    def frames(self, row, which):
        made = np.zeros((len(which), 32, 16, 3), np.uint8)
        made[..., 0], made[..., 1] = row, np.asarray(which)[:, None, None]
        return made


def recipe(augmented=STILL, seed=0, **data):
    data = DataConfig(height=32, width=16, **{'people': 3, 'clips': 2, 'frames': 3, **data})
    return Recipe(data=data, augment=augmented, run=RunConfig(seed=seed))


def test_a_batch_holds_p_people_with_k_tracklets_each():
    who = Identities(np.repeat(np.arange(7), 5), 3, 4, seed=1)
    for step in range(20):
        rows = who.batch(step).reshape(3, 4)
        assert len(np.unique(rows // 5)) == 3
        assert all(len(np.unique(row // 5)) == 1 for row in rows)
        assert all(len(np.unique(row)) == 4 for row in rows)


def test_everybody_comes_once_a_round():
    who = Identities(np.repeat(np.arange(6), 2), 3, 2, seed=1)
    assert who.round == 2
    for turn in range(5):
        seen = np.concatenate([who.batch(2 * turn + k) for k in range(2)])
        assert np.array_equal(np.sort(seen), np.arange(12))
    assert not np.array_equal(who.batch(0), who.batch(2))


def test_people_of_one_group_come_into_one_batch():
    people = np.repeat(np.arange(12), 2)
    groups = people // 2 * 2  # pairs
    who = Identities(people, 4, 2, seed=1, groups=groups)
    for step in range(9):
        chosen = np.unique(people[who.batch(step)])
        assert len(chosen) == 4
        assert np.array_equal(chosen[::2] + 1, chosen[1::2])
        assert (chosen[::2] % 2 == 0).all()
    alone = Identities(people, 4, 2, seed=1)
    assert np.array_equal(alone.batch(5), Identities(people, 4, 2, 1, people).batch(5))


def test_without_groups_people_come_in_the_order_that_they_always_came_in():
    people = np.array([3, 3, 0, 2, 1, 0, 2, 1])  # not sorted
    for step in range(4):
        turn, place = divmod(step, 2)
        order = np.random.default_rng((7, 1, turn)).permutation(4)[2 * place : 2 * place + 2]
        rows = Identities(people, 2, 2, seed=7).batch(step)
        assert people[rows[::2]].tolist() == people[rows[1::2]].tolist() == order.tolist()


def test_groups_of_several_sources_stay_apart():
    from reid_ros.train.clips import Joined

    class Some:
        def __init__(self, people, groups=None):
            self.people = self.cameras = np.array(people)
            self.lengths = np.ones(len(people), np.int64)
            if groups is not None:
                self.groups = np.array(groups)

    joined = Joined([Some([4, 5, 6, 7, 4], [2, 2, 3, 3, 2]), Some([9, 8])])
    assert joined.people.tolist() == [0, 1, 2, 3, 0, 5, 4]
    assert joined.groups.tolist() == [0, 0, 2, 2, 0, 5, 4]


def test_whoever_has_too_few_tracklets_shows_all_of_them_again():
    rows = Identities(np.array([0, 0, 0, 1, 2]), 3, 5, seed=0).batch(0)
    counts = np.bincount(rows, minlength=5)
    assert counts[3] == counts[4] == 5
    assert counts[:3].sum() == 5
    assert counts[:3].min() >= 1


def test_too_few_people_for_a_batch_are_refused():
    with pytest.raises(DataError, match='a batch of 8 people, but there are 2'):
        Identities(np.array([0, 1]), 8, 2, seed=0)


@pytest.mark.parametrize(('length', 'frames'), [(8, 4), (9, 4), (100, 8), (4, 4), (2, 4), (1, 3)])
def test_each_stretch_of_a_tracklet_gives_one_frame(length, frames):
    seen = set()
    for k in range(200):
        which = restricted(length, frames, np.random.default_rng(k))
        assert len(which) == frames
        assert np.all(np.diff(which) >= 0)
        for stretch, frame in enumerate(which):
            assert stretch * length / frames - 1 < frame < (stretch + 1) * length / frames
        seen |= set(which.tolist())
    assert seen == set(range(length)), 'every frame comes now and then'


def test_scored_frames_are_spread_evenly():
    assert even(8, 4).tolist() == [1, 3, 5, 7]
    assert even(8, 1).tolist() == [4]
    assert even(2, 4).tolist() == [0, 0, 1, 1]


def test_equal_draws_change_equal_frames_alike():
    frame = np.random.default_rng(0).integers(0, 256, (32, 16, 3), np.uint8)
    kinds = replace(ALL, noise=0, jpeg=0)
    for seed in range(20):
        first, second = augment(np.stack([frame, frame]), kinds, np.random.default_rng(seed))
        assert np.array_equal(first, second)


def test_the_clip_that_came_in_stays_as_it_was():
    clip = np.random.default_rng(0).integers(0, 256, (2, 32, 16, 3), np.uint8)
    kept = clip.copy()
    for seed in range(20):
        augment(clip, ALL, np.random.default_rng(seed))
    assert np.array_equal(clip, kept)


def test_nothing_asked_for_changes_nothing():
    clip = np.random.default_rng(0).integers(0, 256, (2, 32, 16, 3), np.uint8)
    assert np.array_equal(augment(clip, STILL, np.random.default_rng(0)), clip)


def test_a_mirrored_clip_is_the_mirror():
    clip = np.random.default_rng(0).integers(0, 256, (2, 32, 16, 3), np.uint8)
    done = augment(clip, replace(STILL, flip=1), np.random.default_rng(0))
    assert np.array_equal(done, clip[:, :, ::-1])


def test_a_shifted_clip_is_a_shifted_clip():
    clip = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (64, 32, 3), np.uint8), (0, 0), 2
    )[None]
    moved = False
    for seed in range(10):
        done = augment(clip, replace(STILL, pad=5), np.random.default_rng(seed))
        found = [
            (dy, dx)
            for dy in range(-5, 6)
            for dx in range(-5, 6)
            if np.array_equal(done[0, 8:56, 8:24], clip[0, 8 + dy : 56 + dy, 8 + dx : 24 + dx])
        ]
        assert len(found) == 1
        moved = moved or found != [(0, 0)]
    assert moved


def test_grey_has_no_colours_and_keeps_brightness():
    clip = np.random.default_rng(0).integers(0, 256, (1, 32, 16, 3), np.uint8)
    done = augment(clip, replace(STILL, grey=1), np.random.default_rng(0))
    wanted = cv2.cvtColor(clip[0], cv2.COLOR_BGR2GRAY)
    assert np.abs(done[0].astype(int) - wanted[..., None]).max() <= 1


def test_erasing_hides_the_same_part_of_every_frame():
    clip = np.zeros((3, 64, 32, 3), np.uint8)
    shares = []
    for seed in range(50):
        done = augment(clip, replace(STILL, erase=1), np.random.default_rng(seed))
        hidden = done.any(-1)
        assert np.array_equal(hidden[0], hidden[1])
        shares.append(hidden[0].mean())
    assert 0.01 < min(shares) < max(shares) < 0.36


@pytest.mark.parametrize('name', ['blur', 'coarse', 'noise', 'jpeg', 'colour', 'channel', 'shift'])
def test_every_kind_of_change_changes_something(name):
    clip = np.random.default_rng(0).integers(0, 256, (1, 64, 32, 3), np.uint8)
    done = augment(clip, replace(STILL, **{name: 1}), np.random.default_rng(3))
    assert not np.array_equal(done, clip)
    assert done.shape == clip.shape


def test_equal_seeds_give_equal_batches_and_others_others():
    source = Numbered(np.repeat(np.arange(5), 4))
    one, two = Batches(recipe(ALL), source), Batches(recipe(ALL), source)
    other = Batches(recipe(ALL, seed=1), source)
    for step in (0, 7, 3):
        assert torch.equal(one[step].clips, two[step].clips)
    assert not torch.equal(one[0].clips, other[0].clips)


def test_labels_and_cameras_are_those_of_the_tracklets():
    source = Numbered(np.repeat(np.arange(5), 4))
    batch = Batches(recipe(), source)[2]
    rows = batch.clips[:, 0, 0, 0, 0].numpy()
    assert np.array_equal(rows, batch.rows)
    assert np.array_equal(batch.people.numpy(), source.people[rows])
    assert np.array_equal(batch.cameras.numpy(), source.cameras[rows])
    assert batch.clips.shape == (6, 3, 32, 16, 3)


def test_seeded_views_come_again_for_every_seed_of_training():
    source = Numbered(np.repeat(np.arange(5), 4))
    one, other = Batches(recipe(ALL, views=4), source), Batches(recipe(ALL, 1, views=4), source)
    drawn = np.concatenate([one[step].views for step in range(30)])
    assert set(drawn.tolist()) == {0, 1, 2, 3}
    assert np.array_equal(one.clip(7, 2), other.clip(7, 2))
    assert not np.array_equal(one.clip(7, 2), one.clip(7, 3))


def test_without_seeded_views_none_comes_twice():
    source = Numbered(np.repeat(np.arange(3), 2))
    batches = Batches(recipe(), source)
    drawn = np.concatenate([batches[step].views for step in range(50)])
    assert len(np.unique(drawn)) == len(drawn)


@pytest.mark.slow
def test_batches_made_ahead_are_the_same_and_in_order():
    batches = Batches(recipe(ALL), Numbered(np.repeat(np.arange(5), 4)))
    here = [batches[step].clips for step in range(3, 9)]
    there = [batch.clips for batch in ahead(batches, range(3, 9), 2, False)]
    assert len(there) == 6
    assert all(torch.equal(a, b) for a, b in zip(here, there))
