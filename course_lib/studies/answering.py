"""SmolLM2 answers made-up questions: what it writes, what it finds likely, with a LoRA and without.

Used in 'After pre-training', by :mod:`course_lib.studies.preferences`. Only the upper blocks get a
LoRA: what the lower ones give is computed once.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.attention import rope_table
from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.evaluation import choice_log_probs
from course_lib.generation import GREEDY, Choose, Sampler, Session, generate_tokens
from course_lib.model import GPT, LoRALinear
from course_lib.posttraining import answer_log_probs, token_divergences
from course_lib.pretrained import END_OF_TURN, encode_chat, load_smollm2
from course_lib.studies.questions import facts
from course_lib.studies.raters import CUT, Item, n_words
from course_lib.text import BPETokenizer
from course_lib.training import IGNORE, pad, pick_device

SYSTEM = "Answer from the text."
LONGEST = 32  # tokens of an answer
FIRST, ALPHA = 18, 16.0  # LoRA from this block on, and its factor
WINDOWS, WINDOW, FACTS, OPEN_TOKENS = 32, 128, 200, 64  # what is measured beside
OPEN = (
    "Tell me about the moon.",
    "Write two sentences about autumn.",
    "Explain why the sky is blue.",
    "Describe a day at the beach.",
    "What is a computer?",
    "Give me three tips for better sleep.",
    "Tell me a short story about a fox.",
    "How do plants grow?",
    "Why do we need to drink water?",
    "Describe your favorite room.",
    "What can I cook with potatoes?",
    "Explain what a library is.",
)


def prompt(tokenizer: BPETokenizer, item: Item) -> list[int]:
    """Return what the model reads before it answers."""
    said = f"{item.text}\n{item.question}"
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": said}]
    return encode_chat(tokenizer, messages)


@cache
def smollm2() -> tuple[GPT, BPETokenizer]:
    """Return SmolLM2, loaded once, frozen, on the fastest device that is here."""
    model, tokenizer = load_smollm2()
    return model.requires_grad_(False).eval().to(pick_device()), tokenizer


def write(
    model: GPT,
    tokenizer: BPETokenizer,
    items: Sequence[Item],
    choose: Choose = GREEDY,
    times: int = 1,
) -> list[list[str]]:
    """Return some answers to each question; what was cut off ends with ``CUT``."""
    session = Session(model, [prompt(tokenizer, item) for item in items], LONGEST)
    stop = tokenizer.special_tokens[END_OF_TURN]
    # A prompt is read once, whatever number of answers it gets.
    first = [i for i in range(len(items)) for _ in range(times)]
    logits, rows = session.logits()[first], list(range(len(first)))
    session.keep(first)
    written: list[list[int]] = [[] for _ in first]
    for place in range(LONGEST):
        chosen = choose(logits, session.tokens).tolist()
        for row, token in zip(rows, chosen, strict=True):
            written[row].append(token)
        alive = [i for i, token in enumerate(chosen) if token != stop]
        if not alive or place == LONGEST - 1:
            break
        if len(alive) < len(rows):
            session.keep(alive)
            rows = [rows[i] for i in alive]
        session.append([chosen[i] for i in alive])
        logits = session.logits()
    said = [
        tokenizer.decode(ids[:-1]) if ids[-1] == stop else tokenizer.decode(ids) + CUT
        for ids in written
    ]
    return [said[i * times : (i + 1) * times] for i in range(len(items))]


def write_all(items: Sequence[Item], choose: Choose = GREEDY, times: int = 1) -> list[list[str]]:
    """Return what SmolLM2 as it is now answers, 160 texts at a time."""
    batches = [items[i : i + 160] for i in range(0, len(items), 160)]
    return [given for batch in batches for given in write(*smollm2(), batch, choose, times)]


def as_row(tokenizer: BPETokenizer, item: Item, answer: str) -> tuple[list[int], list[int]]:
    """Return prompt and answer as inputs (T,) and targets (T,), ``IGNORE`` before the answer."""
    before = prompt(tokenizer, item)
    ids = tokenizer.encode(answer.removesuffix(CUT), allowed_special=[*tokenizer.special_tokens])
    if not answer.endswith(CUT):
        ids.append(tokenizer.special_tokens[END_OF_TURN])
    return [*before, *ids][:-1], [IGNORE] * (len(before) - 1) + ids


def through(model: GPT, x: Tensor, first: int, last: int) -> Tensor:
    """Pass the residual stream (B, T, d_model) through some blocks; padding stands at the end."""
    config = model.config
    places = torch.arange(x.shape[1], device=x.device)
    rope = rope_table(places, config.d_model // config.n_heads, config.rope_base, x.dtype)
    for block in model.blocks[first:last]:
        x = block(x, rope, None, True, None)
    return x


@torch.no_grad()
def lower_states(model: GPT, rows: Sequence[Sequence[int]], batch: int = 32) -> list[Tensor]:
    """Return each row's stream (T, d_model) below the blocks with LoRA: it stays as it is."""
    found = []
    for begin in range(0, len(rows), batch):
        part = rows[begin : begin + batch]
        ids = pad(part).to(model.token_embedding.weight.device)
        x = through(model, model.token_embedding(ids), 0, FIRST)
        found += [x[i, : len(row)] for i, row in enumerate(part)]
    return found


