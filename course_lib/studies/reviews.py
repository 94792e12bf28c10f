"""Film reviews, good or bad: an honest split, and a pretrained encoder fine-tuned to tell.

Used in 'Evaluation'. The reviews are from Maas et al. (2011); to keep the beginning and the end of
a long text is from Sun et al. (2019), 'How to Fine-Tune BERT for Text Classification?'. To train
the committed weights took 22 minutes of two cores.

The first steps see the first 32 and the last 96 word pieces of each review, where the verdict
stands, later ones twice as many of both: so more reviews are read in the same time. The logits for
all of the validation and the test part are written, too: the chapter compares classifiers on all of
them.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from course_lib import training
from course_lib.checks import check_counts, check_ids, check_sizes, expect
from course_lib.data import Review, load_film_reviews
from course_lib.model import Encoder, add_lora, merge_lora
from course_lib.pretrained import load_minilm
from course_lib.studies import kit
from course_lib.text import near_copies
from course_lib.training import (
    Batches,
    Result,
    epochs,
    pad_with_mask,
    shuffled,
    warmup_stable_decay,
)

FILES = ("weights/reviews.safetensors", "weights/reviews.json", "weights/reviews.md")
DATA = ("film-reviews", "minilm")
WEIGHTS = kit.FOLDER / FILES[0]
MATRICES = ("q_proj", "k_proj", "v_proj", "out_proj", "up", "down")
RANK, ALPHA = 8, 16.0
FROZEN = 2  # blocks that stay as they are
STEPS, WARMUP, BATCH_SIZE, RATE, SEED = 2100, 100, 16, 1e-3, 0
SHORT = (32, 96)  # word pieces of a review's beginning and end in the first steps
SHORT_SHARE = 4 / 7  # of the steps
DECAY_SHARE = 0.5
TESTED = (64, 192)  # word pieces of a review's beginning and end that a trained classifier reads

# Reviews of one film stand side by side, at most 30 of a film (Maas et al. 2011, section 4.1; the
# collection's readme). In the file, no stretch that a rare name marks is longer than that.
_SAME_FILM = 30
_CYCLE, _VALIDATION, _TEST = 2500, 2000, 2130


class ReviewParts(NamedTuple):
    """Places of reviews in the file, by part; see :func:`split_reviews`."""

    training: list[int]
    validation: list[int]
    test: list[int]


def split_reviews(reviews: Sequence[Review]) -> ReviewParts:
    """Divide IMDb's reviews so that no film, and no review's near copy, is on two sides.

    Of each 2,500 in the file's order the last 500 are held out: stretches of 100 for validation and
    370 for the test. The 30 before and behind a stretch are left out, since they may be on its
    first or last film.

    Args:
        reviews: in the file's order, as ``load_film_reviews`` gives them.
    """
    # By place in the file: films stay together.
    parts = ReviewParts([], [], [])
    for i in range(len(reviews)):
        place = i % _CYCLE
        if _SAME_FILM <= place < _VALIDATION - _SAME_FILM:
            parts.training.append(i)
        elif _VALIDATION <= place < _TEST - _SAME_FILM:
            parts.validation.append(i)
        elif place >= _TEST:
            parts.test.append(i)
    # Near copies of held-out reviews go.
    test = set(parts.test)
    held_out = test.union(parts.validation)
    copies = [pair[:2] for pair in near_copies([review.text for review in reviews])]
    copied = {i for pair in copies if held_out.intersection(pair) for i in pair}
    tested = {i for pair in copies if test.intersection(pair) for i in pair}
    return ReviewParts(
        [i for i in parts.training if i not in copied],
        [i for i in parts.validation if i not in tested],
        parts.test,
    )


def head_and_tail(tokens: Sequence[int], head: int, tail: int) -> list[int]:
    """Return the first and the last tokens of a text; all of them if there are no more."""
    check_counts(head=head, tail=tail)
    tokens = list(tokens)
    return tokens[:head] + tokens[max(len(tokens) - tail, head) :]


class TextClassifier(nn.Module):
    """An encoder, the mean of its tokens' vectors, and a linear layer.

    The mean of no vectors is taken as zeros: of a text without tokens the layer's bias decides.

    Args:
        encoder: gives a vector for each token.
        n_classes: number of classes.
    """

    def __init__(self, encoder: Encoder, n_classes: int = 2) -> None:
        super().__init__()
        check_sizes(n_classes=n_classes)
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.d_model, n_classes)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Map token ids and which of them are real, both (B, S), to logits (B, n_classes)."""
        if tokens.shape[1] == 0:
            return self.head(self.head.weight.new_zeros(len(tokens), self.head.in_features))
        states = self.encoder(tokens, attention_mask=mask)  # (B, S, d_model)
        counts = mask.sum(1, keepdim=True).clamp(min=1)
        return self.head((states * mask[:, :, None]).sum(1) / counts)


