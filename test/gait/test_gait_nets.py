"""Networks of silhouettes: what they count, what they see, and what a robot needs of them."""

import copy
import itertools

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train.gait.configs import ENCODERS, GaitNetConfig  # noqa: E402
from reid_ros.train.gait.nets.cost import flops, parameters  # noqa: E402
from reid_ros.train.gait.nets.network import GaitNetwork  # noqa: E402
from reid_ros.train.gait.nets.parts import BasicP3D, Cosines, Neck, SeparateLinear, Strips  # noqa: E402
from reid_ros.types import ReidError  # noqa: E402
from reid_ros.world.seeds import generator  # noqa: E402

torch.set_num_threads(1)

PARTS = {'base': 4, 'p3d': 4, 'transformer': 5, 'mobile': 4}


def small(encoder='base', people=3, **settings):
    settings = {'width': 8, 'parts': PARTS[encoder], 'embed': 6, **settings}
    torch.manual_seed(1)
    network = GaitNetwork(GaitNetConfig(encoder=encoder, **settings), people)
    return settle(network)


def settle(network):
    """Running means that are not 0 and 1, as after training."""
    draw = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.1, generator=draw)
            module.running_var.uniform_(0.5, 1.5, generator=draw)
    return network.eval()


def walks(*shape, label='walks'):
    drawn = generator('train', 'gait nets', label).integers(0, 256, (*shape, 64, 44))
    return torch.from_numpy(drawn.astype('uint8'))


@pytest.mark.parametrize(
    ('settings', 'encoder', 'embed'),
    [
        # 704 + 73,984 + 230,144 + 919,040 + 3,673,088 of stem and stages; 16 of 512 x 256.
        ({}, 4_896_960, 2_097_152),
        ({'encoder': 'p3d', 'depths': (1, 4, 4, 1)}, 11_098_816, 2_097_152),
        # Three blocks less in each of two stages: 3 x 344,832 and 3 x 1,377,792.
        ({'encoder': 'p3d'}, 11_098_816 - 3 * (344_832 + 1_377_792), 2_097_152),
        ({'width': 8, 'parts': 8, 'embed': 64}, 77_208, 8 * 64 * 64),
    ],
)  # fmt: skip
def test_networks_have_the_parameters_of_their_papers(settings, encoder, embed):
    with torch.device('meta'):
        network = GaitNetwork(GaitNetConfig(**settings), 10)
    assert parameters(network) == (encoder, embed)


def test_the_neck_is_one_normalisation_over_parts_and_channels():
    with torch.device('meta'):
        network = GaitNetwork(GaitNetConfig(), 10)
    assert network.neck.norm.num_features == 4096
    neck = Neck(3, 2)
    drawn = torch.randn(50, 2, 3) * 4 + 7
    found = neck(drawn)
    assert found.shape == drawn.shape
    assert torch.allclose(found.mean(0), torch.zeros(2, 3), atol=1e-5)
    assert torch.allclose(found[:, 1, 2], neck.norm(drawn.flatten(1))[:, 5])
    assert neck.mean.shape == (2, 3)
    assert torch.allclose(neck.mean[1, 2], neck.norm.running_mean[5])


@pytest.mark.parametrize('encoder', ENCODERS)
def test_every_encoder_answers_per_part(encoder):
    network = small(encoder)
    with torch.no_grad():
        answer = network(walks(2, 3))
        vectors = network.vector(answer.embedding)
    parts = PARTS[encoder]
    rows, columns = (15, 10) if encoder == 'transformer' else (16, 11)
    assert answer.embedding.shape == (2, 6, parts)
    assert answer.logits.shape == (2, 3, parts)
    assert answer.maps.shape == (2, 64, rows, columns)
    assert answer.logits.abs().max() <= 1.0 + 1e-6
    assert vectors.shape == (2, network.length)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2))
    each = vectors.view(2, parts, 6).norm(dim=2)
    assert torch.allclose(each, torch.full((2, parts), parts**-0.5))


