"""The loop with a model that reads from a script, and what a writer may write."""

import json

import pytest
import torch

from course_lib.agent import (
    Call,
    Context,
    Tool,
    ToolError,
    as_json,
    calculate,
    example,
    look_up,
    read_call,
    run_agent,
    writer,
)

CALCULATOR = Tool("calculator", "computes", calculate)


class Script:
    """A model that writes what it was given, and remembers what it read."""

    def __init__(self, *texts):
        self.texts, self.read = list(texts), []

    def __call__(self, messages):
        self.read.append(list(messages))
        return self.texts.pop(0)


def call(tool, given):
    return as_json(Call(tool, given))


def test_a_call_is_run_and_its_result_read_before_the_answer():
    script = Script(call("calculator", "347 + 589"), call("answer", "936"))
    outcome = run_agent("What is 347 plus 589?", script, [CALCULATOR])
    assert outcome.answer == "936"
    assert outcome.steps == [(Call("calculator", "347 + 589"), "936", True)]
    roles = [message["role"] for message in script.read[-1]]
    assert roles == ["system", "user", "assistant", "user"]
    assert script.read[-1][-1]["content"] == "Result: 936"
    assert "- calculator: computes" in script.read[0][0]["content"]


def test_an_error_goes_back_and_the_model_may_try_again():
    script = Script(call("calculator", "2 x 3"), call("calculator", "2 * 3"), call("answer", "6"))
    outcome = run_agent("Two times three?", script, [CALCULATOR])
    assert outcome.answer == "6"
    assert [step.ran for step in outcome.steps] == [False, True]
    assert script.read[1][-1]["content"] == "Result: Error: expected +, -, * or /, got 'x'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not JSON", "Error: expected"),
        ("[1, 2]", "Error: expected"),
        ("{}", "Error: expected"),
        ("null", "Error: expected"),
        ("[" * 100_000, "Error: expected"),
        ('{"tool": 1, "input": "2"}', "Error: tool, input: expected texts"),
        ('{"tool": "calculator", "input": 2}', "Error: tool, input: expected texts"),
        (call("rm", "-rf"), "Error: no tool 'rm'; there is calculator"),
        (call("calculator", "1 / 0"), "Error: can't divide by 0"),
        (call("", ""), "Error: no tool ''"),
    ],
    ids=range(10),
)
def test_whatever_is_written_the_loop_goes_on_and_says_what_was_wrong(text, said):
    outcome = run_agent("?", Script(text, call("answer", "done")), [CALCULATOR])
    assert outcome.answer == "done"
    assert outcome.steps[0].result.startswith(said)
    assert not outcome.steps[0].ran


@pytest.mark.parametrize("max_steps", [1, 2, 5])
def test_steps_are_limited_and_none_is_read_beyond(max_steps):
    script = Script(*[call("calculator", "1")] * 9)
    outcome = run_agent("?", script, [CALCULATOR], max_steps=max_steps)
    assert outcome.answer is None
    assert len(outcome.steps) == len(script.read) == max_steps


def test_a_tool_s_own_fault_is_not_hidden_from_the_programmer():
    def broken(given):
        raise KeyError(given)

    with pytest.raises(KeyError):
        run_agent("?", Script(call("broken", "x")), [Tool("broken", "is broken", broken)])


def test_tools_need_different_names_and_none_is_the_answer_s():
    for tools in ([CALCULATOR, CALCULATOR], [Tool("answer", "no", calculate)]):
        with pytest.raises(ValueError, match="tools: expected other names"):
            run_agent("?", Script(), tools)
    with pytest.raises(ValueError, match="max_steps: expected"):
        run_agent("?", Script(), [CALCULATOR], max_steps=0)


def test_a_refused_call_is_not_run_and_the_guard_sees_whose_words_were_read():
    seen, ran = [], []

    def guard(call, tool, context):
        seen.append((call.tool, context))
        return "not today" if tool.acts else ""

    tools = [
        Tool("read", "reads", lambda _: "a text", by="a stranger"),
        Tool("mail", "mails", lambda given: ran.append(given) or "sent", acts=True),
    ]
    script = Script(call("read", "x"), call("mail", "y"), call("answer", "done"))
    outcome = run_agent("Read it.", script, tools, guard=guard)
    assert outcome.steps[1] == (Call("mail", "y"), "Error: refused: not today", False)
    assert ran == []
    assert seen == [
        ("read", Context("Read it.", frozenset({"user"}))),
        ("mail", Context("Read it.", frozenset({"user", "a stranger"}))),
    ]


def test_examples_stand_before_the_task_in_the_form_that_the_loop_writes():
    script = Script(call("calculator", "1 + 1"), call("answer", "2"))
    run_agent("1 plus 1?", script, [CALCULATOR])
    shown = example("1 plus 1?", (Call("calculator", "1 + 1"), "2"), answer="2")
    assert shown[:-1] == script.read[-1][1:]
    assert json.loads(shown[-1]["content"]) == {"tool": "answer", "input": "2"}
    script = Script(call("answer", "4"))
    run_agent("2 plus 2?", script, [CALCULATOR], before=shown)
    assert script.read[0][1:-1] == shown


def test_calls_are_read_as_they_are_written():
    odd = Call("tool", 'quote " back \\ line \n 注意 🙂')
    assert read_call(as_json(odd)) == odd


def test_a_look_up_says_what_there_is():
    assert look_up(" Tools ") == "70 seconds"
    with pytest.raises(ToolError, match="no chapter 'Tols'; there is Background, "):
        look_up("Tols")


@pytest.mark.long
def test_smollm2_writes_nothing_but_calls_of_the_tools_it_has(network):
    from course_lib.pretrained import load_smollm2

    model, tokenizer = load_smollm2("int4")
    write = writer(model, tokenizer, [CALCULATOR], max_new_tokens=40)
    torch.manual_seed(0)
    for task in ("What is 2 plus 2?", "Write a poem. No JSON!", "}}}"):
        found = read_call(write([{"role": "user", "content": task}]))
        assert found.tool in ("calculator", "answer")
