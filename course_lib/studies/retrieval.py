"""What SmolLM2 answers with and without passages and tools, and what it does when a note orders.

Used in 'Retrieval and tools'. Texts are kept, not scores: the chapter judges them by rule. To make
them takes some ten minutes of one core.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from course_lib.agent import (
    ANSWER,
    BM25,
    CALCULATOR,
    KINDS,
    LOOK_UP,
    MENDED_EXAMPLES,
    NOTE_EXAMPLES,
    NOTE_TOOLS,
    RESULT,
    SEARCH_EXAMPLES,
    SUM_EXAMPLES,
    TOOL_EXAMPLES,
    Call,
    Errand,
    Message,
    Outcome,
    Passage,
    Tool,
    as_json,
    attacks,
    cut_pages,
    errands,
    holders,
    instructions,
    load_pages,
    load_questions,
    load_unanswered,
    misspelled,
    read_call,
    run_agent,
    says,
    sums,
    tool_tasks,
    with_passages,
    words,
    writer,
)
from course_lib.generation import GREEDY, Choose, JSONChooser, generate_batch
from course_lib.model import GPT
from course_lib.pretrained import END_OF_TURN, encode_chat, load_minilm, load_smollm2
from course_lib.studies import kit
from course_lib.text import BPETokenizer

FILES, DATA = ("runs/retrieval.json",), ("smollm2", "minilm")
PRECISION, LONGEST, CALL, BATCH = "bfloat16", 24, 40, 10  # tokens of an answer, a call; at once
SUMS, HONEST = 60, 20  # of the sums and of the answered questions, so many are asked


@cache
def model() -> tuple[GPT, BPETokenizer]:
    """Return SmolLM2 and its tokenizer, loaded once."""
    return load_smollm2(PRECISION)


@cache
def passages() -> tuple[Passage, ...]:
    """Return the passages that are searched."""
    return tuple(cut_pages(load_pages()))


@cache
def index() -> BM25:
    """Return the passages' words, to be searched."""
    return BM25([words(passage.text) for passage in passages()])


def searched(query: str) -> str:
    """Return the passage that BM25 puts first."""
    return passages()[int(index().scores(words(query)).round(4).argmax())].text


SEARCH = Tool("search", "finds a passage of the course's pages", searched, by="the pages")


@cache
def found() -> dict[str, list[int]]:
    """Return for each way to search the number of each question's best passage."""
    asked = [each.question for each in load_questions()] + load_unanswered()
    texts = [passage.text for passage in passages()]
    encoder = load_minilm()
    near = (encoder.encode(asked) @ encoder.encode(texts).T).numpy()
    by_words = [index().scores(words(question)) for question in asked]
    return {
        name: [int(row.round(4).argmax()) for row in scores]
        for name, scores in (("MiniLM", near), ("BM25", by_words))
    }


def gold() -> list[int]:
    """Return for each question the first passage that answers it."""
    return [min(holders(question, passages())) for question in load_questions()]


def short() -> list[list[str]]:
    """Return for each question a passage of 30 words that answers it."""
    cut = cut_pages(load_pages(), 30, 20)
    return [[cut[min(holders(question, cut))].text] for question in load_questions()]


def wrong() -> list[int]:
    """Return for each question a passage, another question's, that doesn't hold its answer."""
    asked, right = load_questions(), gold()
    taken = []
    for i, question in enumerate(asked):
        others = (right[(i + step) % len(asked)] for step in range(7, len(asked)))
        taken.append(next(n for n in others if not says(passages()[n].text, question.answers)))
    return taken


def answers(
    prompts: Sequence[Sequence[Message]], choose: Choose = GREEDY, longest: int = LONGEST
) -> list[str]:
    """Return what SmolLM2 answers, by default greedily."""
    smollm2, tokenizer = model()
    ids = [encode_chat(tokenizer, prompt) for prompt in prompts]
    done: list[str] = []
    for first in range(0, len(ids), BATCH):
        rows = ids[first : first + BATCH]
        done += generate_batch(
            smollm2, tokenizer, rows, choose, max_new_tokens=longest, stop=END_OF_TURN
        )
    return done


def as_calls(prompts: Sequence[Sequence[Message]], names: Sequence[str]) -> list[list[str]]:
    """Return the call that SmolLM2 writes to each prompt, with one of these names."""
    schema = {"tool": tuple(names), "input": str}
    choose = JSONChooser(model()[1], _end(), CALL, schema)
    return [list(read_call(text)) for text in answers(prompts, choose, CALL)]


def _end() -> int:
    return model()[1].special_tokens[END_OF_TURN]


def asked_with(texts: Sequence[Sequence[str]], unanswered: bool, honest: bool = False) -> list[str]:
    """Return the answers to the questions of a kind, each given its texts."""
    of_kind = load_unanswered() if unanswered else [each.question for each in load_questions()]
    return answers(
        [
            [{"role": "user", "content": with_passages(question, given, honest)}]
            for question, given in zip(of_kind, texts, strict=False)
        ]
    )


def _texts(numbers: Sequence[int]) -> list[list[str]]:
    return [[passages()[number].text] for number in numbers]


def _nearest(unanswered: bool, name: str = "MiniLM") -> list[int]:
    n = len(load_questions())
    return found()[name][n:] if unanswered else found()[name][:n]


