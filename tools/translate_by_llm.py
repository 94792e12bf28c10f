"""Let SmolLM2 translate test messages for 'Machine translation': it takes minutes, so in advance.

Once it is only asked to, once it is also shown the five training messages that are most alike. A
run that was stopped goes on where it was.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from course_lib import pretrained, translation
from course_lib.data import Pair
from course_lib.generation import generate

PATH = translation.FOLDER / "translation_llm.json"


def prompts(message: str, examples: Sequence[Pair]) -> list[dict[str, str]]:
    """Return a chat that asks for a translation, after some that were given."""
    chat = [{"role": "system", "content": "Translate from English to French."}]
    for pair in examples:
        chat.append({"role": "user", "content": f"English: {pair.source}"})
        chat.append({"role": "assistant", "content": f"French: {pair.target}"})
    return [*chat, {"role": "user", "content": f"English: {message}"}]


def alike(messages: Sequence[str], pairs: Sequence[Pair], count: int) -> list[list[Pair]]:
    """Return for each message the pairs whose English is most like it, the closest last."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 5), sublinear_tf=True)
    known = vectorizer.fit_transform([pair.source for pair in pairs])
    similar = (vectorizer.transform(messages) @ known.T).toarray()
    return [[pairs[i] for i in row] for row in np.argsort(similar, axis=1)[:, -count:]]


def main() -> None:
    """Translate as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="messages [%(default)s]")
    parser.add_argument("--output", type=Path, default=PATH, help="a JSON file [%(default)s]")
    args = parser.parse_args()
    training, _, test = translation.load_parts()
    sources = [pair.source for pair in test["fr"][:: len(test["fr"]) // args.count]][: args.count]
    shown = dict(zip(sources, alike(sources, training["fr"], 5), strict=True))
    model, tokenizer = pretrained.load_smollm2()
    found = json.loads(args.output.read_text("utf-8")) if args.output.exists() else {}
    for i, source in enumerate(sources):
        for way, examples in {"asked": [], "shown examples": shown[source]}.items():
            if source in found.get(way, {}):
                continue
            chat = prompts(source, examples)
            ids = pretrained.encode_chat(tokenizer, chat) + tokenizer.encode("French:")
            stop = [pretrained.END_OF_TURN, "\n"]
            text = generate(model, tokenizer, ids, max_new_tokens=80, stop=stop)
            found.setdefault(way, {})[source] = text.strip()
            content = json.dumps(found, ensure_ascii=False, indent=0)
            args.output.parent.mkdir(exist_ok=True)
            args.output.write_text(content + "\n", encoding="utf-8")
        print(f"{i + 1} of {len(sources)}", end="\r", flush=True)


if __name__ == "__main__":
    main()