def text_batches(
    texts: Sequence[Sequence[int]], labels: Sequence[int], batch_size: int, seed: int = 0
) -> Batches:
    """Return batches (tokens, mask, labels) of texts in a random order, new in each epoch.

    What is left of an epoch behind its last whole batch is not used. Of fewer texts than
    ``batch_size`` each batch has all.

    Raises:
        ValueError: if there is no text, or not as many labels, or a number is out of its range.
    """
    expect(len(texts) > 0, "texts", "at least one", "none")
    expect(len(labels) == len(texts), "labels", f"one for each of {len(texts)} texts", len(labels))
    check_ids("labels", labels)
    classes = torch.as_tensor(labels)

    def batch_of(chosen: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        return (*pad_with_mask([texts[i] for i in chosen]), classes[chosen])

    return epochs(shuffled(len(texts), batch_size, seed), batch_of)[0]


@torch.inference_mode()
def classify(model: nn.Module, texts: Sequence[Sequence[int]], batch_size: int = 32) -> Tensor:
    """Return logits (n, n_classes) on the CPU, computed with little padding.

    Args:
        model: maps tokens (B, S) and a mask (B, S) to logits; put in evaluation mode.
        texts: token ids of each text.
        batch_size: texts computed at once.

    Raises:
        ValueError: if there is no text, or the batch size is no size.
    """
    check_sizes(batch_size=batch_size)
    expect(len(texts) > 0, "texts", "at least one", "none")
    model.eval()
    device = next(model.parameters()).device
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    pieces = []
    for first in range(0, len(texts), batch_size):
        batch = pad_with_mask([texts[i] for i in by_length[first : first + batch_size]])
        pieces.append(model(*(tensor.to(device) for tensor in batch)).cpu())
    return torch.cat(pieces)[torch.tensor(by_length).argsort()]


class ReviewClassifier(TextClassifier):
    """MiniLM with LoRA on all matrices of its upper blocks and a linear layer for two classes."""

    def __init__(self) -> None:
        minilm = load_minilm()
        super().__init__(minilm.encoder)
        self.tokenizer = minilm.tokenizer
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.encoder.requires_grad_(False)
        add_lora(self.encoder.blocks[FROZEN:], RANK, ALPHA, MATRICES)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids between MiniLM's signs for beginning and end."""
        return [coded.ids for coded in self.tokenizer.encode_batch(list(texts))]

    def save(self, path: str | Path) -> None:
        """Write in float16 what was trained."""
        trained = {n: p.detach().cpu() for n, p in self.named_parameters() if p.requires_grad}
        save_file({name: weight.half() for name, weight in trained.items()}, path)

    def load(self, path: str | Path = WEIGHTS) -> "ReviewClassifier":
        """Read what :meth:`save` wrote, and add LoRA's changes to the matrices.

        Raises:
            ValueError: if the file holds something else; the model is as before.
        """
        wanted = {n: p.shape for n, p in self.named_parameters() if p.requires_grad}
        expected = "a file that ReviewClassifier.save() wrote"
        try:
            weights = load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path}: expected {expected} ({error})") from None
        fits = wanted == {name: weight.shape for name, weight in weights.items()}
        expect(fits, str(path), expected, f"{len(weights)} other weights")
        self.load_state_dict(weights, strict=False)
        merge_lora(self.encoder)
        return self


def load_trained() -> tuple[ReviewClassifier, Any]:
    """Return the course's trained classifier, in evaluation mode, and its tokenizer."""
    model = ReviewClassifier().load().eval()
    return model, model.tokenizer


def load_runs() -> dict[str, Any]:
    """Return the loss as it fell, and the margins of all validation and test reviews."""
    return json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))


