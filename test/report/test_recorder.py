import csv
import json
import re
from html.parser import HTMLParser

import clips
import cv2
import numpy as np
import pytest
from clips import MS, S

from reid_ros.report.colours import colour, ink
from reid_ros.report.files import OutputError, check_writable, whole
from reid_ros.report.recorder import CameraRecord, Recorder
from reid_ros.report.rows import read_rows
from reid_ros.report.strips import PER_PERSON, Strips
from reid_ros.report.summary import MOST_VISITS, Presence
from reid_ros.types import Event, Frame, Moment


class Run:
    """Feeds a recorder frame by frame."""

    def __init__(self, folder, cameras='ab', video=False):
        self.folder = folder
        self.recorder = Recorder(
            folder, [CameraRecord(name, f'{name}.mp4', 10.0) for name in cameras], video
        )
        self.index = dict.fromkeys(cameras, 0)

    def step(self, events=(), confirmed=True, predicted=(), stamp_ns=None, size=None, **persons):
        frames, sightings = [], []
        for camera, rows in persons.items():
            of = clips.frame(camera, self.index[camera], stamp_ns, **(size or {}))
            self.index[camera] += 1
            frames.append(of)
            sightings.append(clips.found(of, *rows, confirmed=confirmed, predicted=predicted))
        self.recorder.add(frames, Moment(sightings, list(events), {'detect': 0.01}), {})

    def close(self, names=None, **more):
        return self.recorder.close(names or {}, **more)

    def mot(self, name):
        lines = (self.folder / name).read_text().splitlines()
        return [[float(v) for v in line.split(',')] for line in lines]

    def json(self):
        return json.loads((self.folder / 'identities.json').read_text())


def test_mot_text_has_frames_from_one_and_persons_back_to_the_start_of_their_track(tmp_path):
    run = Run(tmp_path, 'a')
    run.step(a=[(1, 0), (2, 0)])
    run.step(a=[(1, 4), (2, 0)])
    run.close()
    assert run.mot('a.txt') == [
        [1, 4, 5, 5, 15, 40, 0.875, -1, -1, -1],
        [2, 4, 5, 5, 15, 40, 0.875, -1, -1, -1],
    ]
    assert [row[:2] for row in run.mot('tracks/a.txt')] == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_predicted_boxes_are_in_no_mot_text_and_count_as_no_sighting(tmp_path):
    run = Run(tmp_path, 'a')
    run.step(a=[(1, 4)])
    run.step(a=[(1, 4)], predicted=(1,))
    run.close()
    assert len(run.mot('a.txt')) == len(run.mot('tracks/a.txt')) == 1
    assert run.json()['persons'][0]['sightings'] == 1


def test_a_camera_that_saw_nobody_has_empty_files(tmp_path):
    run = Run(tmp_path, 'ab')
    run.step(a=[(1, 4)], b=[])
    run.close()
    assert run.mot('b.txt') == run.mot('tracks/b.txt') == []


def test_identities_tell_where_and_when_each_person_was(tmp_path):
    run = Run(tmp_path)
    run.step(stamp_ns=10 * S, a=[(1, 3)])
    run.step(stamp_ns=11 * S, a=[(1, 3)], b=[(1, 3)])
    run.step(stamp_ns=15 * S, b=[(1, 3), (2, 0)])
    run.step(stamp_ns=15 * S + 1, confirmed=False, a=[(2, 8)])
    run.close({3: 'Ada'}, stopped='SIGINT')
    told = run.json()
    (person,) = told['persons']
    assert (person['id'], person['name'], person['sightings']) == (3, 'Ada', 4)
    assert person['cameras'] == [
        {
            'camera': 'a', 'first_ns': 10 * S, 'last_ns': 11 * S, 'first_s': 0.0, 'last_s': 1.0,
            'sightings': 2, 'visits_s': [[0.0, 1.0]],
        },
        {
            'camera': 'b', 'first_ns': 11 * S, 'last_ns': 15 * S, 'first_s': 1.0, 'last_s': 5.0,
            'sightings': 2, 'visits_s': [[1.0, 1.0], [5.0, 5.0]],
        },
    ]  # fmt: skip
    assert [p['id'] for p in told['provisional']] == [8]
    assert told['undecided_tracks'] == 1
    assert (told['complete'], told['stopped'], told['start_ns']) == (False, 'SIGINT', 10 * S)
    assert told['frames'] == 5


