"""The loop of an agent: a model writes a call, the program runs it, the model reads the result.

Taught in 'Retrieval and tools'. Thoughts and acts in turn are from Yao et al. (2023), 'ReAct'; that
a language model can call tools, from Schick et al. (2023), 'Toolformer'. Here a call is JSON, which
a grammar enforces, and whether it is run the program decides, not the model.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from course_lib.checks import check_sizes, expect
from course_lib.generation import JSONChooser, generate
from course_lib.model import GPT
from course_lib.pretrained import END_OF_TURN, encode_chat
from course_lib.text import BPETokenizer

ANSWER = "answer"  # the call that ends the loop: its input is the answer
RESULT, ERROR = "Result: ", "Error: "  # how what a call gave begins

Message = Mapping[str, str]  # with "role" and "content"
Write = Callable[[Sequence[Message]], str]  # the conversation so far -> the next call as JSON


class ToolError(ValueError):
    """What a tool says when it can't do what it was asked; the model reads it."""


class Tool(NamedTuple):
    """Something that the program can do for the model."""

    name: str
    about: str  # the model reads it
    run: Callable[[str], str]
    by: str = "program"  # who wrote what it returns
    acts: bool = False  # changes something outside of the conversation


class Call(NamedTuple):
    """What a model wants to be run."""

    tool: str
    input: str


class Step(NamedTuple):
    """A call, and what came of it."""

    call: Call
    result: str
    ran: bool  # it did what was asked


class Outcome(NamedTuple):
    """How a task went; without an answer the steps ran out."""

    answer: str | None
    steps: list[Step]


class Context(NamedTuple):
    """What a guard may look at: who asked for what, and whose words the model has read."""

    task: str
    authors: frozenset[str]


Guard = Callable[[Call, Tool, Context], str]  # why a call is refused; nothing if it isn't


def no_guard(call: Call, tool: Tool, context: Context) -> str:
    """Refuse nothing."""
    return ""


def instructions(tools: Sequence[Tool]) -> str:
    """Return the system prompt that names the tools."""
    lines = [f"- {tool.name}: {tool.about}" for tool in tools]
    head = 'Write one call as JSON: {"tool": ..., "input": ...}. The tools:'
    return "\n".join([head, *lines, f"- {ANSWER}: ends the task; the input is the answer"])


def read_call(text: str) -> Call:
    """Return the call that a model wrote.

    Raises:
        ToolError: if it is no JSON of this form.
    """
    try:
        call = json.loads(text)
        name, given = call["tool"], call["input"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ToolError('expected {"tool": ..., "input": ...}') from None
    if not (isinstance(name, str) and isinstance(given, str)):
        raise ToolError("tool, input: expected texts")
    return Call(name, given)


def as_json(call: Call) -> str:
    """Return a call as a model writes it."""
    return json.dumps(call._asdict(), ensure_ascii=False)


def run_agent(
    task: str,
    write: Write,
    tools: Sequence[Tool],
    *,
    before: Sequence[Message] = (),
    by: Collection[str] = (),
    guard: Guard = no_guard,
    max_steps: int = 4,
) -> Outcome:
    """Let a model work on a task until it answers, or its steps are used up.

    Args:
        task: the user's words.
        write: what a model writes, given the conversation.
        tools: which it may call.
        before: solved examples, as messages.
        by: who else has written some of the task's words, such as a note that was found for it.
        guard: says why a call isn't run, if it isn't.
        max_steps: how many calls are read, that of the answer included.

    Returns:
        The answer, and each step before it. An error goes back to the model as a result.
    """
    check_sizes(max_steps=max_steps)
    by_name = {tool.name: tool for tool in tools}
    expect(len(by_name) == len(tools) and ANSWER not in by_name, "tools", "other names", by_name)
    messages: list[Message] = [
        {"role": "system", "content": instructions(tools)},
        *before,
        {"role": "user", "content": task},
    ]
    steps: list[Step] = []
    authors = {"user", *by}
    for _ in range(max_steps):
        text, call, ran = write(messages), Call("", ""), False
        # Read the call, ask the guard, run the tool.
        try:
            call = read_call(text)
            if call.tool == ANSWER:
                return Outcome(call.input, steps)
            if call.tool not in by_name:
                raise ToolError(f"no tool {call.tool!r}; there is {', '.join(by_name)}")
            tool = by_name[call.tool]
            if reason := guard(call, tool, Context(task, frozenset(authors))):
                raise ToolError(f"refused: {reason}")
            result = tool.run(call.input)
            authors.add(tool.by)
            ran = True
        except ToolError as error:
            result = f"{ERROR}{error}"
        # The call and its result are part of what the model reads next.
        steps.append(Step(call, result, ran))
        messages += [
            {"role": "assistant", "content": text},
            {"role": "user", "content": f"{RESULT}{result}"},
        ]
    return Outcome(None, steps)


def example(task: str, *steps: tuple[Call, str], answer: str) -> list[Message]:
    """Return a solved task as messages, to stand before another one."""
    messages: list[Message] = [{"role": "user", "content": task}]
    for call, result in steps:
        messages.append({"role": "assistant", "content": as_json(call)})
        messages.append({"role": "user", "content": f"{RESULT}{result}"})
    return [*messages, {"role": "assistant", "content": as_json(Call(ANSWER, answer))}]


def writer(
    model: GPT,
    tokenizer: BPETokenizer,
    tools: Sequence[Tool],
    *,
    must_call: bool = False,
    max_new_tokens: int = 48,
) -> Write:
    """Return what SmolLM2 writes as a call: the likeliest text that is one, and no other.

    Args:
        model: SmolLM2, in any precision.
        tokenizer: its own.
        tools: whose names it can write.
        must_call: it can't answer before a tool has given a result that is no error.
        max_new_tokens: of a call.
    """
    end = tokenizer.special_tokens[END_OF_TURN]
    names = tuple(tool.name for tool in tools)
    may_answer, may_not = (
        JSONChooser(tokenizer, end, max_new_tokens, {"tool": allowed, "input": str})
        for allowed in ((*names, ANSWER), names)
    )

    def write(messages: Sequence[Message]) -> str:
        prompt = encode_chat(tokenizer, messages)
        last = messages[-1]["content"]
        known = last.startswith(RESULT) and not last.startswith(RESULT + ERROR)
        choose = may_answer if known or not must_call else may_not
        return generate(
            model, tokenizer, prompt, choose, max_new_tokens=max_new_tokens, stop=END_OF_TURN
        )

    return write
