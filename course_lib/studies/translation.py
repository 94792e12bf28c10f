"""Translation: programs' messages made ready for the encoder-decoder, and text through it.

Taught in 'Machine translation'. One model writes several languages: its decoder's first token says
which, after Johnson et al. (2017), 'Google's Multilingual Neural Machine Translation System'.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_model
from torch import Tensor

from course_lib import text
from course_lib.checks import check_one_of, check_sizes, expect
from course_lib.data import CORPORA, Pair, load_messages
from course_lib.generation import Conditioned, beam_search
from course_lib.model import SpeedrunTransformer, Transformer, TransformerConfig
from course_lib.model.transformer import CrossBlock
from course_lib.text import BPETokenizer
from course_lib.training import IGNORE, Batches, by_length, epochs, pad, pad_with_mask

END = "<|end|>"
LANGUAGES = {"fr": "<|fr|>", "zh_CN": "<|zh_CN|>"}  # each with the token that asks for it
SLOTS = [f"<|{i}|>" for i in range(4)]  # stand for placeholders
SPECIAL_TOKENS = [END, *LANGUAGES.values(), *SLOTS]
MAX_TOKENS = 126  # of a text; the model's context of 128 also holds the first and the last token
FOLDER = Path(__file__).parent / "weights"
# What a program fills in (${name}, {name}, %(name)s, %s), HTML, and addresses.
_PLACEHOLDER = re.compile(
    r"\$?\{[^{}]*\}|%\([^()]*\)[a-z]|%[sdifr]\b|<[^<>]+>|&\w+;|https?://[^\s\"')]+"
)
_SLOT = re.compile(r"<\|(\d+)\|>")
_SENTENCE_END = r"(?<=[.?!])(?=\s)|(?<=[。？！])"
_CUTS = [r"(?=\s)", r"(<\|\d+\|>|.)"]  # of a long sentence: before a word, between any two signs


def normalize(message: str) -> str:
    """Return a message on one line, in NFC, with ' for ’, without marks of keys such as _Open."""
    message = text.nfc(" ".join(message.split())).replace("’", "'")
    return re.sub(r"(?<![\w({])_(?=[^\W_])", "", message)


def protect(message: str, values: Sequence[str] = ()) -> tuple[str, list[str]]:
    """Put a numbered slot, such as ``<|0|>``, for each different placeholder.

    Args:
        message: any text.
        values: what the first slots stand for; give the source's for a translation.

    Returns:
        The text with slots, and what they stand for.
    """
    values = list(values)
    slots: dict[str, int] = {}
    for i, value in enumerate(values):
        slots.setdefault(value, i)

    def slot(found: re.Match) -> str:
        if found.group() not in slots:
            slots[found.group()] = len(values)
            values.append(found.group())
        return f"<|{slots[found.group()]}|>"

    return _PLACEHOLDER.sub(slot, message), values


def restore(message: str, values: Sequence[str]) -> str:
    """Put placeholders back for their slots; a slot that stands for nothing is left out."""

    def value(found: re.Match) -> str:
        i = int(found[1])
        return values[i] if i < len(values) else ""

    return _SLOT.sub(value, message)


