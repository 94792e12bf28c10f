"""Check one chapter, from its format to its page in the book; say each fault in a sentence.

Formats its code and its answers, runs it in place (up to a cell that fails: the outputs before it
are kept), writes the time and memory at its top and in the book's table, and then holds it to
every rule: form, exercises, outputs that repeat, the built page.

The time is measured on two cores. It is written where it is off by more than a half of what the
chapter says, and the memory where it is off by more than a quarter; a time measured while the
machine does other work is printed only.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
from build_book import SITE, build
from chapter import SKELETON

from notebooks import ROOT, TIME, NotRun, run_apart, where, with_time, written

TIMES = ROOT / "book" / "how_to_use.md"
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def python(*words: str) -> subprocess.CompletedProcess:
    """Run a module of this environment from the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def format_code(name: str) -> list[str]:
    """Format a chapter and its answers; return what only its author can mend."""
    answers = [f"tests/book/{kind}_answers/{name}.py" for kind in ("wrong", "right")]
    files = [f for f in (f"notebooks/{name}.ipynb", *answers) if (ROOT / f).is_file()]
    python("ruff", "check", "--fix", "--quiet", *files)
    done = [
        python("ruff", "format", "--quiet", *files),
        python("ruff", "check", "--quiet", "--output-format=concise", *files),
        python("codespell_lib", *files),
    ]
    lines = [line for one in done for line in (one.stdout + one.stderr).splitlines() if line]
    return [in_cell(name, line) for line in lines]


def in_cell(name: str, line: str) -> str:
    """Name the cell where a line of the spelling checker names a line of the notebook's file."""
    found = re.match(rf"notebooks/{name}\.ipynb:\d+: ((\w+) ==> .*)", line)
    if not found:
        return line
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [c for c in notebook.cells if re.search(rf"\b{found[2]}\b", c.source)]
    return f"{where(f'{name}.ipynb', notebook, cells[0])}: {found[1]}" if cells else line


