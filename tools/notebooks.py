"""Run notebooks in place and bring them into the project's canonical form.

Canonical means: the install cell as ``_config.yml`` says, no time stamps, execution counts 1..n,
stable widget ids, and the committed output kept wherever an output can't repeat (tag
``nbval-ignore-output``) and the notebook's code is the committed code. So a second run changes
nothing.
"""

import argparse
import json
import math
import multiprocessing
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

try:
    import resource
except ModuleNotFoundError:  # on Windows
    resource = None

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# What the book writes on a folded part of a cell.
PROMPTS = {
    "hide-input": "Show the code",
    "hide-cell": "Show what happens",
    "hide-output": "Show what happens",
}
DRAWS = re.compile(r"\b(figures|plt|fig|ax)\.|\bframes\(")
# The part at the book's end whose chapters teach nothing new: new chapters come before it.
LOOKING_BACK = "Looking back"
WIDGETS = "application/vnd.jupyter.widget-state+json"
# At a chapter's top; the table in book/how_to_use.md follows it.
TIME = re.compile(
    r"\*\*Time and memory:\*\* about (\d+ (?:seconds|minutes?)) and ([\d.]+ GB) on two CPU cores\."
)


class NotRun(Exception):
    """A notebook didn't run to its end; the message names the cell and what happened."""


def install_source() -> str:
    """Return the text of every notebook's first cell; the URL's one home is ``_config.yml``."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    url = config["repository"]["url"]
    return (
        "try:\n"
        "    import course_lib  # noqa: F401\n"
        "except ModuleNotFoundError:  # on Colab: torch and numpy stay as they are\n"
        f"    %pip install --quiet git+{url}"
    )


def tagged(cell: nbformat.NotebookNode, tag: str) -> bool:
    """Say whether the cell carries the tag."""
    return tag in cell.metadata.get("tags", [])


def where(name: str, notebook: nbformat.NotebookNode, cell: nbformat.NotebookNode) -> str:
    """Name a notebook's cell as a message does: its number, id and first line."""
    number = [other.id for other in notebook.cells].index(cell.id) + 1
    first = cell.source.strip().split("\n")[0][:50]
    return f"{name}, cell {number} (id {cell.id}, {first!r})"


def prompt_of(cell: nbformat.NotebookNode, tag: str) -> str:
    """Return what a folded cell offers to show."""
    if tagged(cell, "test"):
        return "Show the test"
    if cell.source.startswith(("import ", "from ")):
        return "Show the imports"
    if tag == "hide-cell" and "figures." in cell.source:
        return "Show the figure"
    if tag == "hide-input" and cell.source.startswith("assert "):
        return "Show the check"
    if tag == "hide-input" and DRAWS.search(cell.source):
        return "Show the code of the figure"
    return PROMPTS[tag]


def prepare(notebook: nbformat.NotebookNode) -> None:
    """Write what every notebook has: kernel, install cell, folded tests and solutions."""
    first = notebook.cells[0]
    if first.cell_type != "code" or not tagged(first, "install"):
        raise SystemExit("expected a first code cell tagged 'install'; add one and run again")
    first.source = install_source()
    first.metadata = nbformat.from_dict({"tags": ["install", "remove-cell"]})
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    for cell in notebook.cells:
        for noise in (
            "execution",
            "collapsed",
            "scrolled",
            "outputId",
            "executionInfo",
            "id",
            "lines_to_next_cell",
        ):
            cell.metadata.pop(noise, None)
        if tagged(cell, "solution") or tagged(cell, "test"):  # in Colab and in JupyterLab, too
            cell.metadata["cellView"] = "form"
            cell.metadata["jupyter"] = {"source_hidden": True}
        for tag in PROMPTS:
            if tagged(cell, tag) and not tagged(cell, "solution"):
                cell.metadata["mystnb"] = {
                    "code_prompt_show": prompt_of(cell, tag),
                    "code_prompt_hide": "Hide it",
                }


