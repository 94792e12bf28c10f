"""A test of several choices, made by rule from the course's data, and what models answered.

Used in 'Evaluation'. Two tasks change one word of a sentence from the plays that no model of the
course was trained on; the third asks facts. Both words of a pair are right equally often, so that
to prefer the commoner one gains nothing. The models' answers are committed: to make them takes
about ten minutes of one core.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.data import HELD_OUT, load_dialogues, load_pronunciations, load_spoken_plays
from course_lib.evaluation import Question, choice_log_probs
from course_lib.generation import Sampler, generate
from course_lib.model import GPT
from course_lib.pretrained import load_smollm2
from course_lib.pretrained.smollm2 import encode_chat
from course_lib.studies import kit, plays
from course_lib.text import BPETokenizer, KneserNey

FILES, DATA = ("runs/questions.json",), ("plays", "pronunciations", "dialogue", "smollm2")
BUILT_ON = ("weights/plays.safetensors", "weights/plays.json")
START = "\n"  # stands before a sentence
AGREEMENT = (("is", "are"), ("was", "were"), ("has", "have"))
LONGEST, SHORTEST = 20, 6  # words of a sentence
PER_WORD = {"homophones": 10, "agreement": 36}  # questions for each word of a pair
# Kinds of facts by what the question has; the first that fits. A wrong answer is of the same kind.
KINDS = (
    r"how many|what number",
    r"what year|^when did",
    r"\bcolou?rs?\b",
    r"\bcountry|\bcountries",
    r"\bcity\b",
    r"\bstate\b",
    r"\b(sea|ocean|continent|island)\b|^where",
    r"\b(animals?|mammal|bird|insect|dog|deer|lizard|creature|species)\b",
    r"\b(films?|movie|books?|song|plays)\b",
    r"^who\b|\b(actress|actor|artist|author|singer|president|leader|designer|star|writer)\b",
    r"",
)


def _sentences(text: str) -> list[str]:
    """Return the sentences of a text that aren't too short or too long, each on one line."""
    found = []
    for speech in text.split("\n\n"):
        for sentence in re.split(r"(?<=[.?!;:])\s+", " ".join(speech.split())):
            if SHORTEST <= len(sentence.split()) <= LONGEST and sentence[-1] in ".?!":
                found.append(sentence)
    return found


def _swapped(pairs: Sequence[tuple[str, str]], per_word: int) -> list[Question]:
    """Ask which word of a pair stands in a sentence of the held-out plays.

    A sentence has one word of the pair, once. Each word has as many questions as its partner,
    ``per_word`` at most, spread over the plays.
    """
    sentences = _sentences(load_spoken_plays(HELD_OUT)[1])
    words = [re.findall(r"[a-z'-]+", sentence.lower()) for sentence in sentences]
    questions: list[Question] = []
    for pair in pairs:
        has = [
            [i for i, found in enumerate(words) if found.count(word) == 1 and other not in found]
            for word, other in (pair, pair[::-1])
        ]
        n = min(per_word, *map(len, has))
        for word, other, rows in zip(pair, pair[::-1], has, strict=True):
            for i in np.linspace(0, len(rows) - 1, n).astype(int):
                sentence = sentences[rows[i]]
                there = re.search(rf"(?<![a-z'-]){word}(?![a-z'-])", sentence, re.I)
                assert there is not None
                written = other.capitalize() if there[0][0].isupper() else other
                changed = sentence[: there.start()] + written + sentence[there.end() :]
                # The right one stands first and second in turn.
                right = len(questions) % 2
                both = (sentence, changed) if right == 0 else (changed, sentence)
                questions.append(Question(START, both, right))
    return questions


def agreement() -> list[Question]:
    """Ask for the form of a verb that agrees with its subject."""
    return _swapped(AGREEMENT, PER_WORD["agreement"])


