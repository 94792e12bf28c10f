"""Pruned and shared weights against torch's own pruning and decompositions."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as theirs

from course_lib.efficiency import prune, prune_two_of_four, share_heads, through_a_latent


def random_weight(rows=12, columns=16, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_smallest_are_those_that_torch_prunes(share):
    layer = nn.Linear(16, 12, bias=False)
    layer.weight.data = random_weight()
    theirs.l1_unstructured(layer, "weight", amount=share)
    assert torch.equal(prune(random_weight(), share), layer.weight)


def test_a_matrix_laid_out_by_columns_is_pruned_alike():
    by_columns = random_weight().mT.contiguous().mT
    assert torch.equal(prune(by_columns, 0.5), prune(random_weight(), 0.5))


def test_two_of_every_four_are_left_and_they_are_the_largest():
    weight = random_weight()
    fours = prune_two_of_four(weight).unflatten(1, (-1, 4))
    assert ((fours != 0).sum(-1) == 2).all()
    least_kept = fours.abs().masked_fill(fours == 0, 99).amin(-1)
    gone = weight.unflatten(1, (-1, 4)).masked_fill(fours != 0, 0).abs().amax(-1)
    assert (gone <= least_kept).all()
    with pytest.raises(ValueError, match=r"weight: expected shape \(out, a multiple of 4\)"):
        prune_two_of_four(torch.zeros(2, 6))


def test_heads_of_a_group_get_their_mean():
    weight = random_weight()
    heads = share_heads(weight, 6, 2).view(6, 2, 16)
    assert torch.equal(heads[0], heads[2])
    torch.testing.assert_close(heads[3], weight.view(6, 2, 16)[3:].mean(0))
    assert torch.equal(share_heads(weight, 6, 6), weight)
    with pytest.raises(ValueError, match="n_groups: expected a divisor of n_heads=6, got 4"):
        share_heads(weight, 6, 4)


def test_a_latent_of_full_rank_changes_nothing_and_a_smaller_one_is_the_nearest():
    keys, values = random_weight(6), random_weight(4, seed=1)
    for got, wanted in zip(through_a_latent([keys, values], 10), (keys, values), strict=True):
        torch.testing.assert_close(got, wanted)
    near = torch.cat(through_a_latent([keys, values], 3))
    assert torch.linalg.matrix_rank(near) == 3
    left = torch.linalg.svdvals(torch.cat([keys, values]))[3:].square().sum()
    torch.testing.assert_close((near - torch.cat([keys, values])).square().sum(), left)
    with pytest.raises(ValueError, match="rank: expected at most 10, got 11"):
        through_a_latent([keys, values], 11)
