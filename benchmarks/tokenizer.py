"""Training and encoding speed of our BPE, beside the tokenizers library and tiktoken.

All on Shakespeare's plays, in one process, in turn. Prints a table. The libraries are written in
Rust; ours is Python. The ratio says what that costs.
"""

import argparse
import platform
import resource
import statistics
import sys
from collections.abc import Callable

import tiktoken
import tokenizers
from common import positive, processor, seconds
from tokenizers import models, pre_tokenizers, trainers

from course_lib.data import load_plays
from course_lib.text import PATTERN, BPETokenizer


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab-size", type=positive, default=5000, help="tokens (5000)")
    parser.add_argument("--runs", type=positive, default=5, help="timed runs of each (5)")
    args = parser.parse_args()
    if args.vocab_size < 256:
        parser.error(f"--vocab-size: expected at least 256 (the bytes), got {args.vocab_size}")
    text = "\n".join(load_plays().values())
    size = len(text.encode()) / 1e6
    print(f"{processor()}, Python {platform.python_version()}")
    print(f"{size:.2f} MB of text, vocabulary {args.vocab_size}; median (min-max)\n")

    ours = BPETokenizer.train(text, args.vocab_size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)

    def train_theirs() -> None:
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=args.vocab_size, initial_alphabet=alphabet, show_progress=False
        )
        theirs.train_from_iterator([text], trainer)

    train_theirs()
    reference = tiktoken.Encoding(
        "ours", pat_str=PATTERN.pattern, mergeable_ranks=ours.vocab, special_tokens={}
    )
    ids = ours.encode(text)
    if not ids == reference.encode(text) == theirs.encode(text).ids:
        sys.exit("the three tokenizers disagree: no figure would mean anything")

    tasks: dict[tuple[str, str], Callable[[], object]] = {
        ("train", "ours"): lambda: BPETokenizer.train(text, args.vocab_size),
        ("train", "tokenizers"): train_theirs,
        ("encode", "ours, empty cache"): lambda: BPETokenizer(ours.merges).encode(text),
        ("encode", "ours"): lambda: ours.encode(text),
        ("encode", "tokenizers"): lambda: theirs.encode(text),
        ("encode", "tiktoken"): lambda: reference.encode(text),
        ("a word of 1,000,000", "ours"): lambda: ours.encode("abcdefgh" * 125_000),
    }
    taken: dict[tuple[str, str], list[float]] = {task: [] for task in tasks}
    for _ in range(args.runs):
        for task, run in tasks.items():
            taken[task].append(seconds(run))
    print(f"{'task':22}{'by':20}{'seconds':>22}{'MB/s':>8}")
    for (task, by), times in taken.items():
        middle = statistics.median(times)
        speed = f"{size / middle:8.2f}" if task != "a word of 1,000,000" else f"{1 / middle:8.2f}"
        span = f"{middle:.2f} ({min(times):.2f}-{max(times):.2f})"
        print(f"{task:22}{by:20}{span:>22}{speed}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    print(f"\npeak memory after our training: {peak / unit:.0f} MB, the text included")
    print(f"{len(ids):,} tokens, {len(text) / len(ids):.2f} characters each; all three agree")


if __name__ == "__main__":
    main()
