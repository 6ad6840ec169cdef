"""What can be pruned, and that a pruned network says what the masked one says."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('torch_pruning', reason='pruning needs torch-pruning')

from reid_ros.train.nets.encoder import Encoder  # noqa: E402
from reid_ros.train.nets.encoders import ENCODERS  # noqa: E402
from reid_ros.train.nets.network import Network  # noqa: E402
from reid_ros.train.prune import PruneError  # noqa: E402
from reid_ros.train.prune.cost import flops, layers, parameters  # noqa: E402
from reid_ros.train.prune.graph import load_slim, masked, silence, slim, widths  # noqa: E402
from reid_ros.train.settings import NetConfig  # noqa: E402

SIZE = (32, 16)
NETS = ('resnet18', 'resnet26', 'mobile_s', 'osnet_x0_25')


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def made(name, size=SIZE, **changes):
    """A network whose norms are all different, so that nothing hides behind a 0 or a 1."""
    torch.manual_seed(1)
    network = Network(NetConfig(encoder=name, **changes), 5, size)
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.5)
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def clips(size=SIZE, n=3):
    return torch.randint(
        0, 256, (n, 2, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )


def some(found, share=0.5, seed=0):
    draw = np.random.default_rng(seed)
    return {
        width.name: np.sort(draw.permutation(width.count)[: max(1, round(width.count * share))])
        for width in found
    }


def difference(one, other):
    with torch.no_grad():
        one, other = one(clips()), other(clips())
    return max(
        float((a - b).abs().max()) / max(1.0, float(a.abs().max()))
        for a, b in ((one.embedding, other.embedding), (one.vector, other.vector),
                     (one.logits, other.logits))
    )  # fmt: skip


@pytest.mark.parametrize('scope', ['inner', 'all'])
@pytest.mark.parametrize('name', NETS)
def test_a_slim_network_says_what_the_masked_one_says_and_comes_back_from_its_weights(name, scope):
    network = made(name)
    found = widths(network, scope)
    kept = some(found)
    small = slim(network, kept)
    assert difference(small, masked(network, found, kept)) < 1e-5
    assert difference(small, network) > 1e-3, 'the removed filters had a say'
    assert parameters(small) < parameters(network)
    back = load_slim(Network(network.settings, 5, SIZE), small.state_dict()).eval()
    assert difference(small, back) == 0.0
    assert flops(back) == flops(small) < flops(network)
    assert small.width == back.width == network.width == 256
    assert small.classifier.weight.shape == network.classifier.weight.shape
    assert small.encoder.width == back.encoder.width == small.embed.in_features
    assert (small.encoder.width < network.encoder.width) == (
        scope == 'all' and name != 'osnet_x0_25'  # its feature is of a layer of its own
    )


def test_a_slim_network_can_be_pruned_again():
    network = made('mobile_s')
    once = slim(network, some(widths(network, 'all')))
    found = widths(once, 'all')
    assert [w.name for w in found] == [w.name for w in widths(network, 'all')]
    kept = some(found, seed=1)
    assert difference(slim(once, kept), masked(once, found, kept)) < 1e-5


@pytest.mark.parametrize('name', ['mobile_s', 'osnet_x0_25'])
def test_without_an_own_embedding_the_feature_is_the_vector_and_stays(name):
    network = made(name, embed=0)
    found = widths(network, 'all')
    kept = some(found, 0.3)
    small = slim(network, kept)
    assert small.width == network.width == small.encoder.width
    assert difference(small, masked(network, found, kept)) < 1e-5


@pytest.mark.parametrize(('name', 'inner'), [('resnet18', 8), ('resnet26', 16), ('mobile_s', 12)])
def test_inner_widths_are_those_private_to_a_block(name, inner):
    network = made(name)
    found = widths(network, 'inner')
    assert len(found) == inner
    for width in found:
        assert width.inner
        assert len(width.makers) == len(width.readers) == 1
    residual = [width for width in widths(network, 'all') if not width.inner]
    assert any(len(width.makers) > 1 for width in residual)
    assert all(width.name.startswith('encoder.') for width in residual)


def test_a_bottleneck_is_pruned_in_its_first_two_convolutions():
    names = [width.name.rsplit('.', 1)[1] for width in widths(made('resnet26'), 'inner')]
    assert sorted(dict.fromkeys(names)) == ['conv1', 'conv2']


def test_the_streams_of_osnet_are_pruned_and_its_gates_are_not():
    names = [width.name.removeprefix('encoder.') for width in widths(made('osnet_x0_25'), 'inner')]
    block = [name.removeprefix('conv2.0.') for name in names if name.startswith('conv2.0.')]
    assert block == [
        'conv1.conv', 'conv2a.conv1', 'conv2b.0.conv1', 'conv2c.0.conv1', 'conv2c.1.conv1',
        'conv2d.0.conv1', 'conv2d.1.conv1', 'conv2d.2.conv1',
    ]  # fmt: skip


def test_training_goes_on_after_pruning():
    network = made('mobile_s').train()
    network.encoder.conv_stem.weight.requires_grad_(False)
    small = slim(network, some(widths(network, 'all')))
    assert small.training
    assert not small.neck.bias.requires_grad
    assert not small.encoder.conv_stem.weight.requires_grad
    answer = small(clips())
    answer.logits.logsumexp(1).sum().backward()
    assert all(p.grad is not None for p in small.parameters() if p.requires_grad)


def test_pruning_leaves_the_network_that_was_given():
    network = made('mobile_s')
    before = copy.deepcopy(network.state_dict())
    slim(network, some(widths(network, 'all')))
    found = widths(network, 'all')
    masked(network, found, some(found))
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_filter_without_weights_still_speaks_until_its_norm_is_silent():
    """What soft pruning leaves behind, and why removal must silence the norm, too."""
    network = made('mobile_s')
    width = widths(network, 'inner')[0]
    gone = np.arange(width.count // 2)
    kept = {width.name: np.arange(width.count // 2, width.count)}
    with torch.no_grad():
        for part in width.makers:
            network.get_submodule(part.layer).weight[part.at[gone].reshape(-1)] = 0.0
    small = slim(network, kept)
    assert difference(small, network) > 1e-3
    silence(network, width, gone)
    assert difference(small, network) < 1e-5


@pytest.mark.parametrize(
    ('kept', 'error'),
    [
        ({'encoder.nothing': [0]}, "'encoder.nothing' is no width"),
        ({'encoder.blocks.2.0.pw_exp.conv': []}, 'keep some of 0 to 191'),
        ({'encoder.blocks.2.0.pw_exp.conv': [1, 0]}, 'ascending'),
        ({'encoder.blocks.2.0.pw_exp.conv': [0, 192]}, 'keep some of 0 to 191'),
    ],
)
def test_what_cannot_be_kept_is_refused(kept, error):
    chosen = {name: np.array(stay, np.int64) for name, stay in kept.items()}
    with pytest.raises(PruneError, match=error):
        slim(made('mobile_s'), chosen)


class Lone(Encoder):
    """One convolution whose output is the vector."""

    def __init__(self, settings, size):
        super().__init__()
        self.width = 256
        self.conv = torch.nn.Conv2d(3, self.width, 3)

    def forward(self, images, cameras=None):
        return self.conv(images).mean((2, 3))


def test_a_network_with_nothing_to_prune_is_refused(monkeypatch):
    monkeypatch.setitem(ENCODERS, 'lone', Lone)
    with pytest.raises(PruneError, match="lone has no widths of scope 'all' that can be pruned"):
        widths(made('lone', embed=0), 'all')
    assert [width.name for width in widths(made('lone'), 'all')] == ['encoder.conv']
    with pytest.raises(PruneError, match=r"scope 'some': take one of inner, all"):
        widths(made('lone'), 'some')


def test_a_transformer_can_be_pruned_inside_its_layers():
    network = made('vit_small_stem')
    found = widths(network, 'all')
    hidden = [width for width in found if '.mlp.' in width.name]
    assert len(hidden) == len(network.encoder.blocks)
    assert all(width.inner for width in hidden)
    kept = some(found)
    assert difference(slim(network, kept), masked(network, found, kept)) < 1e-5


def test_weights_of_another_network_are_refused():
    state = made('mobile_s').state_dict()
    del state['encoder.conv_stem.weight']
    with pytest.raises(PruneError, match=r'conv_stem\.weight'):
        load_slim(made('mobile_s'), state)
    state = made('mobile_s').state_dict()
    state['encoder.conv_stem.weight'] = torch.zeros(48, 3, 3, 3)
    with pytest.raises(PruneError, match='is no part of'):
        load_slim(made('mobile_s'), state)


@pytest.mark.parametrize('name', NETS)
def test_operations_are_counted_as_torch_counts_them(name):
    from torch.utils.flop_counter import FlopCounterMode

    network = made(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.features(clips()[:1, 0])
    assert flops(network) == counter.get_total_flops()
    assert sum(spent for spent, _ in layers(network).values()) == flops(network)
    assert flops(network, (64, 32)) == pytest.approx(4 * flops(network), rel=0.15)


def test_attention_is_counted():
    """Scores of all pairs of tokens, and the sum of values by them."""
    network = made('vit_small_stem')
    inside = sum(spent for spent, _ in layers(network).values())
    tokens, wide = (SIZE[0] // 16) * (SIZE[1] // 16), network.encoder.width
    products = 2 * 2 * tokens * tokens * wide
    assert flops(network) - inside == len(network.encoder.blocks) * products
