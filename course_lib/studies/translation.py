"""Translation: an encoder-decoder that learns from programs' messages, and text through it.

Taught in 'Machine translation'. One model writes several languages: its decoder's first token says
which, after Johnson et al. (2017), 'Google's Multilingual Neural Machine Translation System'. Label
smoothing is from Szegedy et al. (2016), 'Rethinking the Inception Architecture', section 7.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sacrebleu
import torch
from safetensors.torch import load_model
from torch import Tensor

from course_lib import training
from course_lib.checks import check_one_of, check_sizes, expect
from course_lib.data import CORPORA, Pair
from course_lib.model import SpeedrunTransformer, Transformer, TransformerConfig
from course_lib.studies import kit
from course_lib.studies.messages import (
    END,
    LANGUAGES,
    MAX_TOKENS,
    encode,
    load_parts,
    protect,
    train_tokenizer,
)
from course_lib.studies.translator import translate
from course_lib.text import BPETokenizer
from course_lib.training import (
    IGNORE,
    Batches,
    Result,
    by_length,
    epochs,
    held_out_loss,
    pad,
    pad_with_mask,
    recipe_optimizers,
    smoothed_loss,
)

FILES = ("weights/translation.safetensors", "weights/translation.json", "weights/translation.md")
DATA = tuple(name for name in CORPORA if name.startswith("messages"))
STEPS, BATCH_TOKENS, VOCAB_SIZE, SEED = 1800, 2000, 4096, 0


def new_model(vocab_size: int, d_model: int = 128, n_layers: int = 2) -> Transformer:
    """Return an untrained encoder-decoder, one embedding for source, target and output.

    Args:
        vocab_size: number of tokens.
        d_model: width, a multiple of 32; each head has 32 of it.
        n_layers: of the encoder, and of the decoder.
    """
    check_sizes(d_model=d_model)
    expect(d_model % 32 == 0, "d_model", "a multiple of 32", d_model)
    config = TransformerConfig(
        vocab_size,
        context=MAX_TOKENS + 2,
        d_model=d_model,
        n_heads=d_model // 32,
        n_layers=n_layers,
        norm="rms",
        mlp="relu2",
        positions="rope",
        bias=False,
        dropout=0.1,
    )
    return SpeedrunTransformer(config)


def load_trained() -> tuple[Transformer, BPETokenizer]:
    """Return the course's trained model, in evaluation mode, and its tokenizer."""
    weights, vocabulary, _ = (kit.FOLDER / file for file in FILES)
    tokenizer = BPETokenizer.load(vocabulary)
    model = new_model(tokenizer.vocab_size)
    load_model(model, weights)
    return model.eval(), tokenizer


def translation_batches(
    tokenizer: BPETokenizer, pairs: Mapping[str, Sequence[Pair]], batch_tokens: int, seed: int = 0
) -> tuple[Batches, int]:
    """Return batches of pairs of about the same length, so that little is padded.

    Args:
        tokenizer: for both sides, with ``SPECIAL_TOKENS``.
        pairs: language to pairs, as :func:`load_pairs` returns them. A side's tokens behind
            ``MAX_TOKENS`` are left out.
        batch_tokens: tokens per batch, both sides together: many short pairs, or few long ones.
            More than the longest pair has.
        seed: of the order, another one in each epoch.

    Returns:
        A function of the step that gives the source (B, S), the decoder's input (B, T), the
        source's mask (B, S) and the targets (B, T), the input one token further; and the number of
        batches in an epoch.

    Raises:
        ValueError: if there is no pair, a language isn't known, or a batch has no room for a pair.
    """
    # Rows of token ids: the source, what the decoder reads, what it should write.
    end = tokenizer.special_tokens[END]
    rows = []
    for language, its_pairs in pairs.items():
        check_one_of("pairs", language, LANGUAGES)
        start = tokenizer.special_tokens[LANGUAGES[language]]
        for pair in its_pairs:
            protected, values = protect(pair.source)
            source = encode(tokenizer, protected)[:MAX_TOKENS]
            target = encode(tokenizer, protect(pair.target, values)[0])[:MAX_TOKENS]
            rows.append(([*source, end], [start, *target], [*target, end]))
    expect(len(rows) > 0, "pairs", "at least one", "none")
    # Rows of about the same length side by side, others in each epoch.
    lengths = [len(source) + len(target) for source, target, _ in rows]

    def blur(lengths: Tensor, generator: torch.Generator) -> Tensor:
        return lengths * (1 + 0.1 * torch.randn(len(lengths), generator=generator))

    def batch_of(chosen: list[int]) -> tuple[Tensor, ...]:
        sources, inputs, targets = zip(*(rows[i] for i in chosen), strict=True)
        source, mask = pad_with_mask(sources)
        return source, pad(inputs), mask, pad(targets, IGNORE)

    plan = by_length(lengths, blur=blur, batch_tokens=batch_tokens, seed=seed)
    return epochs(plan, batch_of)


def train(
    steps: int = STEPS, checkpoint: Path | None = None
) -> tuple[Transformer, BPETokenizer, Result]:
    """Train the model for both languages, from the folder's checkpoint if there is one.

    Args:
        steps: length of the training; the schedule fits it.
        checkpoint: a folder for checkpoints.
    """
    # One tokenizer and one model for all languages.
    pairs, *_ = load_parts()
    tokenizer = train_tokenizer(pairs, VOCAB_SIZE)
    torch.manual_seed(SEED)
    model = new_model(tokenizer.vocab_size)
    # Train by the speedrun recipe, with smoothed labels.
    optimizers, schedule = recipe_optimizers(model, "speedrun", steps)
    batches, _ = translation_batches(tokenizer, pairs, BATCH_TOKENS, SEED)
    result = training.train(
        model,
        batches,
        steps=steps,
        optimizer=optimizers,
        schedule=schedule,
        loss=smoothed_loss,
        evaluate=lambda _: measure(model, tokenizer),
        eval_every=100,
        precision="bfloat16",
        checkpoint=checkpoint,
        checkpoint_every=100,
        log=checkpoint / "log" if checkpoint else None,
        seed=SEED,
    )
    return model, tokenizer, result


