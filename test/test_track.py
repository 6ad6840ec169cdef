import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.linalg import expm

from reid_ros import boxes
from reid_ros.config import TrackConfig
from reid_ros.kalman import BoxFilter, Noise, centred
from reid_ros.match import Looks, overlap, pairs
from reid_ros.track import Tracker
from reid_ros.types import Detections, Tracks

S = 1_000_000_000


@dataclass(frozen=True)
class Walker:
    """A person who walks straight on through the image.

    x, y: of the feet at time 0, pixels; vx, vy: pixels per second; hidden: spans in seconds in
    which nobody sees them; look: what a network would say of them; turn: when they turn round.
    """

    x: float
    y: float = 500.0
    vx: float = 0.0
    vy: float = 0.0
    height: float = 120.0
    score: float = 0.9
    hidden: Sequence[tuple[float, float]] = ()
    look: int = 0
    turn: float = np.inf

    def box(self, t: float) -> list[float]:
        t = min(t, 2 * self.turn - t)
        x, y, half = self.x + self.vx * t, self.y + self.vy * t, 0.2 * self.height
        return [x - half, y - self.height, x + half, y]

    def seen(self, t: float) -> bool:
        return not any(start <= t < end for start, end in self.hidden)


@dataclass(frozen=True)
class Film:
    """What a tracker said, frame by frame, and which walker each detection was."""

    times: list[float]
    answers: list[Tracks]
    rows: list[list[int]]

    def numbers(self, walker: int) -> list[int]:
        """The confirmed tracks of a walker, without repeats."""
        found = []
        for tracks, rows in zip(self.answers, self.rows):
            if walker in rows:
                mine = tracks.confirmed & (tracks.detection == rows.index(walker))
                found += [int(number) for number in tracks.ids[mine]]
        return [number for number, _ in itertools.groupby(found)]

    def everybody(self) -> set[int]:
        return {int(n) for tracks in self.answers for n in tracks.ids[tracks.confirmed]}


def at(rate_hz: float, seconds: float = 4.0) -> list[float]:
    return [k / rate_hz for k in range(round(seconds * rate_hz) + 1)]


def detections(found: Sequence[Sequence[float]], scores: Sequence[float] = ()) -> Detections:
    return Detections(
        np.array(found, np.float32).reshape(-1, 4),
        np.array(scores if len(scores) else [0.9] * len(found), np.float32),
    )


def looks(walkers: Sequence[Walker], rng: np.random.Generator) -> np.ndarray:
    vectors = np.array([np.eye(8)[one.look] for one in walkers]).reshape(-1, 8)
    vectors = vectors + rng.normal(0, 0.1, vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def film(
    walkers: Sequence[Walker],
    times: Sequence[float],
    *,
    tracker: Tracker | None = None,
    pan: Callable[[float], float] = lambda _: 0.0,
    ego: bool = False,
    appearance: bool = False,
) -> Film:
    """Play walkers to a tracker; pan says where the camera's left edge is."""
    tracker = tracker or Tracker(TrackConfig(appearance=appearance))
    rng = np.random.default_rng(3)
    result = Film(list(times), [], [])
    before = pan(times[0])
    for t in times:
        rows = [k for k, one in enumerate(walkers) if one.seen(t)]
        found = [np.array(walkers[k].box(t)) - np.array([1, 0, 1, 0]) * pan(t) for k in rows]
        moved = np.array([[1, 0, before - pan(t)], [0, 1, 0], [0, 0, 1]], float)
        before = pan(t)
        answer = tracker.step(
            detections(found, [walkers[k].score for k in rows]),
            round(t * S),
            ego=moved if ego else None,
            vectors=looks([walkers[k] for k in rows], rng) if appearance else None,
        )
        result.answers.append(answer)
        result.rows.append(rows)
    return result


@pytest.mark.parametrize('rate_hz', [1, 2, 5, 10, 30, 60])
def test_two_walkers_keep_their_numbers_at_any_frame_rate(rate_hz):
    seen = film([Walker(100, 400, 60), Walker(900, 700, -60)], at(rate_hz, 8))
    assert len(seen.numbers(0)) == len(seen.numbers(1)) == 1
    assert len(seen.everybody()) == 2


@pytest.mark.parametrize('hidden_s', [0.2, 0.6, 1.2])
@pytest.mark.parametrize('rate_hz', [5, 10, 30])
def test_a_walker_keeps_the_number_behind_a_pillar(rate_hz, hidden_s):
    seen = film([Walker(100, vx=150, hidden=[(2.0, 2.0 + hidden_s)])], at(rate_hz, 5))
    assert len(seen.everybody()) == 1


@pytest.mark.parametrize('rate_hz', [5, 10, 30])
def test_walkers_who_cross_keep_their_numbers(rate_hz):
    # They meet at 2 s; the farther one is hidden while they overlap.
    seen = film(
        [Walker(200, 500, 120), Walker(680, 480, -120, hidden=[(1.8, 2.2)])], at(rate_hz, 4)
    )
    assert len(seen.numbers(0)) == len(seen.numbers(1)) == 1
    assert len(seen.everybody()) == 2


def test_dropped_frames_and_irregular_stamps_do_not_matter():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.06, 200))
    times = times[rng.random(200) > 0.4]
    seen = film([Walker(100, 400, 90), Walker(600, 450, -90), Walker(300, 800, 30, -40)], times)
    assert [len(seen.numbers(k)) for k in range(3)] == [1, 1, 1]


