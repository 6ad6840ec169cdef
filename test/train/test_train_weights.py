"""Pretrained weights: what fits is loaded, what does not is named."""

import http.server
import pickle
import re
import threading

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
safetensors = pytest.importorskip('safetensors.torch', reason='training needs safetensors')

from reid_ros.train.nets.encoders import encoder  # noqa: E402
from reid_ros.train.nets.network import Network  # noqa: E402
from reid_ros.train.nets.public import timm  # noqa: E402
from reid_ros.train.nets.transformer import PatchTransformer  # noqa: E402
from reid_ros.train.nets.weights import WeightsError, load  # noqa: E402
from reid_ros.train.settings import NetConfig  # noqa: E402
from reid_ros.types import ReidError  # noqa: E402

SIZE = (64, 32)


def library():
    pytest.importorskip('PIL', reason='timm needs Pillow')
    try:
        return timm()
    except ReidError as error:
        pytest.skip(str(error))


def saved(state, path):
    """A file of tensors, of the kind that its name says."""
    if path.suffix == '.safetensors':
        safetensors.save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save({'state_dict': {f'module.{k}': v for k, v in state.items()}, 'epoch': 7}, path)
    return str(path)


def same(network, state):
    own = network.state_dict()
    return all(torch.equal(value, state[name]) for name, value in own.items() if name in state)


@pytest.mark.parametrize('kind', ['x.safetensors', 'x.pth', 'x.pth.tar'])
def test_public_weights_are_loaded_and_their_classifier_is_left_out(kind, tmp_path):
    state = encoder(NetConfig(encoder='osnet_x0_25'), SIZE).state_dict()
    state = {k: v for k, v in state.items() if not k.endswith('num_batches_tracked')}
    head = {'classifier.weight': torch.zeros(751, 512), 'classifier.bias': torch.zeros(751)}
    settings = NetConfig(encoder='osnet_x0_25', weights=saved(state | head, tmp_path / kind))
    torch.manual_seed(1)
    network = encoder(settings, SIZE)
    assert not same(network, state)
    told = load(network, settings)
    assert same(network, state)
    assert told.source == settings.weights
    assert set(told.dropped) == set(head)
    assert told.stretched == ()
    assert told.fresh
    assert all(name.endswith('num_batches_tracked') for name in told.fresh)


