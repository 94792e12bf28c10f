"""A drawing of 'After pre-training': from comparisons to a better model, in two ways."""

from course_lib.figures.drawing import Drawing, show_drawing


def two_ways() -> None:
    """Show RLHF, over a reward model and the model's own answers, beside DPO."""
    d, left, right = Drawing(), 112, 318
    d.box(200, 36, 260, 44, "comparisons", "key", "this answer is better than that one")
    # The long way: a reward model, and answers that it judges, again and again.
    d.line([(left, 58), (left, 116)])
    d.box(left, 140, 148, 48, "reward model", "attention", "a number for each")
    d.line([(left - 36, 228), (left - 36, 164)])
    d.line([(left + 36, 164), (left + 36, 228)])
    d.text(left - 44, 201, "answers", 13.5, "muted", "end")
    d.text(left + 44, 201, "rewards", 13.5, "muted", "start")
    d.box(left, 252, 148, 48, "the model", "mlp", "writes, and changes")
    # The short one.
    d.line([(right, 58), (right, 228)])
    d.text(right + 10, 148, "its own", 13.5, "muted", "start")
    d.text(right + 10, 166, "reward", 13.5, "muted", "start")
    d.box(right, 252, 132, 48, "the model", "mlp", "changes")
    d.text(left, 304, "RLHF", 14, weight=650)
    d.text(right, 304, "DPO", 14, weight=650)
    show_drawing(
        d.svg(316),
        "DPO leaves out the reward model and the writing",
        "Read downward. Left: a reward model imitates the raters, and the model follows it with "
        "answers of its own. Right: the model is trained on the compared answers at once; what it "
        "finds likelier than its reference counts as its reward.",
        alt="At the top a box, comparisons. On the left an arrow leads from it to a reward model, "
        "and between that and the model below go answers up and rewards down. On the right one "
        "arrow leads from the comparisons straight to the model.",
    )
