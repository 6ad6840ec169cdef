"""Scores of filters, each against a plain loop, and pruning while training."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('torch_pruning', reason='pruning needs torch-pruning')

from reid_ros.train import losses  # noqa: E402
from reid_ros.train.batches import Batch  # noqa: E402
from reid_ros.train.nets.encoder import Encoder  # noqa: E402
from reid_ros.train.nets.encoders import ENCODERS  # noqa: E402
from reid_ros.train.nets.network import Network  # noqa: E402
from reid_ros.train.prune import criteria, soft  # noqa: E402
from reid_ros.train.prune.graph import masked, widths  # noqa: E402
from reid_ros.train.settings import LossConfig, NetConfig, PruneConfig  # noqa: E402

SIZE = (16, 8)


class Plain(Encoder):
    """Two convolutions in a row, and one whose sum with them is the feature."""

    def __init__(self, settings, size):
        super().__init__()
        self.width = 12
        self.first = torch.nn.Conv2d(3, 10, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(10)
        self.second = torch.nn.Conv2d(10, 12, 3, padding=1)
        self.side = torch.nn.Conv2d(3, 12, 1)

    def forward(self, images, cameras=None):
        maps = self.second(torch.relu(self.norm(self.first(images)))) + self.side(images)
        return torch.relu(maps).mean((2, 3))


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setitem(ENCODERS, 'plain', Plain)


@pytest.fixture
def network():
    torch.manual_seed(3)
    made = Network(NetConfig(encoder='plain', embed=6), 4, SIZE)
    torch.nn.init.normal_(made.classifier.weight)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.3, 0.3)
    return made


@pytest.fixture
def found(network):
    return widths(network, 'all')


def batches(n=2):
    random = torch.Generator().manual_seed(5)
    return [
        Batch(
            torch.randint(0, 256, (8, 2, *SIZE, 3), dtype=torch.uint8, generator=random),
            torch.arange(8) // 2,
            torch.arange(8) % 2,
            np.arange(8),
            np.zeros(8, np.int64),
        )
        for _ in range(n)
    ]


def scores(network, found, criterion, **changes):
    prune = PruneConfig(criterion=criterion, **changes)
    return criteria.scores(network, found, batches(), prune, LossConfig())


def parts(network, name, k):
    """The weights of channel k of a width."""
    encoder = network.encoder
    if name == 'encoder.first':
        return encoder.first.weight[k].reshape(-1).tolist()
    both = encoder.second.weight[k].reshape(-1), encoder.side.weight[k].reshape(-1)
    return torch.cat(both).tolist()


def test_filters_of_a_sum_lie_end_to_end(network, found):
    assert [(width.name, width.count) for width in found] == [
        ('encoder.first', 10), ('encoder.second', 12),
    ]  # fmt: skip
    for width in found:
        rows = criteria.filters(network, width).tolist()
        assert rows == [parts(network, width.name, k) for k in range(width.count)]


@pytest.mark.parametrize('criterion', ['l1', 'auto_balanced', 'psfp', 'fpgm'])
def test_norms_and_distances_are_those_of_a_plain_loop(network, found, criterion):
    result = scores(network, found, criterion)
    for width in found:
        rows = [parts(network, width.name, k) for k in range(width.count)]
        for k, row in enumerate(rows):
            if criterion == 'fpgm':
                wanted = sum(math.dist(row, other) for other in rows)
            elif criterion == 'psfp':
                wanted = math.sqrt(sum(w * w for w in row))
            else:
                wanted = sum(abs(w) for w in row)
            assert float(result[width.name][k]) == pytest.approx(wanted, rel=1e-4)


def maps(network, clips):
    """What is read of both widths, from the encoder's own layers."""
    encoder = network.eval().encoder
    images = network.pixels(clips.flatten(0, 1))
    first = torch.relu(encoder.norm(encoder.first(images)))
    return first, torch.relu(encoder.second(first) + encoder.side(images)).mean((2, 3))


def test_entropy_is_that_of_a_plain_histogram(network, found):
    result = scores(network, found, 'entropy', bins=5)
    samples = [maps(network, batch.clips) for batch in batches()]
    pooled = {
        'encoder.first': torch.cat([first.mean((2, 3)) for first, _ in samples]).detach(),
        'encoder.second': torch.cat([second for _, second in samples]).detach(),
    }
    for name, values in pooled.items():
        for k, column in enumerate(values.T.numpy()):
            counts, _ = np.histogram(column, 5)
            shares = counts[counts > 0] / len(column)
            wanted = -sum(p * math.log(p) for p in shares)
            assert float(result[name][k]) == pytest.approx(wanted, abs=1e-5)


def test_a_map_that_never_changes_has_no_entropy():
    assert criteria.disorder(torch.full((9, 1), 3.0), 8).tolist() == [0.0]
    assert criteria.disorder(torch.arange(8.0)[:, None], 8).item() == pytest.approx(math.log(8))


