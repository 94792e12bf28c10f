"""A draft changes no probability, and a pupil learns its teacher's."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.efficiency import (
    distillation_loss,
    expected_speed_up,
    expected_tokens,
    write_with_draft,
)


class Table(nn.Module):
    """A model whose next token depends on the last one only."""

    def __init__(self, seed, size=5):
        super().__init__()
        self.logits = nn.Parameter(
            1.5 * torch.randn(size, size, generator=torch.Generator().manual_seed(seed))
        )

    def forward(self, ids):
        return self.logits[ids]


def test_text_with_a_draft_is_drawn_as_from_the_model_alone():
    model, draft = Table(0), Table(1)
    counts = torch.zeros(5, 5)
    for seed in range(400):
        for pair in pairwise(write_with_draft(model, draft, [seed % 5], 30, 3, seed).tokens):
            counts[pair] += 1
    wanted = model.logits.softmax(-1)
    of_draft = draft.logits.softmax(-1)
    found = counts / counts.sum(-1, keepdim=True)
    error = (found - wanted).abs().sum(-1).mean()
    assert error < 0.05
    assert (of_draft - wanted).abs().sum(-1).mean() > 0.4, "the draft alone is far off"


def test_the_formula_says_how_many_tokens_a_step_gives():
    model = Table(0)
    model.logits.data[:] = model.logits[0].clone()  # the same at every place
    draft = Table(1)
    draft.logits.data[:] = draft.logits[0].clone()
    p, q = model.logits[0].softmax(-1), draft.logits[0].softmax(-1)
    acceptance = torch.minimum(p, q).sum().item()
    runs = [write_with_draft(model, draft, [0], 50, 4, seed) for seed in range(250)]
    kept, checked = sum(run.kept for run in runs), sum(run.checked for run in runs)
    assert kept / checked == pytest.approx(acceptance, abs=0.02)
    tokens = sum(len(run.tokens) - 1 for run in runs) / sum(run.calls for run in runs)
    assert tokens == pytest.approx(expected_tokens(acceptance, 4), rel=0.03)


def test_the_model_as_its_own_draft_is_always_right():
    found = write_with_draft(Table(0), Table(0), [0], 50, guesses=4)
    assert found.kept == found.checked == 4 * found.calls
    assert len(found.tokens) - 1 == 5 * found.calls


def test_speed_by_hand():
    assert expected_tokens(0.5, 2) == 1.75
    assert expected_tokens(1.0, 4) == 5
    assert expected_speed_up(0.5, 2, 0.25) == 1.75 / 1.5
    assert expected_speed_up(0.0, 4, 0.1) < 1, "a bad draft costs time"


def test_the_loss_by_hand():
    teacher, pupil = Table(0), Table(1)
    inputs, targets = torch.tensor([[0, 1, 2]]), torch.tensor([[1, 2, 3]])
    p, q = (m.logits[:3].div(3).softmax(-1) for m in (teacher, pupil))
    soft = (p * (p / q).log()).sum(-1).mean()
    hard = F.cross_entropy(pupil.logits[:3], targets[0])
    found = distillation_loss(teacher, 3.0, 0.25)(pupil, inputs, targets)
    torch.testing.assert_close(found, 0.25 * 9 * soft + 0.75 * hard)


def test_a_pupil_comes_near_its_teacher_and_the_teacher_stays():
    teacher, pupil = Table(0), Table(1)
    before = teacher.logits.detach().clone()
    loss = distillation_loss(teacher, 2.0, 1.0)
    inputs = torch.arange(5)[None]
    optimizer = torch.optim.Adam(pupil.parameters(), 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss(pupil, inputs, inputs).backward()
        optimizer.step()
    assert teacher.logits.grad is None
    assert torch.equal(teacher.logits, before)
    torch.testing.assert_close(pupil.logits.softmax(-1), before.softmax(-1), atol=1e-2, rtol=0)
