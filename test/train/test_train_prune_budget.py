"""The share of FLOPs asked for is the share got."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('torch_pruning', reason='pruning needs torch-pruning')

from reid_ros.train.nets.network import Network  # noqa: E402
from reid_ros.train.prune import PruneError, budget  # noqa: E402
from reid_ros.train.prune.cost import flops  # noqa: E402
from reid_ros.train.prune.graph import slim, widths  # noqa: E402
from reid_ros.train.settings import NetConfig, PruneConfig  # noqa: E402

SIZE = (64, 32)


@pytest.fixture(scope='module')
def study():
    """(network, widths, budget) by name and scope, each made once."""
    torch.set_num_threads(1)
    made = {}

    def ask(name, scope):
        if (name, scope) not in made:
            network = Network(NetConfig(encoder=name), 5, SIZE).eval()
            found = widths(network, scope)
            made[name, scope] = network, found, budget.Budget(network, found)
        return made[name, scope]

    return ask


def drawn(found, seed=0):
    draw = np.random.default_rng(seed)
    return {width.name: torch.from_numpy(draw.random(width.count)) for width in found}


def dense(found):
    return {width.name: width.count for width in found}


CASES = [
    (name, scope, step, share, ranking)
    for name, scopes in (('resnet18', ('inner', 'all')), ('resnet26', ('inner',)),
                         ('mobile_s', ('inner', 'all')))
    for scope in scopes
    for step in (1, 8, 16)
    for share in (0.75, 0.5)
    for ranking in ('uniform', 'global')
    if not (name == 'mobile_s' and scope == 'inner' and share < 0.6)
]  # fmt: skip


@pytest.mark.parametrize(('name', 'scope', 'step', 'share', 'ranking'), CASES)
def test_the_share_asked_for_is_the_share_got(study, name, scope, step, share, ranking):
    _, found, cost = study(name, scope)
    prune = PruneConfig(round=step, scope=scope, ranking=ranking)
    counts = budget.by_flops(cost, dense(found), share * cost.total, prune, drawn(found))
    assert abs(cost.flops(counts) / cost.total - share) <= 0.02
    for width in found:
        kept = counts[width.name]
        assert kept % step == 0 or kept == width.count
        assert 0.1 * width.count <= kept <= width.count


@pytest.mark.parametrize(
    ('name', 'scope'), [('resnet18', 'all'), ('mobile_s', 'all'), ('osnet_x0_25', 'all')]
)
def test_the_budget_is_what_the_slim_network_costs(study, name, scope):
    network, found, cost = study(name, scope)
    counts = {w.name: max(1, int(w.count * f)) for w, f in zip(found, (0.3, 0.9, 0.5, 0.7) * 20)}
    small = slim(network, budget.best(found, drawn(found), counts))
    assert flops(small) == round(cost.flops(counts))
    assert cost.flops({}) == cost.total == flops(network)


def test_a_uniform_ranking_takes_one_rate_of_every_layer(study):
    _, found, cost = study('resnet18', 'inner')
    prune = PruneConfig(round=1)
    counts = budget.by_flops(cost, dense(found), 0.5 * cost.total, prune, drawn(found))
    rates = [counts[width.name] / width.count for width in found]
    assert max(rates) - min(rates) < 0.02


def test_a_global_ranking_takes_the_least_wherever_it_is(study):
    _, found, cost = study('resnet18', 'inner')
    scores = {w.name: torch.ones(w.count) for w in found}
    scores[found[3].name][: found[3].count // 2] = 0.01
    target = cost.flops({found[3].name: found[3].count / 2})
    prune = PruneConfig(round=1, ranking='global')
    counts = budget.by_flops(cost, dense(found), target, prune, scores)
    assert counts[found[3].name] == found[3].count // 2
    assert all(counts[width.name] == width.count for width in found if width is not found[3])


def test_what_cannot_be_had_names_the_nearest_share(study):
    _, found, cost = study('osnet_x0_25', 'inner')
    with pytest.raises(PruneError, match=r'0\.500 of the FLOPs cannot be had with widths at mul'):
        budget.by_flops(cost, dense(found), 0.5 * cost.total, PruneConfig(round=16))


def test_each_iteration_takes_a_seventh_of_the_layers_own_filters(study):
    """Three halve a ResNet-50's convolutions 1 and 2 about: 4/7 stay."""
    _, found, _ = study('resnet26', 'inner')
    prune = PruneConfig(flops=0.0, round=1)
    for iteration in (1, 2, 3):
        counts = budget.by_filters(found, dense(found), prune, iteration)
        for width in found:
            assert counts[width.name] == width.count - iteration * (width.count // 7)
    rounded = budget.by_filters(found, dense(found), PruneConfig(flops=0.0), 3)
    assert all(rounded[width.name] % 16 == 0 for width in found)


def test_the_best_channels_stay_in_their_order(study):
    _, found, _ = study('resnet18', 'inner')
    width = found[0]
    scores = {width.name: torch.tensor([3.0, 1.0, 1.0, 2.0] * 16)}
    kept = budget.best([width], scores, {width.name: 33})[width.name]
    assert kept.tolist() == sorted([*range(0, 64, 4), *range(3, 64, 4), 1])
