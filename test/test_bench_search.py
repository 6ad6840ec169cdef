"""A search network as a robot meets it: one pass beside two networks, and real people."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from reid_ros import cli
from reid_ros.bench import film, onepass
from reid_ros.types import Detections
from reid_ros.world.scenario import named
from reid_ros.world.world import World


class Given:
    """Finds what it was told to, image by image."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def detect(self, frames):
        boxes, scores = self.answers.pop(0)
        return [Detections(np.float32(boxes).reshape(-1, 4), np.float32(scores))]


def scene(boxes, ignored):
    return film.Scene(
        np.zeros((4, 4, 3), np.uint8), np.float32(boxes).reshape(-1, 4), np.array(ignored, bool)
    )


def test_precision_recall_and_their_average_are_those_of_counting_by_hand():
    one, two, three = [0, 0, 10, 20], [50, 0, 60, 20], [100, 0, 110, 20]
    shown = [scene([one, two, three], [False, False, True]), scene([], [])]
    near, far = [0, 0, 10, 19], [200, 0, 210, 20]
    detector = Given(
        # Twice the first person, once the ignored one, once nobody.
        ([near, one, three, far], [0.8, 0.9, 0.7, 0.6]), ([two], [0.3]),
    )  # fmt: skip
    found = film.score(detector, shown, 0.5)
    assert (found.images, found.people) == (2, 2)
    assert found.precision == pytest.approx(100 / 3), 'right, twice, nobody'
    assert found.recall == pytest.approx(50)
    assert found.average == pytest.approx(50), 'one of two people, found before all wrong boxes'


def test_a_film_without_its_truth_is_told(tmp_path):
    clip, truth = tmp_path / 'clip.avi', tmp_path / 'gt.txt'
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*'MJPG'), 10, (32, 24))
    for value in range(3):
        writer.write(np.full((24, 32, 3), 40 * value, np.uint8))
    writer.release()
    truth.write_text('1,1,2,3,10,20,1\n3,1,2,3,10,20,0\n3,2,5,3,10,20,1\n')
    found = film.scenes(clip, truth)
    assert [len(one.boxes) for one in found] == [1, 2]
    assert found[0].boxes.tolist() == [[2, 3, 12, 23]]
    assert found[1].ignored.tolist() == [True, False]
    assert found[1].image.mean() == pytest.approx(80, abs=3)
    truth.write_text('9,1,2,3,10,20,1\n')
    with pytest.raises(film.FilmError, match='shows 0 of the 1 frames'):
        film.scenes(clip, truth)
    truth.write_text('nothing')
    with pytest.raises(film.FilmError, match='is no MOT text'):
        film.scenes(clip, truth)


@pytest.mark.slow
def test_both_ways_see_one_world():
    world = World(named('crossing').custom(seconds=4.0), 3, 'validation')
    names = ('search', 'appearance')
    contenders = [onepass.Networks(name, 'search', name, True) for name in names]
    one, two = onepass.watch(world, contenders)
    assert one.images == two.images == len(world)
    assert one.boxes > 1
    for row in (one, two):
        assert row.frame_ms > 0
        assert 20 < row.idf1 <= 100
        assert json.dumps(dataclasses.asdict(row))


def test_half_of_a_film_is_refused(capsys):
    assert cli.main(['bench', 'search', '--worlds', '--film', 'a.avi']) == 2
    assert '--film needs --truth' in capsys.readouterr().err
