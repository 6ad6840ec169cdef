"""Losses of gait against plain loops and numbers worked out by hand."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train.gait import alignment, losses  # noqa: E402
from reid_ros.train.gait.configs import GaitLossConfig  # noqa: E402
from reid_ros.train.gait.nets.network import GaitAnswer  # noqa: E402
from reid_ros.world.seeds import generator  # noqa: E402

torch.set_num_threads(1)

LABELS = [0, 0, 1, 1, 1, 2]
SCALE, WARM = 16.0, 4.0


def drawn(*shape, label='gait losses', scale=1.0):
    return torch.tensor(generator('train', label, *shape).normal(0, scale, shape))


def softmax(values, factor):
    raised = [math.exp(v * factor) for v in values]
    return [v / sum(raised) for v in raised]


def test_cross_entropy_is_of_scaled_cosines_part_by_part():
    logits = drawn(3, 4, 2, scale=0.3)
    labels, total = [2, 0, 3], 0.0
    for n in range(3):
        for p in range(2):
            shares = softmax(logits[n, :, p].tolist(), SCALE)
            truth = [0.1 / 4 + 0.9 * (c == labels[n]) for c in range(4)]
            total -= sum(t * math.log(q) for t, q in zip(truth, shares))
    found = losses.cross_entropy(logits, torch.tensor(labels), SCALE, 0.1)
    assert float(found) == pytest.approx(total / 6, rel=1e-12)


def test_the_triplet_loss_is_the_mean_of_all_triplets_that_cost_something():
    x = drawn(6, 5, 3).numpy()
    by_part = []
    for p in range(3):
        costs = []
        for a in range(6):
            for b in range(6):
                for c in range(6):
                    if a != b and LABELS[a] == LABELS[b] and LABELS[a] != LABELS[c]:
                        near = np.linalg.norm(x[a, :, p] - x[b, :, p])
                        far = np.linalg.norm(x[a, :, p] - x[c, :, p])
                        costs.append(max(0.0, near - far + 0.2))
        some = [c for c in costs if c > 0]
        assert 0 < len(some) < len(costs)
        by_part.append(sum(some) / len(some))
    found = losses.all_triplets(torch.from_numpy(x), torch.tensor(LABELS), 0.2)
    assert float(found) == pytest.approx(sum(by_part) / 3, rel=1e-12)


def test_a_part_without_costly_triplets_counts_as_zero():
    x = torch.zeros(4, 1, 2, dtype=torch.float64)
    x[:, 0, 0] = torch.tensor([0.0, 0.0, 10.0, 10.0])  # told apart; the other part is one point
    found = losses.all_triplets(x, torch.tensor([0, 0, 1, 1]), 0.2)
    assert float(found) == pytest.approx(0.1)


@pytest.mark.parametrize('labels', [[0, 1, 2, 3], [0, 0, 0, 0]])
def test_a_batch_without_triplets_costs_nothing_and_still_has_a_gradient(labels):
    x = drawn(4, 3, 2).requires_grad_()
    loss = losses.all_triplets(x, torch.tensor(labels), 0.2)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_the_decision_term_is_the_divergence_of_each_part_times_t_squared():
    student, teacher = drawn(3, 4, 2, scale=0.3), drawn(3, 4, 2, label='teacher', scale=0.3)
    total = 0.0
    for n in range(3):
        for p in range(2):
            q_s = softmax(student[n, :, p].tolist(), SCALE / WARM)
            q_t = softmax(teacher[n, :, p].tolist(), SCALE / WARM)
            total += sum(t * math.log(t / s) for t, s in zip(q_t, q_s))
    wanted = losses.probabilities(teacher, SCALE, WARM)
    found = losses.decision(student, wanted, SCALE, WARM)
    assert float(found) == pytest.approx(WARM**2 * total / 6, rel=1e-12)


def test_the_decision_term_by_hand():
    """Cosines 0 and ln(3) / 4 at scale over temperature 4: shares 1/4, 3/4 against 1/2, 1/2."""
    teacher = torch.tensor([[[0.0], [math.log(3) / 4]]], dtype=torch.float64)
    found = losses.decision(torch.zeros_like(teacher), losses.probabilities(teacher, 16, 4), 16, 4)
    wanted = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert float(found) == pytest.approx(16 * wanted, rel=1e-12)


def test_a_probability_of_zero_costs_nothing():
    wanted = torch.tensor([[[0.0], [1.0]]], dtype=torch.float64)
    found = losses.decision(torch.zeros(1, 2, 1, dtype=torch.float64), wanted, 16, 4)
    assert float(found) == pytest.approx(16 * math.log(2))


def test_the_boundary_term_by_hand():
    """(s - 1)^2 below 1 where t > 0, (s + 1)^2 above -1 elsewhere; t = 0 is not above."""
    teacher = torch.tensor([5.0, 5.0, -2.0, -2.0, 0.0, 0.1]).double().view(1, 3, 2)
    student = torch.tensor([0.5, 1.5, 0.5, -1.5, -0.5, -3.0]).double().view(1, 3, 2)
    found = losses.boundary(student, teacher, 1.0)
    costs = 0.25 + 0.0 + 2.25 + 0.0 + 0.25 + 16.0
    assert float(found) == pytest.approx(costs / 2, rel=1e-12)  # summed over 3, mean over 2 parts
    assert float(losses.boundary(torch.cat([student] * 4), teacher.repeat(4, 1, 1), 1.0)) == (
        pytest.approx(costs / 2, rel=1e-12)
    )


def test_only_the_sign_of_the_teacher_counts_for_the_boundary():
    student, teacher = drawn(3, 4, 2), drawn(3, 4, 2, label='teacher')
    found = losses.boundary(student, teacher, 1.0)
    assert torch.equal(found, losses.boundary(student, teacher * 1000, 1.0))


def test_squared_differences_are_means_over_everything():
    student, teacher = drawn(3, 4, 2), drawn(3, 4, 2, label='teacher')
    plain = float(((student - teacher) ** 2).sum()) / 24
    assert float(losses.feature(student, teacher)) == pytest.approx(plain, rel=1e-12)
    assert float(losses.logit(student, teacher, SCALE)) == pytest.approx(256 * plain, rel=1e-12)


def loop_dkd(student, teacher, labels):
    first = second = 0.0
    for n in range(student.shape[0]):
        for p in range(student.shape[2]):
            q_s = softmax(student[n, :, p].tolist(), SCALE / WARM)
            q_t = softmax(teacher[n, :, p].tolist(), SCALE / WARM)
            y = labels[n]
            for t, s in ((q_t[y], q_s[y]), (1 - q_t[y], 1 - q_s[y])):
                first += t * math.log(t / s)
            for c in range(len(q_s)):
                if c != y:
                    t, s = q_t[c] / (1 - q_t[y]), q_s[c] / (1 - q_s[y])
                    second += t * math.log(t / s)
    count = student.shape[0] * student.shape[2]
    return WARM**2 * first / count, WARM**2 * second / count


def test_decoupled_distillation_is_the_own_against_all_and_the_others_among_each_other():
    student, teacher = drawn(3, 4, 2, scale=0.3), drawn(3, 4, 2, label='teacher', scale=0.3)
    labels = [2, 0, 3]
    wanted = losses.probabilities(teacher, SCALE, WARM)
    found = losses.decoupled(student, wanted, torch.tensor(labels), SCALE, WARM)
    assert [float(v) for v in found] == pytest.approx(loop_dkd(student, teacher, labels), rel=1e-9)


def test_decoupled_terms_add_up_to_the_plain_divergence():
    """Zhao et al., eq. 6: KL = own + (1 - share of the own person) x others."""
    student, teacher = drawn(1, 4, 1, scale=0.3), drawn(1, 4, 1, label='teacher', scale=0.3)
    wanted = losses.probabilities(teacher, SCALE, WARM)
    own, others = losses.decoupled(student, wanted, torch.tensor([1]), SCALE, WARM)
    whole = losses.decision(student, wanted, SCALE, WARM)
    share = float(wanted[0, 1, 0])
    assert float(own + (1 - share) * others) == pytest.approx(float(whole), rel=1e-9)


def test_decoupled_distillation_has_a_finite_gradient_where_the_teacher_is_certain():
    wanted = torch.zeros(2, 5, 3)
    wanted[:, 2] = 1.0
    student = drawn(2, 5, 3).float().requires_grad_()
    own, others = losses.decoupled(student, wanted, torch.tensor([2, 2]), SCALE, WARM)
    (own + others).backward()
    assert torch.isfinite(student.grad).all()


def test_attention_transfer_compares_where_two_networks_look():
    student, teacher = drawn(2, 3, 4, 5), drawn(2, 7, 4, 5, label='teacher')
    total = 0.0
    for n in range(2):
        a = (student[n].numpy() ** 2).mean(0).ravel()
        b = (teacher[n].numpy() ** 2).mean(0).ravel()
        total += ((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2).sum()
    assert float(losses.attention(student, teacher)) == pytest.approx(total / 2, rel=1e-12)
    other = drawn(2, 7, 6, 3, label='other')
    assert float(losses.attention(student, other)) > 0
    assert float(losses.attention(student, 3.0 * student)) == pytest.approx(0, abs=1e-12)


def test_losses_are_exact_whatever_autocast_says():
    student, teacher = drawn(6, 4, 2).float(), drawn(6, 4, 2, label='teacher').float()
    labels = torch.tensor(LABELS).clamp(max=3)

    def all_of_them():
        wanted = losses.probabilities(teacher, SCALE, WARM)
        return torch.stack([
            losses.cross_entropy(student, labels, SCALE, 0.1),
            losses.all_triplets(student, labels, 0.2),
            losses.decision(student, wanted, SCALE, WARM),
            losses.boundary(student, teacher, 1.0),
            losses.feature(student, teacher),
            *losses.decoupled(student, wanted, labels, SCALE, WARM),
        ])  # fmt: skip

    plain = all_of_them()
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(all_of_them(), plain)


def test_the_task_leaves_out_what_has_no_weight():
    answer = GaitAnswer(drawn(6, 4, 2), drawn(6, 3, 2), drawn(6, 4, 2, 2))
    labels = torch.tensor(LABELS)
    assert list(losses.task(answer, labels, GaitLossConfig())) == ['identity', 'triplet']
    assert list(losses.task(answer, labels, GaitLossConfig(triplet=0.0))) == ['identity']


@pytest.mark.parametrize(('student', 'teacher'), [(16, 15), (15, 16), (4, 16), (16, 4), (1, 7)])
def test_each_row_of_the_overlap_sums_to_one(student, teacher):
    table = alignment.overlap(student, teacher)
    assert table.shape == (student, teacher)
    assert torch.allclose(table.sum(1), torch.ones(student), atol=1e-6)
    for i in range(student):
        for j in range(teacher):
            low = max(i / student, j / teacher)
            high = min((i + 1) / student, (j + 1) / teacher)
            wanted = student * max(0.0, high - low)
            assert float(table[i, j]) == pytest.approx(wanted, abs=1e-6)


def test_equal_parts_lie_over_themselves():
    assert torch.equal(alignment.overlap(16, 16), torch.eye(16))


def test_mixed_probabilities_are_probabilities():
    teacher = losses.probabilities(drawn(3, 5, 15), SCALE, WARM)
    found = alignment.mixed(teacher, alignment.overlap(8, 15))
    assert found.shape == (3, 5, 8)
    assert torch.allclose(found.sum(1), torch.ones(3, 8, dtype=found.dtype), atol=1e-6)
    wanted = (teacher[..., 0] + 0.875 * teacher[..., 1]) * 8 / 15
    assert torch.allclose(found[..., 0], wanted, atol=1e-6)
