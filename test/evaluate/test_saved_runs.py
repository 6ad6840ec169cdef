"""From a folder and its truth to scores, files and the page."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
import runs

from reid_ros.cli import main
from reid_ros.evaluate.saved import read_run
from reid_ros.evaluate.scores import score_run
from reid_ros.evaluate.story import pieces, worst
from reid_ros.evaluate.truth import of_bag, read_truth
from reid_ros.evaluate.values import EvaluateError
from reid_ros.replay.bags import Bag

STEPS = 40


def present(camera, step):
    """Person 1 and 2 in the hall, later at the door; nobody at the door before."""
    if camera == 'hall':
        return [person for person in (1, 2) if step < 25]
    return [person for person in (1, 2) if step >= 28]


def right(camera, step, person):
    """Undecided for three images, then the right number."""
    begin = 0 if camera == 'hall' else 28
    track = person
    return (track, 0, False) if step < begin + 3 else (track, person + 10, True)


def swapped(camera, step, person):
    """As right, but in the hall person 2 becomes person 1 for ten images; misses one image."""
    if camera == 'hall' and person == 2 and 10 <= step < 20:
        return None if step == 12 else (2, 11, True)
    return right(camera, step, person)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def bag(folder):
    return runs.bag(folder / 'bag', present, STEPS)


@pytest.fixture
def out(tmp_path):
    def record(said=right, **more):
        runs.record(tmp_path / 'out', present, said, STEPS, **more)
        return tmp_path / 'out'

    return record


def mot_truth(place, cameras=('hall', 'door')):
    place.mkdir()
    for camera in cameras:
        lines = []
        for step in range(STEPS):
            for person in present(camera, step):
                x0, y0, x1, y1 = runs.box(person, step)
                lines.append(f'{step + 1},{person},{x0},{y0},{x1 - x0},{y1 - y0},1,1,1\n')
        (place / f'{camera}.txt').write_text(''.join(lines))
    return place


def test_truth_topics_of_a_bag_are_the_truth(bag):
    truth = of_bag(Bag(bag))
    assert sorted(truth) == ['door', 'hall']
    hall = truth['hall']
    assert len(hall.images) == STEPS, 'an image without people has truth too'
    assert hall.persons.tolist() == [1, 2] * 25
    assert hall.image[2] == runs.START + runs.PERIOD
    assert hall.boxes[2].tolist() == list(runs.box(1, 1))


def test_a_saved_run_scores_the_same_against_a_bag_and_against_text(out, bag, tmp_path):
    run = read_run(out(swapped))
    of_stamps = score_run(run, read_truth(bag, run.cameras)).as_json()
    of_frames = score_run(run, read_truth(mot_truth(tmp_path / 'gt'), run.cameras)).as_json()
    assert of_stamps == of_frames
    assert of_stamps['published']['IDSW'] == 2


def test_hindsight_names_what_was_undecided_at_the_time(out, bag):
    run = read_run(out())
    scores = score_run(run, read_truth(bag, run.cameras))
    published, hindsight = scores.published.as_json(), scores.hindsight.as_json()
    # Three images of each of four tracks were undecided; afterwards their tracks had a number.
    assert (published['FN'], hindsight['FN']) == (12, 0)
    assert hindsight['IDF1'] == 100
    assert scores.time.shares.confirmed == 74 - 12
    assert scores.time.provisional.median_s == pytest.approx(0.3)
    assert (scores.time.handover.right, scores.time.handover.times) == (2, 2)


def test_cameras_without_truth_are_not_scored(out, tmp_path):
    run = read_run(out())
    scores = score_run(run, read_truth(mot_truth(tmp_path / 'gt', ['hall']), run.cameras))
    assert (scores.cameras, scores.unknown) == (('hall',), ('door',))
    assert (scores.published.clear.tp, scores.published.clear.fp) == (44, 0)


def test_merges_are_read_from_the_events(out):
    run = read_run(out(events=[runs.merged(5, 12, 11)]))
    assert run.merges == ((runs.START + 5 * runs.PERIOD, 12, 11),)


def test_stamps_of_images_without_people_are_worked_out(out):
    run = read_run(out())
    door = run.clocks[run.cameras.index('door')]
    assert door.index.tolist() == list(range(28, STEPS))
    wanted = runs.START + np.arange(STEPS) * runs.PERIOD
    assert np.abs(door.stamps(np.arange(STEPS)) - wanted).max() < 1000


def test_the_truth_of_another_recording_is_refused(out, tmp_path):
    other = runs.bag(tmp_path / 'other', present, 3, images=False)
    run = read_run(out())
    truth = read_truth(other, run.cameras)
    shifted = {
        camera: type(one)(
            one.images + 7, True, one.image + 7, one.persons, one.boxes, one.visible, one.ignored
        )
        for camera, one in truth.items()
    }
    with pytest.raises(EvaluateError, match='no image of hall has a stamp of the truth'):
        score_run(run, shifted)


def test_truth_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(EvaluateError, match='no such truth'):
        read_truth(tmp_path / 'none', ['a'])
    place = mot_truth(tmp_path / 'gt')
    with pytest.raises(EvaluateError, match='no truth for a, b; it is there for door, hall'):
        read_truth(place, ['a', 'b'])
    with pytest.raises(EvaluateError, match='is truth for one camera, but there are 2'):
        read_truth(place / 'hall.txt', ['a', 'b'])


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(EvaluateError, match='no finished run'):
        read_run(tmp_path)
    (tmp_path / 'identities.json').write_text('{"complete": true}')
    with pytest.raises(EvaluateError, match='not as a run writes it'):
        read_run(tmp_path)


def test_the_story_tells_every_switch(out, bag):
    run = read_run(out(swapped))
    scores = score_run(run, read_truth(bag, run.cameras))
    told = pieces(scores.seen)
    second = [p for p in told if p.person == 2 and run.cameras[p.camera] == 'hall']
    assert [(p.number, p.right, p.before) for p in second] == [
        (0, False, 0), (12, True, 0), (11, False, 12), (-1, False, 0), (11, False, 0),
        (12, True, 11),
    ]  # fmt: skip
    assert all(a.last_ns == b.first_ns for a, b in pairwise(second))
    moments = worst(scores.seen, told)
    assert [m.cost for m in moments] == [9], 'the way back lies too close to be shown twice'
    stamps = scores.seen.people.stamp_ns[list(moments[0].rows)]
    assert ((stamps - runs.START) / runs.PERIOD).tolist() == [9, 10, 11]


def test_evaluate_writes_the_scores_and_puts_them_on_the_page(out, bag, capsys):
    folder = out(swapped)
    assert main(['evaluate', str(folder), '--truth', str(bag), '--apart', 'hall,door']) == 0
    printed = capsys.readouterr().out
    said = json.loads((folder / 'scores.json').read_text())
    assert f'{said["published"]["IDF1"]:.1f}' in printed
    assert said['identity']['clashes']['duplicates'] == 9
    page = (folder / 'report.html').read_text()
    assert page.count('class="flip"') - page.count('<i class="flip"') == 2
    assert 'person 2 in hall as #11, not theirs' in page
    assert 'person 2 was #12, now #11, wrong in 9 images' in page
    assert len(re.findall(r'<figcaption>0:0\d\.\d ', page)) == 3, 'three pictures of the moment'


def test_scoring_twice_shows_one_verdict(out, bag, capsys):
    folder = out()
    for _ in range(2):
        assert main(['evaluate', str(folder), '--truth', str(bag), '--json']) == 0
        assert json.loads(capsys.readouterr().out)['hindsight']['IDF1'] == 100
    assert (folder / 'report.html').read_text().count('Against the truth') == 1


@pytest.mark.parametrize(
    ('more', 'said'),
    [
        (['--iou', '0'], 'an overlap of 0: give one above 0 and at most 1'),
        (['--visible', '2'], 'a visible share of 2: give one from 0 to 1'),
        (['--apart', 'hall'], "write it as 'hall,garage'"),
        (['--apart', 'hall,attic'], "called 'attic'; there are hall, door"),
    ],
)
def test_bad_options_are_refused(out, bag, capsys, more, said):
    assert main(['evaluate', str(out()), '--truth', str(bag), *more]) == 2
    assert said in capsys.readouterr().err