def test_without_a_setting_the_weights_stay_random():
    settings = NetConfig(encoder='osnet_x0_25')
    network = encoder(settings, SIZE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert load(network, settings).source == ''
    assert same(network, before)


def test_the_encoder_of_a_network_of_ours_is_loaded(tmp_path):
    whole = Network(NetConfig(encoder='osnet_x0_25', embed=8), 3, SIZE).eval()
    settings = NetConfig(
        encoder='osnet_x0_25', weights=saved(whole.state_dict(), tmp_path / 'x.safetensors')
    )
    network = encoder(settings, SIZE)
    told = load(network, settings)
    assert same(network, whole.encoder.state_dict())
    assert {name.split('.')[0] for name in told.dropped} == {'embed', 'neck', 'classifier'}
    assert told.fresh == ()


def test_half_precision_weights_become_single(tmp_path):
    state = encoder(NetConfig(encoder='mobile_s'), SIZE).state_dict()
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    settings = NetConfig(encoder='mobile_s', weights=saved(half, tmp_path / 'x.safetensors'))
    network = encoder(settings, SIZE)
    load(network, settings)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    torch.testing.assert_close(
        network.conv_stem.weight, state['conv_stem.weight'], atol=1e-3, rtol=1e-2
    )


def tiny(size, **settings):
    settings = NetConfig(encoder='vit_small', **settings)
    return PatchTransformer((16, 1, 2), settings, size), settings


@pytest.mark.parametrize(('source', 'goal'), [((96, 96), (128, 64)), ((64, 32), (128, 64))])
def test_positions_of_another_size_are_stretched(source, goal, tmp_path):
    """As timm does it; the class token's own stays."""
    theirs, _ = tiny(source)
    path = saved(theirs.state_dict(), tmp_path / 'x.safetensors')
    network, settings = tiny(goal, weights=path, side=1.0)
    told = load(network, settings)
    assert told.stretched == ('pos_embed',)
    assert told.fresh == ('sides.table',)
    library()
    from timm.layers import resample_abs_pos_embed

    expected = resample_abs_pos_embed(
        theirs.pos_embed.data, list(network.grid), list(theirs.grid), num_prefix_tokens=1
    )
    torch.testing.assert_close(network.pos_embed.data, expected)
    assert torch.equal(network.pos_embed[:, 0], theirs.pos_embed[:, 0])


def test_positions_of_our_own_transformer_are_stretched(tmp_path):
    small = encoder(NetConfig(encoder='vit_small_stem'), (64, 32))
    rows = torch.linspace(-1, 1, 4).view(1, 1, 4, 1).expand_as(small.pos_embed)
    small.pos_embed.data.copy_(rows)
    path = saved(small.state_dict(), tmp_path / 'x.safetensors')
    settings = NetConfig(encoder='vit_small_stem', weights=path)
    large = encoder(settings, (128, 64))
    assert load(large, settings).stretched == ('pos_embed',)
    column = large.pos_embed[0, 5, :, 2]
    assert large.pos_embed.shape == (1, 384, 8, 4)
    assert (column.diff() > 0).all()
    torch.testing.assert_close(large.pos_embed[0, 7, :, 0], column)


def test_a_transformer_of_timm_takes_a_file_of_another_size(tmp_path):
    public = library().create_model('test_vit', img_size=160)
    path = saved(public.state_dict(), tmp_path / 'x.safetensors')
    settings = NetConfig(encoder='timm:test_vit', weights=path)
    network = encoder(settings, SIZE)
    told = load(network, settings)
    assert told.stretched == ('pos_embed',)
    assert set(told.dropped) == {'head.weight', 'head.bias'}
    assert torch.equal(network.net.blocks[0].attn.qkv.weight, public.blocks[0].attn.qkv.weight)


@pytest.mark.parametrize(
    ('source', 'goal', 'said'),
    [
        ('osnet_x0_25', 'osnet_x0_5', 'conv1.conv.weight has shape (16, 3, 7, 7), but (32, 3'),
        ('resnet18', 'resnet34', 'it lacks 80 tensors (layer1.2.conv1.weight,'),
        ('resnet34', 'resnet18', 'it has 96 tensors (layer1.2.conv1.weight,'),
        ('mobile_s', 'resnet18', 'choose the net.encoder it was made for'),
    ],
)
def test_weights_of_another_network_are_refused(source, goal, said, tmp_path):
    state = encoder(NetConfig(encoder=source), SIZE).state_dict()
    settings = NetConfig(encoder=goal, weights=saved(state, tmp_path / 'x.pth'))
    network = encoder(settings, SIZE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match=re.escape(said)):
        load(network, settings)
    assert same(network, before)


def test_positions_of_an_unknown_grid_are_refused(tmp_path):
    theirs, _ = tiny((64, 48))
    path = saved(theirs.state_dict(), tmp_path / 'x.safetensors')
    network, settings = tiny((128, 64), weights=path)
    with pytest.raises(
        WeightsError, match=re.escape('pos_embed has shape (1, 13, 16), but (1, 33')
    ):
        load(network, settings)


class Code:
    """Something that would run code on unpickling."""

    def __reduce__(self):
        return (open, ('/nonexistent/ran', 'w'))


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        ('none.pth', None, 'there is no file'),
        ('x.onnx', b'', 'is of no known kind'),
        ('x.safetensors', b'none of it', 'is no safetensors file'),
        ('x.pth', b'none of it', 'holds more than weights, or is broken'),
        ('x.pt', b'', 'cannot be read'),
        ('code.pth', pickle.dumps({'a': Code()}, 2), 'holds more than weights'),
    ],
    ids=['none', 'kind', 'safetensors', 'pickle', 'empty', 'code'],
)
def test_a_file_that_holds_no_weights_is_refused(name, content, said, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    settings = NetConfig(encoder='osnet_x0_25', weights=str(path))
    with pytest.raises(WeightsError, match=said) as caught:
        load(encoder(settings, SIZE), settings)
    assert name in str(caught.value)


def test_a_folder_or_a_single_tensor_is_refused(tmp_path):
    settings = NetConfig(encoder='osnet_x0_25', weights=str(tmp_path))
    network = encoder(settings, SIZE)
    with pytest.raises(WeightsError, match='is a folder'):
        load(network, settings)
    torch.save(torch.zeros(3), tmp_path / 'x.pth')
    with pytest.raises(WeightsError, match='holds a Tensor, not weights by name'):
        load(network, NetConfig(encoder='osnet_x0_25', weights=str(tmp_path / 'x.pth')))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Hugging Face's hub as a folder served here; yields the folder."""
    library()
    constants = pytest.importorskip('huggingface_hub.constants', reason='timm downloads with it')
    files = tmp_path / 'served'

    class Served(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words):
            super().__init__(*words, directory=str(files))

        def end_headers(self):
            self.send_header('ETag', '"1"')
            self.send_header('X-Repo-Commit', '0' * 40)
            super().end_headers()

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Served)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f'http://127.0.0.1:{server.server_port}'
    monkeypatch.setattr(constants, 'ENDPOINT', address)
    monkeypatch.setattr(
        constants,
        'HUGGINGFACE_CO_URL_TEMPLATE',
        address + '/{repo_id}/resolve/{revision}/{filename}',
    )
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_XET', True)
    yield files
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.parametrize(
    ('name', 'theirs', 'folder'),
    [
        ('mobile_s', 'mobilenetv4_conv_small', 'mobilenetv4_conv_small.e2400_r224_in1k'),
        (
            'mobile_s_x0_5',
            'mobilenetv4_conv_small_050',
            'mobilenetv4_conv_small_050.e3000_r224_in1k',
        ),
        ('timm:test_vit', 'test_vit', 'test_vit.r160_in1k'),
    ],
)
def test_weights_come_from_the_hub(hub, name, theirs, folder):
    public = library().create_model(theirs)
    where = hub / 'timm' / folder / 'resolve' / 'main'
    where.mkdir(parents=True)
    saved(public.state_dict(), where / 'model.safetensors')
    settings = NetConfig(encoder=name, weights='timm')
    network = encoder(settings, SIZE)
    told = load(network, settings)
    assert told.source == f'timm {folder}'
    state = public.state_dict()
    if name.startswith('mobile_s'):
        assert {word.split('.')[0] for word in told.dropped} == {
            'conv_head', 'norm_head', 'classifier',
        }  # fmt: skip
        assert same(network, state)
    else:
        assert torch.equal(network.net.blocks[0].mlp.fc1.weight, state['blocks.0.mlp.fc1.weight'])


def test_without_a_network_the_error_says_which_file_to_place_where(hub, monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    settings = NetConfig(encoder='resnet18', weights='timm')
    with pytest.raises(WeightsError) as caught:
        load(encoder(settings, SIZE), settings)
    said = str(caught.value)
    assert 'https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors' in said
    assert 'set net.weights to the path' in said


@pytest.mark.parametrize(
    ('name', 'said'), [('osnet_x0_25', 'MODEL_ZOO'), ('vit_small_stem', 'learns from nothing')]
)
def test_a_network_without_public_weights_says_so(name, said):
    settings = NetConfig(encoder=name, weights='timm')
    with pytest.raises(WeightsError, match=f'timm has none of.*{said}'):
        load(encoder(settings, SIZE), settings)


def test_a_network_that_timm_has_no_weights_of_says_so():
    names = library().list_models('resnet*')
    name = next(n for n in names if not library().get_pretrained_cfg(n).has_weights)
    settings = NetConfig(encoder=f'timm:{name}', weights='timm')
    with pytest.raises(WeightsError, match=f"timm has none of {name}; leave it ''"):
        load(encoder(settings, SIZE), settings)
