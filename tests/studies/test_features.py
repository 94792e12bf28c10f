"""The features of SmolLM2's stream: what the committed results must show, and their controls."""

import torch

from course_lib.studies import features

FOUND = features.load_results()


def test_features_of_the_trained_model_have_names_far_more_often_than_any_control():
    least = min(row["named"] for row in FOUND["trained"]["autoencoder"])
    others = [FOUND["trained"]["axes"], *FOUND["trained"]["chance"]]
    others += FOUND["shuffled weights"]["autoencoder"]
    assert least > 3 * max(row["named"] for row in others)
    assert all(row["moved"] <= 2 for row in FOUND["trained"]["autoencoder"])


def test_most_features_have_none():
    for row in FOUND["trained"]["autoencoder"]:
        assert row["named"] < row["active"] / 2
        assert row["active"] <= features.FEATURES


def test_few_features_rebuild_more_than_as_many_components():
    for found in FOUND.values():
        assert len(found["autoencoder"]) == features.SEEDS
        for row in found["autoencoder"]:
            assert row["l0"] <= features.ACTIVE
            assert row["explained"] > found["components"]


def test_directions_are_judged_by_their_strongest():
    states = torch.randn(200, 32, generator=torch.Generator().manual_seed(0))
    strengths = features.directions(states, torch.cat([torch.eye(32), -torch.eye(32)]))
    assert strengths.shape == (200, 64)
    assert ((strengths > 0).sum(-1) <= features.ACTIVE).all()
    assert ((strengths[:, :32] > 0) & (strengths[:, 32:] > 0)).sum() == 0