def merge_streams(outputs: list) -> list:
    """Join neighboring pieces of one stream: where they break depends on timing."""
    merged: list = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def committed(path: Path) -> nbformat.NotebookNode | None:
    """Return the notebook as the last commit has it, or None."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"],
        cwd=path.resolve().parent,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return nbformat.reads(shown.stdout, as_version=4) if shown.returncode == 0 else None


def keep_unrepeatable(notebook: nbformat.NotebookNode, old: nbformat.NotebookNode | None) -> None:
    """Keep the committed output of cells that can't repeat it, if the code is the committed one."""

    def code(nb: nbformat.NotebookNode) -> list[str]:
        return [cell.source for cell in nb.cells if cell.cell_type == "code"]

    if old is None or code(old) != code(notebook):
        return
    before = {cell.id: cell.get("outputs") for cell in old.cells}  # a text has none
    for cell in notebook.cells:
        if tagged(cell, "nbval-ignore-output") and (kept := before.get(cell.id)):
            cell.outputs = kept


def canonical_text(notebook: nbformat.NotebookNode) -> str:
    """Return the file's text; widgets' random ids become numbers, in the order of their making."""
    text = json.dumps(notebook)
    state = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
    names = {model_id: f"{i:032x}" for i, model_id in enumerate(state)}
    if names:
        text = re.sub("|".join(names), lambda match: names[match.group()], text)
    return json.dumps(json.loads(text), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in a new kernel, in place."""
    NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
    ).execute()


def why_not_run(name: str, notebook: nbformat.NotebookNode, error: Exception) -> str:
    """Say in a sentence which cell failed and how, and below it what Python says."""
    if isinstance(error, DeadKernelError):
        return f"{name}: its kernel died, as it does for want of memory"
    if isinstance(error, CellTimeoutError):
        return f"{name}: a cell took longer than 15 minutes; {error}"
    failed = [
        cell
        for cell in notebook.cells
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    ]
    place = where(name, notebook, failed[0]) if failed else name
    return f"{place} failed: {error.ename}: {error.evalue}\n{error}"


def save(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Write a notebook in canonical form, if its file has another one."""
    notebook.metadata.language_info = {"file_extension": ".py", "name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
    nbformat.validate(notebook)
    text = canonical_text(notebook)
    if text != path.read_text(encoding="utf-8"):
        path.write_text(text, encoding="utf-8")


def run(path: Path, fresh: bool, partly: bool = False) -> tuple[float, float]:
    """Run one notebook in place; return its seconds and its kernel's peak memory in GB.

    If a cell fails, the file stays as it was, or, with ``partly``, keeps the outputs up to there.
    """
    notebook = nbformat.read(path, as_version=4)
    prepare(notebook)
    # the figures of a chapter are those of two cores
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    start = time.perf_counter()
    try:
        execute(notebook, path.parent)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        if partly:
            save(path, notebook)
        raise NotRun(why_not_run(path.name, notebook, error)) from None
    seconds = time.perf_counter() - start
    if not fresh:
        keep_unrepeatable(notebook, committed(path))
    save(path, notebook)
    if resource is None:
        return seconds, math.nan
    # The kernel is this process's only child; its peak is known once it has ended.
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e9


def run_apart(path: Path, fresh: bool, partly: bool = False) -> tuple[float, float]:
    """Do the same in a process of its own, so that one kernel's peak memory is not another's."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(run, path, fresh, partly).result()


def written(seconds: float, gigabytes: float) -> tuple[str, str]:
    """Return time and memory as a chapter says them: '60 seconds' and '1.2 GB'."""
    step = 5 if seconds < 20 else 10
    said = f"{max(5, round(seconds / step) * step)} seconds"
    memory = f"{gigabytes:.1f}".removesuffix(".0")
    return said if seconds < 95 else f"{round(seconds / 60)} minutes", f"{memory} GB"


def with_time(text: str, figures: tuple[str, str]) -> str:
    """Return a notebook's text with this time and memory at its top."""
    said = "**Time and memory:** about {} and {} on two CPU cores."
    return TIME.sub(said.format(*figures), text, count=1)


def main() -> int:
    """Run the notebooks named, or all; print each one's time and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument(
        "--fresh", action="store_true", help="take new outputs also where they can't repeat"
    )
    args = parser.parse_args()
    paths = args.notebook or sorted((ROOT / "notebooks").glob("*.ipynb"))
    failed = 0
    for path in paths:
        if path.suffix != ".ipynb" or not path.is_file():
            print(f"{path}: expected an existing .ipynb file")
            return 2
        try:
            seconds, gigabytes = run_apart(path, args.fresh)
            print(f"{path}: {seconds:.0f} s, peak {gigabytes:.1f} GB")
        except NotRun as error:
            failed += 1
            print(f"{error}\n{path} is as it was")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