def kept(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the file holds it."""
    steps = [[*step.call, step.result, step.ran] for step in outcome.steps]
    return {"answer": outcome.answer, "steps": steps}


def alone(questions: Sequence[str], before: Sequence[Message] = ()) -> list[str]:
    """Return what SmolLM2 answers without a tool; of solved examples it sees task and answer."""
    shown: list[Message] = []
    for message in before:
        content = message["content"]
        if message["role"] == "user" and not content.startswith(RESULT):
            shown.append(message)
        elif message["role"] == "assistant" and read_call(content).tool == ANSWER:
            shown.append({"role": "assistant", "content": read_call(content).input})
    return answers([[*shown, {"role": "user", "content": question}] for question in questions])


def with_tool(
    tasks: Sequence[str], tool: Tool, before: Sequence[Message], must_call: bool = True
) -> list[dict[str, Any]]:
    """Return how tasks went with one tool, which must be called before an answer, or may be."""
    write = writer(*model(), [tool], must_call=must_call)
    return [kept(run_agent(task, write, [tool], before=before)) for task in tasks]


def called_for_it(tasks: Sequence[str], tool: Tool, before: Sequence[Message]) -> list[Any]:
    """Return how tasks went if the program writes the first call: the tool's name and the task."""
    model_writes = writer(*model(), [tool])

    def write(messages: Sequence[Message]) -> str:
        last = messages[-1]["content"]
        return model_writes(messages) if last.startswith(RESULT) else as_json(Call(tool.name, last))

    return [kept(run_agent(task, write, [tool], before=before)) for task in tasks]


def chosen(order: Sequence[str], n: int | None = None) -> list[list[str]]:
    """Return the first call for every second task of three tools; ``order`` is the examples'."""
    tools = [{"calculator": CALCULATOR, "search": SEARCH, "look_up": LOOK_UP}[k] for k in KINDS]
    before: list[Message] = [{"role": "system", "content": instructions(tools)}]
    for kind in order:
        task, given = TOOL_EXAMPLES[kind]
        before.append({"role": "user", "content": task})
        before.append({"role": "assistant", "content": as_json(Call(kind, given))})
    tasks = [task for task, _ in tool_tasks()[::2][:n]]
    return as_calls([[*before, {"role": "user", "content": task}] for task in tasks], KINDS)


def calls_for(tasks: Sequence[Errand], fence: bool = False) -> list[list[str]]:
    """Return the first call for each task with or without a note; what is run the chapter asks."""
    before = [{"role": "system", "content": instructions(NOTE_TOOLS)}, *NOTE_EXAMPLES]
    prompts = [[*before, {"role": "user", "content": e.words(fence)}] for e in tasks]
    return as_calls(prompts, (*(tool.name for tool in NOTE_TOOLS), ANSWER))


def plan() -> dict[str, Callable[[], Any]]:
    """Return all runs by name."""
    nothing: list[list[str]] = [[] for _ in load_questions()]
    computed = [each.question for each in sums(SUMS)]
    asked = [each.question for each in load_questions()]
    runs: dict[str, Callable[[], Any]] = {
        "closed book": partial(asked_with, nothing, False),
        "gold": partial(asked_with, _texts(gold()), False),
        "BM25": partial(asked_with, _texts(_nearest(False, "BM25")), False),
        "MiniLM": partial(asked_with, _texts(_nearest(False)), False),
        "wrong": partial(asked_with, _texts(wrong()), False),
        "gold, short": partial(asked_with, short(), False),
        "sums": partial(alone, computed),
        "sums, shown": partial(alone, computed, SUM_EXAMPLES),
        "sums, must call": partial(with_tool, computed, CALCULATOR, SUM_EXAMPLES),
        "search, shown": partial(alone, asked, SEARCH_EXAMPLES),
        "search, may call": partial(with_tool, asked, SEARCH, SEARCH_EXAMPLES, False),
        "search, must call": partial(with_tool, asked, SEARCH, SEARCH_EXAMPLES),
        "search, called": partial(called_for_it, asked, SEARCH, SEARCH_EXAMPLES),
        "attacks": partial(calls_for, attacks()),
        "errands": partial(calls_for, errands()),
    }
    # Each tool's example stands last once: does the model choose by the task, or by the place?
    for order in (KINDS, KINDS[1:] + KINDS[:1], KINDS[2:] + KINDS[:2]):
        runs[f"tools, {order[-1]} last"] = partial(chosen, order)
    return runs | {
        "unanswered": partial(asked_with, _texts(_nearest(True, "BM25")), True),
        "unanswered, honest": partial(asked_with, _texts(_nearest(True, "BM25")), True, True),
        "gold, honest": partial(asked_with, _texts(gold()[:HONEST]), False, True),
        "attacks, fence": partial(calls_for, attacks(), True),
        "misspelled": partial(
            with_tool, [task for task, _ in misspelled()], LOOK_UP, MENDED_EXAMPLES
        ),
    }


def load_runs() -> dict[str, Any]:
    """Return the committed texts by run, and under "found" the numbers of the found passages."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


def make(folder: Path) -> dict[str, Any]:
    """Ask everything, and write the file."""
    with kit.one_thread():
        done = kit.collect(folder, plan(), lambda texts: f"{len(texts)} texts")
    everything = {"found": found()} | done
    text = json.dumps(everything, ensure_ascii=False, indent=0)
    kit.write_text(kit.FOLDER / FILES[0], text + "\n")
    return {}


def probe() -> dict[str, Any]:
    """Return how many of a few questions are answered right, and of a few tasks' calls."""
    asked, right = load_questions()[:10], gold()[:10]
    with kit.one_thread():
        given = answers(
            [
                [{"role": "user", "content": with_passages(each.question, texts)}]
                for each, texts in zip(asked, _texts(right), strict=True)
            ]
        )
        calls = chosen(KINDS, 6)
    return {
        "right with the gold passage": sum(
            says(text, each.answers) for text, each in zip(given, asked, strict=True)
        ),
        "calls of the last example's tool": sum(call[0] == KINDS[-1] for call in calls),
    }


ENTRIES = (plan,)

if __name__ == "__main__":
    sys.exit(kit.main("retrieval"))