def test_taylor_is_the_mean_change_of_the_cost_without_a_map(network, found):
    """By hand: each map times its gradient, with the mean inside the absolute value."""
    result = scores(network, found, 'taylor')
    total = np.zeros(10)
    for batch in batches():
        network.eval()
        encoder = network.encoder
        images = network.pixels(batch.clips.flatten(0, 1))
        first = torch.relu(encoder.norm(encoder.first(images))).detach().requires_grad_()
        feature = torch.relu(encoder.second(first) + encoder.side(images)).mean((2, 3))
        embedding = network.embed(feature).view(8, 2, -1).mean(1)
        cost = losses.smoothed_cross_entropy(
            network.classifier(network.neck(embedding)), batch.people, 0.1
        ) + losses.batch_hard_triplet(embedding, batch.people, -1.0)
        (slope,) = torch.autograd.grad(cost, first)
        for k in range(10):
            change = 0.0
            for n in range(len(first)):
                change += float((first[n, k] * slope[n, k]).detach().sum())
            total[k] += abs(change / first[:, k].numel())
    wanted = total / np.linalg.norm(total)
    np.testing.assert_allclose(result['encoder.first'].numpy(), wanted, rtol=1e-3, atol=1e-6)
    assert float(result['encoder.second'].norm()) == pytest.approx(1.0, rel=1e-5)


