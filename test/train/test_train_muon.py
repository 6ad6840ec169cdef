"""Matrices step along orthogonal ones, everything else as AdamW moves it."""

import copy

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from torch import nn  # noqa: E402

from reid_ros.train.muon import Muon, orthogonal  # noqa: E402

RATE, DECAY = 0.01, 0.1


class Small(nn.Module):
    """A layer of each kind that matters."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.mixes = nn.Conv2d(8, 16, 3, bias=False)
        self.dense = nn.Linear(16, 24)
        self.classifier = nn.Linear(24, 5, bias=False)

    def forward(self, images):
        maps = self.mixes(self.depthwise(self.norm(self.stem(images))).relu())
        return self.classifier(self.dense(maps.mean((2, 3))).relu())


MATRICES = ('mixes.weight', 'dense.weight')


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Small()


def learn(network, optimiser, steps=3):
    torch.manual_seed(1)
    for _ in range(steps):
        optimiser.zero_grad()
        network(torch.randn(4, 3, 9, 9)).square().mean().backward()
        optimiser.step()
    return network.state_dict()


@pytest.mark.parametrize('shape', [(12, 40), (40, 12), (16, 16)])
def test_an_orthogonal_factor_has_singular_values_near_one(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -1, shape[1]))
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    wanted = left @ right
    assert (found * wanted).sum() / found.norm() / wanted.norm() > 0.97


def test_no_gradient_in_a_direction_is_no_step_in_it():
    matrix = torch.zeros(6, 10)
    assert not orthogonal(matrix).any()
    matrix[0] = 1.0
    assert torch.linalg.matrix_rank(orthogonal(matrix), atol=1e-2) == 1


def test_all_but_matrices_move_as_by_adamw(network):
    """One step: later ones see what the matrices became."""
    other = copy.deepcopy(network)
    groups = [
        {'params': [p for p in other.parameters() if p.ndim > 1], 'weight_decay': DECAY},
        {'params': [p for p in other.parameters() if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    wanted = learn(other, torch.optim.AdamW(groups, RATE, fused=True), 1)
    found = learn(network, Muon([network], RATE, DECAY, 1.0, True), 1)
    same = {name for name in wanted if torch.equal(found[name], wanted[name])}
    assert set(wanted) - same == set(MATRICES)


@pytest.mark.skipif(not hasattr(torch.optim, 'Muon'), reason='torch has it since 2.9')
@pytest.mark.parametrize('times', [1.0, 3.0])
def test_matrices_move_as_by_the_muon_of_torch(times):
    """Which takes none but matrices, and multiplies the decay, too."""
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Linear(8, 24, bias=False), nn.ReLU(), nn.Linear(24, 4, bias=False))
    other = copy.deepcopy(dense)
    theirs = torch.optim.Muon(
        other.parameters(),
        RATE * times,
        DECAY / times,
        momentum=0.95,
        adjust_lr_fn='match_rms_adamw',
    )
    mine = Muon([dense], RATE, DECAY, times, True)
    for batch in torch.randn(6, 32, 8):
        for each, optimiser in ((dense, mine), (other, theirs)):
            optimiser.zero_grad()
            each(batch).square().sum().backward()
            optimiser.step()
    for one, two in zip(dense.parameters(), other.parameters()):
        torch.testing.assert_close(one, two, rtol=0.02, atol=2e-3)


def test_it_goes_on_from_a_saved_state(network):
    one, two = copy.deepcopy(network), copy.deepcopy(network)
    first, second = (Muon([each], RATE, DECAY, 2.0, True) for each in (one, two))
    learn(one, first)
    two.load_state_dict(learn(two, second))
    other = Muon([two], RATE, DECAY, 2.0, True)
    other.load_state_dict(copy.deepcopy(second.state_dict()))
    a, b = learn(one, first), learn(two, other)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_weights_without_a_gradient_stay(network):
    network.dense.weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    after = learn(network, Muon([network], RATE, DECAY, 1.0, True))
    assert torch.equal(before['dense.weight'], after['dense.weight'])
    assert not torch.equal(before['mixes.weight'], after['mixes.weight'])


class Parts(nn.Module):
    """Dense layers as one weight of three dimensions, and such a one in a classifier."""

    def __init__(self, weights):
        super().__init__()
        self.weight = nn.Parameter(weights.clone())
        self.classifier = nn.ModuleDict({'directions': Stack(weights)})

    def forward(self, values):
        return values @ self.weight + values @ self.classifier['directions'].weight


class Stack(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weight = nn.Parameter(weights.clone())


def test_layers_in_one_weight_move_as_each_alone_would():
    torch.manual_seed(0)
    weights, values = torch.randn(3, 8, 12), torch.randn(5, 3, 4, 8)
    parts = Parts(weights)
    optimiser = Muon([parts], RATE, DECAY, 2.0, True)
    alone = [nn.Linear(8, 12, bias=False) for _ in range(3)]
    for layer, weight in zip(alone, weights):
        layer.weight.data = weight.T.clone()
    single = Muon(alone, RATE, DECAY, 2.0, True)
    for batch in values:
        optimiser.zero_grad()
        single.zero_grad()
        # The classifier's part is AdamW's: it moves, and adds nothing to the others' gradient.
        parts(batch).sum().backward()
        for layer, rows in zip(alone, batch):
            layer(rows).sum().backward()
        optimiser.step()
        single.step()
    assert not torch.equal(parts.weight, weights)
    assert not torch.equal(parts.classifier['directions'].weight, parts.weight)
    for layer, weight in zip(alone, parts.weight):
        torch.testing.assert_close(layer.weight.T, weight, rtol=0.02, atol=2e-3)