def test_a_prediction_uses_the_time_that_really_passed():
    tracker = Tracker()
    film([Walker(100, vx=200)], at(30, 2), tracker=tracker)
    (soon,) = tracker.step(Detections.none(), round(2.1 * S)).boxes
    (later,) = tracker.step(Detections.none(), round(2.5 * S)).boxes
    assert later[0] - soon[0] == pytest.approx(0.4 * 200, rel=0.15)


@pytest.mark.parametrize(
    ('count', 'ego', 'period_s'), [(3, True, 2), (10, True, 2), (10, False, 8)]
)
def test_tracks_survive_a_pan(count, ego, period_s):
    # Told by ego motion; or, where enough people show it, seen from them.
    walkers = [Walker(100 + 150 * k, 500, 40 * (-1) ** k) for k in range(count)]

    def pan(t: float) -> float:
        return 250 * (1 - np.cos(2 * np.pi * t / period_s))  # up to 785 or 196 pixels per second

    seen = film(walkers, at(10, 6), pan=pan, ego=ego)
    assert [len(seen.numbers(k)) for k in range(count)] == [1] * count


def test_people_who_set_off_together_do_not_carry_the_others_away():
    # Four of six start to walk: that is not the camera's motion.
    standing = [Walker(100 + 200 * k, 400) for k in range(2)]
    walking = [Walker(100 + 200 * k, 600, vx=150) for k in range(4)]
    tracker = Tracker()
    for t in at(10, 1):
        tracker.step(detections([one.box(0) for one in standing + walking]), round(t * S))
    for t in at(10, 2)[1:]:
        boxes = [one.box(0) for one in standing] + [one.box(t) for one in walking]
        tracks = tracker.step(detections(boxes), round((t + 1) * S))
    assert tracks.ids.tolist() == [1, 2, 3, 4, 5, 6]
    (coasting,) = tracker.step(detections(boxes[1:]), round(3.1 * S)).boxes[:1]
    np.testing.assert_allclose(coasting, standing[0].box(0), atol=2)


def test_ego_motion_moves_coasting_tracks_in_place_and_size():
    tracker = Tracker()
    film([Walker(400, 500)], at(30, 1), tracker=tracker)
    zoom = np.array([[1.5, 0, -30], [0, 1.5, 20], [0, 0, 1]])
    (box,) = tracker.step(Detections.none(), round(1.05 * S), ego=zoom).boxes
    expected = np.array(Walker(400, 500).box(0)) * 1.5 + [-30, 20, -30, 20]
    np.testing.assert_allclose(box, expected, atol=1.0)


def test_a_track_that_ego_motion_sends_behind_the_camera_ends():
    tracker = Tracker()
    film([Walker(400, 500)], at(30, 1), tracker=tracker)
    flip = np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1]])
    tracks = tracker.step(Detections.none(), round(1.05 * S), ego=flip)
    assert len(tracks) == 0
    assert tracks.ended.tolist() == [1]


