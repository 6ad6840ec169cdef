"""Whom a track may be, ranked: asked for by whoever publishes it, and by nobody else."""

import numpy as np
from people import NS, Stage, figures, lookalike

from reid_ros.evidence import LEAST_SCORE, Scores
from reid_ros.likeness import MOST

ANNA, BERT, CARL = figures('anna', 'bert', 'carl')
TWIN = lookalike('twin', ANNA, 24)


def known(stage, *together):
    """Numbers of people who were seen side by side, and left."""
    stage.play(3, hall=list(together))
    numbers = [stage.number(figure) for figure in together]
    stage.play(1.5)
    assert len(set(numbers) - {0}) == len(together)
    return numbers


def ranked(stage, figure, camera='hall', **how):
    """(person, score) of a figure's candidates in the present moment."""
    rows = [r for r in stage.moments[-1][1] if r.camera == camera and r.figure.name == figure.name]
    found = stage.identifier.candidates(
        camera, [r.track for r in rows], stage.moments[-1][0], **how
    )
    assert found.persons.shape == found.scores.shape == (len(rows), MOST)
    pairs = zip(found.persons[0].tolist(), found.scores[0].tolist())
    return [(number, score) for number, score in pairs if number]


def test_who_comes_back_is_the_likeliest_and_the_look_alike_comes_second():
    stage = Stage('hall')
    anna, twin = known(stage, ANNA, TWIN)
    stage.enrol(CARL)
    stage.wait(20)
    stage.play(2, hall=[ANNA])
    (first, best), (second, next_best) = ranked(stage, ANNA)
    assert (first, second) == (anna, twin)
    assert 1.0 >= best > next_best > LEAST_SCORE


def test_an_undecided_track_has_candidates_too():
    stage = Stage('hall')
    numbers = set(known(stage, ANNA, TWIN))
    stage.wait(20)
    between = lookalike('between', ANNA, 12, seed=7)
    stage.play(0.9, hall=[between])
    assert stage.number(between) == 0
    assert {number for number, _ in ranked(stage, between)} == numbers


def test_who_is_seen_beside_a_track_is_no_candidate_for_it():
    stage = Stage('hall')
    anna, twin = known(stage, ANNA, TWIN)
    stage.wait(20)
    stage.play(2, hall=[ANNA, TWIN])
    assert [number for number, _ in ranked(stage, ANNA)] == [anna]
    assert [number for number, _ in ranked(stage, TWIN)] == [twin]


def test_a_stranger_has_no_candidates_and_an_empty_gallery_gives_none():
    stage = Stage('hall')
    stage.play(0.3, hall=[ANNA])
    assert ranked(stage, ANNA) == []
    stage.enrol(ANNA)
    stage.wait(20)
    stage.play(0.4, hall=[BERT])
    assert ranked(stage, BERT) == []


def test_nobody_is_told_by_gait_where_nobody_walks():
    stage = Stage('hall')
    stage.enrol(ANNA)
    stage.wait(20)
    stage.play(2, hall=[ANNA])
    assert ranked(stage, ANNA, gait=True) == []


def test_asking_changes_nothing():
    def played(asks):
        stage = Stage('hall', 'door')
        for seconds, cast in ((3, [ANNA, BERT]), (3, []), (3, [BERT]), (2, [ANNA, CARL])):
            end = stage.now_ns + seconds * NS
            while stage.now_ns < end:
                stage.moment({'hall': cast, 'door': cast[:1]})
                for figure in cast if asks else ():
                    ranked(stage, figure)
        return stage

    def told(stage):
        return [
            [(r.track, r.person, r.score, r.confirmed) for r in rows] for _, rows in stage.moments
        ]

    one, other = played(True), played(False)
    assert told(one) == told(other)
    assert one.events == other.events


def test_ranking_is_that_of_a_plain_loop():
    draw = np.random.default_rng(4)
    llr = draw.normal(0, 6, (4, 9))
    llr[0, 3] = -np.inf
    llr[3] = -np.inf
    prior = np.log(draw.uniform(0.01, 0.2, (4, 9)))
    found = Scores(np.arange(11, 20), llr, np.zeros((4, 9)), prior, prior)
    best = found.best(5)
    for row in range(4):
        plain = [
            (found.probability(row, column), int(found.persons[column]))
            for column in range(9)
            if np.isfinite(llr[row, column])
        ]
        plain = sorted((pair for pair in plain if pair[0] >= LEAST_SCORE), reverse=True)[:5]
        assert best.persons[row].tolist() == [n for _, n in plain] + [0] * (5 - len(plain))
        assert np.allclose(best.scores[row][: len(plain)], [score for score, _ in plain])


def test_fewer_persons_than_are_asked_for_leave_the_rest_empty():
    none = np.zeros((1, 1))
    found = Scores(np.array([4]), np.array([[5.0]]), none, none, none)
    assert found.best(3).persons.tolist() == [[4, 0, 0]]