def test_taylor_foretells_what_masking_costs(network, found):
    """A map without any say has the score 0."""
    with torch.no_grad():
        network.encoder.second.weight[:, 4] = 0.0
    result = scores(network, found, 'taylor')['encoder.first']
    assert result[4] == 0.0
    assert int((result == 0.0).sum()) < 10
    kept = {'encoder.first': np.setdiff1d(np.arange(10), [4])}
    clips = batches()[0].clips
    with torch.no_grad():
        one = network.eval()(clips).vector
        other = masked(network, found, kept)(clips).vector
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize('criterion', ['taylor', 'entropy', 'l1', 'random'])
def test_scoring_changes_nothing(network, found, criterion):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    one, other = scores(network, found, criterion), scores(network, found, criterion)
    assert network.training
    assert all(p.grad is None for p in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    for width in found:
        assert one[width.name].shape == (width.count,)
        assert torch.equal(one[width.name], other[width.name])


@pytest.mark.parametrize(
    ('early', 'steep'), [(0.125, 0.75), (0.125, 0.25), (0.3, 0.3), (0.5, 0.1)]
)
def test_the_curve_of_soft_pruning_passes_through_its_three_points(early, steep):
    goal = 0.43
    assert soft.psfp_rate(0.0, goal, early, steep) == 0.0
    assert soft.psfp_rate(early, goal, early, steep) == pytest.approx(steep * goal, rel=1e-9)
    assert soft.psfp_rate(1.0, goal, early, steep) == pytest.approx(goal, rel=1e-12)
    curve = [soft.psfp_rate(x / 100, goal, early, steep) for x in range(101)]
    assert all(np.diff(curve) > 0)


def test_the_curves_of_the_paper_have_their_bends():
    """K = 11.09 for f = 3/4 and 1.92 for f = 1/4, at D = 1/8."""
    for steep, bend in ((0.75, 11.09), (0.25, 1.92)):
        wanted = -math.expm1(-bend * 0.4) / -math.expm1(-bend)
        assert soft.psfp_rate(0.4, 1.0, 0.125, steep) == pytest.approx(wanted, abs=1e-3)


def learn(network, hook, steps, optimiser=None, first=1):
    """A few updates, as the loop does them."""
    optimiser = optimiser or torch.optim.AdamW(network.parameters(), 1e-2, weight_decay=0.0)
    network.train()
    for step in range(first, steps + 1):
        batch = batches(1)[0]
        answer = network(batch.clips)
        loss = losses.smoothed_cross_entropy(answer.logits, batch.people, 0.0)
        extra = hook.penalty(network, (step - 1) / steps)
        optimiser.zero_grad()
        (loss if extra is None else loss + extra).backward()
        optimiser.step()
        hook.after_step(step, step / steps, network, optimiser)
    return optimiser


def zeroed(network, width):
    rows = criteria.filters(network, width).abs().sum(1)
    return np.flatnonzero((rows == 0.0).numpy())


def test_a_soft_pruned_filter_can_grow_again(network, found):
    width = found[0]
    with torch.no_grad():
        network.encoder.first.weight[:3] *= 1e-3
        network.encoder.norm.bias.abs_()
    prune = PruneConfig(criterion='psfp', every=4, settle=0.0)
    hook = soft.Soft([width], {width.name: 5}, prune)
    optimiser = learn(network, hook, 4)
    first = zeroed(network, width)
    assert len(first) == 5
    assert {0, 1, 2} <= set(first.tolist())
    learn(network, soft.Hook(), 3, optimiser)
    assert len(zeroed(network, width)) == 0


@pytest.mark.parametrize('shift', [0.0, -0.5])
def test_a_filter_whose_norm_shifts_nothing_never_returns(network, found, shift):
    """Why the soft phase leaves the norms alone; behind a ReLU they must shift upwards."""
    with torch.no_grad():
        network.encoder.first.weight[:3] = 0.0
        network.encoder.norm.bias.abs_()
        network.encoder.norm.bias[:3] = shift
    learn(network, soft.Hook(), 5)
    assert zeroed(network, found[0]).tolist() == [0, 1, 2]
    assert network.encoder.norm.bias[:3].tolist() == [shift] * 3


def test_as_many_are_zero_as_the_curve_says(network, found):
    prune = PruneConfig(criterion='psfp', every=2, settle=0.0)
    width = found[1]
    hook = soft.Soft([width], {width.name: 4}, prune)
    optimiser = torch.optim.SGD(network.parameters(), 0.0)
    for step in range(1, 21):
        hook.after_step(step, step / 20, network, optimiser)
        last = step - step % 2
        share = soft.psfp_rate(last / 20, 8 / 12, 0.125, 0.75)
        assert len(zeroed(network, width)) == math.floor(share * 12 + 1e-6)
    assert len(zeroed(network, width)) == 8


@pytest.mark.parametrize('make', [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize('reset', [True, False])
def test_the_moments_of_zeroed_filters_are_forgotten_where_asked(network, found, make, reset):
    more = {'momentum': 0.9} if make is torch.optim.SGD else {}
    optimiser = make(network.parameters(), 1e-2, **more)
    prune = PruneConfig(criterion='psfp', every=3, settle=0.0, reset=reset)
    learn(network, soft.Soft([found[0]], {found[0].name: 5}, prune), 3, optimiser)
    gone = zeroed(network, found[0])
    stay = np.setdiff1d(np.arange(10), gone)
    held = optimiser.state[network.encoder.first.weight]
    names = [name for name in soft.MOMENTS if name in held]
    assert names
    for name in names:
        assert bool((held[name][gone] == 0.0).all()) == reset
        assert bool((held[name][stay] != 0.0).any())


@pytest.mark.parametrize('settle', [0.0, 0.4])
def test_at_the_end_the_zeroed_filters_are_gone(network, found, settle):
    prune = PruneConfig(criterion='psfp', every=2, settle=settle)
    hook = soft.Soft(found, {'encoder.first': 6, 'encoder.second': 9}, prune)
    learn(network, hook, 10)
    before = network.eval()
    small = hook.finish(network)
    assert small.encoder.first.weight.shape == (6, 3, 3, 3)
    assert small.encoder.second.weight.shape == (9, 6, 3, 3)
    clips = batches(1)[0].clips
    with torch.no_grad():
        gap = float((before(clips).vector - small(clips).vector).abs().max())
    assert (gap < 1e-5) == bool(settle), 'only silent filters leave without a trace'


def test_a_resumed_soft_pruning_keeps_its_choice(network, found):
    prune = PruneConfig(criterion='psfp', every=2, settle=0.5)
    counts = {'encoder.first': 6, 'encoder.second': 9}
    hook = soft.Soft(found, counts, prune)
    learn(network, hook, 10)
    again = soft.Soft(found, counts, prune)
    again.restore(hook.state())
    with torch.no_grad():
        network.encoder.first.weight[:] = torch.rand(10, 3, 3, 3)
    again.after_step(10, 1.0, network, torch.optim.SGD(network.parameters(), 0.1))
    gone = zeroed(network, found[0])
    assert sorted(gone) == sorted(set(range(10)) - set(hook.state()['encoder.first'].tolist()))


def test_the_sets_of_auto_balanced_pruning_are_those_of_a_plain_loop():
    rows = torch.randn(9, 7, generator=torch.Generator().manual_seed(1))
    below, above = soft.sides(rows, 4)
    norms = [float(row.abs().sum()) for row in rows]
    theta = sorted(norms)[4]
    weak = strong = 0.0
    for row, norm in zip(rows, norms):
        square = float((row * row).sum())
        if norm < theta:
            weak += (1 + math.log(theta / norm)) * square
        else:
            strong += (-1 - math.log(norm / theta)) * square
    assert float(below) == pytest.approx(weak, rel=1e-5)
    assert float(above) == pytest.approx(strong, rel=1e-5)
    assert weak > 0.0 > strong


def test_auto_balanced_pruning_adds_nothing_and_parts_weak_from_strong(network, found):
    width = found[0]
    prune = PruneConfig(criterion='auto_balanced', balance=0.1)
    hook = soft.Balanced([width], {width.name: 6}, prune)
    before = criteria.sums(criteria.filters(network, width).detach())
    order = torch.argsort(before)
    extra = hook.penalty(network, 0.0)
    assert extra.item() == pytest.approx(0.0, abs=1e-6)
    optimiser = torch.optim.SGD([network.encoder.first.weight], 0.05)
    for _ in range(20):
        optimiser.zero_grad()
        hook.penalty(network, 0.0).backward()
        optimiser.step()
    after = criteria.sums(criteria.filters(network, width).detach())
    assert bool((after[order[:4]] < 0.9 * before[order[:4]]).all())
    assert bool((after[order[4:]] > before[order[4:]]).all())


def test_nothing_to_prune_is_no_penalty(network, found):
    hook = soft.Balanced(found, {width.name: width.count for width in found}, PruneConfig())
    assert hook.penalty(network, 0.0) is None
