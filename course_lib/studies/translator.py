"""Text through the translation model: whole messages, and where the decoder looks.

Taught in 'Machine translation'.
"""

import re
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import cast

import torch
from torch import Tensor

from course_lib.checks import check_one_of, check_sizes, expect
from course_lib.generation import Conditioned, beam_search
from course_lib.model import Transformer
from course_lib.model.transformer import CrossBlock
from course_lib.studies.messages import (
    END,
    LANGUAGES,
    MAX_TOKENS,
    SLOT,
    SLOTS,
    encode,
    normalize,
    protect,
    restore,
)
from course_lib.text import BPETokenizer
from course_lib.training import pad_with_mask

_SENTENCE_END = r"(?<=[.?!])(?=\s)|(?<=[。？！])"
_CUTS = [r"(?=\s)", r"(<\|\d+\|>|.)"]  # of a long sentence: before a word, between any two signs


def translate(
    model: Transformer,
    tokenizer: BPETokenizer,
    messages: Sequence[str],
    language: str = "fr",
    *,
    n_beams: int = 1,
    batch_size: int = 64,
) -> list[str]:
    """Translate English messages.

    Args:
        model: trained on what :func:`translation_batches` gives.
        tokenizer: the model's.
        messages: English texts; their placeholders come back unchanged. One that is longer than
            what the model has read, or has more placeholders, is translated sentence by sentence,
            and a sentence that is still too long in pieces.
        language: one of ``LANGUAGES``.
        n_beams: 1 takes the likeliest token at each step, more search.
        batch_size: messages at a time.

    Returns:
        A translation for each message. One that the model doesn't end stops after ``MAX_TOKENS``.

    Raises:
        ValueError: if the language isn't known, a message is empty, or a number is no size.
    """
    check_one_of("language", language, LANGUAGES)
    check_sizes(n_beams=n_beams, batch_size=batch_size)
    expect(not isinstance(messages, str), "messages", "a list of texts", "one text")
    normalized = [normalize(message) for message in messages]
    expect(all(normalized), "messages", "texts that are not empty", "''")
    # Pieces that the model can read, their placeholders as slots.
    device = next(model.parameters()).device
    start, end = (tokenizer.special_tokens[t] for t in (LANGUAGES[language], END))
    cut = [_pieces(tokenizer, message) for message in normalized]
    prepared = [protect(piece) for pieces in cut for piece in pieces]
    rows = [[*encode(tokenizer, message), end] for message, _ in prepared]
    # Batch by batch, each of like lengths.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [""] * len(rows)
    for first in range(0, len(rows), batch_size):
        chosen = order[first : first + batch_size]
        source, mask = (t.to(device) for t in pad_with_mask([rows[i] for i in chosen]))
        longest = min(2 * source.shape[1] + 10, MAX_TOKENS)
        searched = beam_search(
            Conditioned(model, source, mask),
            [[start]] * len(chosen),
            n_beams,
            max_new_tokens=longest,
            stop_tokens=[end],
        )
        for i, hypotheses in zip(chosen, searched, strict=True):
            found[i] = restore(tokenizer.decode(hypotheses[0].tokens), prepared[i][1])
    # A message's pieces together again.
    between, rest = "" if language == "zh_CN" else " ", iter(found)
    return [between.join(islice(rest, len(pieces))) for pieces in cut]


def _pieces(tokenizer: BPETokenizer, message: str) -> list[str]:
    """Return the message, or pieces of it that the model can read and has room to translate."""
    protected, values = protect(message)

    def fits(part: str, most: int = MAX_TOKENS // 2) -> bool:
        few = len(set(SLOT.findall(part))) <= len(SLOTS)
        return few and len(encode(tokenizer, part)) <= most

    if fits(protected, MAX_TOKENS):
        return [message]
    pieces = re.split(_SENTENCE_END, protected)
    for cut in _CUTS:
        cut_up = ([p] if fits(p) else _joined(re.split(cut, p), fits) for p in pieces)
        pieces = list(chain.from_iterable(cut_up))
    return [restore(piece.strip(), values) for piece in pieces if piece.strip()]


def _joined(parts: Sequence[str], fits: Callable[[str], bool]) -> list[str]:
    """Put parts together as long as they fit."""
    pieces = [""]
    for part in parts:
        if fits(pieces[-1] + part):
            pieces[-1] += part
        else:
            pieces.append(part)
    return [piece for piece in pieces if piece]


@torch.no_grad()
def cross_attention(
    model: Transformer,
    tokenizer: BPETokenizer,
    message: str,
    translation: str,
    language: str = "fr",
) -> tuple[list[str], list[str], Tensor]:
    """Return where the decoder looks in the source when it writes each token of a translation.

    Args:
        model: trained on what :func:`translation_batches` gives, in evaluation mode.
        tokenizer: the model's.
        message: English text.
        translation: its translation, the model's own or another.
        language: the translation's.

    Returns:
        The S tokens of the source, the T tokens that are written, the end among both, and the
        weights (L, H, T, S) of each decoder layer and head.

    Raises:
        ValueError: if the language isn't known, or a text is longer than ``MAX_TOKENS``.
    """
    check_one_of("language", language, LANGUAGES)
    # Both texts as token ids.
    device = next(model.parameters()).device
    start, end = (tokenizer.special_tokens[t] for t in (LANGUAGES[language], END))
    protected, values = protect(normalize(message))
    source = [*encode(tokenizer, protected), end]
    target = encode(tokenizer, protect(normalize(translation), values)[0])
    for name, size in {"message": len(source) - 1, "translation": len(target)}.items():
        expect(size <= MAX_TOKENS, name, f"at most {MAX_TOKENS} tokens", size)
    # Note what each layer's cross-attention reads.
    memory = model.encode(torch.tensor([source], device=device))
    blocks = cast(list[CrossBlock], list(model.decoder.blocks))
    asked: list[Tensor] = []
    hooks = [
        block.cross_norm.register_forward_hook(lambda _, __, output: asked.append(output))
        for block in blocks
    ]
    try:
        model.decode(torch.tensor([[start, *target]], device=device), memory)
    finally:
        for hook in hooks:
            hook.remove()
    # Ask each layer again, for its weights.
    weights = [
        block.cross_attention(x, keys_values=pair, return_weights=True)[1][0]
        for block, x, pair in zip(blocks, asked, memory.keys_values, strict=True)
    ]
    read, written = ([tokenizer.decode([i]) for i in ids] for ids in (source, [*target, end]))
    return read, written, torch.stack(weights)  # (L, H, T, S)