def train(steps: int = STEPS, checkpoint: Path | None = None) -> tuple[ReviewClassifier, Result]:
    """Train the classifier, from the folder's checkpoint if there is one.

    Args:
        steps: length of the training; the schedule fits it.
        checkpoint: a folder for checkpoints.
    """
    reviews = load_film_reviews()
    parts = split_reviews(reviews)
    torch.manual_seed(SEED)
    model = ReviewClassifier()
    texts = model.encode([review.text for review in reviews])
    labels = [review.label for review in reviews]

    # Short beginnings and ends first, longer ones in the later steps.
    def batches_of(shape: tuple[int, int]) -> Batches:
        cut = [head_and_tail(texts[i], *shape) for i in parts.training]
        return text_batches(cut, [labels[i] for i in parts.training], BATCH_SIZE, SEED)

    short, long = batches_of(SHORT), batches_of(TESTED)
    # About 250 validation reviews are enough to see the loss fall.
    some = parts.validation[:: len(parts.validation) // 250]
    validation = [head_and_tail(texts[i], *SHORT) for i in some]
    wanted = torch.tensor([labels[i] for i in some])
    trained = [p for p in model.parameters() if p.requires_grad]
    result = training.train(
        model,
        lambda step: (short if step < SHORT_SHARE * steps else long)(step),
        steps=steps,
        optimizer=torch.optim.AdamW(trained, lr=RATE, fused=True),
        schedule=warmup_stable_decay(steps, min(WARMUP, steps // 20), int(DECAY_SHARE * steps)),
        evaluate=lambda model: F.cross_entropy(classify(model, validation), wanted).item(),
        eval_every=300,
        precision="bfloat16",
        checkpoint=checkpoint,
        checkpoint_every=100,
        log=checkpoint / "log" if checkpoint else None,
        seed=SEED,
    )
    return model, result


def margins(
    model: ReviewClassifier, reviews: Sequence[Review], places: Sequence[int]
) -> list[float]:
    """Return for these reviews the logit of good minus that of bad."""
    texts = model.encode([reviews[i].text for i in places])
    logits = classify(model, [head_and_tail(text, *TESTED) for text in texts])
    return [round(margin, 3) for margin in (logits[:, 1] - logits[:, 0]).tolist()]


def make(folder: Path) -> dict[str, Any]:
    """Train the classifier; write it, the loss as it fell, and its margins on all held out."""
    model, result = train(checkpoint=folder)
    model.save(WEIGHTS)
    model, _ = load_trained()  # as the chapter will: in float16
    rows = result.history
    found: dict[str, Any] = {
        "history": {
            "step": [row["step"] for row in rows],
            "loss": [round(row["loss"], 3) for row in rows],
            "validation": [
                [row["step"], round(row["val_loss"], 3)] for row in rows if row["val_loss"]
            ],
        }
    }
    # Every held-out review, with its place in the file.
    reviews = load_film_reviews()
    parts = split_reviews(reviews)
    right = {}
    for name in ("validation", "test"):
        places = getattr(parts, name)
        found[name] = {"reviews": places, "margins": margins(model, reviews, places)}
        right[name] = [
            (margin > 0) == reviews[i].label
            for i, margin in zip(places, found[name]["margins"], strict=True)
        ]
    kit.write_text(WEIGHTS.with_suffix(".json"), json.dumps(found) + "\n")
    return {
        "loss": result.val_loss,
        "training": len(parts.training),
        "accuracy": {name: [len(each), float(np.mean(each))] for name, each in right.items()},
        "weights": sum(p.numel() for p in ReviewClassifier().parameters() if p.requires_grad),
        "time": kit.time_taken(result.seconds),
    }


def probe() -> dict[str, Any]:
    """Return the losses of a few steps, and the trained model's margins on some reviews."""
    reviews = load_film_reviews()
    places = split_reviews(reviews).test[::200]
    model, _ = load_trained()
    return kit.losses(train(steps=20)[1]) | {"margins": margins(model, reviews, places)}


def card(facts: dict[str, Any]) -> str:
    """Return the classifier's card."""
    first = round(SHORT_SHARE * STEPS)
    again = STEPS * BATCH_SIZE - facts["training"]
    (n_validation, validation), (n_test, test) = facts["accuracy"].values()
    return f"""# reviews.safetensors

LoRA matrices and a linear layer that make of MiniLM a classifier of film reviews, good or bad, \
for the chapter 'Evaluation'.

- **Made by:** `python -m course_lib.studies.reviews`, seed {SEED}: {STEPS:,} steps of \
{BATCH_SIZE} reviews, {STEPS * BATCH_SIZE:,} in all: each of the {facts["training"]:,} training \
reviews once, {again:,} a second time. {first:,} steps on {sum(SHORT)} word pieces of each review \
({SHORT[0]} from the beginning, {SHORT[1]} from the end), then {STEPS - first} steps on \
{sum(TESTED)} ({TESTED[0]} and {TESTED[1]}). Activations in bfloat16.
- **Shape:** rank {RANK}, alpha {ALPHA:.0f}, on all six matrices of the upper four of MiniLM's six \
blocks; {facts["weights"]:,} weights in float16. MiniLM itself is in the data cards.
- **Time:** {facts["time"]}.
- **Figures:** validation loss {facts["loss"]:.3f} nats (250 reviews, {sum(SHORT)} word pieces). \
Accuracy on {sum(TESTED)} word pieces ({TESTED[0]} and {TESTED[1]}): {validation:.3f} on \
{n_validation:,} validation reviews, {test:.3f} on {n_test:,} test reviews; the chapter gives its \
interval, and compares it with other classifiers.
- **Faults:** knows reviews of films in English only; sees the beginning and the end of a long \
review, not its middle. Too sure of itself where it says 70 to 95 %.
- **Data:** IMDb's labeled training reviews, split by film as `reviews.split_reviews` does; see \
the data cards.

`reviews.json` holds the loss as it fell, and for each validation and test review its place in the \
file and its margin, the logit of good minus that of bad.
"""


ENTRIES = (train, margins)

if __name__ == "__main__":
    sys.exit(kit.main("reviews"))
