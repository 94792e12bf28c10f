"""Make trl_preferences.json: losses on pairs by TRL's own code, for test_preferences.py.

TRL and what it needs are too heavy for the course's environment. To make the file again, in an
environment of its own: ``pip install trl==1.16.0``, then
``python tests/posttraining/trl_preferences.py``.

The trainers' methods that compute the loss are called as they are, with a model that answers with
given numbers; nothing else of a trainer is needed for that.
"""

import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
import trl
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.reward_trainer import RewardTrainer

PAIRS, LENGTH, BETAS = 5, 7, (0.05, 0.1, 1.0)


class Given:
    """A model that answers with these numbers, whatever it is asked."""

    training = False

    def __init__(self, **numbers):
        self.numbers = numbers

    def __call__(self, **_):
        return SimpleNamespace(**self.numbers)


def trainer(model, **settings):
    """Return what the trainers' methods look at: the model, one machine, and settings."""
    return SimpleNamespace(
        model=model,
        accelerator=SimpleNamespace(
            device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x
        ),
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        **settings,
    )


def dpo(policy, reference, mask, beta):
    """Return TRL's DPO loss and the means of its rewards.

    Args:
        policy: (2 * pairs, T), log-probabilities of tokens; first all chosen, then all rejected.
        reference: (2 * pairs,), the answers' log-probabilities.
        mask: (2 * pairs, T + 1), 1 at tokens of an answer.
        beta: DPO's.
    """
    nothing = torch.zeros_like(policy)
    model = Given(log_probs=policy, entropy=nothing, mean_logits=nothing, is_top1=nothing > 0)
    this = trainer(
        model,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=["sigmoid"],
        loss_weights=[1.0],
        beta=beta,
        use_weighting=False,
    )
    chosen, rejected = reference.chunk(2)
    inputs = {
        "input_ids": torch.zeros(mask.shape, dtype=torch.long),
        "completion_mask": mask,
        "ref_chosen_logps": chosen,
        "ref_rejected_logps": rejected,
    }
    loss = DPOTrainer._compute_loss(this, model, inputs, return_outputs=False)
    means = {name: this._metrics["eval"][f"rewards/{name}"][0] for name in ("chosen", "rejected")}
    return {"beta": beta, "loss": loss.item(), **means}


def reward(rewards):
    """Return TRL's loss of a reward model that gives these rewards, first all chosen."""
    model = Given(logits=rewards[:, None])
    this = trainer(model, args=SimpleNamespace(center_rewards_coefficient=None))
    return RewardTrainer.compute_loss(this, model, {}).item()


def main():
    """Draw numbers, let TRL compute with them, and write both."""
    chance = torch.Generator().manual_seed(0)
    policy, reference = (
        -3 * torch.rand(2 * PAIRS, LENGTH, dtype=torch.float64, generator=chance) for _ in range(2)
    )
    lengths = torch.randint(1, LENGTH + 1, (2 * PAIRS,), generator=chance)
    mask = torch.arange(LENGTH + 1)[None] > (LENGTH - lengths)[:, None]  # answers end the rows
    policy, reference = policy * mask[:, 1:], reference * mask[:, 1:]
    rewards = 2 * torch.randn(2 * PAIRS, dtype=torch.float64, generator=chance)
    found = {
        "trl": trl.__version__,
        "policy": policy.sum(1).tolist(),
        "reference": reference.sum(1).tolist(),
        "dpo": [dpo(policy, reference.sum(1), mask.long(), beta) for beta in BETAS],
        "rewards": rewards.tolist(),
        "reward loss": reward(rewards),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
