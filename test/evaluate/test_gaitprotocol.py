import numpy as np
import pytest

from reid_ros.evaluate import ranking
from reid_ros.evaluate.gaitprotocol import Walks, gait, gait_vectors
from reid_ros.evaluate.ranking import ProtocolError

VIEWS = (0, 36, 72, 90)


def plain_loop(similarity, probes, gallery, condition, missing_counts=False):
    """Table (probe view, gallery view) of rank-1 and its mean, from the definition."""
    table = {}
    for probe_view in sorted(set(probes.views.tolist())):
        for view in sorted(set(gallery.views.tolist())):
            hits = []
            for p in range(len(probes)):
                if probes.conditions[p] != condition or probes.views[p] != probe_view:
                    continue
                ranked = sorted(
                    (-similarity[p, g], bool(gallery.ids[g] == probes.ids[p]))
                    for g in range(len(gallery))
                    if gallery.views[g] == view
                )
                if any(right for _, right in ranked):
                    hits.append(ranked[0][1])
                elif missing_counts:
                    hits.append(False)
            table[probe_view, view] = np.mean(hits) if hits else np.nan
    rows = []
    for probe_view in sorted(set(probes.views.tolist())):
        cells = [v for (a, b), v in table.items() if a == probe_view != b and not np.isnan(v)]
        if cells:
            rows.append(np.mean(cells))
    return table, np.mean(rows)


def walks(draw, n, people, conditions):
    return Walks(
        draw.integers(1, people + 1, n),
        draw.choice(VIEWS, n),
        tuple(draw.choice(conditions, n).tolist()),
    )


@pytest.mark.parametrize('missing_counts', [False, True])
@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize('seed', range(4))
def test_tables_are_those_of_a_plain_loop(seed, ties, missing_counts):
    draw = np.random.default_rng(seed)
    probes = walks(draw, 120, 8, ['normal', 'bag', 'coat'])
    gallery = walks(draw, 40, 8, ['normal'])
    right = probes.ids[:, None] == gallery.ids
    similarity = right + draw.normal(size=right.shape)
    if ties:
        similarity = np.round(similarity)
    found = gait(similarity, probes, gallery, missing_counts)
    assert set(found.conditions) == {'normal', 'bag', 'coat'}
    for condition in found.conditions:
        table, mean = plain_loop(similarity, probes, gallery, condition, missing_counts)
        expected = [[table[a, b] for b in found.gallery_views] for a in found.probe_views]
        np.testing.assert_allclose(found.table(condition), expected)
        assert found.mean(condition) == pytest.approx(mean)
        assert found.means()[condition] == found.mean(condition)


def test_identical_views_are_in_no_mean():
    """Everybody is recognised in the own view and nowhere else."""
    ids, views = np.repeat([1, 2, 3], 4), np.tile(VIEWS, 3)
    one = Walks(ids, views)
    one_view, one_person = np.equal.outer(views, views), np.equal.outer(ids, ids)
    similarity = np.where(one_view, one_person, ~one_person).astype(float)
    found = gait(similarity, one, one)
    np.testing.assert_array_equal(np.diag(found.table('normal')), 1)
    assert found.mean('normal') == 0


def test_each_condition_is_scored_by_itself():
    """The CASIA-B protocol: the gallery is normal walks, a coat changes everything."""
    draw = np.random.default_rng(0)
    ids = np.tile(np.repeat(np.arange(1, 31), len(VIEWS)), 3)
    views = np.tile(VIEWS, 90)
    conditions = ('normal',) * 120 + ('bag',) * 120 + ('coat',) * 120
    looks = draw.normal(size=(31, 32))
    noise = np.repeat([0.6, 1.0, 2.0], 120)[:, None] * draw.normal(size=(360, 32))
    gallery = Walks(ids[:120], views[:120])
    entries = looks[gallery.ids] + 0.6 * draw.normal(size=(120, 32))
    probes = Walks(ids, views, conditions)
    means = gait_vectors(looks[ids] + noise, entries, probes, gallery).means()
    assert list(means) == ['normal', 'bag', 'coat']
    assert means['normal'] > means['bag'] > means['coat'] > 1 / 30


def test_vectors_are_compared_by_their_cosine_in_blocks(monkeypatch):
    draw = np.random.default_rng(2)
    probes, gallery = walks(draw, 50, 5, ['normal', 'bag']), walks(draw, 30, 5, ['normal'])
    p, g = draw.normal(size=(50, 6)), draw.normal(size=(30, 6))
    cosine = (p / np.linalg.norm(p, axis=1)[:, None]) @ (g / np.linalg.norm(g, axis=1)[:, None]).T
    monkeypatch.setattr(ranking, 'BLOCK_BYTES', 4 * 30 * 7)
    found = gait_vectors(p, g, probes, gallery)
    np.testing.assert_array_equal(found.hit, gait(cosine, probes, gallery).hit)


def test_the_interval_is_over_people():
    draw = np.random.default_rng(3)
    probes = walks(draw, 400, 20, ['normal'])
    gallery = walks(draw, 300, 20, ['normal'])
    weak = probes.ids % 2
    similarity = 3.0 * (probes.ids[:, None] == gallery.ids) * weak[:, None]
    similarity = similarity + draw.normal(size=(400, 300))
    found = gait(similarity, probes, gallery)
    rate = found.interval('normal', np.random.default_rng(0))
    assert rate.value == found.mean('normal')
    assert rate.low < rate.value < rate.high
    # Half of twenty people are recognised: sd of a share of 20 is 0.11.
    assert 0.25 < rate.high - rate.low < 0.55


def test_what_cannot_be_scored_is_named():
    one = Walks(np.array([1, 2]), np.array([0, 0]))
    found = gait(np.eye(2), one, one)
    with pytest.raises(ProtocolError, match="no probe of condition 'coat'; there are normal"):
        found.mean('coat')
    with pytest.raises(ProtocolError, match='in another view'):
        found.mean('normal')
    with pytest.raises(ProtocolError, match='1 conditions of 2 walks'):
        Walks(np.array([1, 2]), np.array([0, 0]), ('bag',))
    nobody = Walks(np.array([], np.int64), np.array([], np.int64))
    with pytest.raises(ProtocolError, match='0 probes'):
        gait(np.empty((0, 2)), nobody, one)
