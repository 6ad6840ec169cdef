"""Depthwise convolutions learn in 16 bits as in 32, only faster."""

import copy

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train.nets.depthwise import Depthwise, hasten  # noqa: E402


@pytest.mark.parametrize(('kernel', 'stride'), [(5, 1), (5, 2), (3, 2)])
def test_a_quick_depthwise_convolution_learns_in_16_bits_as_a_plain_one_in_32(kernel, stride):
    torch.manual_seed(0)
    plain = torch.nn.Sequential(
        torch.nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=False),
        torch.nn.Conv2d(6, 4, 1),
    )
    quick = copy.deepcopy(plain)
    hasten(quick)
    assert type(quick[0]) is Depthwise
    assert type(quick[1]) is torch.nn.Conv2d
    assert quick.state_dict().keys() == plain.state_dict().keys()
    maps = torch.randn(2, 6, 12, 10)
    found = []
    for network, amp in ((plain, False), (quick, True)):
        given = maps.clone().requires_grad_()
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            answer = network(given)
        (answer.float() ** 2).sum().backward()
        found.append([answer, given.grad, network[0].weight.grad, network[1].weight.grad])
    for mine, yours in zip(*found):
        mine, yours = mine.detach().float().flatten(), yours.detach().float().flatten()
        assert torch.cosine_similarity(mine, yours, 0) > 0.999
        assert float(yours.norm() / mine.norm()) == pytest.approx(1, abs=0.02)
    with torch.inference_mode():
        assert torch.equal(quick(maps), plain(maps)), 'where nothing is learnt'


def test_what_is_fast_in_16_bits_stays_as_it_is():
    kept = torch.nn.Sequential(
        torch.nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False),
        torch.nn.Conv2d(6, 6, 5, groups=6),
        torch.nn.Conv2d(6, 6, 5, bias=False),
    )
    hasten(kept)
    assert not any(isinstance(layer, Depthwise) for layer in kept)
