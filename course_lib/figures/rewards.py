"""Drawings of 'After pre-training': three steps, a group of answers, and depth by writing."""

from course_lib.figures.drawing import Drawing, show_drawing


def three_steps() -> None:
    """Show what a model learns from, and what each step makes likelier."""
    d, middle, words = Drawing(), 66, 134
    steps = (
        ("Pre-training", "mlp", "texts of everyone", "each token of a text"),
        ("Fine-tuning", "attention", "answers by people", "each token of a good answer"),
        ("Preferences", "key", "which of two is better", "answers that people prefer"),
        ("Rewards", "query", "a program that checks", "answers that are right"),
    )
    for i, (name, hue, data, likelier) in enumerate(steps):
        y = 34 + 76 * i + (30 if i > 1 else 0)
        d.box(middle, y, 112, 44, name, hue)
        d.text(words, y - 3, f"learns from {data}", 13.5, anchor="start")
        d.text(words, y + 15, f"likelier: {likelier}", 13.5, "muted", "start")
        if i:
            d.line([(middle, y - (84 if i == 2 else 54)), (middle, y - 22)])
    d.line([(8, 158), (392, 158)], "edge", head=False)
    d.text(words, 176, "now it writes, and is judged", 13.5, anchor="start", weight=650)
    show_drawing(
        d.svg(318),
        "Above the line the model imitates; below it writes and is judged",
        "Read downward: each step goes on with the weights of the one above. Many models go "
        "through all four; some leave one of the last two out.",
        alt="Four boxes, one below the other: pre-training learns from texts of everyone, "
        "fine-tuning from answers by people; then, below a line, preferences from which of two "
        "answers is better, and rewards from a program that checks.",
    )


def group_of_answers() -> None:
    """Show one question's group, what a program says, and in which direction each is moved."""
    d = Drawing()
    right, wrong = (1, 1.21), (0, -0.72)
    said = ("131", "132", "122", "132", "112", "133", "132", "142")
    answers = [(answer, *(right if answer == "132" else wrong)) for answer in said]
    d.text(44, 166, "47+85=", 16, weight=650, mono=True)
    for x, words in ((140, "answer"), (230, "reward"), (330, "advantage")):
        d.text(x, 20, words, 13.5, "muted")
    for i, (answer, reward, advantage) in enumerate(answers):
        y = 48 + 33 * i
        hue = "key" if reward else "query"
        d.line([(84, 160), (112, y)], "edge", 1, head=False)
        d.cell(114, y - 13, 52, 26, hue, 18)
        d.text(140, y + 5, answer, 14, mono=True)
        d.text(230, y + 5, str(reward), 14, weight=650)
        d.text(330, y + 5, f"{advantage:+.2f}".replace("-", "\N{MINUS SIGN}"), 14)
        end = (y - 9, y + 9) if reward else (y + 9, y - 9)
        d.line([(376, end[1]), (376, end[0])], hue)
    show_drawing(
        d.svg(302),
        "Better than the group: likelier. Worse: less likely",
        "One question, eight answers of the same model. The rewards’ mean is 3/8; the advantage is "
        "a reward’s distance from it, in standard deviations.",
        alt="The question 47+85= leads to eight answers. The three that say 132 have reward 1, "
        "advantage +1.21 and an arrow up; the other five have reward 0, advantage -0.72 and an "
        "arrow down.",
    )


def depth_by_writing() -> None:
    """Show how many layers lie between the digits and the answer, with steps and without."""
    d = Drawing()
    digits = ("7", "3", "9", "2")
    # Without steps: two layers, whatever the number of digits.
    d.text(8, 18, "the answer at once: two layers", 14, anchor="start", weight=650)
    for i, digit in enumerate(digits):
        x = 40 + 60 * i
        d.cell(x - 17, 96, 34, 30, "mlp", 16)
        d.text(x, 116, digit, 15, mono=True)
        d.line([(x, 94), (320, 66 if i < 3 else 68)], "attention", 1, head=False)
    for layer in (0, 1):
        d.cell(303, 52 - 24 * layer, 34, 18, "attention", 30)
    d.line([(338, 36), (358, 36)])
    d.text(374, 41, "1", 15, weight=650, mono=True)
    # With steps: each written digit goes back in, and through both layers again.
    d.text(8, 166, "with steps: two layers for each digit", 14, anchor="start", weight=650)
    for i, digit in enumerate(digits):
        x = 40 + 84 * i
        d.cell(x - 17, 262, 34, 30, "mlp", 16)
        d.text(x, 282, digit, 15, mono=True)
        d.line([(x, 260), (x, 242)], "attention")
        for layer in (0, 1):
            d.cell(x - 17, 222 - 24 * layer, 34, 18, "attention", 30)
        d.text(x + 38, 212, ("7", "0", "9", "1")[i], 15, weight=650, mono=True)
        d.line([(x + 18, 207), (x + 29, 207)])
        if i < 3:
            d.line([(x + 46, 207), (x + 46, 231), (x + 66, 231)], "key")
    show_drawing(
        d.svg(304),
        "What is written goes through all layers again",
        "7 + 3 + 9 + 2 ends with 1. Above, all additions must happen between the bottom and the "
        "top of the model. Below, each token needs one, and the written total carries on.",
        alt="Above: four digits lead to one column of two layers, which says 1. Below: four "
        "columns of two layers, one above each digit; each writes a digit, 7, 0, 9 and 1, which "
        "goes into the next column.",
    )


def pushes() -> None:
    """Show how strongly each answer is pushed when it is drawn, without a baseline and with one."""
    answers = (("A", 0.51, 1.2), ("B", 0.31, 2.0), ("C", 0.19, 1.0))
    mean = sum(share * reward for _, share, reward in answers)
    panels = {}
    for name, baseline in (("by the reward", 0.0), ("by the reward less its mean", mean)):
        d = Drawing()
        for i, (answer, share, reward) in enumerate(answers):
            x, top, push = 62 + 124 * i, 210 - 200 * share, reward - baseline
            d.cell(x - 24, top, 48, 210 - top, "query", 30)
            d.line([(x + 38, top), (x + 38, top - 46 * push)], "right" if push > 0 else "wrong", 2)
            said = f"{push:+.1f}".replace("-", "\N{MINUS SIGN}")
            d.text(x + 47, top - 23 * push + 5, said, 14, anchor="start")
            d.text(x, 230, f"{answer}, reward {reward:g}", 14)
        panels[name] = d.svg(240, 40, limit="34rem")
    show_drawing(
        panels,
        "A baseline turns pushes of all into pushes of some",
        "Bars: how likely each of three answers is. Arrows: how strongly its log-probability is "
        "pushed whenever it is drawn. With the mean of the rewards taken off, only what is "
        "better than the mean is pushed up.",
        alt="Twice three bars, of 0.51, 0.31 and 0.19. By the reward all three arrows point up, "
        "by 1.2, 2.0 and 1.0. Less the mean of 1.4 that of the second points up, by 0.6, and the "
        "others point down, by 0.2 and 0.4.",
    )