def run_it(name: str) -> list[str]:
    """Run a chapter in place, and let its figures follow; return what failed."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    busy = (os.cpu_count() or 2) - os.getloadavg()[0] < 0.5
    try:
        seconds, gigabytes = run_apart(path, fresh=False, partly=True)
    except NotRun as error:
        return [STYLE.sub("", str(error))]
    print(f"{seconds:.0f} s, {gigabytes:.1f} GB", end=" ")
    text = path.read_text(encoding="utf-8")
    said = TIME.search(text)
    if said:
        figures = chosen(said.groups(), seconds, gigabytes, busy)
        if figures != said.groups():
            print(f"(at the top: {said[1]}, {said[2]}; now {', '.join(figures)})", end=" ")
            path.write_text(with_time(text, figures), encoding="utf-8")
        if busy:
            print("(the machine is busy: the time is not written)", end=" ")
        page = TIMES.read_text(encoding="utf-8")
        row = re.compile(rf"(\(\.\./notebooks/{name}\.ipynb\)) \|.*")
        TIMES.write_text(row.sub(rf"\1 | {' | '.join(figures)} |", page), encoding="utf-8")
    return []


def chosen(said: tuple[str, str], seconds: float, gigabytes: float, busy: bool) -> tuple[str, str]:
    """Return the time and memory to write: what is said, unless the measured ones are far off."""
    number, unit = said[0].split()
    before = float(number) * (60 if unit.startswith("minute") else 1)
    time_said, memory_said = written(seconds, gigabytes)
    stays = busy or 2 / 3 <= max(seconds, 5) / before <= 3 / 2
    keeps = 3 / 4 <= gigabytes / float(said[1].split()[0]) <= 5 / 4
    return (said[0] if stays else time_said, said[1] if keeps else memory_said)


def faults_of(name: str, *words: str) -> list[str]:
    """Run tests; return the sentence of each that fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = python("pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *words)
        if not report.is_file():
            return [(done.stdout + done.stderr).strip()]
        cases = ElementTree.parse(report).getroot().iter("testcase")
        failed = [
            (case.get("name"), fault.get("message"), fault.text or "")
            for case in cases
            for fault in (*case.iter("failure"), *case.iter("error"))
        ]
    return [sentence(name, *one) for one in failed]


def sentence(name: str, test: str, message: str, text: str) -> str:
    """Return what a failed test says, without what pytest adds to it."""
    message = STYLE.sub("", message.replace("#x1B", "\x1b"))
    cell = re.search(r"^Cell (\d+): (.*)", message, re.M)
    if cell:  # nbval counts code cells
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        code = [c for c in notebook.cells if c.cell_type == "code"][int(cell[1])]
        shown = message.partition("Traceback:")[2].strip()
        return f"{where(f'{name}.ipynb', notebook, code)}: run again it differs: {cell[2]}\n{shown}"
    said = message.removeprefix("AssertionError: ").split("\nassert ")[0]
    if said.startswith("assert ") or not message.startswith("AssertionError"):
        said = f"{test}: {said}"
    return said.strip()


def form(name: str) -> list[str]:
    """Return what is wrong with a chapter's form, its exercises, and the pages that list it."""
    files = ["book/test_notebooks.py", "book/test_exercises.py"]
    files += ["test_project.py", "test_imports.py"]
    mine = f"[{name}] or [{name}- or test_project.py or test_imports.py"
    return faults_of(name, *(f"tests/{file}" for file in files), "-k", mine)


def outputs(name: str) -> list[str]:
    """Return where a chapter, run again, shows something else."""
    return faults_of(name, "--nbval", "--nbval-current-env", f"notebooks/{name}.ipynb")


def page(name: str) -> list[str]:
    """Build the book; return what is wrong with the chapter's page."""
    said = build()
    if said:
        return [f"the book is not built: {STYLE.sub('', said)}"]
    print((SITE / "notebooks" / f"{name}.html").as_uri(), end=" ")
    return faults_of(name, "tests/book/test_site.py", "-k", f"notebooks/{name}]")


def left_over(name: str) -> list[int]:
    """Return the numbers of the cells that are as ``make chapter`` wrote them."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    skeleton = nbformat.read(SKELETON / "chapter.ipynb", as_version=4)
    old = {cell.source for cell in skeleton.cells[3:]}  # below the imports
    return [number for number, cell in enumerate(notebook.cells, 1) if cell.source in old]


STEPS = {
    "format": format_code,
    "run": run_it,
    "form and exercises": form,
    "outputs": outputs,
    "page": page,
}


def main() -> int:
    """Do the steps in turn; print a line for each and a sentence for each fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the chapter, such as text_generation")
    parser.add_argument("--no-page", action="store_true", help="don't build the book (minutes)")
    args = parser.parse_args()
    name = args.name.removeprefix("notebooks/").removesuffix(".ipynb")
    names = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    if name not in names:
        near = difflib.get_close_matches(name, names) or names
        raise SystemExit(f"CHAPTER: expected one like {', '.join(near)}; got {name!r}")
    found = 0
    steps = [step for step in STEPS.items() if step[1] is not page or not args.no_page]
    for number, (what, step) in enumerate(steps, 1):
        print(f"{number}/{len(steps)} {what}:", end=" ", flush=True)
        if step is page and found:
            print("not built before the rest is right")
            break
        start = time.perf_counter()
        faults = step(name)
        said = f"{len(faults)} to mend" if faults else "right"
        print(f"{said} ({time.perf_counter() - start:.0f} s)", flush=True)
        for fault in faults:
            print("  - " + fault.replace("\n", "\n    "), flush=True)
        found += len(faults)
        if step is run_it and faults:
            break
    if cells := left_over(name):
        print(
            f"As `make chapter` wrote them, and yours to write: cells {', '.join(map(str, cells))}"
        )
    print(f"{name}: {found} to mend" if found else f"{name}: all right")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
