"""Losses against plain loops; their gradients; what autocast and odd batches do to them."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train import losses  # noqa: E402
from reid_ros.world.seeds import generator  # noqa: E402

torch.set_num_threads(1)

LABELS = [0, 0, 0, 1, 1, 2]


def drawn(*shape, label='losses', scale=1.0, dtype=torch.float64):
    values = generator('train', 'test', label, *shape).normal(0, scale, shape)
    return torch.tensor(values, dtype=dtype)


def loop_triplet(x, labels, margin):
    """One anchor after the other."""
    found = []
    for a in range(len(x)):
        own = [
            np.linalg.norm(x[a] - x[b]) for b in range(len(x)) if labels[b] == labels[a] and b != a
        ]
        strangers = [np.linalg.norm(x[a] - x[b]) for b in range(len(x)) if labels[b] != labels[a]]
        if own and strangers:
            gap = max(own) - min(strangers)
            found.append(math.log1p(math.exp(gap)) if margin < 0 else max(0.0, gap + margin))
    return sum(found) / len(found)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def loop_relation(s, t):
    s, t = unit(s), unit(t)
    found = []
    for i in range(len(s)):
        for j in range(len(s)):
            if i != j:
                off = abs(np.linalg.norm(s[i] - s[j]) - np.linalg.norm(t[i] - t[j]))
                found.append(0.5 * off * off if off < 1 else off - 0.5)
    return sum(found) / len(found)


def loop_kl(s, t, temperature):
    total = 0.0
    for row_s, row_t in zip(s, t):
        p_s = [math.exp(v / temperature) for v in row_s]
        p_t = [math.exp(v / temperature) for v in row_t]
        p_s, p_t = [v / sum(p_s) for v in p_s], [v / sum(p_t) for v in p_t]
        total += sum(b * math.log(b / a) for a, b in zip(p_s, p_t))
    return temperature**2 * total / len(s)


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_cross_entropy_gives_a_share_of_the_truth_to_everybody(smoothing):
    logits, labels = drawn(6, 4), torch.tensor([0, 3, 1, 1, 2, 0])
    total = 0.0
    for row, label in zip(logits.numpy(), labels.tolist()):
        log = row - math.log(sum(math.exp(v) for v in row))
        truth = [smoothing / 4 + (1 - smoothing) * (c == label) for c in range(4)]
        total -= sum(p * v for p, v in zip(truth, log))
    found = losses.smoothed_cross_entropy(logits, labels, smoothing)
    assert float(found) == pytest.approx(total / 6, rel=1e-12)


@pytest.mark.parametrize('margin', [-1.0, 0.0, 0.3, 5.0])
def test_the_triplet_loss_takes_the_hardest_of_each_anchor(margin):
    x = drawn(6, 5)
    found = losses.batch_hard_triplet(x, torch.tensor(LABELS), margin)
    assert float(found) == pytest.approx(loop_triplet(x.numpy(), LABELS, margin), rel=1e-12)


def test_a_person_of_one_clip_is_a_stranger_but_no_anchor():
    x = drawn(6, 5)
    # The last person, alone, moves onto a clip of another: that anchor must feel it.
    near = x.clone()
    near[5] = x[0] + 0.01
    labels = torch.tensor(LABELS)
    assert losses.batch_hard_triplet(near, labels, -1.0) > losses.batch_hard_triplet(
        x, labels, -1.0
    )


@pytest.mark.parametrize('labels', [[0, 1, 2, 3], [0, 0, 0, 0]])
def test_a_batch_without_any_triplet_costs_nothing_and_still_has_a_gradient(labels):
    x = drawn(4, 3).requires_grad_()
    loss = losses.batch_hard_triplet(x, torch.tensor(labels), -1.0)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(x.grad, torch.zeros(4, 3, dtype=torch.float64))


def loop_contrast(x, labels, temperature):
    """One clip after the other among all others."""
    x, found = unit(x), []
    for a in range(len(x)):
        others = [b for b in range(len(x)) if b != a]
        own = [b for b in others if labels[b] == labels[a]]
        total = sum(math.exp(float(x[a] @ x[b]) / temperature) for b in others)
        if own:
            found.append(
                -sum(float(x[a] @ x[b]) / temperature - math.log(total) for b in own) / len(own)
            )
    return sum(found) / len(found)


@pytest.mark.parametrize('temperature', [0.1, 1.0])
def test_the_contrastive_loss_finds_own_clips_among_all_others(temperature):
    x = drawn(6, 5)
    wanted = loop_contrast(x.numpy(), LABELS, temperature)
    found = losses.contrastive(x, torch.tensor(LABELS), temperature)
    assert float(found) == pytest.approx(wanted, rel=1e-9)


def test_a_batch_without_any_pair_has_no_contrast_and_still_a_gradient():
    x = drawn(3, 5).requires_grad_()
    found = losses.contrastive(x, torch.arange(3), 0.1)
    found.backward()
    assert float(found.detach()) == 0.0
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize('temperature', [1.0, 4.0, 10.0])
def test_the_logit_term_is_the_divergence_from_the_teacher(temperature):
    s, t = drawn(6, 4, scale=3.0), drawn(6, 4, label='teacher', scale=3.0)
    found = losses.logit_kl(s, t, temperature)
    wanted = loop_kl(s.numpy(), t.numpy(), temperature)
    assert float(found) == pytest.approx(wanted, rel=1e-10)
    # The divergence is not symmetric, so a swap of both must show.
    assert wanted != pytest.approx(loop_kl(t.numpy(), s.numpy(), temperature), rel=1e-3)


def test_the_relation_term_compares_distances_of_vectors_of_any_length():
    s, t = drawn(6, 5), drawn(6, 9, label='teacher')
    found = losses.relation(s, t)
    assert float(found) == pytest.approx(loop_relation(s.numpy(), t.numpy()), rel=1e-12)
    assert float(losses.relation(3 * s, t)) == pytest.approx(float(found), rel=1e-12)


def test_the_feature_term_is_one_less_the_cosine():
    s, t = drawn(6, 5), drawn(6, 5, label='teacher')
    wanted = np.mean(1 - (unit(s.numpy()) * unit(t.numpy())).sum(1))
    assert float(losses.feature(s, t)) == pytest.approx(wanted, rel=1e-12)


TERMS = {
    'logit': lambda s, t: losses.logit_kl(s, t, 4.0),
    'relation': losses.relation,
    'feature': losses.feature,
}


@pytest.mark.parametrize('term', TERMS)
def test_distillation_terms_vanish_at_the_teacher_and_pull_towards_it_elsewhere(term):
    t = drawn(6, 5, label='teacher')
    assert float(TERMS[term](t.clone(), t)) == pytest.approx(0, abs=1e-12)
    s = drawn(6, 5).requires_grad_()
    before = TERMS[term](s, t)
    (gradient,) = torch.autograd.grad(before, s)
    assert float(gradient.norm()) > 1e-3
    assert TERMS[term](s - 0.1 * gradient, t) < before


@pytest.mark.parametrize('term', TERMS)
def test_no_gradient_reaches_the_teacher(term):
    s, t = drawn(6, 5).requires_grad_(), drawn(6, 5, label='teacher').requires_grad_()
    TERMS[term](s, t).backward()
    assert s.grad.abs().min() > 0
    assert t.grad is None


@pytest.mark.parametrize(
    'loss',
    [
        *[lambda s, f=f: f(s, drawn(6, 5, label='teacher')) for f in TERMS.values()],
        lambda s: losses.contrastive(s, torch.tensor(LABELS), 0.2),
        lambda s: losses.batch_hard_triplet(s, torch.tensor(LABELS), -1.0),
        lambda s: losses.batch_hard_triplet(s, torch.tensor(LABELS), 0.7),
        lambda s: losses.smoothed_cross_entropy(s, torch.tensor([0, 1, 2, 3, 4, 0]), 0.1),
    ],
)
def test_gradients_are_those_of_the_value(loss):
    assert torch.autograd.gradcheck(loss, (drawn(6, 5).requires_grad_(),))


def test_equal_clips_have_finite_gradients():
    """Root's slope at zero is infinite: two copies of a clip must not end a training."""
    x = drawn(1, 5, dtype=torch.float32).repeat(4, 1).requires_grad_()
    far = drawn(4, 5, label='teacher', dtype=torch.float32)
    loss = losses.relation(x, far) + losses.batch_hard_triplet(x, torch.tensor([0, 0, 1, 1]), 0.3)
    loss.backward()
    assert loss.item() > 0.3
    assert torch.isfinite(x.grad).all()


