"""Encoders: the published sizes, the published answers, and what training and pruning need."""

import re
import sys

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from samples import data  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from reid_ros.train.nets import transformer  # noqa: E402
from reid_ros.train.nets.encoders import CONVOLUTIONS, ENCODERS, encoder  # noqa: E402
from reid_ros.train.nets.network import Network  # noqa: E402
from reid_ros.train.nets.public import timm  # noqa: E402
from reid_ros.train.nets.transformer import Dropped  # noqa: E402
from reid_ros.train.settings import NetConfig  # noqa: E402
from reid_ros.types import ReidError  # noqa: E402

TINY = ('mobile_s', 'osnet_x0_25', 'resnet18', 'resnet26')
SIZE = (32, 16)


def made(name, size=SIZE, **settings):
    return encoder(NetConfig(encoder=name, **settings), size)


def unusual(network):
    """The network with batch normalisation as after training, so that all of it shows."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def timm_network(name, **how):
    pytest.importorskip('PIL', reason='timm needs Pillow')
    try:
        return timm().create_model(name, **how)
    except ReidError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ('name', 'parameters', 'width', 'mega', 'stride'),
    [
        # timm: 2,493,024 with the 960 x 1280 layer and its normalisation, which ours leaves out.
        ('mobile_s', 2_493_024 - 960 * 1280 - 2 * 1280, 960, None, 16),
        ('mobile_s_x0_7', 0.6e6, 672, None, 16),
        # torchreid's model zoo: 0.2 M and 82.3 M, 0.6 M and 272.9 M, 1.3 M and 571.8 M, 2.2 M and
        # 978.9 M multiplications at 256 x 128.
        ('osnet_x0_25', 0.2e6, 512, 82.3, 16),
        ('osnet_x0_5', 0.6e6, 512, 272.9, 16),
        ('osnet_x0_75', 1.3e6, 512, 571.8, 16),
        ('osnet_x1_0', 2.2e6, 512, 978.9, 16),
        # torchvision: 11,689,512, 21,797,672 and 25,557,032 with a classifier of 1000.
        ('resnet18', 11_689_512 - 513_000, 512, None, 16),
        ('resnet34', 21_797_672 - 513_000, 512, None, 16),
        ('resnet50', 25_557_032 - 2_049_000, 2048, 2669.2, 32),
    ],
)
def test_an_encoder_has_the_published_size(name, parameters, width, mega, stride):
    with torch.device('meta'):
        network = made(name, (256, 128), stride=stride)
    count = sum(parameter.numel() for parameter in network.parameters())
    if isinstance(parameters, int):
        assert count == parameters
    else:
        assert round(count, -5) == parameters
    assert network.width == width
    if mega is not None:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.eval()(torch.empty(1, 3, 256, 128, device='meta'))
        assert counter.get_total_flops() / 2e6 == pytest.approx(mega, abs=0.06)


@pytest.mark.parametrize(
    ('name', 'theirs'),
    [
        ('mobile_s', 'mobilenetv4_conv_small'),
        ('mobile_s_x0_5', 'mobilenetv4_conv_small_050'),
        ('mobile_s_x0_35', 'mobilenetv4_conv_small_035'),
        ('resnet18', 'resnet18'),
        ('resnet26', 'resnet26'),
        ('resnet50', 'resnet50'),
        ('vit_small', 'vit_small_patch16_224'),
    ],
)
def test_an_encoder_answers_as_that_of_timm_with_the_same_weights(name, theirs):
    how = {'img_size': (64, 32)} if name == 'vit_small' else {}
    other = unusual(timm_network(theirs, num_classes=0, **how))
    ours = made(name, (64, 32), stride=16 if how else 32).eval()
    state = other.state_dict()
    shapes = {key: value.shape for key, value in ours.state_dict().items()}
    assert {key: state[key].shape for key in shapes} == shapes
    left = {key.split('.')[0] for key in state if key not in shapes}
    assert left == ({'conv_head', 'norm_head'} if name.startswith('mobile_s') else set())
    ours.load_state_dict({key: state[key] for key in shapes})
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        seen = ours.inputs(images) if how else images
        maps = other.forward_features(seen)
        expected = maps[:, 0] if how else maps.mean((2, 3))
        found = ours(images)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_osnet_answers_as_the_public_one_with_the_same_weights():
    """The exporter folded batch normalisations into convolutions; its nodes tell the layers."""
    path = data('models', 'osnet_x0_25_msmt17.onnx')
    onnx = pytest.importorskip('onnx', reason='reads the public network')
    runtime = pytest.importorskip('onnxruntime', reason='runs the public network')
    graph = onnx.load(path).graph
    values = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    ours = made('osnet_x0_25', (256, 128)).eval()
    state = ours.state_dict()
    folded = 0
    for node in graph.node:
        if node.op_type != 'Conv':
            continue
        # '/conv2/conv2.0/conv2b/conv2b.1/conv2/Conv' is conv2.0.conv2b.1.conv2
        words = node.name.split('/')[1:-1]
        pairs = zip(words, [*words[1:], ''])
        layer = '.'.join(word for word, after in pairs if not after.startswith(f'{word}.'))
        layer = re.sub(r'gate_\d', 'gate', re.sub(r'(fc\d)_\d', r'\1', layer))
        weight = torch.tensor(values[node.input[1]])
        assert state[f'{layer}.weight'].shape == weight.shape, layer
        state[f'{layer}.weight'] = weight
        if f'{layer}.bias' in state:
            state[f'{layer}.bias'] = torch.tensor(values[node.input[2]])
        elif len(node.input) > 2:
            norm = layer.rsplit('.', 1)[0] + '.bn'
            state[f'{norm}.bias'] = torch.tensor(values[node.input[2]])
            state[f'{norm}.running_var'] -= ours.get_submodule(norm).eps
            folded += 1
    for name in state:
        if name in values and name.startswith('fc.'):
            state[name] = torch.tensor(values[name])
    ours.load_state_dict(state)
    norms = [name for name, m in ours.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert folded == len(norms)
    session = runtime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    images = np.random.default_rng(0).normal(size=(1, 3, 256, 128)).astype(np.float32)
    expected = session.run(None, {session.get_inputs()[0].name: images})[0]
    with torch.no_grad():
        found = ours(torch.tensor(images)).numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ('name', 'last'),
    [
        ('mobile_s', 'blocks'),
        ('osnet_x0_25', 'conv5'),
        ('resnet18', 'layer4'),
        ('resnet26', 'layer4'),
        ('vit_small_stem', 'stem'),
    ],
)
def test_cells_of_the_last_map_are_as_many_pixels_as_asked(name, last):
    counts = set()
    for stride in (4, 8, 16, *((32,) if name in ('mobile_s', 'resnet18', 'resnet26') else ())):
        network = made(name, (64, 32), stride=stride).eval()
        seen = []
        network.get_submodule(last).register_forward_hook(lambda *a, s=seen: s.append(a[2].shape))
        with torch.no_grad():
            network(torch.zeros(1, 3, 64, 32))
        assert tuple(seen[0][2:]) == (64 // stride, 32 // stride)
        counts.add(sum(p.numel() for key, p in network.named_parameters() if key != 'pos_embed'))
    assert len(counts) == 1


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        ({'encoder': 'osnet_x025'}, "did you mean 'osnet_x0_25'?"),
        ({'encoder': 'resnet18', 'stride': 12}, 'it can have 4, 8, 16, 32'),
        ({'encoder': 'osnet_x0_25', 'stride': 32}, 'it can have 4, 8, 16'),
        ({'encoder': 'vit_small', 'stride': 32}, 'at most 16'),
        ({'encoder': 'mobile_s', 'side': 1.0}, 'no camera embeddings'),
        ({'encoder': 'resnet50', 'drop': 0.1}, 'no stochastic depth'),
    ],
)
def test_an_encoder_that_cannot_be_is_refused_with_what_can_be(settings, said):
    with pytest.raises(ReidError, match=re.escape(said)):
        encoder(NetConfig(**settings), (64, 32))


def test_any_network_of_timm_is_an_encoder():
    timm_network('test_resnet')
    plain = made('timm:test_resnet', (64, 32)).eval()
    patches = made('timm:test_vit', (64, 32), drop=0.1).eval()
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        assert plain(images).shape == (2, plain.width)
        assert patches(images).shape == (2, patches.width)
        # The public weights of this ViT are made for pixels from -1 to 1.
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        other = (images * std.view(3, 1, 1) + mean.view(3, 1, 1) - 0.5) / 0.5
        torch.testing.assert_close(patches(images), patches.net(other))
        assert not torch.allclose(patches(images), patches.net(images), atol=1e-3)
    assert any(m.drop_prob for m in patches.modules() if type(m).__name__ == 'DropPath')
    with pytest.raises(ReidError, match="did you mean 'resnet18'"):
        made('timm:resnet81')
    with pytest.raises(ReidError, match='no stochastic depth'):
        made('timm:densenet121', drop=0.1)


@pytest.mark.parametrize('name', [*TINY, 'vit_small_stem', 'vit_small'])
def test_an_encoder_trains_in_all_its_parts(name):
    network = made(name, **({} if name in CONVOLUTIONS else {'side': 1.0})).train()
    inputs = (torch.randn(4, 3, *SIZE), *([torch.arange(4)] if network.sided else []))
    found = network(*inputs)
    assert found.shape == (4, network.width)
    (found * torch.randn_like(found)).sum().backward()
    silent = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent
    assert not any(getattr(module, 'inplace', False) for module in network.modules())


@pytest.mark.parametrize('name', [*TINY, 'vit_small_stem'])
def test_an_encoder_is_the_same_for_the_same_seed_and_for_either_memory_layout(name):
    images = torch.randn(2, 3, *SIZE)
    torch.manual_seed(3)
    first = unusual(made(name))
    torch.manual_seed(3)
    second = unusual(made(name)).to(memory_format=torch.channels_last)
    with torch.no_grad():
        one, two = first(images), second(images.to(memory_format=torch.channels_last))
        assert torch.equal(one, first(images))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('name', ['vit_small_stem', 'vit_small'])
def test_a_transformer_looks_at_the_camera_where_it_knows_it(name):
    network = made(name, side=2.0).eval()
    images = torch.randn(1, 3, *SIZE).expand(4, -1, -1, -1)
    with torch.no_grad():
        first, same, other, beyond = network(images, torch.tensor([0, 0, 1, transformer.CAMERAS]))
        nobody = network(images)[0]
        without = made(name).eval()
        without.load_state_dict(network.state_dict(), strict=False)
        plain = without(images)[0]
    assert torch.equal(first, same)
    assert (first - other).abs().max() > 1e-3
    torch.testing.assert_close(beyond, nobody)
    torch.testing.assert_close(plain, nobody)


@pytest.mark.parametrize('name', ['vit_small_stem', 'vit_small'])
def test_a_transformer_takes_crops_of_another_size(name):
    network = made(name, (64, 32)).eval()
    with torch.no_grad():
        flat = torch.full((1, 3, 96, 48), 0.3)
        large, small = network(flat), network(flat[..., :64, :32])
    assert large.shape == small.shape
    # Of one even grey, only borders and stretched positions differ.
    assert nn.functional.cosine_similarity(large, small) > 0.98


def test_stochastic_depth_keeps_the_mean_and_rests_in_use():
    part = Dropped(0.25).train()
    ones = torch.ones(20000, 1, 1)
    dropped = part(ones)
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0.0, 4 / 3])
    assert dropped.mean() == pytest.approx(1.0, abs=0.02)
    assert torch.equal(part.eval()(ones), ones)
    layers = made('vit_small_stem', drop=0.3).blocks
    chances = [layer.drop.chance for layer in layers]
    assert chances == pytest.approx(np.linspace(0, 0.3, len(layers)), abs=1e-6)


@pytest.mark.parametrize('name', TINY)
def test_half_of_every_width_of_a_convolutional_encoder_can_be_pruned(name):
    pruning = pytest.importorskip('torch_pruning', reason='pruning needs torch-pruning')
    network = unusual(made(name))
    images = torch.randn(2, 3, *SIZE)
    before = sum(parameter.numel() for parameter in network.parameters())
    last = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))][-1]
    pruning.pruner.MagnitudePruner(
        network,
        images,
        pruning.importance.MagnitudeImportance(p=1),
        pruning_ratio=0.5,
        ignored_layers=[last],
    ).step()
    after = sum(parameter.numel() for parameter in network.parameters())
    assert 0.2 < after / before < 0.5
    with torch.no_grad():
        assert network(images).shape[0] == 2


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:.*treespec:FutureWarning')  # the exporter's own
@pytest.mark.parametrize('name', ['mobile_s', 'resnet18', 'vit_small_stem'])
def test_an_encoder_exports_with_any_number_of_frames(name, tmp_path):
    pytest.importorskip('onnxscript', reason='exporting needs onnxscript')
    runtime = pytest.importorskip('onnxruntime', reason='runs the exported network')
    network = unusual(made(name))
    path = tmp_path / 'encoder.onnx'
    batch = torch.export.Dim('frames')
    torch.onnx.export(
        network,
        (torch.randn(2, 3, *SIZE),),
        path,
        dynamo=True,
        external_data=False,
        dynamic_shapes=({0: batch},),
        verbose=False,
    )
    session = runtime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    images = torch.randn(5, 3, *SIZE)
    found = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    with torch.no_grad():
        np.testing.assert_allclose(found, network(images).numpy(), atol=1e-4)


@pytest.mark.parametrize('name', ['mobile_s', 'vit_small_stem'])
def test_a_network_hands_cameras_to_an_encoder_that_looks_at_them(name):
    side = 0.0 if name in CONVOLUTIONS else 3.0
    network = Network(NetConfig(encoder=name, embed=8, side=side), 3, SIZE).eval()
    clips = torch.randint(0, 255, (2, 2, *SIZE, 3), dtype=torch.uint8)
    with torch.no_grad():
        here = network(clips, torch.tensor([0, 0])).vector
        there = network(clips, torch.tensor([0, 5])).vector
    assert torch.equal(here[0], there[0])
    assert torch.equal(here[1], there[1]) == (side == 0)


def test_without_timm_only_its_own_names_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ReidError, match="'pip install timm', or choose another"):
        made('timm:resnet18')
    assert made('resnet18').width == 512


def test_every_name_is_listed():
    assert sorted(ENCODERS) == [
        'mobile_s', 'mobile_s_x0_35', 'mobile_s_x0_5', 'mobile_s_x0_7', 'osnet_x0_25',
        'osnet_x0_5', 'osnet_x0_75', 'osnet_x1_0', 'resnet18', 'resnet26', 'resnet34', 'resnet50',
        'vit_base', 'vit_small', 'vit_small_stem',
    ]  # fmt: skip