def read_sources() -> str:
    """Return a hash of the English messages that the model is trained on."""
    sources = sorted({pair.source for pairs in load_parts()[0].values() for pair in pairs})
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()


def measure(model: Transformer, tokenizer: BPETokenizer) -> float:
    """Return the loss in nats per token on both languages' validation part."""
    batches, n_batches = translation_batches(tokenizer, load_parts()[1], BATCH_TOKENS)
    return held_out_loss(model, map(batches, range(n_batches)))


def scores(model: Transformer, tokenizer: BPETokenizer) -> dict[str, dict[str, list[float]]]:
    """Return BLEU and chrF of copying, of greedy decoding and of four beams, by language."""
    found: dict[str, dict[str, list[float]]] = {}
    for language, pairs in load_parts()[2].items():
        sources, wanted = [pair.source for pair in pairs], [[pair.target for pair in pairs]]
        # The English as it is shows what the score gives for nothing.
        ways = {
            "copying": sources,
            "greedy": translate(model, tokenizer, sources, language),
            "four beams": translate(model, tokenizer, sources, language, n_beams=4),
        }
        # By sacrebleu; it splits Chinese otherwise.
        split = "zh" if language == "zh_CN" else "13a"
        found[language] = {
            way: [
                round(sacrebleu.corpus_bleu(texts, wanted, tokenize=split).score, 1),
                round(sacrebleu.corpus_chrf(texts, wanted).score, 1),
            ]
            for way, texts in ways.items()
        }
    return found


def make(folder: Path) -> dict[str, Any]:
    """Train the model, write it and its tokenizer, and measure it as it will be loaded."""
    model, tokenizer, result = train(checkpoint=folder)
    weights, vocabulary, _ = (kit.FOLDER / file for file in FILES)
    tokenizer.save(vocabulary)
    # What it has read stands in the file, so that a test can tell if the parts have changed since.
    kit.save_half(weights, model, {"training_sources": read_sources(), "steps": str(STEPS)})
    model, tokenizer = load_trained()
    pairs, _, test = load_parts()
    _, per_epoch = translation_batches(tokenizer, pairs, BATCH_TOKENS)
    return {
        "loss": measure(model, tokenizer),
        "scores": scores(model, tokenizer),
        "pairs": {language: len(its_pairs) for language, its_pairs in pairs.items()},
        "test": {language: len(its_pairs) for language, its_pairs in test.items()},
        "epochs": STEPS / per_epoch,
        "weights": sum(p.numel() for p in model.parameters()),
        "time": kit.time_taken(result.seconds),
    }


def probe() -> dict[str, Any]:
    """Return the losses of a few steps, the trained model's, and translations by it."""
    model, tokenizer = load_trained()
    asked = ["Delete", "Edit comment", "The file could not be opened"]
    said = {
        f"in {language}": translate(model, tokenizer, asked, language) for language in LANGUAGES
    }
    return (
        kit.losses(train(steps=20)[2])
        | {"of the weights": round(measure(model, tokenizer), 5)}
        | said
    )


def card(facts: dict[str, Any]) -> str:
    """Return the model's card."""
    pairs, test, scores = facts["pairs"], facts["test"], facts["scores"]
    rows = {
        way: " | ".join("{:.1f} and {:.1f}".format(*each[way]) for each in scores.values())
        for way in scores["fr"]
    }
    table = "\n".join(f"  | {way} | {row} |" for way, row in rows.items())
    return f"""# translation.safetensors

An encoder-decoder that translates messages of programs from English to French and to Chinese, for \
the chapter 'Machine translation'. The decoder's first token says which.

- **Made by:** `python -m course_lib.studies.translation`, seed {SEED}, {STEPS:,} steps of \
{BATCH_TOKENS:,} tokens: {facts["epochs"]:.1f} times through the {pairs["fr"]:,} French and \
{pairs["zh_CN"]:,} Chinese training pairs. Activations in bfloat16.
- **Shape:** two encoder and two decoder layers, width 128, four heads, {VOCAB_SIZE:,} tokens \
(`translation.json`), one embedding matrix for source, target and output; \
{facts["weights"] / 1e6:.1f} million weights in float16.
- **Time:** {facts["time"]}.
- **Figures:** validation loss {facts["loss"]:.2f} nats per token. By sacrebleu, BLEU and chrF, \
where BLEU splits French by `13a` and Chinese by `zh`; the chapter compares them with a \
translation memory, with intervals:

  | | French, {test["fr"]:,} held-out messages | Chinese, {test["zh_CN"]:,} held-out messages |
  | --- | --- | --- |
{table}

- **Faults:** short messages of programs only; invents words, loses about 1 of 100 French \
messages' placeholders, and knows neither long sentences nor other subjects.
- **Data:** the catalogs of six free programs, under their licenses; see the data cards.

`course_lib.studies.translation_llm` has SmolLM2 translate some of the test messages, for the \
comparison in the chapter.
"""


ENTRIES = (train, scores)

if __name__ == "__main__":
    sys.exit(kit.main("translation"))
