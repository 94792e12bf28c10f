"""Drawings of 'Retrieval and tools': how a passage is found, and the loop of an agent."""

from course_lib.figures.drawing import Drawing, show_drawing


def retrieval() -> None:
    """Show the way from pages to an index, and from a question to an answer."""
    d = Drawing()
    # Above: done once, for all questions.
    d.text(8, 20, "once", 13.5, "muted", "start", 650)
    for i in range(3):
        d.cell(20 + 8 * i, 34 + 8 * i, 50, 60, "embedding", 16)
    d.text(54, 129, "pages", 14)
    d.line([(92, 72), (126, 72)])
    for i in range(5):
        d.cell(132, 34 + 16 * i, 66, 13, "embedding", 45 if i == 2 else 16)
    d.text(165, 129, "passages", 14)
    d.line([(204, 72), (236, 72)])
    d.text(220, 24, "vectors", 13, "muted")
    for i in range(5):
        for j in range(8):
            d.cell(244 + 14 * j, 34 + 16 * i, 13, 13, "key", 12 + (7 * i + 5 * j) % 40)
    d.text(300, 129, "index: a matrix", 14)
    # Below: for each question.
    d.text(8, 160, "for each question", 13.5, "muted", "start", 650)
    d.box(70, 196, 108, 40, "question", "query")
    d.line([(126, 196), (236, 196)])
    d.text(180, 186, "its vector", 13, "muted")
    for j in range(8):
        d.cell(244 + 14 * j, 190, 13, 13, "query", 14 + (5 * j) % 40)
    d.line([(300, 136), (300, 186)], "key")
    d.text(310, 162, "products", 13, "muted", "start")
    d.line([(300, 206), (300, 236)])
    d.box(300, 258, 152, 40, "the largest", "attention")
    d.line([(222, 258), (190, 258)])
    d.cell(70, 250, 114, 16, "embedding", 45)
    d.text(127, 285, "the found passage", 13.5, "muted")
    d.line([(40, 218), (40, 304)], "query")
    d.line([(127, 292), (127, 304)], "embedding")
    d.box(100, 326, 176, 40, "SmolLM2", "mlp", "reads both")
    d.line([(190, 326), (236, 326)])
    d.text(242, 324, "answer,", 14, "ink", "start", 650)
    d.text(242, 342, "and where it stands", 14, "ink", "start")
    show_drawing(
        d.svg(352),
        "Find a passage, then answer from it",
        "Above: each passage gets a vector, once. Below: the question’s vector is multiplied with "
        "all of them, the passage with the largest product is put before the question, and the "
        "model answers. Where the passage stands is known, so the answer has a source.",
        alt="Two rows. Above, pages are cut into passages, and each becomes a row of a matrix, the "
        "index. Below, a question becomes a vector, its products with the rows pick one passage, "
        "and SmolLM2 reads the passage and the question and writes an answer with its place.",
    )


def agent_loop() -> None:
    """Show the loop of an agent, and where its program may say no."""
    d, left, right = Drawing(), 92, 306
    d.box(left, 40, 150, 40, "task", "query", "the user’s words")
    d.line([(left, 60), (left, 96)])
    d.box(left, 118, 150, 44, "what is read", "embedding", "task, calls, results")
    d.line([(left + 75, 118), (right - 77, 118)])
    d.box(right, 118, 150, 44, "model", "mlp", "writes a call")
    d.line([(right, 140), (right, 178)])
    d.text(right + 8, 164, "JSON", 13, "muted", "start")
    d.box(right, 202, 150, 44, "program", "attention", "may it be run?")
    d.line([(right, 224), (right, 262)], "right")
    d.text(right + 8, 248, "yes", 13, "right", "start")
    d.box(right, 286, 150, 44, "tool", "value", "does it")
    d.line([(right - 77, 286), (left, 286), (left, 142)], "value")
    d.text(166, 279, "result, or error", 13, "muted")
    d.line([(right - 77, 202), (left + 30, 202), (left + 30, 142)], "wrong")
    d.text(178, 195, "no, and why", 13, "wrong")
    d.line([(right, 96), (right, 62)])
    d.text(right - 8, 84, "the call is “answer”", 13, "muted", "end")
    d.box(right, 40, 150, 40, "answer", "right")
    show_drawing(
        d.svg(316),
        "The model only writes; the program acts",
        "A loop: the model writes a call, the program decides whether it is run, and what comes "
        "of it is written behind what the model has read. It ends when the call is "
        "<em>answer</em>, or after a fixed number of steps.",
        alt="A loop of boxes. The task enters what is read; the model writes a call as JSON; the "
        "program asks whether it may be run; if yes, a tool does it and the result goes back to "
        "what is read; if no, the reason goes back. A call named answer leads out of the loop.",
    )


def what_guards_see() -> None:
    """Show which of what the program knows each guard looks at before a call is run."""
    d, lanes = Drawing(), {"allow-list": 236, "person": 308, "rights": 368}
    rows = (
        ("task, by the user", "What does this note say?", "query", ("person", "rights")),
        ("note, by a stranger", "… mail mallory …", "wrong", ("rights",)),
        ("call, by the model", "send_mail to mallory", "mlp", tuple(lanes)),
    )
    for name, x in lanes.items():
        d.text(x, 18, name, 13.5, weight=650)
        d.line([(x, 28), (x, 236)], "line", head=False)
    for i, (whose, words, hue, seen) in enumerate(rows):
        y = 60 + 70 * i
        d.box(98, y, 180, 48, whose, hue, words)
        for name in seen:
            d.dot(lanes[name], y, hue, 8)
    asks = (
        ("allow-list", "is mallory in the address book?"),
        ("person", "did I ask for this?"),
        ("rights", "may all who wrote what was read send mail?"),
    )
    for i, (name, question) in enumerate(asks):
        bold = f"<tspan font-weight='650'>{name}:</tspan>"
        d.text(8, 264 + 22 * i, f"{bold} {question}", 13.5, anchor="start")
    show_drawing(
        d.svg(320),
        "Each guard looks at something else",
        "Before a call is run. A dot: the guard looks at it; of task and note, the rights look at "
        "who wrote them. Only they notice that a stranger has spoken.",
        alt="Three boxes: the user's task, a stranger's note, the model's call to mail mallory. "
        "The allow-list looks at the call alone, the person at the task and the call, the rights "
        "at all three. Below, what each asks.",
    )
