"""Let SmolLM2 translate test messages for 'Machine translation': it takes long, so in advance.

Once it is only asked to, once it is also shown the three training messages that are most alike. A
run that was stopped goes on where it was.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from tqdm import tqdm

from course_lib import pretrained
from course_lib.data import Pair
from course_lib.generation import generate_tokens
from course_lib.studies import translation

PATH = translation.FOLDER / "translation_llm.json"
NAMES = {"fr": "French", "zh_CN": "Chinese"}
WAYS = {"asked": 0, "shown examples": 3}  # each with the number of examples
BATCH, ROUND = 20, 60  # messages


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


def main() -> None:
    """Translate as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=list(NAMES), default="fr", help="[%(default)s]")
    parser.add_argument("--count", type=int, default=300, help="messages [%(default)s]")
    parser.add_argument("--output", type=Path, default=PATH, help="a JSON file [%(default)s]")
    args = parser.parse_args()
    name = NAMES[args.language]
    training, _, test = (part[args.language] for part in translation.load_parts())
    if not 1 <= args.count <= len(test):
        parser.error(f"--count: expected 1 to {len(test)} messages, got {args.count}")
    sources = [pair.source for pair in test[:: len(test) // args.count]][: args.count]
    shown = dict(zip(sources, alike(sources, training, max(WAYS.values())), strict=True))
    model, tokenizer = pretrained.load_smollm2("bfloat16")
    stop = [*tokenizer.special_tokens.values(), *tokenizer.encode("\n")]
    begun = tokenizer.encode(f"{name}:")  # so that it answers with nothing but a translation
    found = json.loads(args.output.read_text("utf-8")) if args.output.exists() else {}
    # Each round is spread over all programs, so that a run can end after any.
    rounds = max(1, len(sources) // ROUND)
    for i, way in tqdm([(i, way) for i in range(rounds) for way in WAYS], desc=name):
        answers = found.setdefault(args.language, {}).setdefault(way, {})
        rows = {}
        for source in sources[i::rounds]:
            examples = shown[source][max(0, len(shown[source]) - WAYS[way]) :]
            chat = prompts(source, examples, name)
            rows[source] = pretrained.encode_chat(tokenizer, chat) + begun
        order = sorted(rows.keys() - answers.keys(), key=lambda source: (len(rows[source]), source))
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            ids = [rows[source] for source in batch]
            new = generate_tokens(model, ids, max_new_tokens=80, stop_tokens=stop)
            for source, tokens in zip(batch, new, strict=True):
                answers[source] = tokenizer.decode(tokens).split("\n")[0].strip()
            content = json.dumps(found, ensure_ascii=False, indent=0)
            args.output.write_text(content + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