def homophones() -> list[Question]:
    """Ask for one of two words that sound alike, both of them common in the plays."""
    spoken, by_sound = load_pronunciations(), defaultdict(list)
    counts = Counter(re.findall(r"[a-z]+", load_spoken_plays(HELD_OUT)[0].lower()))
    for word, n in sorted(counts.items()):
        if n >= 200 and len(word) > 1:
            for sounds in spoken.get(word, ()):
                by_sound[sounds].append(word)
    pairs = sorted({pair for alike in by_sound.values() for pair in combinations(alike, 2)})
    return _swapped(pairs, PER_WORD["homophones"])


def facts() -> list[Question]:
    """Ask a fact; the wrong answers are those to three other questions of the same kind."""
    asked = [d.turns for d in load_dialogues() if d.topic == "trivia"]
    # Questions of one kind lend each other wrong answers.
    kinds: dict[str, list[int]] = defaultdict(list)
    answers = [re.sub(r"\.$", "", answer.strip()) for _, answer in asked]
    for i, (question, _) in enumerate(asked):
        kinds[next(kind for kind in KINDS if re.search(kind, question, re.I))].append(i)
    questions: dict[int, Question] = {}
    for rows in kinds.values():
        for place, i in enumerate(rows):
            choices = [answers[i]]
            for j in rows[place + 1 :] + rows[:place]:
                if len(choices) < 4 and answers[j].lower() not in map(str.lower, choices):
                    choices.append(answers[j])
            # The right one takes each place in turn.
            right = i % 4
            choices[0], choices[right] = choices[right], choices[0]
            before = f"Question: {' '.join(asked[i][0].split())}\nAnswer:"
            questions[i] = Question(before, tuple(" " + choice for choice in choices), right)
    return [questions[i] for i in sorted(questions)]


TASKS: dict[str, Callable[[], list[Question]]] = {
    "homophones": homophones,
    "agreement": agreement,
    "facts": facts,
}


# What models answer

Score = Callable[[Question], list[float]]  # the log-probability of each choice
PROMPTS, PROMPT, WRITTEN = 40, 40, 80  # of the arena; characters that are given, and written
AUTHOR, SMOLLM2, OURS, RUNS = "Shakespeare", "SmolLM2", "pieces of words", "runs of six letters"
PAIRS = "pairs of letters"


@cache
def counted(order: int) -> KneserNey:
    """Return a model that counts runs of characters in the plays, a rung of the ladder."""
    return KneserNey([list(load_spoken_plays(HELD_OUT)[0])], order)


def counted_log_probs(order: int, question: Question) -> list[float]:
    """Return what :func:`choice_log_probs` returns, of a model that counts characters."""
    model, start = counted(order), len(question.before)
    texts = [question.before + choice for choice in question.choices]
    return [sum(model.log_probs(list(text), start, len(text))) for text in texts]


@cache
def smollm2() -> tuple[GPT, BPETokenizer]:
    """Return SmolLM2, loaded once."""
    return load_smollm2()


def neural(model: GPT, tokenizer: BPETokenizer) -> Score:
    """Return how a model with a tokenizer scores a question."""
    return partial(choice_log_probs, model, tokenizer.encode)


MODELS: dict[str, Callable[[], Score]] = {
    PAIRS: lambda: partial(counted_log_probs, 2),
    RUNS: lambda: partial(counted_log_probs, 6),
    OURS: lambda: neural(*plays.load_trained()),
    SMOLLM2: lambda: neural(*smollm2()),
}


def unasked(question: Question) -> Question:
    """Return the question with nothing asked: what is left is how common each choice is."""
    return question._replace(before="Answer:")


def letter_log_probs(question: Question) -> list[float]:
    """Ask SmolLM2 in words for the better of two sentences; return what it gives to A and to B."""
    model, tokenizer = smollm2()
    first, second = question.choices
    asked = f"Which sentence is correct?\nA: {first}\nB: {second}\nAnswer with A or B only."
    ids = encode_chat(tokenizer, [{"role": "user", "content": asked}])
    return choice_log_probs(
        model, lambda text: [*ids, *tokenizer.encode(text)], Question("", ("A", "B"), 0)
    )


