import numpy as np
import pytest

from reid_ros.evaluate import ranking
from reid_ros.evaluate.intervals import share
from reid_ros.evaluate.openset import enrolment, realised, search, search_vectors
from reid_ros.evaluate.ranking import ProtocolError


def plain_loop(similarity, probes, gallery, threshold, rank):
    """(FPIR, TPIR) from the definitions."""
    false = strangers = true = known = 0
    for row, person in zip(similarity, probes):
        best = {}
        for value, entry in zip(row, gallery):
            best[entry] = max(value, best.get(entry, -np.inf))
        if person in best:
            known += 1
            before = sum(v >= best[person] for p, v in best.items() if p != person)
            true += before < rank and best[person] > threshold
        else:
            strangers += 1
            false += any(value > threshold for value in row)
    return false / strangers, true / known


def case(seed, ties=False):
    draw = np.random.default_rng(seed)
    probes, gallery = draw.integers(0, 30, 200), draw.integers(0, 15, 40)
    near = 1.2 * (probes[:, None] == gallery)
    similarity = near + draw.normal(size=(200, 40))
    return (np.round(similarity) if ties else similarity), probes, gallery


@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize('rank', [1, 3])
@pytest.mark.parametrize('seed', range(4))
def test_rates_are_those_of_a_plain_loop(seed, rank, ties):
    similarity, probes, gallery = case(seed, ties)
    searches = search(similarity, probes, gallery)
    for threshold in (-0.5, 1.0, 1.5, 2.5):
        point = searches.at(threshold, rank)
        expected = plain_loop(similarity, probes, gallery, threshold, rank)
        assert (point.fpir.value, point.tpir.value) == pytest.approx(expected)
        assert point.fpir == share(round(expected[0] * point.fpir.n), point.fpir.n)
    curve = searches.det(rank=rank)
    for threshold, fpir, fnir in zip(curve.threshold, curve.fpir, curve.fnir):
        expected = plain_loop(similarity, probes, gallery, threshold, rank)
        assert (fpir, 1 - fnir) == pytest.approx(expected)


@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize('fpir', [0.02, 0.1, 0.5, 1.0])
def test_the_threshold_is_the_lowest_that_keeps_the_rate(fpir, ties):
    similarity, probes, gallery = case(7, ties)
    searches = search(similarity, probes, gallery)
    point = searches.at_fpir(fpir)
    assert point.fpir.value <= fpir
    if fpir < 1:
        assert searches.at(np.nextafter(point.threshold, -np.inf)).fpir.value > fpir


def test_vectors_are_searched_by_their_cosine_in_blocks(monkeypatch):
    _, probes, gallery = case(1)
    draw = np.random.default_rng(2)
    p, g = draw.normal(size=(200, 8)), draw.normal(size=(40, 8))
    cosine = (p / np.linalg.norm(p, axis=1)[:, None]) @ (g / np.linalg.norm(g, axis=1)[:, None]).T
    monkeypatch.setattr(ranking, 'BLOCK_BYTES', 4 * 40 * 9)
    found, expected = search_vectors(p, g, probes, gallery), search(cosine, probes, gallery)
    np.testing.assert_array_equal(found.rank, expected.rank)
    np.testing.assert_allclose(found.top, expected.top, atol=1e-6)
    assert found.enrolled == len(np.unique(gallery))


def test_too_few_strangers_cannot_show_a_small_rate():
    searches = search(*case(0))
    with pytest.raises(ProtocolError, match=r'FPIR of 0.001: at least 1000 are needed'):
        searches.at_fpir(0.001)
    with pytest.raises(ProtocolError, match='above 0, at most 1'):
        searches.at_fpir(0)


def test_an_open_set_needs_both_sides():
    similarity, probes, _ = case(0)
    for gallery in (np.arange(40) + 100, np.arange(40)):
        with pytest.raises(ProtocolError, match='known people and of strangers'):
            search(similarity, probes, gallery).at(0.0)


def people(draw, n, rows, noise):
    """(n * rows,) identities and similarities of everybody's rows to everybody's."""
    ids = np.repeat(np.arange(n), rows)
    looks = draw.normal(size=(n, 24))
    return ids, looks[ids] + noise * draw.normal(size=(n * rows, 24))