def test_a_merge_is_told_once_under_the_surviving_number(tmp_path):
    run = Run(tmp_path, 'ab')
    run.step(confirmed=False, a=[(1, 3)], b=[(1, 5)])
    run.step([Event('merged', 3, 100 * MS, 'b', 1, 5)], a=[(1, 3)], b=[(1, 3)])
    run.close()
    (person,) = run.json()['persons']
    assert (person['id'], person['merged_from'], person['sightings']) == (3, [5], 4)
    assert [row[1] for row in run.mot('b.txt')] == [3, 3]


def test_the_rows_are_kept_as_they_were_published_to_the_last_bit(tmp_path):
    run = Run(tmp_path, 'a')
    box = np.array([[1 / 3, 2e-7, 123456.789, 7.1]], np.float32)
    of = clips.frame('a', 0)
    sightings = clips.found(of, (1, 4))
    sightings.boxes[:] = box
    run.recorder.add([of], Moment([sightings]), {})
    run.close()
    (row,) = read_rows(tmp_path / 'sightings.csv')
    assert np.array_equal(np.array(row.box, np.float32), box[0])
    assert (row.moment, row.camera, row.index, row.track, row.person) == (0, 'a', 0, 1, 4)
    assert (row.confirmed, row.predicted) == (True, False)
    with (tmp_path / 'sightings.csv').open() as file:
        assert len(list(csv.DictReader(file))) == 1


def test_a_row_that_was_cut_off_ends_the_rows(tmp_path):
    run = Run(tmp_path, 'a')
    run.step(a=[(1, 4)])
    run.step(a=[(1, 4)])
    run.close()
    path = tmp_path / 'sightings.csv'
    path.write_bytes(path.read_bytes()[:-40])
    assert len(list(read_rows(path))) == 1


def test_a_file_that_is_no_table_of_sightings_is_refused(tmp_path):
    (tmp_path / 'x.csv').write_text('a,b\n')
    with pytest.raises(OutputError, match=r'x\.csv is no sightings\.csv'):
        list(read_rows(tmp_path / 'x.csv'))


def test_events_are_lines_of_json(tmp_path):
    run = Run(tmp_path, 'a')
    run.step([Event('born', 4, 5, 'a', 1), Event('lost', 4, 6)], a=[(1, 4)])
    run.close()
    lines = (tmp_path / 'events.jsonl').read_text().splitlines()
    assert [json.loads(line)['kind'] for line in lines] == ['born', 'lost']


def test_a_change_of_resolution_is_noted_and_the_video_goes_on(tmp_path):
    run = Run(tmp_path, 'a', video=True)
    run.step(a=[(1, 4)])
    run.step(a=[(1, 4)], size={'width': 96, 'height': 48})
    run.step(a=[(1, 4)], size={'width': 40, 'height': 90})
    run.close()
    notes = run.json()['cameras'][0]['notes']
    assert notes[0] == 'changed from 64 x 48 to 96 x 48 pixels at frame 2'
    assert len(frames_of(tmp_path / 'a.mp4')) == 3


def test_many_visits_are_joined_and_none_is_lost():
    presence = Presence()
    for i in range(5 * MOST_VISITS):
        presence.add(i * 3 * S)
    assert len(presence.visits) <= MOST_VISITS
    assert presence.sightings == 5 * MOST_VISITS
    assert (presence.first_ns, presence.last_ns) == (0, (5 * MOST_VISITS - 1) * 3 * S)


# -- videos ------------------------------------------------------------------------------------


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    images = []
    while True:
        fine, image = capture.read()
        if not fine:
            return images
        images.append(image)


def test_a_video_shows_the_colour_of_a_person_from_their_first_frame(tmp_path):
    run = Run(tmp_path, 'a', video=True)
    for i in range(20):
        run.step(a=[(1, 0 if i < 10 else 4)], size={'width': 320, 'height': 240})
    run.close()
    images = frames_of(tmp_path / 'a.mp4')
    assert len(images) == 20
    wanted = np.array(colour(4)[::-1], float)
    for image in images:
        edge = image[10:44, 20].astype(float)  # the right side of the box
        assert np.abs(edge - wanted).sum(1).min() < 90


@pytest.mark.parametrize('gap_ms', [100, 130, 50, 400])
def test_a_video_runs_in_real_time(tmp_path, gap_ms):
    run = Run(tmp_path, 'a', video=True)
    for i in range(10):
        run.step(stamp_ns=S + i * gap_ms * MS, a=[])
    run.close()
    capture = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    seconds = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    assert seconds == pytest.approx(10 * gap_ms / 1000, rel=0.15)