def test_the_cosine_of_two_walks_is_the_mean_of_those_of_their_parts():
    network = small()
    embedding = torch.randn(2, 6, 4)
    vectors = network.vector(embedding)
    one, two = network.neck(embedding)
    parts = torch.nn.functional.cosine_similarity(one, two, dim=0)
    assert torch.allclose(vectors[0] @ vectors[1], parts.mean(), atol=1e-6)
    before = network.neck.mean.clone()
    assert torch.equal(network.train().vector(embedding), vectors)  # as it stands, not of a batch
    assert torch.equal(network.neck.mean, before)


def test_a_direction_that_all_walks_share_does_not_count():
    network = small()
    shared = torch.full((6, 4), 100.0)
    network.neck.norm.running_mean += shared.flatten()
    vectors = network.vector(torch.randn(2, 6, 4) + shared)
    assert abs(float(vectors[0] @ vectors[1])) < 0.8


@pytest.mark.parametrize('encoder', ENCODERS)
def test_every_weight_of_a_network_learns(encoder):
    network = small(encoder).train()
    answer = network(walks(4, 3))
    (answer.logits * torch.randn(answer.logits.shape)).sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.norm() > 0]
    assert not still


@pytest.mark.parametrize('encoder', ['base', 'mobile'])
def test_the_maximum_over_frames_gives_the_vector_of_the_whole_walk(encoder):
    network, walk = small(encoder), walks(1, 7)
    with torch.no_grad():
        whole = network.vector(network(walk).embedding)
        alone = torch.cat([network.frames(frame[None]) for frame in walk[0]])
        found = network.head(alone.amax(0, keepdim=True))
        again = network.vector(network(walk[:, [3, 0, 6, 1, 5, 2, 4, 4]]).embedding)
    assert torch.allclose(found, whole, atol=1e-5)
    assert torch.allclose(again, whole, atol=1e-5)  # neither order nor repetition matters


@pytest.mark.parametrize('encoder', ['p3d', 'transformer'])
def test_networks_of_whole_walks_see_the_order_of_frames(encoder):
    network, walk = small(encoder), walks(1, 6)
    with torch.no_grad():
        if encoder == 'transformer':
            for layer in (*network.encoder.third, *network.encoder.fourth):
                layer.lags.normal_(generator=torch.Generator().manual_seed(0))
        found, turned = network(walk).embedding, network(walk.flip(1)).embedding
    assert not torch.allclose(found, turned, atol=1e-3)
    with pytest.raises(ReidError, match=f"{encoder} looks at whole walks.*'base'"):
        network.frames(walk[0])


def test_the_convolution_along_time_is_one_of_three_dimensions():
    block = BasicP3D(3, 4, 2)
    maps = torch.randn(10, 4, 6, 5)
    seen = []
    block.tbn.register_forward_hook(lambda module, given, answer: seen.append(given[0]))
    with torch.no_grad():
        block.bn1.register_forward_hook(lambda module, given, answer: maps)
        block(torch.randn(2, 5, 3, 12, 10))
        rows = torch.relu(maps).view(2, 5, 4, 6, 5).transpose(1, 2)
        wanted = torch.nn.functional.conv3d(rows, block.time.weight[..., None], padding=(1, 0, 0))
    assert torch.allclose(seen[0], wanted.transpose(1, 2).flatten(0, 1), atol=1e-5)


@pytest.mark.parametrize('encoder', ENCODERS)
def test_networks_learn_alike_in_16_bits_and_in_the_order_of_memory_that_is_fastest(encoder):
    network, sequences = small(encoder).train(), walks(8, 4)
    wanted = torch.randn(8, 3, PARTS[encoder])
    slopes = []
    for placed, halved in ((network, False), (fast(network), False), (fast(network), True)):
        with torch.autocast('cpu', torch.bfloat16, enabled=halved):
            answer = placed(sequences)
        loss = (answer.logits.float() * wanted).sum()
        slopes.append(torch.cat([g.flatten() for g in torch.autograd.grad(
            loss, [p for n, p in placed.named_parameters() if 'classifier' not in n]
        )]))  # fmt: skip
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(slopes[0], slopes[1], dim=0) > 0.999
    assert cosine(slopes[0], slopes[2], dim=0) > 0.8


