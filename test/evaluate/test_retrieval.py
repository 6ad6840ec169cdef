import numpy as np
import pytest

from reid_ros.evaluate import ranking
from reid_ros.evaluate.intervals import bootstrap, share
from reid_ros.evaluate.ranking import ProtocolError
from reid_ros.evaluate.retrieval import (
    GAIT3D,
    MARKET1501,
    MARS,
    MSMT17,
    Samples,
    retrieve,
    retrieve_vectors,
)


def plain_loop(similarity, query, gallery, protocol):
    """(row, first, ap, trapezium ap, inp) of each valid query, from the definitions."""
    rows = []
    for q in range(len(query)):
        if query.ids[q] in (protocol.junk, protocol.distractor):
            continue
        kept = []
        for g in range(len(gallery)):
            if protocol.junk is not None and gallery.ids[g] == protocol.junk:
                continue
            same = gallery.ids[g] == query.ids[q]
            if same and protocol.other_cameras and gallery.cameras[g] == query.cameras[q]:
                continue
            kept.append((-similarity[q, g], bool(same)))
        kept.sort()  # of equal ones, False (wrong) stands first
        good = sum(same for _, same in kept)
        if not good:
            continue
        first, hits, ap, area = 0, 0, 0.0, 0.0
        old_recall, old_precision = 0.0, 1.0
        for rank, (_, same) in enumerate(kept, 1):
            if same:
                hits += 1
                first = first or rank
                ap += hits / rank / good
                last = rank
            recall, precise = hits / good, hits / rank
            area += (recall - old_recall) * (old_precision + precise) / 2
            old_recall, old_precision = recall, precise
        rows.append((q, first, ap, area, good / last))
    return np.array(rows)


def labelled(draw, n, people=8, cameras=3, low=-1):
    return Samples(draw.integers(low, people, n), draw.integers(0, cameras, n))


@pytest.mark.parametrize('protocol', [MARKET1501, MARS, MSMT17, GAIT3D])
@pytest.mark.parametrize('seed', range(6))
def test_ranks_are_those_of_a_plain_loop(protocol, seed):
    draw = np.random.default_rng(seed)
    query, gallery = labelled(draw, 30), labelled(draw, 90)
    # Few levels on odd seeds: many ties.
    similarity = draw.integers(0, 6, (30, 90)) if seed % 2 else draw.normal(size=(30, 90))
    found = retrieve(similarity, query, gallery, protocol)
    expected = plain_loop(similarity, query, gallery, protocol)
    np.testing.assert_array_equal(found.queries, expected[:, 0])
    np.testing.assert_array_equal(found.first, expected[:, 1])
    np.testing.assert_allclose(found.ap, expected[:, 2])
    np.testing.assert_allclose(found.ap_trapezoid, expected[:, 3])
    np.testing.assert_allclose(found.inp, expected[:, 4])
    assert found.skipped == 30 - len(expected)
    np.testing.assert_allclose(found.cmc(20), [(expected[:, 1] <= k).mean() for k in range(1, 21)])
    assert found.scores()['rank-5'] == pytest.approx(found.cmc(5)[-1])


def test_vectors_rank_as_their_cosines_in_blocks_of_any_size(monkeypatch):
    draw = np.random.default_rng(3)
    query, gallery = labelled(draw, 40), labelled(draw, 70)
    q, g = draw.normal(size=(40, 16)), draw.normal(size=(70, 16))
    cosine = (q / np.linalg.norm(q, axis=1)[:, None]) @ (g / np.linalg.norm(g, axis=1)[:, None]).T
    whole = retrieve(cosine, query, gallery)
    monkeypatch.setattr(ranking, 'BLOCK_BYTES', 4 * 70 * 7)
    parts = retrieve_vectors(q, g, query, gallery)
    np.testing.assert_array_equal(parts.first, whole.first)
    np.testing.assert_allclose(parts.ap, whole.ap)


def test_one_vector_for_everybody_earns_nothing():
    ids = np.repeat(np.arange(1, 11), 2)
    samples = Samples(ids, np.tile([0, 1], 10))
    found = retrieve(np.ones((20, 20)), samples, samples)
    assert found.scores()['rank-1'] == 0
    assert found.first.min() == 19