@pytest.mark.parametrize(
    'ego', [np.zeros((3, 3)), np.eye(2), np.full((3, 3), np.nan), np.diag([1.0, 1.0, 0.0])]
)
def test_ego_motion_that_is_no_homography_is_refused(ego):
    with pytest.raises(ValueError, match='ego'):
        Tracker().step(Detections.none(), 0, ego=ego)


@pytest.mark.parametrize('frames_between', [0, 1, 200])
@pytest.mark.parametrize(('gap_s', 'number'), [(0.9, 1), (1.0, 1), (1.1, 2)])
def test_a_track_is_forgotten_by_time_and_not_by_frames(gap_s, number, frames_between):
    tracker = Tracker(TrackConfig(max_age_s=1.0, confirm_hits=1))
    standing = detections([Walker(300).box(0)])
    tracker.step(standing, 0)
    for k in range(frames_between):
        tracker.step(Detections.none(), round(gap_s * S * (k + 1) / (frames_between + 1)))
    assert tracker.step(standing, round(gap_s * S)).ids.tolist() == [number]


def test_every_track_that_goes_is_reported_once():
    walkers = [Walker(100 + 150 * k, hidden=[(1 + 0.3 * k, 99)]) for k in range(5)]
    seen = film(walkers, at(20, 6))
    ended = np.concatenate([tracks.ended for tracks in seen.answers]).tolist()
    assert sorted(ended) == [1, 2, 3, 4, 5]
    assert len(seen.answers[-1]) == 0


def test_a_track_that_is_not_seen_is_predicted_and_keeps_its_score():
    seen = film([Walker(100, vx=90, score=0.8, hidden=[(1.0, 2.0)])], at(30, 1.5))
    before, last = seen.answers[20], seen.answers[-1]
    assert not before.predicted.any()
    assert before.detection.tolist() == [0]
    assert last.predicted.tolist() == [True]
    assert last.confirmed.tolist() == [True]
    assert last.scores == pytest.approx([0.8])
    expected = Walker(100, vx=90).box(1.5)
    np.testing.assert_allclose(last.boxes[0], expected, atol=6)


def test_the_box_of_a_track_that_is_seen_is_its_detection():
    seen = film([Walker(100, vx=200)], at(10, 2))
    for t, tracks in zip(seen.times, seen.answers):
        np.testing.assert_array_equal(tracks.boxes[0], np.float32(Walker(100, vx=200).box(t)))


def test_a_new_track_must_be_seen_again():
    tracker = Tracker()
    tracker.step(Detections.none(), 0)
    first = tracker.step(detections([Walker(300).box(0)]), round(0.1 * S))
    again = tracker.step(detections([Walker(300).box(0)]), round(0.2 * S))
    assert first.confirmed.tolist() == [False]
    assert again.confirmed.tolist() == [True]
    assert first.ids.tolist() == again.ids.tolist()


def test_the_same_frame_twice_is_not_being_seen_again():
    tracker = Tracker()
    tracker.step(Detections.none(), 0)
    for _ in range(3):
        tracks = tracker.step(detections([Walker(300).box(0)]), S)
    assert tracks.confirmed.tolist() == [False]
    assert len(tracks) == 1


