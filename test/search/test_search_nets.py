"""Networks of person search: geometry, who answers for whom, and what comes out."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros import boxes as plain  # noqa: E402
from reid_ros.evaluate.searchprotocol import Found  # noqa: E402
from reid_ros.train.search import assign, score  # noqa: E402
from reid_ros.train.search.configs import SearchNetConfig  # noqa: E402
from reid_ros.train.search.data.batches import Truth  # noqa: E402
from reid_ros.train.search.data.pictures import SearchTrial, Standing  # noqa: E402
from reid_ros.train.search.nets import geometry  # noqa: E402
from reid_ros.train.search.nets.backbone import Backbone  # noqa: E402
from reid_ros.train.search.nets.dense import Dense  # noqa: E402
from reid_ros.train.search.nets.two_stage import TwoStage  # noqa: E402
from reid_ros.train.search.oim import NOBODY, UNKNOWN, Table  # noqa: E402
from reid_ros.types import ReidError  # noqa: E402

SIZE = (64, 96)
SMALL = SearchNetConfig(embed=8, width=16, depth=1, answers=12)
STAGED = SearchNetConfig(
    head='two_stage', encoder='resnet18', embed=8, answers=6, pool=(4, 2), hidden=16,
    sizes=(16.0, 32.0), ratios=(2.0, 3.0),
)  # fmt: skip


def some(draw, number, size=SIZE):
    """(number, 4) boxes inside a picture."""
    height, width = size
    low = draw.uniform(0, [width - 30, height - 40], (number, 2))
    return np.hstack([low, low + draw.uniform(6, [30, 40], (number, 2))]).astype(np.float32)


@pytest.fixture
def draw():
    return np.random.default_rng(3)


def test_overlaps_are_those_of_plain_arrays(draw):
    a, b = some(draw, 7), some(draw, 5)
    found = geometry.pairwise(torch.from_numpy(a), torch.from_numpy(b))
    assert found.numpy() == pytest.approx(plain.iou(a, b), abs=1e-6)
    for one, two in zip(a[:5], b):
        around = np.array([*np.minimum(one[:2], two[:2]), *np.maximum(one[2:], two[2:])])
        shared = plain.intersection(one[None], two[None])[0, 0]
        union = plain.area(one[None])[0] + plain.area(two[None])[0] - shared
        whole = plain.area(around[None])[0]
        wanted = shared / union - (whole - union) / whole
        given = torch.from_numpy(one)[None], torch.from_numpy(two)[None]
        assert float(geometry.generalised(*given)) == pytest.approx(wanted, abs=1e-5)


def test_a_box_comes_back_from_its_distance_to_any_other(draw):
    boxes, around = (torch.from_numpy(some(draw, 9)) for _ in range(2))
    again = geometry.decoded(geometry.encoded(boxes, around), around)
    assert again.numpy() == pytest.approx(boxes.numpy(), abs=1e-3)


def test_what_a_map_shows_within_a_box_is_read_point_by_point(draw):
    maps = draw.normal(size=(2, 3, 8, 12)).astype(np.float32)
    boxes = np.stack([some(draw, 3), some(draw, 3)])
    boxes[0, 0] = [-20, -10, 8, 70]
    found = geometry.cut(torch.from_numpy(maps), torch.from_numpy(boxes), (4, 2), 8).numpy()
    for n, k, row, column in np.ndindex(2, 3, 4, 2):
        x0, y0, x1, y1 = boxes[n, k] / 8
        points = [
            (
                x0 + (x1 - x0) * (column + (i + 0.5) / 2) / 2,
                y0 + (y1 - y0) * (row + (j + 0.5) / 2) / 4,
            )
            for i in range(2)
            for j in range(2)
        ]
        wanted = np.mean([between(maps[n], x - 0.5, y - 0.5) for x, y in points], axis=0)
        assert found[n, k, :, row, column] == pytest.approx(wanted, abs=1e-4)


def between(maps, x, y):
    """(c,) of a map between its pixels; beyond the border, the border."""
    height, width = maps.shape[1:]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    i, j = int(min(x, width - 2)), int(min(y, height - 2))
    a, b = x - i, y - j
    upper = (1 - a) * maps[:, j, i] + a * maps[:, j, i + 1]
    lower = (1 - a) * maps[:, j + 1, i] + a * maps[:, j + 1, i + 1]
    return (1 - b) * upper + b * lower


def truth_of(boxes, people=None, labelled=True):
    people = list(range(len(boxes))) if people is None else people
    return Truth(
        torch.tensor(np.array(boxes, np.float32))[None], torch.tensor([people]),
        torch.tensor([labelled]),
    )  # fmt: skip


def test_the_cells_within_a_person_that_do_best_answer_for_it():
    middles = geometry.cells(*SIZE, 8)
    truth = truth_of([[8, 8, 32, 56], [24, 8, 48, 56], [70, 20, 73, 23], [0, 0, 1, 1]],
                     [5, UNKNOWN, 7, NOBODY])  # fmt: skip
    reach = torch.tensor([12.0, 24.0])
    boxes = torch.cat([middles - reach, middles + reach], 1)[None]
    logits = torch.zeros(1, len(middles))
    given = assign.cells(logits, boxes, middles, truth, 4)
    counts = [(given.rows == row).sum().item() for row in range(4)]
    assert counts[2:] == [1, 0], 'who is smaller than a cell has one, who is not there has none'
    assert all(1 <= count <= 4 for count in counts[:2])
    for row in (0, 1):
        x0, y0, x1, y1 = truth.boxes[0, row]
        for x, y in middles[given.rows[0] == row]:
            assert x0 < x < x1
            assert y0 < y < y1
    overlap = geometry.pairwise(truth.boxes[0], boxes[0])
    best = given.quality[given.rows == 0].max()
    assert best == pytest.approx(overlap[0][given.rows[0] == 0].max().item(), abs=1e-5)
    assert not given.quality[given.rows < 0].any()


def test_half_of_the_anchors_show_somebody_and_everybody_has_one(draw):
    middles = geometry.cells(*SIZE, 16)
    boxes = geometry.anchors(middles, (16.0, 32.0), (2.0,))
    assert boxes.shape == (4 * 6 * 2, 4)
    sides = (boxes[:2, 2:] - boxes[:2, :2]).numpy()
    assert sides == pytest.approx(np.array([[16, 32], [32, 64]]) / 2**0.5, abs=1e-3)
    truth = truth_of(some(draw, 3))
    seed = torch.Generator().manual_seed(1)
    given = assign.anchors(boxes, truth, 16, seed)
    assert (given.shown | given.empty).sum() == 16
    assert not (given.shown & given.empty).any()
    overlap = geometry.pairwise(boxes, truth.boxes[0])
    assert (overlap[given.empty[0]].max(1).values < 0.3).all()
    assert set(given.rows[given.shown].tolist()) == {0, 1, 2}
    again = assign.anchors(boxes, truth, 16, torch.Generator().manual_seed(1))
    assert torch.equal(given.empty, again.empty)
    other = assign.anchors(boxes, truth_of(some(draw, 3), labelled=False), 16, seed)
    assert not (other.shown | other.empty).any(), 'nothing is known of a picture without labels'


def test_regions_show_no_more_people_than_asked_and_name_them(draw):
    true = some(draw, 3)
    near = [torch.from_numpy(true + shift) for shift in (1.0, -1.0)]
    far = torch.from_numpy(np.array([[80, 50, 90, 60], [60, 50, 70, 60]], np.float32))
    truth = truth_of([*true, [0, 0, 0, 0]], [4, UNKNOWN, 9, NOBODY])
    seed = torch.Generator().manual_seed(1)
    given = assign.regions([torch.cat([*near, far])], truth, 8, 0.5, seed)
    assert given.boxes.shape == (1, 8, 4)
    assert (given.kinds == 1).sum() <= 4
    shown = given.kinds[0] == 1
    overlap = geometry.pairwise(given.boxes[0], truth.boxes[0])
    assert (overlap[shown].max(1).values >= 0.5).all()
    assert torch.equal(given.rows[0][shown], overlap[shown].argmax(1))
    assert torch.equal(given.people[0][shown], truth.people[0][given.rows[0][shown]])
    assert (given.people[0][~shown] == NOBODY).all()
    none = assign.regions([far[:0]], truth_of([[0, 0, 0, 0]], [NOBODY]), 8, 0.5, seed)
    assert none.boxes.shape == (1, 8, 4)


@pytest.mark.parametrize(('kind', 'settings'), [(Dense, SMALL), (TwoStage, STAGED)])
def test_people_come_out_best_first_with_vectors_of_unit_length(kind, settings, draw):
    torch.manual_seed(0)
    network = kind(settings, SIZE, Table(3, 8, 2)).eval()
    images = torch.from_numpy(draw.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8))
    with torch.inference_mode():
        found = network.detect(images)
        alone = network.detect(images[1:])
    assert found.boxes.shape == (2, settings.answers, 4)
    assert (found.scores.diff(dim=1) <= 0).all()
    assert found.boxes.min() >= 0
    assert (found.boxes.amax((0, 1)) <= torch.tensor([96, 64, 96, 64])).all()
    seen = found.scores > 0
    assert seen[:, 0].all()
    assert found.vectors.norm(dim=2)[seen].numpy() == pytest.approx(1, abs=1e-5)
    assert alone.scores[0].numpy() == pytest.approx(found.scores[1].numpy(), abs=1e-4)
    with torch.inference_mode():
        told = network.describe(images, torch.from_numpy(some(draw, 3)).expand(2, 3, 4))
    assert told.shape == (2, 3, 8)
    assert told.norm(dim=2).numpy() == pytest.approx(1, abs=1e-5)


def test_a_dense_network_describes_a_box_by_the_cell_that_finds_it(draw):
    torch.manual_seed(0)
    network = Dense(SMALL, SIZE, Table(3, 8, 2)).eval()
    images = torch.from_numpy(draw.integers(0, 256, (1, *SIZE, 3), dtype=np.uint8))
    with torch.inference_mode():
        answer = network(images)
        row = int(answer.logits.argmax())
        told = network.describe(images, answer.boxes[:, row : row + 1])
        own = network.vectors(answer.features[:, row : row + 1])
        away = network.describe(images, torch.tensor([[[90.0, 60.0, 95.9, 63.9]]]))
    assert told.numpy() == pytest.approx(own.numpy(), abs=1e-5)
    assert away.isfinite().all()


def test_a_detector_alone_has_no_vectors_and_two_levels_have_all_cells(draw):
    settings = SearchNetConfig(embed=0, width=16, depth=0, strides=(8, 16))
    network = Dense(settings, SIZE, None).eval()
    images = torch.zeros(1, *SIZE, 3, dtype=torch.uint8)
    with torch.inference_mode():
        answer, found = network(images), network.detect(images)
    assert answer.logits.shape == (1, 8 * 12 + 4 * 6)
    assert found.vectors.shape == (1, 100, 0)
    assert network.hinted() == (16, 16)


def test_a_network_that_cannot_be_is_refused():
    with pytest.raises(ReidError, match=r'net\.strides: \[4\]'):
        Dense(SearchNetConfig(strides=(4,)), SIZE, None)
    with pytest.raises(ReidError, match="'osnet_x0_25' is no backbone"):
        Backbone(SearchNetConfig(encoder='osnet_x0_25'), SIZE, False)
    with pytest.raises(ReidError, match=r'net\.below: 3 is outside 0 to 2'):
        TwoStage(SearchNetConfig(head='two_stage', encoder='resnet18', below=3), SIZE, None)
    with pytest.raises(ReidError, match=r'net\.pool'):
        TwoStage(SearchNetConfig(head='two_stage', pool=(7,)), SIZE, None)


@pytest.mark.parametrize('encoder', ['mobile_s', 'mobile_s_x0_7', 'mobile_s_x0_35', 'resnet18'])
def test_maps_of_a_backbone_are_as_wide_as_it_says(encoder):
    backbone = Backbone(SearchNetConfig(encoder=encoder), SIZE, False)
    maps = backbone(torch.zeros(1, 3, *SIZE))
    sizes = [(SIZE[0] // cell, SIZE[1] // cell) for cell in (8, 16, 32)]
    assert [tuple(one.shape[1:]) for one in maps] == [
        (width, *size) for width, size in zip(backbone.widths, sizes)
    ]


def test_the_part_of_a_backbone_below_regions_is_as_deep_as_asked():
    shallow = TwoStage(SearchNetConfig(head='two_stage', encoder='resnet50', below=3), SIZE, None)
    maps = shallow(torch.zeros(1, *SIZE, 3, dtype=torch.uint8)).maps
    assert maps.shape == (1, 1024, 4, 6)
    kept = shallow.look(maps, torch.tensor([[[0.0, 0, 32, 64]]]))
    assert kept.logits.shape == (1, 1, 2)


def standing(boxes):
    starts = np.concatenate([[0], np.cumsum([len(one) for one in boxes])])
    flat = np.array([box for one in boxes for box in one], np.float32).reshape(-1, 4)
    return Standing(starts, flat, np.arange(len(flat)), np.zeros(len(boxes), int),
                    np.ones(len(boxes), bool))  # fmt: skip


def test_a_person_is_found_once_and_precision_counts_what_is_wrong():
    """Of three people two are found; one of them twice, and once there is nobody."""
    where = standing([[[0, 0, 10, 20], [40, 0, 50, 20]], [[0, 0, 10, 20]]])

    class Held:
        standing = where

    trial = SearchTrial(Held(), np.array([0]), [np.array([1])])
    boxes = np.array([[0, 0, 10, 20], [1, 0, 11, 20], [70, 0, 80, 20], [1, 1, 11, 21]], np.float32)
    found = Found(np.array([0, 0, 0, 1]), boxes, np.array([0.9, 0.8, 0.7, 0.6]), np.ones((4, 1)))
    told = score.detection(found, trial, score.Limits(0.5, 0.5))
    assert told['detection recall'] == pytest.approx(100 * 2 / 3, abs=1e-3)
    assert told['detection precision'] == 50
    assert told['detection AP'] == pytest.approx(100 * (1 + 2 / 4) / 2 * 2 / 3, abs=1e-3)
    surer = score.detection(found, trial, score.Limits(0.85, 0.5))
    assert surer['detection precision'] == 100
    assert surer['pictures'] == 2