def log_probs(model: GPT, states: Tensor, targets: Tensor) -> Tensor:
    """Return each answer's log-probability (B,); the lower blocks gave (B, T, d_model)."""
    top = model.norm(through(model, states, FIRST, len(model.blocks)))
    return answer_log_probs(top, targets, model.logits)


def layers(model: nn.Module) -> list[LoRALinear]:
    """Return the layers with LoRA."""
    return [module for module in model.modules() if isinstance(module, LoRALinear)]


def switch(model: nn.Module, on: bool) -> None:
    """Let LoRA count or not: without it the model is its own reference."""
    for layer in layers(model):
        layer.alpha = ALPHA if on else 0.0


def take_out(model: nn.Module) -> None:
    """Put the layers below LoRA back in their places."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoRALinear):
            model.set_submodule(name, module.base)


@torch.inference_mode()
def answer_states(
    model: GPT, tokenizer: BPETokenizer, item: Item, answers: Sequence[str]
) -> Tensor:
    """Return the mean of the last states over each answer's tokens: (answers, d_model)."""
    rows = [as_row(tokenizer, item, answer) for answer in answers]
    whole = [[*inputs, targets[-1]] for inputs, targets in rows]
    states = model.states(pad(whole).to(model.token_embedding.weight.device))
    length = len(prompt(tokenizer, item))
    return torch.stack([x[length : len(row)].mean(0) for x, row in zip(states, whole, strict=True)])


@torch.no_grad()
def divergence(items: Sequence[Item]) -> list[list[float]]:
    """Return for sampled answers the KL divergence from the model without LoRA, and the tokens.

    An answer's is the sum over its tokens, each over all tokens that could stand there.
    """
    model, tokenizer = smollm2()
    answers = write_all(items, Sampler(seed=0))
    found = []
    for item, (answer,) in zip(items, answers, strict=True):
        inputs, targets = (
            torch.tensor([row], device=pick_device()) for row in as_row(tokenizer, item, answer)
        )
        counts = targets != IGNORE
        both = []
        for on in (True, False):
            switch(model, on)
            both.append(model.logits(model.states(inputs)[counts]))
        switch(model, True)
        found.append([round(token_divergences(*both).sum().item(), 4), int(counts.sum())])
    return found


@torch.no_grad()
def beside() -> dict[str, Any]:
    """Return how SmolLM2 as it is now does on what it wasn't trained for.

    Returns:
        plain: losses of windows of held-out plays, in nats per token; facts: 1 for each question
        that it chose right; open: words of the answers to open requests, cut off at 64 tokens.
    """
    model, tokenizer = smollm2()
    ids = torch.tensor(tokenizer.encode(load_spoken_plays(HELD_OUT)[1][20_000:60_000]))
    rows = ids[: WINDOWS * (WINDOW + 1)].view(WINDOWS, -1).to(pick_device())
    logits = model(rows[:, :-1])
    plain = nn.functional.cross_entropy(logits.mT, rows[:, 1:], reduction="none").mean(1)
    asked = facts()[:FACTS]
    chosen = [np.argmax(choice_log_probs(model, tokenizer.encode, each)) for each in asked]
    requests = [encode_chat(tokenizer, [{"role": "user", "content": each}]) for each in OPEN]
    stop = [tokenizer.special_tokens[END_OF_TURN]]
    written = generate_tokens(model, requests, max_new_tokens=OPEN_TOKENS, stop_tokens=stop)
    return {
        "plain": [round(loss, 4) for loss in plain.tolist()],
        "facts": [int(i == each.right) for i, each in zip(chosen, asked, strict=True)],
        "open": [n_words(tokenizer.decode(each)) for each in written],
    }
