"""The home page: its map says what a chapter brings and takes; an entry leads to Colab."""

import sys

from project import CONFIG, NOTEBOOKS, ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from chapter_map import COLAB, ITEM, PAGE, in_colab, times_to_run, with_times

HOME = (ROOT / f"{PAGE}.md").read_text(encoding="utf-8")


def test_each_chapter_on_the_map_has_its_times_and_what_one_can_do_after_it():
    runs = times_to_run()
    shown = [line for line in with_times(HOME).splitlines() if "../notebooks/" in line]
    items = [line for line in shown if line.startswith("<li>")]
    assert len(items) == len(NOTEBOOKS)
    for line in items:
        name = line.partition("../notebooks/")[2].partition(".html")[0]
        assert line.count("<li>") == 1
        assert line.endswith(f" · runs in {runs[name]}</small></li>")
    silent = [name for _, name, can in ITEM.findall(HOME) if not can.strip()]
    assert not silent, (
        f"book/home.md: say behind the link of {silent} what a reader can do after it"
    )


def test_the_entry_for_colab_is_where_the_chapters_buttons_lead():
    options = {
        "repository_url": CONFIG["repository"]["url"],
        "repository_branch": CONFIG["repository"]["branch"],
        "launch_buttons": CONFIG["launch_buttons"],
    }
    owner_and_name = CONFIG["repository"]["url"].removeprefix("https://github.com/")
    assert COLAB in HOME
    assert in_colab("notebooks/background.ipynb", options) == (
        "https://colab.research.google.com/github/"
        f"{owner_and_name}/blob/main/notebooks/background.ipynb"
    )
