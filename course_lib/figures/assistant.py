"""SmolLM2 itself in the page: the browser runs it, once the reader asks for it."""

from IPython.display import HTML

from course_lib.figures import page


def assistant_box(src: str, model: str, window: int = 2048) -> HTML:
    """Let the reader talk to a model that runs in the browser; before a press nothing is loaded.

    Args:
        src: the folder with the runtime and the model's file, as the page finds it.
        model: the file's name.
        window: tokens that the model reads and writes at once; of a longer conversation it no
            longer sees the oldest turns.
    """
    words = page.words("assistant")
    return page.figure(
        "assistant",
        {"src": src, "model": model, "window": window},
        page.controls(),
        f'<div class="log" role="log" aria-label="{page.text(words["log"])}" hidden></div>',
        '<p class="lm-says" aria-live="polite"></p>',
    )
