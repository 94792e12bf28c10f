"""Dialogue: exchanges to train an assistant on, and a LoRA for SmolLM2 that was trained on them.

Taught in 'Dialogue'. Training on answers alone is from Ouyang et al. (2022), 'Training language
models to follow instructions with human feedback', section 3.1, the supervised step. The chapter
trains for half a minute, the committed weights took about six minutes of one core.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import data, text, training
from course_lib.checks import expect
from course_lib.model import GPT, add_lora, load_lora, save_lora
from course_lib.pretrained import SYSTEM_PROMPT, encode_chat, load_smollm2
from course_lib.studies import kit
from course_lib.text import BPETokenizer
from course_lib.training import (
    IGNORE,
    Batches,
    Result,
    by_length,
    epochs,
    pad,
    warmup_cosine,
)

FILES = ("weights/dialogue.safetensors", "weights/dialogue.md")
DATA = ("dialogue", "smollm2")
WEIGHTS = kit.FOLDER / FILES[0]
MAX_ANSWER = 40  # tokens; of the longer answers nearly all are programs
STEPS, BATCH_SIZE, SEED, LEARNING_RATE = 160, 8, 0, 1e-3

Message = Mapping[str, str]  # with "role" and "content"


class Exchange(NamedTuple):
    """What one says, what the other answers, and what they talk about."""

    question: str
    answer: str
    topic: str

    def messages(self) -> list[Message]:
        """Return both as a chat's messages."""
        return [
            {"role": "user", "content": self.question},
            {"role": "assistant", "content": self.answer},
        ]


def load_exchanges(shares: Sequence[float] = (0.8, 0.2)) -> tuple[list[Exchange], ...]:
    """Return the first exchange of each English conversation, in parts without a leak.

    Copies are left out. All exchanges with one question, or nearly the same one, are in one part:
    of questions so short, near copies are found by runs of five letters, not of five words.

    Args:
        shares: of the parts, as in :func:`course_lib.text.split`.
    """
    topics = {
        (dialogue.turns[0].strip(), dialogue.turns[1].strip()): dialogue.topic
        for dialogue in data.load_dialogues("english")
    }
    exchanges = [Exchange(*turns, topic) for turns, topic in sorted(topics.items())]
    spelled = {each: " ".join(re.sub(r"\W", "", each.question.lower())) for each in exchanges}
    whole = 10**6  # a question is no long text whose sentences could be shared
    parts = text.split(spelled, shares, threshold=0.6, sentence_words=whole)
    return tuple(list(part) for part in parts)


def training_row(
    tokenizer: BPETokenizer, messages: Sequence[Message]
) -> tuple[list[int], list[int]]:
    """Return a conversation's token ids and the targets: what the assistant writes, and no more.

    Args:
        tokenizer: SmolLM2's.
        messages: as for :func:`course_lib.pretrained.encode_chat`.

    Returns:
        Inputs (T,) and targets (T,), one token further. Targets that the assistant doesn't write
        are ``IGNORE``; the sign that ends its turn is one that it writes.
    """
    if messages and messages[0]["role"] != "system":  # as encode_chat does
        messages = [{"role": "system", "content": SYSTEM_PROMPT}, *messages]
    ids = encode_chat(tokenizer, messages, add_generation_prompt=False)
    targets = [IGNORE] * len(ids)
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            start = len(encode_chat(tokenizer, messages[:i]))
            # The line break behind the turn's end is no longer the assistant's.
            end = len(encode_chat(tokenizer, messages[: i + 1], add_generation_prompt=False)) - 1
            targets[start:end] = ids[start:end]
    return ids[:-1], targets[1:]


def chat_batches(
    tokenizer: BPETokenizer, exchanges: Iterable[Exchange], batch_size: int, seed: int = 0
) -> tuple[Batches, int]:
    """Return batches of exchanges of about the same length, so that little is padded.

    Args:
        tokenizer: SmolLM2's.
        exchanges: to train on; those with an answer above ``MAX_ANSWER`` tokens are left out.
        batch_size: rows per batch, B.
        seed: of the order, another one in each epoch.

    Returns:
        A function of the step that gives inputs (B, T) and targets (B, T), ``IGNORE`` where
        nothing is to be learned; and the number of batches in an epoch.

    Raises:
        ValueError: if no exchange is left, or the size or the seed is out of its range.
    """
    # The rows, without long answers.
    rows = [
        training_row(tokenizer, exchange.messages())
        for exchange in exchanges
        if len(tokenizer.encode(exchange.answer)) <= MAX_ANSWER
    ]
    expect(len(rows) > 0, "exchanges", f"one whose answer has at most {MAX_ANSWER} tokens", "none")
    # Rows of about the same length side by side, others in each epoch.
    lengths = [len(inputs) for inputs, _ in rows]

    def blur(lengths: Tensor, generator: torch.Generator) -> Tensor:
        return lengths + 4 * torch.rand(len(lengths), generator=generator)

    def batch_of(chosen: list[int]) -> tuple[Tensor, Tensor]:
        inputs, targets = zip(*(rows[i] for i in chosen), strict=True)
        return pad(inputs), pad(targets, IGNORE)

    plan = by_length(lengths, blur=blur, batch_size=batch_size, seed=seed)
    return epochs(plan, batch_of)


