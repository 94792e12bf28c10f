"""Drawings of 'Compute': a mixture of experts, and a draft that is checked."""

from course_lib.figures.drawing import Drawing, show_drawing


def mixture_of_experts() -> None:
    """Show a token's way through a router and two of eight experts."""
    d, stream, y = Drawing(), 200, 118
    chosen = {2: "0.7", 5: "0.3"}
    d.text(stream, 262, "a token’s vector", 14)
    d.line([(stream, 246), (stream, 222)])
    d.box(stream, 200, 150, 36, "router", "attention", "")
    d.text(290, 205, "scores all eight", 13.5, "muted", "start")
    # The experts; ways lead to those that were chosen, and on to their sum.
    for i in range(8):
        x = 28 + 49 * i
        at_work = i in chosen
        d.cell(x - 18, y - 18, 36, 36, "mlp", 45 if at_work else 6)
        d.text(x, y + 5, str(i + 1), 14, "ink" if at_work else "muted", weight=650)
        if at_work:
            d.line([(stream, 182), (x, y + 20)], "attention")
            d.line([(x, y - 18), (stream + (-9 if x < stream else 9), 52)], "mlp")
            d.text(x + (-16 if x < stream else 16), y - 34, f"× {chosen[i]}", 13.5, "muted")
    d.plus(stream, 48, "mlp")
    d.line([(stream, 38), (stream, 14)])
    d.text(216, 22, "their weighted sum", 13.5, "muted", "start")
    show_drawing(
        d.svg(272),
        "Memory holds eight experts, a token meets two",
        "Read upward. Each expert is a feed-forward part of its own; the pale ones do nothing for "
        "this token, and take memory all the same. The next token may meet others.",
        alt="A token's vector goes into a router. Of eight experts in a row the third and the "
        "sixth are strong, the others pale. Lines lead from the router to these two, and from "
        "them, multiplied by 0.7 and 0.3, to a sum.",
    )


def draft_and_check() -> None:
    """Show one step with four guesses, of which two are kept."""
    d, left, width = Drawing(), 86, 58
    guesses = ("t", "h", "a", "n")
    # Three rows: what is guessed, how it is judged, what is written.
    rows = {"pupil": 46, "teacher": 112, "kept": 178}
    for name, y in rows.items():
        d.text(8, y + 5, name, 14, anchor="start", weight=650)
    # A column for each guess; two are right, and behind the wrong one none is judged.
    for i, letter in enumerate(guesses):
        x, right, judged = left + 24 + width * i, i < 2, i <= 2
        d.cell(x - 20, rows["pupil"] - 18, 40, 36, "key", 20)
        d.text(x, rows["pupil"] + 5, letter, 15, weight=650, mono=True)
        d.cell(x - 20, rows["teacher"] - 18, 40, 36, "query", 20 if judged else 4)
        mark = ("kept" if right else "no") if judged else ""
        d.text(x, rows["teacher"] + 5, mark, 13.5)
        d.line([(x, rows["pupil"] + 20), (x, rows["teacher"] - 20)], "edge")
        if judged:
            d.cell(x - 20, rows["kept"] - 18, 40, 36, "key" if right else "query", 20)
            d.text(x, rows["kept"] + 5, letter if right else "e", 15, weight=650, mono=True)
            d.line([(x, rows["teacher"] + 20), (x, rows["kept"] - 20)], "edge")
    d.text(left, 16, "four steps of the pupil, one after the other", 13.5, "muted", "start")
    d.text(left + 4 * width, 117, "one step", 13.5, "muted", "start")
    d.text(left + 3 * width + 4, 183, "three tokens", 13.5, "muted", "start")
    show_drawing(
        d.svg(206),
        "One step of the teacher checks four guesses of the pupil",
        "The first two guesses are kept. The third isn’t; the teacher writes its own token there, "
        "and the fourth, which stood on the wrong one, is forgotten.",
        alt="Three rows. The pupil has guessed t, h, a, n. Below, the teacher has kept the first "
        "two, said no to the third and doesn't judge the fourth. The last row is what is written: "
        "t, h, and e, the teacher's own.",
    )