def fast(network):
    return copy.deepcopy(network).to(memory_format=torch.channels_last)


def test_a_token_of_the_transformer_sees_no_further_than_its_reach():
    network = small('transformer', depths=(1, 1, 1, 1))
    first = walks(1, 16)
    other = first.clone()
    other[:, 15] = walks(1, 1, label='other')[:, 0]
    with torch.no_grad():
        one, two = (network.encoder(w.float() / 255) for w in (first, other))
    # Two layers of 4 frames, and one frame of the convolution along time.
    changed = (one - two).abs().amax((0, 2, 3, 4)) > 1e-6
    assert changed.tolist() == [False] * 6 + [True] * 10


def test_a_strip_is_the_mean_and_the_maximum_of_its_rows():
    maps = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    found = Strips(2, (4, 5))(maps)
    assert found.shape == (2, 3, 2)
    rows = maps[1, 2, 2:]
    assert found[1, 2, 1] == rows.mean() + rows.max()


def test_parts_have_layers_of_their_own():
    layer = SeparateLinear(3, 4, 2)
    values = torch.randn(5, 4, 3)
    found = layer(values)
    for n, p in itertools.product(range(5), range(3)):
        assert torch.allclose(found[n, :, p], values[n, :, p] @ layer.weight[p], atol=1e-6)


def test_the_classifier_gives_cosines():
    layer, values = Cosines(2, 4, 3), torch.randn(5, 4, 2)
    found = layer(values)
    assert found.shape == (5, 3, 2)
    wanted = torch.nn.functional.cosine_similarity(
        values[4, :, 1], layer.directions.weight[1, :, 2], dim=0
    )
    assert torch.allclose(found[4, 2, 1], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        ({'parts': 5}, '16 rows cannot be cut into 5 equal strips; take 1, 2, 4, 8, 16'),
        ({'encoder': 'transformer', 'parts': 16}, '15 rows .* into 16 .* take 1, 3, 5, 15'),
        ({'depths': (1, 1, 1)}, r'net.depths: \[1, 1, 1\] must be 4 numbers'),
        ({'depths': (1, 1, 0, 1)}, 'must be 4 numbers from 1'),
        ({'encoder': 'transformer', 'parts': 15, 'width': 25}, 'take a multiple of 8'),
    ],
)
def test_a_network_that_cannot_be_says_what_can(settings, said):
    with pytest.raises(ReidError, match=said):
        GaitNetwork(GaitNetConfig(**settings), 3)


def test_flops_count_what_a_robot_computes():
    network = small('mobile', width=4, parts=2)
    found = {people: flops(small('mobile', people, width=4, parts=2)) for people in (2, 2000)}
    assert found[2] == found[2000]  # no classifier
    # By hand: stem 4 x 9 on 32 x 22; blocks 1x1, 3x3 depthwise, 1x1.
    cells = (32 * 22, 32 * 22, 32 * 22, 16 * 11, 16 * 11)
    total = 4 * 9 * cells[0]
    for k, (inner, outer) in enumerate(((4, 4), (4, 8), (8, 16), (16, 32))):
        before, after = (cells[0], cells[0]) if k < 2 else (cells[0], cells[4])
        before = cells[4] if k == 3 else before
        total += 2 * inner * inner * before + 2 * inner * 9 * after + 2 * inner * outer * after
    head = 2 * 32 * 6
    assert flops(network, 10) == pytest.approx(2 * (total + head / 10))


def test_a_student_of_width_10_takes_less_than_an_eighth_of_a_teacher_of_32():
    with torch.device('meta'):
        teacher = GaitNetwork(GaitNetConfig(width=32), 10)
        student = GaitNetwork(GaitNetConfig(width=10, parts=8, embed=64), 10)
    assert flops(student) < flops(teacher) / 8
