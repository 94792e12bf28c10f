"""Probes: the ridge solution against a search by gradient, and control labels' laws."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.interpret import Probe, control_labels


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(60, 5, generator=generator) + 2
    labels = (states[:, 0] > 2).long() + (states[:, 1] > 3).long()
    return states, labels


def test_the_probe_is_where_the_loss_of_ridge_regression_is_least(data):
    states, labels = data
    probe = Probe(states, labels, penalty=0.1)
    x, y = states.double() - states.double().mean(0), F.one_hot(labels).double()
    cost = 0.1 * x.square().mean() * len(x)
    weights = torch.zeros(5, 3, dtype=torch.double, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.double, requires_grad=True)
    search = torch.optim.LBFGS([weights, bias], max_iter=200, tolerance_grad=1e-12)

    def loss():
        search.zero_grad()
        found = (x @ weights + bias - y).square().sum() + cost * weights.square().sum()
        found.backward()
        return found

    search.step(loss)
    torch.testing.assert_close(probe.weights, weights.detach(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(probe(states), (x @ weights + bias).detach(), atol=1e-4, rtol=1e-4)


def test_accuracy_counts_the_greatest_score(data):
    states, labels = data
    probe = Probe(states, labels)
    by_hand = sum(
        int(row.argmax()) == label
        for row, label in zip(probe(states), labels.tolist(), strict=True)
    )
    assert probe.accuracy(states, labels) == pytest.approx(by_hand / 60)
    assert probe.accuracy(states, labels) > 0.6


def test_control_labels_hang_on_the_word_alone_and_are_even():
    types = torch.arange(40).repeat(3)
    labels = control_labels(types, 2)
    assert torch.equal(labels[:40], labels[40:80])
    assert labels[:40].bincount().tolist() == [20, 20]
    assert not torch.equal(labels, control_labels(types, 2, seed=1))


def test_what_doesn_t_fit_is_refused(data):
    states, labels = data
    with pytest.raises(ValueError, match="labels: expected 60, one a state, got 3"):
        Probe(states, labels[:3])
    with pytest.raises(ValueError, match="penalty: expected a number above 0, got 0"):
        Probe(states, labels, penalty=0)
