"""The leanest plain PyTorch that trains a gpt2 model, to measure the course's loop against."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.model import GPT


class Lean(nn.Module):
    """The gpt2 model in as few operations as plain PyTorch needs, with no checks."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.n_heads = model.config.n_heads
        self.token, self.position = model.token_embedding, model.position_embedding
        self.norm, self.blocks = model.norm, nn.ModuleList(model.blocks)
        for block in self.blocks:
            parts = [block.attention.q_proj, block.attention.k_proj, block.attention.v_proj]
            block.qkv = nn.Linear(parts[0].in_features, 3 * parts[0].out_features)
            with torch.no_grad():
                block.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
                block.qkv.bias.copy_(torch.cat([part.bias for part in parts]))
            del block.attention.q_proj, block.attention.k_proj, block.attention.v_proj

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (B, T, V)."""
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            qkv = block.qkv(block.attention_norm(x)).unflatten(-1, (3, self.n_heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, T, D) each
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + block.attention.out_proj(y.transpose(1, 2).flatten(2))
            x = x + block.mlp.down(F.gelu(block.mlp.up(block.mlp_norm(x))))
        return F.linear(self.norm(x), self.token.weight)


def plain_loop(
    model: nn.Module,
    logits: Callable[[Tensor], Tensor],
    text: Tensor,
    batch_size: int,
    context: int,
    low: torch.dtype | None = None,
) -> Callable[[int], None]:
    """Return a function that takes so many steps, on the device where the text is.

    Args:
        model: what is trained.
        logits: gives the model's logits for tokens.
        text: token ids of the text, on the model's device.
        batch_size: windows per batch.
        context: tokens per window.
        low: the 16-bit type of mixed precision.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), 1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True
    )
    offsets = torch.arange(context + 1, device=text.device)

    def run(steps: int) -> None:
        for _ in range(steps):
            starts = torch.randint(len(text) - context, (batch_size, 1), device=text.device)
            windows = text[starts + offsets]
            with torch.autocast(text.device.type, low) if low else nullcontext():
                out = logits(windows[:, :-1])
                loss = F.cross_entropy(out.flatten(0, 1), windows[:, 1:].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return run