def load_pairs(language: str) -> list[Pair]:
    """Return all programs' messages in English and a language, normalized.

    Each English message comes once, with its most frequent translation. Left out are messages
    without a letter, longer than 200 bytes, with HTML, or with more than four placeholders, and
    pairs that can't be right: other placeholders on both sides, one side four times as long, or a
    "translation" that is the English.

    Args:
        language: as in ``load_messages``.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for corpus in (name for name in CORPORA if name.startswith("messages")):
        for pair in load_messages(language, corpus):
            source, target = normalize(pair.source), normalize(pair.target)
            if _fit(source, target):
                found[source][target] += 1
    return [Pair(source, targets.most_common(1)[0][0]) for source, targets in found.items()]


def _fit(source: str, target: str) -> bool:
    words = _PLACEHOLDER.sub("", source)
    values = set(_PLACEHOLDER.findall(source))
    sizes = len(source.encode()), len(target.encode())
    return (
        re.search("[A-Za-z]", words) is not None
        and values == set(_PLACEHOLDER.findall(target))
        and len(values) <= len(SLOTS)
        and not re.search(r"<\w", source)
        and sizes[0] <= 200
        and max(sizes) <= 4 * min(sizes) + 10
        and (source != target or len(words.split()) < 3)
    )


def split_sources(
    sources: Iterable[str], shares: Sequence[float] = (0.92, 0.02, 0.06), threshold: float = 0.6
) -> tuple[set[str], ...]:
    """Divide English messages into training, validation and test, near copies on one side.

    Messages are short, so near copies are found by runs of five letters, not of five words, and
    placeholders are all the same.

    Args:
        sources: English messages.
        shares: as in :func:`course_lib.text.split`.
        threshold: from what similarity on two messages must not be parted.
    """
    spelled = {source: spell(source) for source in sorted(set(sources))}
    whole = 10**6  # a message is no long text whose sentences could be shared
    return tuple(
        set(part) for part in text.split(spelled, shares, threshold=threshold, sentence_words=whole)
    )


def spell(message: str) -> str:
    """Return the message letter by letter, as "words" for the search of near copies."""
    return " ".join(re.sub(r"[ _]", "", protect(message)[0]))


def load_parts() -> tuple[dict[str, list[Pair]], ...]:
    """Return training, validation and test pairs of each of ``LANGUAGES``."""
    pairs = {language: load_pairs(language) for language in LANGUAGES}
    parts = split_sources(pair.source for its_pairs in pairs.values() for pair in its_pairs)
    return tuple(
        {
            language: [pair for pair in its_pairs if pair.source in part]
            for language, its_pairs in pairs.items()
        }
        for part in parts
    )


def train_tokenizer(pairs: Mapping[str, Sequence[Pair]], vocab_size: int = 4096) -> BPETokenizer:
    """Return one tokenizer for both sides, trained on the pairs of all languages."""
    lines = (side for p in pairs.values() for pair in p for side in (pair.source, pair.target))
    plain = _PLACEHOLDER.sub("", "\n".join(lines))
    return BPETokenizer.train(plain, vocab_size, SPECIAL_TOKENS)


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
    tokenizer = BPETokenizer.load(FOLDER / "translation.json")
    model = new_model(tokenizer.vocab_size)
    load_model(model, FOLDER / "translation.safetensors")
    return model.eval(), tokenizer


def encode(tokenizer: BPETokenizer, message: str) -> list[int]:
    """Return a protected message's token ids, one for each slot."""
    return tokenizer.encode(message, allowed_special=SLOTS)


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
    lengths = [len(source) + len(target) for source, target, _ in rows]

    def blur(lengths: Tensor, generator: torch.Generator) -> Tensor:
        return lengths * (1 + 0.1 * torch.randn(len(lengths), generator=generator))

    def batch_of(chosen: list[int]) -> tuple[Tensor, ...]:
        sources, inputs, targets = zip(*(rows[i] for i in chosen), strict=True)
        source, mask = pad_with_mask(sources)
        return source, pad(inputs), mask, pad(targets, IGNORE)

    plan = by_length(lengths, blur=blur, batch_tokens=batch_tokens, seed=seed)
    return epochs(plan, batch_of)


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
    device = next(model.parameters()).device
    start, end = (tokenizer.special_tokens[t] for t in (LANGUAGES[language], END))
    cut = [_pieces(tokenizer, message) for message in normalized]
    prepared = [protect(piece) for pieces in cut for piece in pieces]
    rows = [[*encode(tokenizer, message), end] for message, _ in prepared]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # like lengths side by side
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
    between, rest = "" if language == "zh_CN" else " ", iter(found)
    return [between.join(islice(rest, len(pieces))) for pieces in cut]


def _pieces(tokenizer: BPETokenizer, message: str) -> list[str]:
    """Return the message, or pieces of it that the model can read and has room to translate."""
    protected, values = protect(message)

    def fits(part: str, most: int = MAX_TOKENS // 2) -> bool:
        few = len(set(_SLOT.findall(part))) <= len(SLOTS)
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
    device = next(model.parameters()).device
    start, end = (tokenizer.special_tokens[t] for t in (LANGUAGES[language], END))
    protected, values = protect(normalize(message))
    source = [*encode(tokenizer, protected), end]
    target = encode(tokenizer, protect(normalize(translation), values)[0])
    for name, size in {"message": len(source) - 1, "translation": len(target)}.items():
        expect(size <= MAX_TOKENS, name, f"at most {MAX_TOKENS} tokens", size)
    memory = model.encode(torch.tensor([source], device=device))
    blocks = cast(list[CrossBlock], list(model.decoder.blocks))
    asked: list[Tensor] = []  # what each layer's cross-attention reads
    hooks = [
        block.cross_norm.register_forward_hook(lambda _, __, output: asked.append(output))
        for block in blocks
    ]
    try:
        model.decode(torch.tensor([[start, *target]], device=device), memory)
    finally:
        for hook in hooks:
            hook.remove()
    weights = [
        block.cross_attention(x, keys_values=pair, return_weights=True)[1][0]
        for block, x, pair in zip(blocks, asked, memory.keys_values, strict=True)
    ]
    read, written = ([tokenizer.decode([i]) for i in ids] for ids in (source, [*target, end]))
    return read, written, torch.stack(weights)  # (L, H, T, S)