def answer_loss(model: GPT, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss in nats over the targets that count, 0 if none does.

    Logits are made for them alone.

    Args:
        model: gives states (B, T, d_model).
        inputs: (B, T).
        targets: (B, T), ``IGNORE`` where nothing counts.
    """
    counts = targets != IGNORE  # (B, T)
    logits = model.logits(model.states(inputs)[counts])  # (N, V)
    return F.cross_entropy(logits, targets[counts].long()) if len(logits) else logits.sum()


def measure(model: GPT, tokenizer: BPETokenizer) -> float:
    """Return the mean over the held-out batches of the loss in nats per token of the answer."""
    batches, n_batches = chat_batches(tokenizer, load_exchanges()[1], BATCH_SIZE)
    return sum(answer_loss(model, *batches(i)).item() for i in range(n_batches)) / n_batches


def train(steps: int = STEPS, checkpoint: Path | None = None) -> tuple[GPT, BPETokenizer, Result]:
    """Train a LoRA on SmolLM2, from the folder's checkpoint if there is one.

    Args:
        steps: length of the training; the schedule fits it.
        checkpoint: a folder for checkpoints.
    """
    # SmolLM2 with a LoRA that does nothing yet.
    exchanges, _ = load_exchanges()
    model, tokenizer = load_smollm2()
    torch.manual_seed(SEED)
    add_lora(model)
    # The LoRA alone is trained, on answers alone.
    batches, per_epoch = chat_batches(tokenizer, exchanges, BATCH_SIZE, SEED)
    trained = [p for p in model.parameters() if p.requires_grad]
    result = training.train(
        model,
        batches,
        steps=steps,
        optimizer=torch.optim.AdamW(
            trained, LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        ),
        schedule=warmup_cosine(steps, warmup=steps // 10),
        loss=answer_loss,
        evaluate=lambda _: measure(model, tokenizer),
        eval_every=per_epoch,
        precision="bfloat16",
        checkpoint=checkpoint,
        checkpoint_every=40,
        log=checkpoint / "log" if checkpoint else None,
        seed=SEED,
    )
    return model, tokenizer, result


def load_trained() -> tuple[GPT, BPETokenizer]:
    """Return SmolLM2 with the course's trained LoRA, in evaluation mode, and its tokenizer."""
    model, tokenizer = load_smollm2()
    load_lora(model, WEIGHTS)
    return model.eval(), tokenizer


def make(folder: Path) -> dict[str, Any]:
    """Train the LoRA, write it, and measure it as it will be loaded."""
    model, tokenizer, result = train(checkpoint=folder)
    # Half the digits are enough, in half the space.
    trained = [p for p in model.parameters() if p.requires_grad]
    for weight in trained:
        weight.data = weight.data.half()
    save_lora(model, WEIGHTS)
    # What the card says.
    parts = load_exchanges()
    short = [
        sum(len(tokenizer.encode(each.answer)) <= MAX_ANSWER for each in part) for part in parts
    ]
    return {
        "loss": measure(*load_trained()),
        "before": measure(*load_smollm2()),
        "training": short[0],
        "held_out": short[1],
        "weights": sum(p.numel() for p in trained),
        "time": kit.time_taken(result.seconds),
    }


def probe() -> dict[str, Any]:
    """Return the losses of a few steps, and the trained model's."""
    found = kit.losses(train(steps=10)[2])
    return found | {"of the weights": round(measure(*load_trained()), 5)}


def card(facts: dict[str, Any]) -> str:
    """Return the LoRA's card."""
    times = STEPS * BATCH_SIZE / facts["training"]
    return f"""# dialogue.safetensors

A LoRA for SmolLM2-135M-Instruct that answers as the dialogue corpus does, for the chapter \
'Dialogue'. `course_lib.model.load_lora` adds it to the model.

- **Made by:** `python -m course_lib.studies.dialogue`, seed {SEED}, {STEPS} steps of {BATCH_SIZE} \
exchanges: {times:.1f} times through the {facts["training"]} training exchanges with an answer of \
at most {MAX_ANSWER} tokens. AdamW, learning rate {LEARNING_RATE} with warm-up and cosine. \
Activations in bfloat16. Only the answer's tokens count.
- **Shape:** rank 8, alpha 16, on the matrices of queries and values of all 30 blocks; \
{facts["weights"]:,} weights in float16.
- **Time:** {facts["time"]}.
- **Figures:** on the held-out exchanges with an answer of at most {MAX_ANSWER} tokens \
({facts["held_out"]}), {facts["loss"]:.2f} nats per token of the answer, the mean over batches; \
{facts["before"]:.2f} before.
- **Faults:** short answers in the corpus's tone, a robot's small talk and a quiz's single words. \
It brings no knowledge: most of its answers to a quiz are wrong. The corpus is partly rude.
- **Data:** the English conversations of the dialogue corpus, under its license; see its data card.
"""


ENTRIES = (train, measure)

if __name__ == "__main__":
    sys.exit(kit.main("dialogue"))