def test_clutter_that_is_not_seen_again_never_counts():
    rng = np.random.default_rng(1)
    tracker = Tracker()
    tracker.step(Detections.none(), 0)
    for k in range(1, 100):
        x, y = rng.uniform(0, 4000), rng.uniform(0, 4000)
        tracks = tracker.step(detections([[x, y, x + 40, y + 100]]), k * S // 5)
        assert not tracks.confirmed.any()
        assert len(tracks) == 1


def test_who_is_there_in_the_first_frame_counts_at_once():
    assert Tracker().step(detections([Walker(300).box(0)]), 0).confirmed.tolist() == [True]


@pytest.mark.parametrize('score', [0.65, 0.3])
def test_a_weak_detection_goes_on_with_a_track_but_starts_none(score):
    box = [Walker(300).box(0)]
    fresh = Tracker()
    fresh.step(detections(box, [score]), 0)
    assert len(fresh.step(detections(box, [score]), S // 10)) == 0
    tracker = Tracker()
    tracker.step(detections(box), 0)
    tracks = tracker.step(detections(box, [score]), S // 10)
    assert tracks.detection.tolist() == [0]
    assert tracks.scores == pytest.approx([score])


def test_detections_below_the_lowest_score_are_ignored():
    tracker = Tracker(TrackConfig(low_score=0.2))
    tracker.step(detections([Walker(300).box(0)]), 0)
    tracks = tracker.step(detections([Walker(300).box(0)], [0.19]), S // 10)
    assert tracks.predicted.tolist() == [True]


def test_a_second_box_on_a_person_starts_no_second_track():
    tracker = Tracker()
    for k in range(30):
        box = np.array(Walker(300, vx=60).box(k / 30))
        both = np.stack((box, box + np.array([2, 3, 2, -4])))
        tracks = tracker.step(detections(both, [0.9, 0.85]), k * S // 30)
    assert tracks.ids.tolist() == [1]


def test_numbers_are_never_used_again_not_even_after_a_reset():
    tracker = Tracker(TrackConfig(max_age_s=0.2))
    given: list[int] = []
    for k in range(20):
        if k == 10:
            tracker.reset()
        tracks = tracker.step(detections([Walker(100.0 * (k % 3)).box(0)]), k * S)
        given += tracks.ids.tolist()
    assert given == list(range(1, 21))


def test_two_cameras_share_nothing():
    alone = film([Walker(100, vx=60), Walker(400, vx=60)], at(10))
    left, right = Tracker(), Tracker()
    times = at(10)
    together = []
    for t in times:
        box = detections([Walker(100, vx=60).box(t), Walker(400, vx=60).box(t)])
        together.append(left.step(box, round(t * S)))
        right.step(detections([Walker(700, vx=-60).box(t)]), round((t + 100) * S))
    for a, b in zip(alone.answers, together):
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.boxes, b.boxes)
    assert right.step(Detections.none(), 105 * S).ids.tolist() == [1]


def test_a_stamp_that_runs_backwards_is_refused_until_a_reset():
    tracker = Tracker()
    tracker.step(detections([Walker(300).box(0)]), 5 * S)
    with pytest.raises(ValueError, match=r'4000000000 ns lies before .* 5000000000'):
        tracker.step(Detections.none(), 4 * S)
    assert len(tracker.step(Detections.none(), 5 * S)) == 1
    tracker.reset()
    assert len(tracker.step(Detections.none(), 4 * S)) == 0


def test_an_empty_frame_ages_tracks():
    tracker = Tracker(TrackConfig(max_age_s=0.5))
    tracker.step(detections([Walker(300).box(0)]), 0)
    counts = [len(tracker.step(Detections.none(), k * S // 10)) for k in range(1, 8)]
    assert counts == [1, 1, 1, 1, 1, 0, 0]


def test_appearance_solves_a_meeting_that_motion_cannot():
    # They meet behind a van and turn round: motion has each of them walk on.
    van = [(1.7, 2.3)]
    walkers = [
        Walker(200, vx=100, turn=2.0, hidden=van, look=0),
        Walker(600, vx=-100, turn=2.0, hidden=van, look=1),
    ]
    by_motion = film(walkers, at(10))
    by_looks = film(walkers, at(10), appearance=True)
    assert [by_motion.numbers(k) for k in range(2)] == [[1, 2], [2, 1]]
    assert [by_looks.numbers(k) for k in range(2)] == [[1], [2]]


def test_only_boxes_in_doubt_are_looked_at():
    # Two walk apart, a third and a fourth meet behind a van and turn round.
    van = [(1.7, 2.3)]
    walkers = [
        Walker(200, vx=100, turn=2.0, hidden=van, look=0),
        Walker(600, vx=-100, turn=2.0, hidden=van, look=1),
        Walker(1000, look=2),
        Walker(1400, vx=20, look=3),
    ]
    tracker, rng = Tracker(TrackConfig()), np.random.default_rng(3)
    asked, numbers = [], {}
    for t in at(10):
        rows = [k for k, one in enumerate(walkers) if one.seen(t)]
        vectors = looks([walkers[k] for k in rows], rng)

        def look(wanted, rows=rows, vectors=vectors):
            asked.extend(rows[i] for i in wanted)
            return vectors[wanted]

        found = detections([walkers[k].box(t) for k in rows])
        tracks = tracker.step(found, round(t * S), look=look)
        seen = (tracks.detection >= 0) & tracks.confirmed
        tracker.learn(tracks.ids[seen], vectors[tracks.detection[seen]])
        for number, row in zip(tracks.ids[seen].tolist(), tracks.detection[seen].tolist()):
            numbers.setdefault(rows[row], set()).add(number)
    assert numbers == {0: {1}, 1: {2}, 2: {3}, 3: {4}}
    assert {0, 1} <= set(asked)
    assert not {2, 3} & set(asked)
    assert len(asked) < len(at(10))  # of four times as many boxes


def test_what_is_learnt_of_a_track_that_ended_is_ignored():
    tracker = Tracker(TrackConfig())
    tracker.step(detections([Walker(300).box(0)]), 0)
    tracker.learn(np.array([1, 7], np.uint32), np.eye(2, 4, dtype=np.float32))
    nobody = np.zeros((0, 0), np.float32)
    tracker.learn(np.zeros(0, np.uint32), nobody)
    tracks = tracker.step(detections([Walker(300).box(0)]), S // 10)
    assert tracks.ids.tolist() == [1]


@pytest.mark.parametrize('known', [True, False])
def test_a_stranger_in_the_same_place_is_no_match_where_both_are_known(known):
    tracker = Tracker(TrackConfig(appearance=True))
    vectors = np.eye(4, dtype=np.float32)
    box = detections([Walker(300).box(0)])
    for k in range(20):
        tracker.step(box, k * S // 10, vectors=vectors[:1])
    stranger = vectors[1:2] if known else np.full((1, 4), np.nan, np.float32)
    tracker.step(Detections.none(), 2 * S, vectors=vectors[:0])
    tracks = tracker.step(box, 2 * S + S // 10, vectors=stranger)
    assert tracks.detection.tolist() == ([-1, 0] if known else [0])


@pytest.mark.parametrize(('gap_s', 'same'), [(0.2, True), (1.5, False)])
def test_the_longer_the_gap_the_more_a_look_must_fit(gap_s, same):
    tracker = Tracker(TrackConfig())
    vectors = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)  # 53 degrees apart
    box = detections([Walker(300).box(0)])
    for k in range(20):
        tracker.step(box, k * S // 10, vectors=vectors[:1])
    now = 19 * S // 10 + round(gap_s * S)
    tracker.step(Detections.none(), now - S // 10, vectors=vectors[:0])
    tracks = tracker.step(box, now, vectors=vectors[1:])
    assert (tracks.ids[tracks.detection == 0].tolist() == [1]) == same


def test_tracks_that_were_exchanged_teach_no_camera_that_people_look_unlike_themselves():
    looks = Looks()
    looks.expect(2)
    looks.begin(0, 1)
    fit, other = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    for k in range(200):
        looks.begin(0, 1)
        looks.learn(np.array([0]), fit)
        looks.learn(np.array([0]), other if k % 5 == 4 else fit)
    looks.begin(0, 1)
    looks.learn(np.array([0]), fit)
    cost = looks.cost(np.array([0, 0]), np.concatenate([fit, other]), np.array([0, 1]))
    assert cost[0] == 0.0
    assert cost[1] > 0.5


def test_vectors_are_not_looked_at_where_appearance_is_off():
    tracker = Tracker(TrackConfig(appearance=False))
    vectors = np.eye(4, dtype=np.float32)
    box = detections([Walker(300).box(0)])
    for k in range(20):
        tracks = tracker.step(box, k * S // 10, vectors=vectors[k % 4 : k % 4 + 1])
    assert tracks.ids.tolist() == [1]


def test_vectors_that_do_not_fit_the_detections_are_refused():
    tracker = Tracker(TrackConfig(appearance=True))
    with pytest.raises(ValueError, match=r'vectors of shape \(2, 4\) for 1 detections'):
        tracker.step(detections([Walker(300).box(0)]), 0, vectors=np.zeros((2, 4), np.float32))


def test_boxes_that_mean_nothing_are_passed_over():
    good = Walker(300).box(0)
    bad = [
        [np.nan, 0, 10, 10],
        [0, 0, np.inf, 10],
        [50, 50, 50, 90],
        [90, 50, 50, 90],
        [-np.inf, 0, np.inf, 10],
    ]
    tracker = Tracker()
    for k in range(5):
        tracks = tracker.step(detections([*bad, good]), k * S // 10)
    assert tracks.ids.tolist() == [1]
    assert tracks.detection.tolist() == [5]
    scores = np.array([np.nan], np.float32)
    assert tracker.step(detections([good], scores), S).predicted.tolist() == [True]


def crowd(rng: np.random.Generator, frames: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Stamps, boxes and scores of a lively scene with misses and clutter."""
    place, speed = rng.uniform(0, 800, (8, 2)), rng.normal(0, 60, (8, 2))
    size = np.stack((rng.uniform(20, 60, 8), rng.uniform(60, 150, 8)), axis=1)
    stamp, result = 10 * S, []
    for _ in range(frames):
        gap = int(rng.integers(0, S // 4))
        stamp += gap
        place = place + speed * gap / S
        low = place + rng.normal(0, 3, place.shape)
        seen = np.concatenate((low, low + size), axis=1)[rng.random(8) > 0.15]
        wild = rng.uniform(0, 800, (rng.poisson(0.5), 4))
        wild[:, 2:] = wild[:, :2] + rng.uniform(10, 100, (len(wild), 2))
        # Whole pixels and a few bits after the point, so that shifting a scene is exact.
        found = np.round(np.concatenate((seen, wild)) * 4) / 4
        result.append((stamp, found.astype(np.float32), rng.uniform(0.05, 1, len(found))))
    return result


def answers(
    scene: list[tuple[int, np.ndarray, np.ndarray]],
    order: Callable[[int], np.ndarray] | None = None,
    shift_ns: int = 0,
    move: tuple[float, float] = (0.0, 0.0),
) -> list[Tracks]:
    tracker, result = Tracker(), []
    for stamp, found, scores in scene:
        rows = order(len(found)) if order else np.arange(len(found))
        moved = found[rows] + np.float32([*move, *move])
        seen = Detections(moved, scores[rows].astype(np.float32))
        result.append(tracker.step(seen, stamp + shift_ns))
    return result


seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_one_detection_belongs_to_one_track_and_boxes_are_finite(seed):
    rng = np.random.default_rng(seed)
    scene = crowd(rng, 30)
    for tracks, (_, found, _) in zip(answers(scene), scene):
        seen = tracks.detection[~tracks.predicted]
        assert len(set(seen.tolist())) == len(seen)
        assert ((seen >= 0) & (seen < len(found))).all()
        assert np.isfinite(tracks.boxes).all()
        assert (tracks.boxes[:, 2:] > tracks.boxes[:, :2]).all()
        assert (np.diff(tracks.ids.astype(np.int64)) > 0).all()
        assert not set(tracks.ended.tolist()) & set(tracks.ids.tolist())
        np.testing.assert_array_equal(
            tracks.boxes[~tracks.predicted], found[seen], err_msg='not the box of the detection'
        )


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_detections_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    scene = crowd(rng, 20)
    orders = {}

    def order(n: int) -> np.ndarray:
        return orders.setdefault(n, rng.permutation(n))

    for plain, mixed, (_, found, _) in zip(answers(scene), answers(scene, order), scene):
        if not len(found):
            continue
        # New tracks are numbered in the order of the detections, so compare what they hold.
        as_before = np.where(mixed.predicted, -1, orders[len(found)][mixed.detection])
        assert sorted(as_before.tolist()) == sorted(plain.detection.tolist())
        assert len(mixed.ended) == len(plain.ended)
        old = {int(d): b for d, b in zip(plain.detection, plain.confirmed) if d >= 0}
        new = {int(d): b for d, b in zip(as_before, mixed.confirmed) if d >= 0}
        assert old == new


@given(seeds, st.integers(-(10 * S), 2**61))
@settings(max_examples=15, deadline=None)
def test_when_the_clock_began_does_not_matter(seed, shift_ns):
    scene = crowd(np.random.default_rng(seed), 20)
    for plain, later in zip(answers(scene), answers(scene, shift_ns=shift_ns)):
        np.testing.assert_array_equal(plain.ids, later.ids)
        np.testing.assert_array_equal(plain.boxes, later.boxes)
        np.testing.assert_array_equal(plain.detection, later.detection)


@given(seeds, st.integers(-2000, 2000), st.integers(-2000, 2000))
@settings(max_examples=15, deadline=None)
def test_where_the_image_begins_does_not_matter(seed, x, y):
    scene = crowd(np.random.default_rng(seed), 20)
    for plain, moved in zip(answers(scene), answers(scene, move=(x, y))):
        np.testing.assert_array_equal(plain.ids, moved.ids)
        np.testing.assert_allclose(plain.boxes + np.float32([x, y, x, y]), moved.boxes, atol=0.01)


side = st.floats(width=32)


@given(
    st.lists(
        st.tuples(hnp.arrays(np.float32, (3, 4), elements=side), st.integers(0, 3 * S)), max_size=8
    )
)
@settings(max_examples=60, deadline=None)
def test_no_detection_however_wild_makes_a_box_that_is_not_finite(frames):
    tracker, stamp = Tracker(TrackConfig(confirm_hits=1)), 0
    for found, gap in frames:
        stamp += gap
        tracks = tracker.step(Detections(found, np.full(3, 0.9, np.float32)), stamp)
        assert np.isfinite(tracks.boxes).all()


corner = st.floats(-500, 500, width=32)


@given(
    hnp.arrays(np.float32, (5, 2), elements=corner),
    hnp.arrays(np.float32, (4, 2), elements=corner),
)
def test_overlap_is_that_of_boxes_and_a_margin_widens_both(low_a, low_b):
    a, b = np.hstack((low_a, low_a + 80)), np.hstack((low_b, low_b + 60))
    np.testing.assert_allclose(overlap(a.T, b.T), boxes.iou(a, b), atol=1e-5)
    margin = np.arange(10, dtype=np.float32).reshape(2, 5)
    for row in range(5):
        grow = np.concatenate((-margin[:, row], margin[:, row]))
        expected = boxes.iou(a[row : row + 1] + grow, b + grow)
        np.testing.assert_allclose(overlap(a.T, b.T, margin)[row], expected[0], atol=1e-5)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 4)),
        elements=st.floats(0, 1, width=32),
    )
)
def test_pairs_have_the_greatest_sum_of_all_pairings(likeness):
    row, column = pairs(likeness, 0.3)
    assert len(set(row.tolist())) == len(row)
    assert len(set(column.tolist())) == len(column)
    assert (likeness[row, column] > 0.3).all()
    worth = np.where(likeness > 0.3, likeness, 0.0)
    if worth.shape[0] > worth.shape[1]:
        worth = worth.T
    best = max(
        sum(worth[i, j] for i, j in enumerate(columns))
        for columns in itertools.permutations(range(worth.shape[1]), worth.shape[0])
    )
    assert likeness[row, column].sum() == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize('doubtful', [True, False])
def test_pairs_that_cost_too_much_are_not_made(doubtful):
    likeness = np.array([[0.9, 0.5, 0.0], [0.8, 0.0, 0.0], [0.0, 0.0, 0.7]], np.float32)

    def cost(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return np.where((row == 0) & (column > 0), 0.0, 0.7)

    row, column = pairs(likeness, 0.3, cost, np.array([False, False, doubtful]))
    # The sure pair at the end has no rival: it is not asked, unless its row is in doubt.
    assert set(zip(row.tolist(), column.tolist())) == {(0, 1)} | (set() if doubtful else {(2, 2)})


@pytest.mark.parametrize('dt_s', [0.001, 0.033, 0.5, 4.0])
def test_the_filter_is_a_kalman_filter_of_a_fading_velocity(dt_s):
    # The plain form, state by state; the noise of the step by the method of Van Loan (1978).
    noise = Noise()
    start, seen = (
        np.array([[320.0], [240.0], [40.0], [90.0]]),
        np.array([330.0, 236.0, 44.0, 91.0]),
    )
    ours = BoxFilter(noise)
    ours.append(start)
    mean = [np.array([value, 0.0]) for value in start[:, 0]]
    covariance = [np.diag([m**2, s**2]) for m, s in zip(noise.measured, noise.speed)]
    for _ in range(3):
        ours.predict(dt_s)
        area = mean[2][0] * mean[3][0]
        for k in range(4):
            rate = np.array([[0.0, 1.0], [0.0, -1 / noise.fade_s[k]]])
            block = np.zeros((4, 4))
            block[:2, :2], block[2:, 2:] = -rate, rate.T
            block[1, 3] = noise.drift[k] ** 2
            power = expm(block * dt_s)
            step = power[2:, 2:].T
            mean[k] = step @ mean[k]
            covariance[k] = step @ covariance[k] @ step.T + step @ power[:2, 2:]
        corners = ours.corners()[:, 0]
        x, y, w, h = (one[0] for one in mean)
        np.testing.assert_allclose(
            corners, [x - w / 2, y - h / 2, x + w / 2, y + h / 2], atol=1e-3
        )
        area = w * h
        spread = [np.sqrt(covariance[k][0, 0] * area) for k in range(2)]
        np.testing.assert_allclose(ours.outlook().spread[:, 0], spread, rtol=1e-4)
        ours.correct(np.array([0]), seen[:, None])
        for k in range(4):
            gain = covariance[k][:, 0] / (covariance[k][0, 0] + noise.measured[k] ** 2)
            mean[k] = mean[k] + gain * (seen[k] - mean[k][0])
            covariance[k] = covariance[k] - np.outer(gain, covariance[k][0])


def test_ego_motion_is_the_change_of_the_boxs_neighbourhood():
    ego = np.array([[1.1, 0.04, 12.0], [-0.03, 0.95, 7.0], [2e-5, -1e-5, 1.0]])

    def there(x: float, y: float) -> np.ndarray:
        u, v, w = ego @ [x, y, 1]
        return np.array([u / w, v / w])

    one = BoxFilter()
    one.append(np.array([[300.0], [200.0], [40.0], [90.0]]))
    assert one.warp(ego).all()
    x0, y0, x1, y1 = one.corners()[:, 0]
    step = 1e-3
    wide = np.linalg.norm(there(300 + step, 200) - there(300, 200)) / step * 40
    high = np.linalg.norm(there(300, 200 + step) - there(300, 200)) / step * 90
    np.testing.assert_allclose([(x0 + x1) / 2, (y0 + y1) / 2], there(300, 200), atol=1e-2)
    np.testing.assert_allclose([x1 - x0, y1 - y0], [wide, high], rtol=1e-4)


def test_a_box_fits_where_the_filter_expects_it_and_less_the_farther_off_in_its_deviations():
    ours = BoxFilter()
    at = np.array([[100.0, 400.0], [200.0, 200.0], [40.0, 40.0], [100.0, 100.0]])
    ours.append(at)
    ours.predict(0.5)
    outlook = ours.outlook()
    there = outlook.mean.copy()
    assert outlook.fit(np.array([0, 1]), there) == pytest.approx([1, 1])
    for state in (0, 1, 3):
        off = there[:, [0, 0]].copy()
        off[state] += [5, 20]
        near, far = outlook.fit(np.array([0, 0]), off)
        assert far < near < 1
        assert np.log(far) / np.log(near) == pytest.approx(16)
    wide = there[:, :1] + np.array([[0], [0], [15], [0]])
    assert outlook.fit(np.array([0]), wide) == pytest.approx([1])
    # After a gap the same error is smaller beside what may have happened.
    off = np.array([[30.0], [0], [0], [0]])
    before = outlook.fit(np.array([0]), there[:, :1] + off)
    ours.predict(1.0)
    later = ours.outlook()
    assert later.fit(np.array([0]), later.mean[:, :1] + off) > before


def test_what_fits_badly_is_no_pair_and_yields_to_what_fits():
    likeness = np.array([[0.8, 0.7], [0.0, 0.6]], np.float32)

    def fit(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return np.where((row == 0) & (column == 0), 0.3, 1.0)

    row, column = pairs(likeness, 0.3, fit=fit)
    assert list(zip(row, column)) == [(0, 1)]
    row, column = pairs(likeness, 0.3)
    assert sorted(zip(row, column)) == [(0, 0), (1, 1)]


def test_centres_and_sizes_are_those_of_the_corners():
    corners = np.array([[10, 20, 30, 80], [5, 5, 5.25, 6]], np.float32)
    np.testing.assert_allclose(
        centred(corners.T).T, [[20, 50, 20, 60], [5.125, 5.5, 1, 1]], atol=1e-6
    )
