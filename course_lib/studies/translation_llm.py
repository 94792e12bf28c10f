"""SmolLM2 as a translator of test messages: only asked to, and shown three that are most alike.

Used in 'Machine translation', which compares ``runs/translation_llm.json`` with a translator that
was trained for it. All messages take some hours of one core.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from course_lib.data import CORPORA, Pair
from course_lib.generation import generate_tokens
from course_lib.model import GPT
from course_lib.pretrained import encode_chat, load_smollm2
from course_lib.studies import kit
from course_lib.studies.messages import load_parts
from course_lib.text import BPETokenizer

FILES = ("runs/translation_llm.json",)
DATA = ("smollm2", *(name for name in CORPORA if name.startswith("messages")))
NAMES = {"fr": "French", "zh_CN": "Chinese"}
COUNTS = {"fr": 300, "zh_CN": 120}  # messages
WAYS = {"asked": 0, "shown examples": 3}  # each with the number of examples
BATCH, ROUND = 20, 60  # messages
MAX_NEW_TOKENS = 80


def load_runs() -> dict[str, dict[str, dict[str, str]]]:
    """Return what SmolLM2 made of test messages: language, way, and message to translation."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


def prompts(message: str, examples: Sequence[Pair], language: str) -> list[dict[str, str]]:
    """Return a chat that asks for a translation, after some that were given."""
    chat = [{"role": "system", "content": f"Translate from English to {language}."}]
    for pair in examples:
        chat.append({"role": "user", "content": f"English: {pair.source}"})
        chat.append({"role": "assistant", "content": f"{language}: {pair.target}"})
    return [*chat, {"role": "user", "content": f"English: {message}"}]


def alike(messages: Sequence[str], pairs: Sequence[Pair], count: int) -> list[list[Pair]]:
    """Return for each message the pairs whose English is most like it, the closest last."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 5), sublinear_tf=True)
    known = vectorizer.fit_transform([pair.source for pair in pairs])
    similar = (vectorizer.transform(messages) @ known.T).toarray()
    first = max(0, len(pairs) - count)
    return [[pairs[i] for i in row[first:]] for row in np.argsort(similar, axis=1)]


def chosen_messages(test: Sequence[Pair], count: int) -> list[str]:
    """Return so many test messages, from the whole part."""
    return [pair.source for pair in test[:: len(test) // count]][:count]


def translate_by_chat(
    model: GPT,
    tokenizer: BPETokenizer,
    messages: Sequence[str],
    examples: Sequence[Sequence[Pair]],
    language: str,
) -> dict[str, str]:
    """Return what the model answers to each message, after its examples."""
    name = NAMES[language]
    stop = [*tokenizer.special_tokens.values(), *tokenizer.encode("\n")]
    begun = tokenizer.encode(f"{name}:")  # so that it answers with nothing but a translation
    rows = {
        message: encode_chat(tokenizer, prompts(message, shown, name)) + begun
        for message, shown in zip(messages, examples, strict=True)
    }
    # Like lengths side by side, so that little is padded.
    order = sorted(rows, key=lambda message: (len(rows[message]), message))
    answers = {}
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        new = generate_tokens(
            model,
            [rows[message] for message in batch],
            max_new_tokens=MAX_NEW_TOKENS,
            stop_tokens=stop,
        )
        for message, tokens in zip(batch, new, strict=True):
            answers[message] = tokenizer.decode(tokens).split("\n")[0].strip()
    return answers


def rounds() -> Iterator[tuple[str, str, list[str], list[list[Pair]]]]:
    """Yield language, way, messages and their examples, in rounds that take some minutes each."""
    training, _, test = load_parts()
    for language, count in COUNTS.items():
        sources = chosen_messages(test[language], count)
        shown = alike(sources, training[language], max(WAYS.values()))
        n_rounds = max(1, count // ROUND)
        for i in range(n_rounds):  # each is spread over all programs
            for way, n_examples in WAYS.items():
                examples = [found[len(found) - n_examples :] for found in shown[i::n_rounds]]
                yield language, way, sources[i::n_rounds], examples


def plan() -> dict[str, Any]:
    """Return the rounds by name; each gives its language, its way and the answers."""
    model, tokenizer = load_smollm2("bfloat16")

    def answer(
        language: str, way: str, messages: list[str], examples: list[list[Pair]]
    ) -> tuple[str, str, dict[str, str]]:
        return language, way, translate_by_chat(model, tokenizer, messages, examples, language)

    return {
        f"{NAMES[one[0]]}, {one[1]}, round {i // len(WAYS) + 1}": partial(answer, *one)
        for i, one in enumerate(rounds())
    }


def make(folder: Path) -> dict[str, Any]:
    """Translate all chosen messages, and write their file."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    done = kit.collect(folder, plan(), lambda result: f"{len(result[2])} messages")
    for language, way, answers in done.values():
        found.setdefault(language, {}).setdefault(way, {}).update(answers)
    text = json.dumps(found, ensure_ascii=False, indent=0)
    kit.write_text(kit.FOLDER / FILES[0], text + "\n")
    return {}


def probe() -> dict[str, Any]:
    """Return what the model makes of the shortest messages of a round, in each way."""
    model, tokenizer = load_smollm2("bfloat16")
    found = {}
    for language, way, messages, examples in list(rounds())[: len(WAYS)]:
        short = sorted(range(len(messages)), key=lambda i: (len(messages[i]), messages[i]))[:4]
        few = [messages[i] for i in short], [examples[i] for i in short]
        found[way] = translate_by_chat(model, tokenizer, *few, language)
    return found


ENTRIES = (plan,)

if __name__ == "__main__":
    sys.exit(kit.main("translation_llm"))
