"""Write what TRL's GRPO gives for some numbers, which ``test_grpo.py`` compares ours with.

TRL is too heavy for the project's own environment. To make the file again, in one of its own:

    python -m venv trl && trl/bin/pip install trl==1.16.0 torch
    trl/bin/python tests/posttraining/trl_numbers.py
"""

import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
import trl
from trl.trainer.grpo_trainer import GRPOTrainer, nanstd

GROUP, LENGTH, CLIP, BETA = 4, 3, 0.2, 0.04


def trl_loss(new, old, reference, advantages):
    """Call the trainer's own function with log-probabilities in place of a model's."""
    trainer = SimpleNamespace(
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=BETA,
        loss_type="grpo",
        epsilon_low=CLIP,
        epsilon_high=CLIP,
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=False,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None),
        model=SimpleNamespace(training=True),
        _get_per_token_logps_and_entropies=lambda *_, **__: (new, torch.zeros_like(new), None),
        _metrics=defaultdict(lambda: defaultdict(list)),
        accelerator=SimpleNamespace(gather=lambda x: x, reduce=lambda x, reduction: x),
    )
    ids, ones = torch.zeros(len(new), LENGTH, dtype=torch.long), torch.ones(len(new), LENGTH)
    given = {
        "prompt_ids": ids,
        "prompt_mask": ones,
        "completion_ids": ids,
        "completion_mask": ones,
        "advantages": advantages,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
    }
    return GRPOTrainer._compute_loss(trainer, None, given)


def trl_advantages(rewards):
    """Do what the trainer does between two lines of one function, by its own ``nanstd``."""
    groups = rewards.view(-1, GROUP)
    mean, std = torch.nanmean(groups, dim=1), nanstd(groups, dim=1)
    mean, std = (each.repeat_interleave(GROUP, dim=0) for each in (mean, std))
    return (rewards - mean) / (std + 1e-4)


def main():
    generator = torch.Generator().manual_seed(0)
    draw = {"generator": generator, "dtype": torch.float64}
    rewards = torch.tensor([1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0.5, 2, -1, 0.25]).double()
    old = torch.randn(16, LENGTH, **draw).mul(0.5).sub(1).clamp(max=-0.01)
    new = (old + torch.randn(16, LENGTH, **draw) * 0.3).clamp(max=-0.01)
    reference = (old + torch.randn(16, LENGTH, **draw) * 0.4).clamp(max=-0.01)
    new.requires_grad_()
    advantages = trl_advantages(rewards)
    loss = trl_loss(new, old, reference, advantages)
    (gradient,) = torch.autograd.grad(loss, new)
    numbers = {
        "made with": f"trl {trl.__version__}",
        "group": GROUP,
        "clip": CLIP,
        "beta": BETA,
        "rewards": rewards.tolist(),
        "old": old.tolist(),
        "new": new.tolist(),
        "reference": reference.tolist(),
        "advantages": advantages.tolist(),
        "loss": loss.item(),
        "gradient": gradient.tolist(),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