def prompts() -> list[tuple[str, str]]:
    """Return beginnings of speeches of the held-out plays, each with how Shakespeare goes on."""
    speeches = [
        speech
        for speech in load_spoken_plays(HELD_OUT)[1].split("\n\n")
        if len(speech) > PROMPT + WRITTEN + 20
    ]
    pairs = []
    for i in np.linspace(0, len(speeches) - 1, PROMPTS).astype(int):
        cut = speeches[i].index(" ", PROMPT)
        pairs.append((speeches[i][:cut], speeches[i][cut : cut + WRITTEN]))
    return pairs


def _written(order: int, prompt: str, seed: int) -> str:
    """Let the model that counts go on with a prompt."""
    model, text = counted(order), list("\n" + prompt)
    rng = np.random.default_rng(seed)
    for _ in range(WRITTEN):
        shares = model.distribution(text)
        text.append(model.vocab[rng.choice(len(shares), p=shares / shares.sum())])
    return "".join(text[-WRITTEN:])


def arena() -> dict[str, list]:
    """Let three models go on with each prompt, and two of them judge all texts and Shakespeare's.

    Returns:
        prompts: the beginnings; texts: for each prompt the text of each author; and for each
        judge the log-probability that it gives to each text.
    """
    big, small = smollm2(), plays.load_trained()
    rows, texts = prompts(), []
    for seed, (prompt, author) in enumerate(rows):
        ours, theirs = (
            generate(model, tokenizer, "\n" + prompt, Sampler(seed=seed), max_new_tokens=n)
            for (model, tokenizer), n in ((small, WRITTEN), (big, WRITTEN // 2))
        )
        texts.append([author, theirs[:WRITTEN], ours[:WRITTEN], _written(6, prompt, seed)])
    asked = [
        Question("\n" + prompt, tuple(written), 0)
        for (prompt, _), written in zip(rows, texts, strict=True)
    ]
    judged = {name: _table(MODELS[name](), asked) for name in (SMOLLM2, OURS)}
    return {"prompts": [prompt for prompt, _ in rows], "texts": texts, **judged}


def _table(score: Score, questions: Sequence[Question]) -> list[list[float]]:
    return [[round(value, 3) for value in score(question)] for question in questions]


def answers_of(name: str, stop: int | None = None) -> dict[str, list]:
    """Ask a model the first questions of each task, all by default."""
    score = MODELS[name]()
    asked = {task: questions()[:stop] for task, questions in TASKS.items()}
    tables = {task: _table(score, rows) for task, rows in asked.items()}
    return tables | {"unasked": _table(score, [unasked(question) for question in asked["facts"]])}


def letters(stop: int | None = None) -> dict[str, list]:
    """Ask for the letter of the right homophone, each pair of sentences in both orders."""
    asked = homophones()[:stop]
    turned = [question._replace(choices=question.choices[::-1]) for question in asked]
    return {
        "as asked": _table(letter_log_probs, asked),
        "turned": _table(letter_log_probs, turned),
    }


def make(folder: Path) -> dict[str, Any]:
    """Ask every model everything, and write what it answers."""
    plan: dict[str, Callable[[], Any]] = {name: partial(answers_of, name) for name in MODELS}
    plan |= {"letters": letters, "arena": arena}
    with kit.one_thread():
        done = kit.collect(folder, plan, lambda found: f"{len(found)} tables")
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(done, ensure_ascii=False) + "\n")
    return {}


def probe() -> dict[str, Any]:
    """Return how two models answer the first questions."""
    with kit.one_thread():
        return {name: answers_of(name, 2)["homophones"] for name in (OURS, SMOLLM2)}


def load_answers() -> dict[str, Any]:
    """Return what all models answer: for each its tables, the letters, and the arena."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


ENTRIES = (answers_of, letters, arena)

if __name__ == "__main__":
    sys.exit(kit.main("questions"))
