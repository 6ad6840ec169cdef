"""`reid_ros search`: one person, by a picture, in videos, folders and bags."""

import base64
import json
import re

import clips
import cv2
import networks
import numpy as np
import pytest
from people import CLEAR
from samples import data

from reid_ros.cli import main
from reid_ros.config import Config, build
from reid_ros.pipeline import Pipeline
from reid_ros.search import Query, SearchError

RED, GREEN, BLUE, YELLOW = ((220, 40, 40), (40, 220, 40), (40, 40, 220), (210, 210, 40))
S = 1_000_000_000


@pytest.fixture(scope='module')
def toy(tmp_path_factory):
    """A search network that finds blocks of colour."""
    folder = tmp_path_factory.mktemp('models')
    networks.blobs(folder / 'toy.onnx')
    networks.write(folder, networks.search('toy', calibration=CLEAR.to_json()))
    networks.means(folder / 'mean.onnx')
    networks.write(folder, networks.appearance('mean', calibration=CLEAR.to_json()))
    return folder / 'toy.onnx'


def scene(*people, width=640, height=480):
    """(h, w, 3) bgr: a block of 60 x 200 pixels per (colour, x)."""
    result = np.full((height, width, 3), 90, np.uint8)
    for colour, x in people:
        result[180:380, x : x + 60] = colour[::-1]
    return result


def film(folder, *moments):
    """A folder of pictures at 10 Hz, one per moment."""
    folder.mkdir()
    for i, people in enumerate(moments):
        cv2.imwrite(str(folder / f'{i:03d}.png'), scene(*people))
    return folder


def walk(colour, steps, x=60):
    return [[(colour, x + 6 * i)] for i in range(steps)]


def picture(path, image):
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def seek(tmp_path, toy, capsys):
    """Run the verb on footage; returns its status, what it printed, and its hits.json."""

    def run(query, *words, model=('--model',), out='found'):
        named = [*model, str(toy)] if model else []
        call = ['search', query, *words, *named, '--out', tmp_path / out, '--backend', 'cpu']
        status = main([str(word) for word in [*call, '--quiet']])
        file = tmp_path / out / 'hits.json'
        told = json.loads(file.read_text()) if status == 0 else {}
        return status, capsys.readouterr(), told

    return run


def test_the_person_is_found_in_both_cameras_with_when_and_where(tmp_path, seek):
    hall = film(tmp_path / 'hall', *walk(GREEN, 12), *[[]] * 25, *walk(RED, 15))
    yard = film(tmp_path / 'yard', *[[(RED, 300 - 5 * i), (BLUE, 500)] for i in range(20)])
    query = picture(tmp_path / 'red.png', scene((RED, 300))[150:400, 270:390])
    status, said, told = seek(query, hall, yard, '--rate', 10)
    assert status == 0
    assert told['tracks'] == len(told['hits']) == 4
    assert [hit['camera'] for hit in told['hits'] if hit['sure']] == ['yard', 'hall']
    yard_hit, hall_hit = told['hits'][:2]
    assert hall_hit['cosine'] > 0.999
    assert min(yard_hit['score'], hall_hit['score']) > 0.9 > 0.1 > told['hits'][2]['score']
    assert hall_hit['first_s'] == pytest.approx(3.8, abs=0.11)  # a new track has to be seen twice
    assert hall_hit['last_s'] == pytest.approx(5.1)
    assert yard_hit['first_s'] == 0
    x0, y0, x1, y1 = (round(v) for v in hall_hit['best']['box'])
    shown = cv2.imread(str(hall / f'{hall_hit["best"]["index"]:03d}.png'))
    assert (shown[y0 + 20 : y1 - 20, x0 + 15 : x1 - 15] == RED[::-1]).all()
    assert said.out.splitlines()[3] == '-- not sure, or somebody else'
    assert said.out.splitlines()[-1] == str(tmp_path / 'found' / 'hits.html')