def test_zero_is_a_distractor_on_market_and_a_person_on_msmt17():
    query = Samples(np.array([0, 1]), np.array([0, 0]))
    gallery = Samples(np.array([0, 1]), np.array([1, 1]))
    assert retrieve(np.eye(2), query, gallery, MARKET1501).queries.tolist() == [1]
    assert retrieve(np.eye(2), query, gallery, MSMT17).queries.tolist() == [0, 1]


def test_a_gallery_without_right_answers_is_refused():
    one = Samples(np.array([3]), np.array([0]))
    with pytest.raises(ProtocolError, match=r'none of 1 queries .* another camera'):
        retrieve(np.ones((1, 1)), one, one)


def test_wrong_shapes_labels_and_numbers_are_named():
    two = Samples(np.array([1, 2]), np.array([0, 1]))
    with pytest.raises(ProtocolError, match=r'\(2, 3\) do not fit 2 probes and 2'):
        retrieve(np.ones((2, 3)), two, two)
    with pytest.raises(ProtocolError, match='probe 1 and gallery row 0 is not a number'):
        retrieve(np.array([[1.0, 1.0], [np.nan, 1.0]]), two, two)
    with pytest.raises(ProtocolError, match=r'gallery: row 1 .* no direction'):
        retrieve_vectors(np.ones((2, 3)), np.array([[1, 1, 1], [0, 0, 0]]), two, two)
    with pytest.raises(ProtocolError, match='two networks'):
        retrieve_vectors(np.ones((2, 3)), np.ones((2, 4)), two, two)
    with pytest.raises(ProtocolError, match='whole numbers, not float'):
        Samples(np.array([1.5]), np.array([0]))


def test_a_bootstrap_resamples_people_not_rows():
    """Ten people, each always right or always wrong: a hundred rows are ten observations."""
    ids = np.repeat(np.arange(10), 100)
    hits = ids < 5
    by_person = bootstrap(hits, ids, np.random.default_rng(0))
    by_row = bootstrap(hits, np.arange(1000), np.random.default_rng(0))
    assert by_person.value == by_row.value == 0.5
    assert by_person.high - by_person.low > 5 * (by_row.high - by_row.low)


def test_a_bootstrap_interval_holds_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        chance = draw.beta(4, 2, 40)  # people differ; the mean chance is 2/3
        ids = np.repeat(np.arange(40), 10)
        rate = bootstrap(draw.random(400) < chance[ids], ids, draw, 300)
        held += rate.low <= 2 / 3 <= rate.high
    assert 0.9 <= held / 300 <= 0.98


def test_intervals_are_drawn_for_every_score():
    draw = np.random.default_rng(5)
    query, gallery = labelled(draw, 60, low=1), labelled(draw, 90, low=1)
    found = retrieve(draw.normal(size=(60, 90)), query, gallery)
    rates = found.intervals(np.random.default_rng(0))
    assert rates == found.intervals(np.random.default_rng(0))
    for name, value in found.scores().items():
        assert rates[name].value == pytest.approx(value)
        assert rates[name].low <= value <= rates[name].high


@pytest.mark.parametrize(
    ('method', 'hits', 'n', 'low', 'high'),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I: methods 3 and 5.
        ('wilson', 81, 263, 0.2553, 0.3662),
        ('wilson', 15, 148, 0.0624, 0.1605),
        ('wilson', 0, 20, 0.0, 0.1611),
        ('wilson', 1, 29, 0.0061, 0.1718),
        ('clopper_pearson', 81, 263, 0.2527, 0.3676),
        ('clopper_pearson', 15, 148, 0.0578, 0.1617),
        ('clopper_pearson', 0, 20, 0.0, 0.1684),
        ('clopper_pearson', 1, 29, 0.0009, 0.1776),
    ],
)
def test_intervals_of_a_share_are_the_published_ones(method, hits, n, low, high):
    rate = share(hits, n, method)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)
    mirrored = share(n - hits, n, method)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - rate.high, 1 - rate.low))


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ProtocolError, match='0 hits of 0'):
        share(0, 0)
    with pytest.raises(ProtocolError, match='choose wilson or clopper_pearson'):
        share(1, 2, 'wald')
