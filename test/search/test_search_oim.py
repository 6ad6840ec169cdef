"""The look-up table and the queue do what a plain loop does."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train.checkpoint import TrainError  # noqa: E402
from reid_ros.train.search.oim import NOBODY, UNKNOWN, Table  # noqa: E402


class Plain:
    """The same by a loop over rows, in numpy."""

    def __init__(self, people, width, size, scale, momentum):
        self.vectors, self.queue = np.zeros((people, width)), np.zeros((size, width))
        self.pushed, self.scale, self.momentum = 0, scale, momentum

    def loss(self, found, people):
        terms = []
        held = self.queue[: min(self.pushed, len(self.queue))]
        for vector, person in zip(found, people):
            if person >= 0:
                logits = [self.scale * float(row @ vector) for row in (*self.vectors, *held)]
                terms.append(np.log(np.sum(np.exp(logits))) - logits[person])
        return float(np.mean(terms)) if terms else 0.0

    def update(self, found, people):
        for vector, person in zip(found, people):
            if person >= 0:
                mixed = self.momentum * self.vectors[person] + (1 - self.momentum) * vector
                self.vectors[person] = mixed / np.linalg.norm(mixed)
            elif person == UNKNOWN:
                self.queue[self.pushed % len(self.queue)] = vector
                self.pushed += 1


def batch(draw, people=5, width=96, number=12):
    found = draw.normal(size=(number, width))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found, draw.integers(NOBODY, people, number)


@pytest.mark.parametrize('size', [3, 7, 40])
def test_loss_and_update_are_those_of_a_plain_loop(size):
    """Over many batches: people who come twice in one, a queue that wraps, all dimensions."""
    draw = np.random.default_rng(size)
    table, plain = Table(5, 96, size, 10.0, 0.5), Plain(5, 96, size, 10.0, 0.5)
    for _ in range(6):
        found, people = batch(draw)
        given = torch.tensor(found, dtype=torch.float32), torch.tensor(people)
        assert float(table(*given)) == pytest.approx(plain.loss(found, people), abs=1e-4)
        table.update(*given)
        plain.update(found, people)
        assert table.vectors.numpy() == pytest.approx(plain.vectors, abs=1e-5)
        assert table.queue.numpy() == pytest.approx(plain.queue, abs=1e-5)
    assert np.linalg.norm(table.vectors.numpy(), axis=1) == pytest.approx(1, abs=1e-5)
    assert (table.queue.numpy()[: int(table.filled), 64:] != 0).all()
    assert int(table.filled) == min(plain.pushed, size)


def test_a_batch_longer_than_the_queue_leaves_its_last_rows_where_the_next_goes_on():
    table, plain = Table(1, 4, 3), Plain(1, 4, 3, 10.0, 0.5)
    for number in (2, 8, 1):
        found = np.eye(4)[np.arange(number) % 4]
        table.update(torch.tensor(found, dtype=torch.float32), torch.full((number,), UNKNOWN))
        plain.update(found, [UNKNOWN] * number)
        assert table.queue.numpy() == pytest.approx(plain.queue)


def test_the_gradient_reaches_the_vectors_with_a_label_alone_even_after_the_update():
    draw = np.random.default_rng(1)
    table = Table(3, 8, 4)
    table.begin(torch.tensor(draw.normal(size=(3, 8)), dtype=torch.float32))
    found = torch.nn.functional.normalize(torch.randn(4, 8)).requires_grad_()
    people = torch.tensor([0, UNKNOWN, 2, NOBODY])
    loss = table(found, people)
    table.update(found, people)
    loss.backward()
    assert (found.grad[[0, 2]].abs().sum(1) > 0).all()
    assert not found.grad[[1, 3]].any()
    assert not list(table.parameters())


def test_an_empty_place_of_the_queue_is_nobody_to_be_told_from():
    table = Table(2, 4, 100)
    table.begin(torch.eye(4)[:2])
    loss = table(torch.eye(4)[:1], torch.tensor([0]))
    assert float(loss) == pytest.approx(np.log(np.exp(10) + 1) - 10, abs=1e-6)


def test_a_frozen_table_stays_and_its_queue_moves():
    table = Table(2, 4, 3, frozen=True)
    table.begin(3.0 * torch.eye(4)[:2])
    table.update(torch.eye(4)[2:], torch.tensor([0, UNKNOWN]))
    assert table.vectors.numpy() == pytest.approx(np.eye(4)[:2])
    assert table.queue.numpy()[0] == pytest.approx(np.eye(4)[3])


def test_a_batch_without_labels_costs_nothing_and_still_has_a_gradient():
    table = Table(2, 4, 3)
    found = torch.eye(4)[:2].clone().requires_grad_()
    loss = table(found, torch.tensor([UNKNOWN, NOBODY]))
    loss.backward()
    assert loss.item() == 0.0
    assert not found.grad.any()


def test_a_table_of_other_people_is_refused():
    with pytest.raises(TrainError, match=r'\(3, 4\) vectors .* \(2, 4\)'):
        Table(2, 4, 3).begin(torch.ones(3, 4))