def test_the_sheet_needs_nothing_but_itself_and_shows_the_person_best_first(tmp_path, seek):
    hall = film(tmp_path / 'hall', *[[(GREEN, 60), (RED, 200), (BLUE, 400)]] * 6)
    query = picture(tmp_path / 'a <b>.png', scene((RED, 300)))
    assert seek(query, hall)[0] == 0
    page = (tmp_path / 'found' / 'hits.html').read_text()
    assert 'a &lt;b&gt;.png' in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    pictures = [
        cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
        for text in re.findall(r'data:image/jpeg;base64,([^"]+)', page)
    ]
    assert len(pictures) == 4, 'the query and three tracks'
    for shown in pictures[:2]:
        middle = shown[shown.shape[0] // 2, shown.shape[1] // 2].astype(int)
        assert np.abs(middle - RED[::-1]).max() < 20
    assert page.index('Taken for the person') < page.index('Not sure')


def test_a_detector_and_an_appearance_network_do_it_too(tmp_path, toy, seek):
    hall = film(tmp_path / 'hall', *walk(GREEN, 10), *[[]] * 25, *walk(RED, 10))
    query = picture(tmp_path / 'red.png', scene((RED, 300)))
    words = ['--detector', toy, '--appearance', toy.parent / 'mean.onnx']
    status, _, told = seek(query, hall, *words, model=())
    assert status == 0
    assert told['ran']['appearance'] == 'mean'
    assert [hit['sure'] for hit in told['hits']] == [True, False]
    assert told['hits'][0]['first_s'] > 3


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_bags_and_videos_are_searched_together_whatever_their_clocks(tmp_path, seek, storage):
    begin = 1_700_000_000 * S
    messages = [
        (
            '/hall/image',
            begin + i * S // 10,
            clips.message(clips.IMAGE, begin + i * S // 10, image),
        )
        for i, image in enumerate([scene((RED, 60 + 5 * i), (BLUE, 400)) for i in range(12)])
    ]
    bag = clips.bag(tmp_path / 'patrol', messages, storage)
    hall = film(tmp_path / 'hall', *walk(RED, 10))
    query = picture(tmp_path / 'red.png', scene((RED, 300)))
    status, _, told = seek(query, hall, bag)
    assert status == 0
    assert sorted(hit['camera'] for hit in told['hits'] if hit['sure']) == ['hall', 'hall_2']
    (of_bag,) = (hit for hit in told['hits'] if hit['sure'] and hit['camera'] == 'hall')
    assert of_bag['first_ns'] >= begin
    assert of_bag['last_s'] == pytest.approx(1.1)


def test_only_so_many_hits_are_kept_and_they_are_the_best(tmp_path, seek):
    shades = [(220, 40 + 25 * i, 40) for i in range(5)]
    moments = [m for shade in shades for m in [*walk(shade, 4), *[[]] * 6]]
    hall = film(tmp_path / 'hall', *moments)
    query = picture(tmp_path / 'red.png', scene((RED, 300)))
    everybody = seek(query, hall, '--rate', 2.5, out='all')[2]
    few = seek(query, hall, '--rate', 2.5, '--top', 2, out='few')[2]
    assert len(everybody['hits']) == everybody['tracks'] == few['tracks'] == 5
    cosines = [hit['cosine'] for hit in everybody['hits']]
    assert cosines == sorted(cosines, reverse=True)
    assert few['hits'] == everybody['hits'][:2]
    starts = [hit['first_s'] for hit in everybody['hits']]
    assert starts == sorted(starts), 'the later ones look less and less like it'


def test_who_is_never_seen_well_enough_is_counted_and_not_ranked(tmp_path, seek):
    low = [np.full((480, 640, 3), 90, np.uint8) for _ in range(8)]
    for i, image in enumerate(low):
        image[200:222, 100 + 4 * i : 160 + 4 * i] = RED[::-1]
    hall = tmp_path / 'hall'
    hall.mkdir()
    for i, image in enumerate(low):
        cv2.imwrite(str(hall / f'{i:03d}.png'), image)
    query = picture(tmp_path / 'red.png', scene((RED, 300)))
    status, said, told = seek(query, hall)
    assert status == 0
    assert (told['hits'], told['tracks'], told['unseen_tracks']) == ([], 0, 1)
    assert '1 too poor to compare' in said.out


# -- the query -----------------------------------------------------------------------------------


@pytest.fixture
def pipeline(toy):
    model = {'detector': str(toy), 'appearance': str(toy)}
    with Pipeline.load(build(Config, {'backend': 'cpu', 'model': model})) as result:
        yield result


def test_the_largest_person_is_meant_unless_a_box_says_who(pipeline):
    image = scene((RED, 100), (GREEN, 400))
    image[100:400, 90:170] = RED[::-1]
    assert Query.of(pipeline, image, 'q').vector.argmax() == 0
    other = Query.of(pipeline, image, 'q', (395, 170, 470, 390))
    assert other.vector.argmax() == 1
    np.testing.assert_array_equal(other.box, [395, 170, 470, 390])
    assert other.notes == ()


def test_a_small_person_is_looked_at_from_near(pipeline):
    """In the whole picture the network sees a few pixels of them, too few for it."""
    image = scene(width=2560, height=1920)
    image[900:975, 1200:1224] = GREEN[::-1]
    found = Query.of(pipeline, image, 'q', (1200, 900, 1224, 975))
    assert found.vector.argmax() == 1


def test_somebody_whom_the_network_does_not_see_cannot_be_looked_for(pipeline):
    with pytest.raises(SearchError, match=r'q: toy finds nobody at 10,20,70,220: give a --box'):
        Query.of(pipeline, scene((RED, 300)), 'q', (10, 20, 70, 220))


def test_a_picture_that_is_all_person_is_taken_whole_by_a_network_of_crops(toy):
    """A grey suit is no block of colour, so the detector does not find it; the picture is tall."""
    model = {'detector': str(toy), 'appearance': str(toy.parent / 'mean.onnx')}
    with Pipeline.load(build(Config, {'backend': 'cpu', 'model': model})) as pipeline:
        found = Query.of(pipeline, np.full((200, 80, 3), (90, 96, 99), np.uint8), 'suit.png')
        np.testing.assert_array_equal(found.box, [0, 0, 80, 200])
        assert 'suit.png: nobody was found in it, so all of it' in found.notes[0]
        with pytest.raises(SearchError, match=r'nobody was found in it: give a picture of one'):
            Query.of(pipeline, np.full((200, 300, 3), 90, np.uint8), 'wall.png')
    model['detector'] = 'none'
    with Pipeline.load(build(Config, {'backend': 'cpu', 'model': model})) as alone:
        found = Query.of(alone, np.full((200, 80, 3), (90, 96, 99), np.uint8), 'suit.png')
        assert 'there is no detector (model.detector), so all of it' in found.notes[0]
        with pytest.raises(SearchError, match=r'there is no detector .*: give a picture of one'):
            Query.of(alone, scene((RED, 300)), 'hall.png')
        with_box = Query.of(alone, scene((RED, 300)), 'hall.png', (300, 180, 360, 380))
        np.testing.assert_allclose(with_box.vector, np.array(RED) / np.linalg.norm(RED), atol=0.02)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['nowhere.png', 'HALL'], 'nowhere.png: no such picture'),
        (['TEXT', 'HALL'], 'no picture that can be read: give a .jpg or .png'),
        (['WALL', 'HALL'], 'nobody was found in it: give a picture of one person'),
        (['RED', 'HALL', '--box', '600,10,700,400'], ''),
        (['RED', 'HALL', '--box', '700,10,800,400'], 'is 640 x 480 pixels; give x0,y0,x1,y1'),
        (['RED', 'no_such.mp4'], 'no_such.mp4: no such file'),
        (['RED', 'HALL', '--topics', '/a/image'], 'none of the sources is a bag'),
        (['RED', 'HALL', '--detector', 'x'], 'stands in the place of --detector'),
    ],
)
def test_a_mistake_is_told_with_the_next_step(tmp_path, seek, words, said):
    (tmp_path / 'text.png').write_text('no picture')
    places = {
        'HALL': film(tmp_path / 'hall', *walk(RED, 3)),
        'TEXT': tmp_path / 'text.png',
        'WALL': picture(tmp_path / 'wall.png', scene()),
        'RED': picture(tmp_path / 'red.png', scene((RED, 600))),
    }
    status, told, _ = seek(*[places.get(word, word) for word in words])
    assert status == (2 if said else 0)
    assert said in told.err
    assert (tmp_path / 'found').exists() == (not said), 'nothing is written for a mistake'