def test_a_bootstrap_over_identities_is_wider_than_independent_probes():
    draw = np.random.default_rng(4)
    ids, vectors = people(draw, 200, 20, 0.5)
    gallery, probes = enrolment(ids, 50, draw)
    searches = search_vectors(vectors[probes], vectors[gallery], ids[probes], ids[gallery])
    plain = searches.at_fpir(0.02)
    strict = searches.bootstrapped(0.02, np.random.default_rng(0))
    assert strict.threshold == plain.threshold
    for a, b in ((strict.tpir, plain.tpir), (strict.fpir, plain.fpir)):
        assert a.value == b.value
        assert a.low <= a.value <= a.high
        assert a.high - a.low > 1.5 * (b.high - b.low)
    assert strict == searches.bootstrapped(0.02, np.random.default_rng(0))


def test_each_round_of_the_bootstrap_is_a_sample_scored_anew():
    """Against a plain resampling of the people, which scores each sample as a data set."""
    draw = np.random.default_rng(9)
    ids, vectors = people(draw, 60, 8, 0.8)
    gallery, probes = enrolment(ids, 20, draw)
    searches = search_vectors(vectors[probes], vectors[gallery], ids[probes], ids[gallery])
    values = []
    for _ in range(400):
        tops, hits = [], []
        for mated, into in ((False, tops), (True, hits)):
            names = np.unique(searches.ids[searches.mated == mated])
            for person in draw.choice(names, len(names)):
                into.extend(np.flatnonzero((searches.ids == person) & (searches.mated == mated)))
        limit = np.sort(searches.top[tops])[::-1][int(0.05 * len(tops))]
        values.append(np.mean((searches.mate[hits] > limit) & (searches.rank[hits] == 1)))
    rate = searches.bootstrapped(0.05, np.random.default_rng(0)).tpir
    low, high = np.quantile(values, [0.025, 0.975])
    assert rate.low == pytest.approx(low, abs=0.04)
    assert rate.high == pytest.approx(high, abs=0.04)


def test_a_larger_gallery_is_harder():
    draw = np.random.default_rng(6)
    ids, vectors = people(draw, 400, 6, 0.7)
    tpir = []
    for size in (5, 50, 300):
        values = []
        for _ in range(8):
            gallery, probes = enrolment(ids, size, draw)
            found = search_vectors(vectors[probes], vectors[gallery], ids[probes], ids[gallery])
            values.append(found.at_fpir(0.01).tpir.value)
        tpir.append(np.mean(values))
    assert tpir[0] > tpir[1] > tpir[2]


def test_a_drawn_gallery_has_its_size_and_shares_no_row_with_the_probes():
    ids = np.repeat([4, 5, 6, 7, 9], [3, 3, 3, 1, 4])
    for seed in range(20):
        gallery, probes = enrolment(ids, 3, np.random.default_rng(seed), each=2)
        names, counts = np.unique(ids[gallery], return_counts=True)
        assert len(names) == 3
        assert set(counts) == {2}
        assert 7 not in names
        assert sorted([*gallery, *probes]) == list(range(len(ids)))
    with pytest.raises(ProtocolError, match=r'5 people, 4 of them .* allow 1 to 4'):
        enrolment(ids, 5, np.random.default_rng(0))


@pytest.mark.parametrize('seed', range(3))
def test_decisions_already_taken_are_counted_as_a_plain_loop_does(seed):
    draw = np.random.default_rng(seed)
    ids, enrolled = draw.integers(1, 20, 300), np.arange(1, 11)
    accepted = np.where(draw.random(300) < 0.5, ids, draw.integers(0, 11, 300))
    accepted[accepted > 10] = 0
    false = strangers = true = wrong = known = 0
    for said, person in zip(accepted, ids):
        if person in enrolled:
            known += 1
            true += said == person
            wrong += said not in (0, person)
        else:
            strangers += 1
            false += said != 0
    rates = realised(accepted, ids, enrolled)
    assert rates.fpir == share(false, strangers)
    assert rates.tpir == share(true, known)
    assert rates.wrong == share(wrong, known)
    exact = realised(accepted, ids, enrolled, 'clopper_pearson')
    assert exact.tpir.low < rates.tpir.low
    resampled = realised(accepted, ids, enrolled, draw=draw)
    assert resampled.tpir.value == rates.tpir.value != resampled.tpir.low


def test_a_decision_for_somebody_unknown_is_refused():
    with pytest.raises(ProtocolError, match='person 5 was accepted but is not enrolled'):
        realised([5, 0], [1, 2], [1])
    with pytest.raises(ProtocolError, match='identities begin at 1'):
        realised([0, 0], [0, 2], [1])
