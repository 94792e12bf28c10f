"""Film reviews, good or bad: an honest split, and a pretrained encoder fine-tuned to tell.

Used in 'Evaluation'. The reviews are from Maas et al. (2011); to keep the beginning and the end of
a long text is from Sun et al. (2019), 'How to Fine-Tune BERT for Text Classification?'.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from course_lib.checks import check_counts, check_ids, check_sizes, expect
from course_lib.data import Review
from course_lib.model import Encoder, add_lora, merge_lora
from course_lib.pretrained import load_minilm
from course_lib.text import near_copies
from course_lib.training import Batches, epochs, pad_with_mask, shuffled

WEIGHTS = Path(__file__).parent / "weights" / "evaluation.safetensors"
MATRICES = ("q_proj", "k_proj", "v_proj", "out_proj", "up", "down")
RANK, ALPHA = 8, 16.0
FROZEN = 2  # blocks that stay as they are
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
    parts = ReviewParts([], [], [])
    for i in range(len(reviews)):
        place = i % _CYCLE
        if _SAME_FILM <= place < _VALIDATION - _SAME_FILM:
            parts.training.append(i)
        elif _VALIDATION <= place < _TEST - _SAME_FILM:
            parts.validation.append(i)
        elif place >= _TEST:
            parts.test.append(i)
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