def test_no_video_is_left_half_written(tmp_path):
    run = Run(tmp_path, 'a', video=True)
    run.step(a=[(1, 4)])
    run.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'a.mp4', 'a.txt', 'events.jsonl', 'identities.json', 'report.html', 'sightings.csv',
        'tracks',
    ]  # fmt: skip


def test_a_video_that_cannot_be_written_is_an_error_and_the_rest_is_finished(tmp_path):
    (tmp_path / 'a.mp4').mkdir()
    run = Run(tmp_path, 'a', video=True)
    run.step(a=[(1, 4)])
    with pytest.raises(OutputError, match=r'a\.mp4: cannot be written'):
        run.close()
    assert run.json()['persons'][0]['id'] == 4


def test_colours_of_the_first_persons_are_far_apart():
    colours = np.array([colour(i) for i in range(13)], float)
    gaps = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert gaps[np.triu_indices(13, 1)].min() > 50
    assert len({colour(i) for i in range(1, 200)}) > 150
    assert ink(0) in ((0, 0, 0), (255, 255, 255))


# -- the page ----------------------------------------------------------------------------------


class Page(HTMLParser):
    """Everything on a page that could load something, and whether its tags close."""

    void = ('meta', 'br', 'img', 'link', 'line', 'rect')

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.wrong = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ('src', 'href', 'srcset', 'data')]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ('src', 'href')]

    def handle_endtag(self, tag):
        if tag in self.void:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_needs_nothing_but_itself_and_is_well_formed(tmp_path):
    run = Run(tmp_path)
    for i in range(30):
        run.step([Event('born', 3, i, 'a', 1)], a=[(1, 3)], b=[(1, 3), (2, 0)])
    run.recorder.cameras['a'].notes.append('<script>alert(1)</script>')
    run.close({3: 'Ada & <b>Bob</b>'}, facts={'detector': 'x<y'})
    text = (tmp_path / 'report.html').read_text()
    page = Page(text)
    assert page.links
    assert all(link.startswith('data:image/jpeg;base64,') for link in page.links)
    assert not re.search(r'https?://|@import|url\(', text)
    assert (page.open, page.wrong) == ([], [])
    assert 'Ada &amp; &lt;b&gt;Bob&lt;/b&gt;' in text
    assert '<script' not in text
    assert 'prefers-color-scheme:dark' in text


def test_a_run_without_anybody_has_a_page(tmp_path):
    run = Run(tmp_path, 'a')
    run.step(a=[])
    run.close()
    assert 'Nobody was recognised' in (tmp_path / 'report.html').read_text()


def test_a_run_without_a_frame_has_all_its_files(tmp_path):
    run = Run(tmp_path, 'a', video=True)
    run.close(stopped='SIGTERM')
    assert run.json()['frames'] == 0
    assert 'Stopped early: SIGTERM' in (tmp_path / 'report.html').read_text()


def photographed(strips, camera, track, person, index, value=120):
    noise = np.random.default_rng(index).integers(0, value, (120, 160, 3)).astype(np.uint8)
    of = Frame(camera, index * S, noise, index)
    strips.add(of, index, clips.found(of, (track, person)))


def test_a_strip_spreads_over_cameras_and_time():
    strips = Strips(lambda camera, track, moment: 5)
    for index in range(60):
        for camera in 'ab':
            photographed(strips, camera, 1 + index // 10, 5, index)
    (strip,) = strips.of_persons().values()
    assert len(strip) == PER_PERSON
    assert {p.camera for p in strip} == {'a', 'b'}
    assert [p.stamp_ns for p in strip] == sorted(p.stamp_ns for p in strip)
    assert strip[-1].stamp_ns - strip[0].stamp_ns > 40 * S


def test_pictures_do_not_pile_up():
    strips = Strips(lambda camera, track, moment: track % 50, most=200)
    for index in range(1000):
        photographed(strips, 'a', index, index % 50, index)
        assert sum(len(p) for p in strips._tracks.values()) <= 201
    assert len(strips.of_persons()) > 20


# -- files -------------------------------------------------------------------------------------


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / 'a.txt'

    def break_off():
        with whole(path) as file:
            file.write('half')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert list(tmp_path.iterdir()) == []
    with whole(path) as file:
        file.write('all')
    assert path.read_text() == 'all'


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='is a file'):
        check_writable(tmp_path / 'file')
    with pytest.raises(OutputError, match='is a file'):
        check_writable(tmp_path / 'file' / 'below')
    check_writable(tmp_path / 'new' / 'deep')
    assert not (tmp_path / 'new').exists()
