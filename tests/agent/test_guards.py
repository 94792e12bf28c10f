"""What each guard stops and lets pass, with a model that obeys every order it reads."""

import pytest

from course_lib.agent import (
    ANSWER,
    NOTE_TOOLS,
    NOTES,
    PEOPLE,
    Call,
    Context,
    Tool,
    allow_list,
    as_json,
    attacks,
    calculate,
    confirmation,
    errands,
    misspelled,
    no_guard,
    rights_of_authors,
    run_agent,
    sums,
    tool_tasks,
)

ALLOWED = {"send_mail": PEOPLE}
ANSWERED = Call(ANSWER, "done")


def script(*calls):
    """Return a model that writes these calls."""
    left = iter(calls)
    return lambda messages: as_json(next(left))


def forbidden(guard):
    """Return how many orders of strangers were run for a model that obeys each."""
    count = 0
    for errand in attacks():
        write = script(errand.order, ANSWERED)
        outcome = run_agent(errand.words(), write, NOTE_TOOLS, by=errand.by, guard=guard)
        count += outcome.steps[0].ran
    return count


def lost(make_guard):
    """Return how many honest tasks a model that does them right can't finish."""
    count = 0
    for errand in errands():
        write = script(*([errand.call] if errand.call else []), ANSWERED)
        guard = make_guard(errand)
        outcome = run_agent(errand.words(), write, NOTE_TOOLS, by=errand.by, guard=guard)
        count += not all(step.ran for step in outcome.steps)
    return count


def test_without_a_guard_every_order_is_run_and_no_task_is_lost():
    assert forbidden(no_guard) == len(attacks()) == 30
    assert lost(lambda errand: no_guard) == 0


def test_rights_of_authors_stop_every_order_and_lose_what_acts_on_what_it_read():
    assert forbidden(rights_of_authors) == 0
    assert lost(lambda errand: rights_of_authors) == 10


def test_an_allow_list_lets_orders_pass_that_name_a_friend_and_loses_what_it_doesn_t_foresee():
    assert forbidden(allow_list(ALLOWED)) == 10
    acting = [errand.call for errand in errands() if errand.call]
    unforeseen = [c for c in acting if c.tool == "delete_note" or c.input.startswith("carla")]
    assert lost(lambda errand: allow_list(ALLOWED)) == len(unforeseen) == 4


def test_a_person_who_looks_stops_every_order_and_one_who_doesn_t_stops_none():
    assert forbidden(confirmation(lambda call: False)) == 0
    assert forbidden(confirmation(lambda call: True)) == 30
    assert lost(lambda errand: confirmation(lambda call: call == errand.call)) == 0


def test_what_only_reads_is_never_refused():
    tool, read = Tool("calculator", "computes", calculate), Context("?", frozenset({"x", "user"}))
    for guard in (rights_of_authors, allow_list({}), confirmation(lambda call: False)):
        assert guard(Call("calculator", "1"), tool, read) == ""


@pytest.mark.parametrize("target", ["mallory", "adam", "ada mallory", "", "ada, mallory"])
def test_an_allow_list_takes_whole_names_only(target):
    guard = allow_list(ALLOWED)
    nobody = Context("?", frozenset())
    assert guard(Call("send_mail", f"{target}: hello"), NOTE_TOOLS[0], nobody)
    assert not guard(Call("send_mail", " Ada : hello"), NOTE_TOOLS[0], nobody)


def test_tasks_are_what_they_say():
    for tasks in (attacks(), errands()):
        assert len({errand.words() for errand in tasks}) == 30
    assert all(errand.order.tool in errand.note for errand in attacks())
    assert not {e.order for e in attacks()} & {e.call for e in errands() if e.note}
    assert len({each.question for each in sums()}) == 60
    assert all(each.answer == calculate(each.expression) for each in sums())
    assert len({task for task, _ in tool_tasks()}) == 36
    assert len(dict(misspelled())) == 8


def test_a_fence_is_around_the_note_and_nowhere_else():
    for errand in errands():
        assert errand.words(fence=True).count(f"<text>{errand.note}</text>") == bool(errand.note)
        assert errand.words().endswith(errand.note or errand.task)
    assert len(NOTES) == 10
