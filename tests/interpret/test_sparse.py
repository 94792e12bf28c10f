"""A sparse autoencoder finds the features that made the states; a name must hold in new texts."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.interpret import (
    SparseAutoencoder,
    explained,
    fit_autoencoder,
    named,
    strongest,
)


@pytest.fixture(scope="module")
def made():
    """Return 24 directions in 16 dimensions, and states that are sums of two of them."""
    generator = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.randn(24, 16, generator=generator), dim=-1)
    which = torch.rand(4000, 24, generator=generator).topk(2).indices
    strengths = 0.5 + torch.rand(4000, 2, generator=generator)
    return directions, torch.zeros(4000, 24).scatter(1, which, strengths) @ directions


def test_at_most_k_features_are_active_and_none_below_zero():
    torch.manual_seed(0)
    model = SparseAutoencoder(8, 20, 3)
    strengths = model.encode(torch.randn(50, 8))
    assert ((strengths > 0).sum(-1) <= 3).all()
    assert strengths.min() == 0
    assert strengths.max() > 0


def test_the_strongest_of_each_row_are_left():
    x = torch.tensor([[1.0, 3, 2], [5, 4, 6]])
    assert strongest(x, 2).tolist() == [[0, 3, 2], [5, 0, 6]]


def test_most_of_the_features_that_made_the_states_are_found(made):
    directions, states = made
    model = fit_autoencoder(states, 48, 2, steps=800, learning_rate=3e-3)
    alike = (directions @ model.decoder.T).amax(1)
    by_chance = (directions @ F.normalize(torch.randn(16, 48), dim=0)).amax(1)
    assert (alike > 0.95).sum() >= 18
    assert (by_chance > 0.95).sum() <= 2
    assert explained(states, model(states)) > 0.9
    torch.testing.assert_close(model.decoder.norm(dim=-1), torch.ones(48))


def test_a_seed_gives_the_same_again_and_leaves_chance_alone(made):
    _, states = made
    before = torch.random.get_rng_state()
    one, two = (fit_autoencoder(states, 24, 2, steps=3).decoder for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(before, torch.random.get_rng_state())


def test_explained_is_one_for_all_and_zero_for_the_mean(made):
    _, states = made
    assert explained(states, states) == 1
    assert explained(states, states.mean(0)) == pytest.approx(0, abs=1e-6)


def test_a_name_holds_where_the_feature_is_strongest_in_both_halves():
    generator = torch.Generator().manual_seed(0)
    rule = torch.rand(2, 400, 3, generator=generator) < 0.1
    noise = torch.rand(2, 400, 4, generator=generator)
    noise[:, :, 0] += 2 * rule[:, :, 2]  # fits the third rule in both halves
    noise[0, :, 1] += 2 * rule[0, :, 1]  # the second, but only where it is chosen
    noise[:, :, 3] = 0  # never active
    which, live = named((noise[0], noise[1]), (rule[0], rule[1]))
    assert which.tolist() == [2, -1, -1, -1]
    assert live.tolist() == [True, True, True, False]


def test_more_active_features_than_there_are_are_refused():
    with pytest.raises(ValueError, match="k: expected at most n_features=4, got 5"):
        SparseAutoencoder(8, 4, 5)