@pytest.mark.parametrize('words', [['--box', '1,2,3'], ['--box', 'a,b,c,d'], ['--top', '0']])
def test_a_misspelt_option_is_refused(seek, words, capsys):
    with pytest.raises(SystemExit):
        seek('red.png', 'hall', *words)


def test_vectors_are_needed(tmp_path, toy, seek):
    hall = film(tmp_path / 'hall', *walk(RED, 3))
    query = picture(tmp_path / 'red.png', scene((RED, 300)))
    words = ['--detector', toy, '--appearance', 'none']
    status, told, _ = seek(query, hall, *words, model=())
    assert status == 2
    assert 'model.appearance is "none"' in told.err


# -- real footage --------------------------------------------------------------------------------


def test_a_visitor_in_a_tight_crop_is_found_among_others(tmp_path, seek):
    """Visitors pass one by one; the crop is of the fourth, from the middle of the visit."""
    source = data('video', 'one-by-one-person-detection.mp4')
    rows = data('video', 'one-by-one.visits.tsv').read_text().splitlines()[1:]
    first, last = map(int, rows[3].split()[1:])
    video, visits = cv2.VideoCapture(str(source)), tmp_path / 'visits'
    visits.mkdir()
    video.set(cv2.CAP_PROP_POS_FRAMES, 690)
    for number in range(691, 975):
        video.grab()
        if number % 8 == 0:
            cv2.imwrite(str(visits / f'{number:04d}.jpg'), video.retrieve()[1])
        if number == (first + last) // 2 + 1:
            middle = video.retrieve()[1]
    video.release()
    detector = data('models', 'yolox_nano_416x416.onnx')
    appearance = data('models', 'osnet_x0_25_msmt17.onnx')
    path, model = str(detector), str(appearance)
    named = build(Config, {'model': {'detector': path, 'appearance': model}, 'backend': 'cpu'})
    with Pipeline.load(named) as pipeline:
        found = Query.of(pipeline, middle, 'scene')
    x0, y0, x1, y1 = (round(v) for v in found.box.tolist())
    crop = picture(tmp_path / 'crop.png', middle[y0:y1, x0:x1])
    words = ['--rate', '1.25', '--detector', detector, '--appearance', appearance]
    status, _, told = seek(crop, visits, *words, model=())
    assert status == 0
    assert told['tracks'] >= 2
    best, second = told['hits'][:2]
    assert best['sure']
    assert best['cosine'] > second['cosine'] + 0.05
    assert (first - 690) / 10 <= (best['first_s'] + best['last_s']) / 2 <= (last - 690) / 10