def test_a_single_clip_has_no_relation():
    x = drawn(1, 5).requires_grad_()
    loss = losses.relation(x, drawn(1, 7))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_small_distances_survive_long_vectors():
    """By inner products float32 would see two clips 0.01 apart at a length of 1000 as equal."""
    x = torch.zeros(4, 8)
    x[:, 0] = torch.tensor([1000.0, 1000.01, 1000.03, 1000.05])
    found = losses.batch_hard_triplet(x, torch.tensor([0, 0, 1, 1]), 0.0)
    wanted = loop_triplet(x.double().numpy(), [0, 0, 1, 1], 0.0)
    assert float(found) == pytest.approx(wanted, rel=1e-3)


def test_losses_are_taken_in_float32_under_autocast():
    s, t = drawn(6, 5, dtype=torch.float32), drawn(6, 5, label='teacher', dtype=torch.float32)
    labels = torch.tensor(LABELS)
    every = [
        *[lambda f=f: f(s, t) for f in TERMS.values()],
        lambda: losses.batch_hard_triplet(s, labels, -1.0),
        lambda: losses.smoothed_cross_entropy(s, labels, 0.1),
    ]
    for loss in every:
        plain = loss()
        with torch.autocast('cpu', torch.bfloat16):
            cast = loss()
        assert cast.dtype == torch.float32
        assert torch.equal(plain, cast)
    # What the heavy operations hand over is narrow; the losses widen it.
    assert losses.relation(s.bfloat16(), t.bfloat16()).dtype == torch.float32
