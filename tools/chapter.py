"""Begin a chapter: a skeleton that passes every check, and its line wherever chapters are listed.

It goes where the map of ``book/home.md`` plans a chapter of this title, else behind the last one
that teaches; --part and --after say otherwise. Then write, and run ``make check CHAPTER=NAME``.
"""

import argparse
import html
import keyword
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import nbformat

from notebooks import LOOKING_BACK, ROOT, canonical_text, run_apart, with_time, written

SKELETON = ROOT / "tools" / "skeleton"
NEXT = re.compile(r"The next chapter [^.]*?\[[^\]]*\]\(\w+\.ipynb\)\.?")


class Item(NamedTuple):
    """One chapter on the home page's map; ``name`` is empty if it is only planned."""

    line: int
    part: str
    name: str
    title: str


def read_map(home: str) -> list[Item]:
    """Return the chapters of the home page's map, in order."""
    items, part = [], ""
    for number, line in enumerate(home.splitlines()):
        if found := re.match(r"<li><strong>(.+)</strong>", line):
            part = found[1]
        elif found := re.fullmatch(
            r'<li>(?:<a href="\.\./notebooks/(\w+)\.html">)?([^<]+)(?:</a>[^<]*)?</li>', line
        ):
            items.append(Item(number, part, found[1] or "", html.unescape(found[2])))
    return items


def on_map(home: str, name: str, title: str, part: str, after: str) -> str:
    """Return the home page with the chapter on its map."""
    lines, items = home.splitlines(), read_map(home)
    entry = f'<li><a href="../notebooks/{name}.html">{html.escape(title, quote=False)}</a></li>'
    there = {item.name: item.line for item in items if item.name}
    in_part = [item.line for item in items if item.part == part]
    planned = [
        item.line
        for item in items
        if not item.name and item.title.casefold() == title.casefold() and part in ("", item.part)
    ]
    if after and after not in there:
        raise SystemExit(f"AFTER: expected one of {', '.join(there)}; got {after!r}")
    if planned and not after:
        lines[planned[0]] = entry
    elif part and not in_part:
        last = f"<li><strong>{LOOKING_BACK}</strong>"
        end = lines.index(last if last in lines else "</ol>")
        lines[end:end] = [f"<li><strong>{part}</strong>", "<ul>", entry, "</ul></li>"]
    else:
        teaching = [item.line for item in items if item.name and item.part != LOOKING_BACK]
        spot = there[after] if after else in_part[-1] if part else teaching[-1]
        lines.insert(spot + 1, entry)
    return "\n".join(lines) + "\n"


class Place(NamedTuple):
    """Where a chapter stands: its part, and the chapters before and after it."""

    part: str
    before: Item
    after: Item | None


def place_of(name: str, home: str) -> Place:
    """Return a chapter's place on the map."""
    items = [item for item in read_map(home) if item.name]
    at = [item.name for item in items].index(name)
    return Place(items[at].part, items[at - 1], (items[at + 1 :] or [None])[0])


def in_contents(toc: str, place: Place, name: str) -> str:
    """Return the table of contents with the chapter in its part."""
    entry = f"      - file: notebooks/{name}\n"
    before = f"      - file: notebooks/{place.before.name}\n"
    caption = f"  - caption: {place.part}\n    chapters:\n"
    if place.part == place.before.part:
        return toc.replace(before, before + entry)
    if caption in toc:
        return toc.replace(caption, caption + entry)
    return toc.replace(before, before + caption + entry)


def abbreviation(title: str, glossary: str) -> str:
    """Return letters for a chapter that the glossary doesn't use yet: initials, or the first."""
    small = ("a", "an", "and", "in", "of", "on", "that", "the", "to")
    words = [word for word in re.findall("[a-z]+", title.lower()) if word not in small] or ["x"]
    joined = "".join(words)
    tries = ["".join(word[0] for word in words)] if len(words) > 1 else []
    tries += [joined[:2] + letter for letter in joined[2:]]
    tries += [joined[0] + "x" * more for more in range(1, 99)]
    taken = re.findall(r"\b([A-Z]+) (?:stands )?for \[", glossary)
    return next(letters.upper() for letters in tries if letters.upper() not in taken)


def in_glossary(glossary: str, place: Place, name: str, title: str) -> str:
    """Return the glossary with an abbreviation of the chapter."""
    entry = f", {abbreviation(title, glossary)} for [{title}](../notebooks/{name}.ipynb)"
    before = rf"(for \[[^\]]*\]\(\.\./notebooks/{place.before.name}\.ipynb\))"
    return re.sub(before, lambda found: found[1] + entry, glossary, count=1)


def in_table_of_times(
    page: str, place: Place, name: str, title: str, figures: tuple[str, str]
) -> str:
    """Return 'How to use this book' with the chapter's time and memory."""
    row = f"| [{title}](../notebooks/{name}.ipynb) | {' | '.join(figures)} |\n"
    before = rf"(^\| \[[^\]]*\]\(\.\./notebooks/{place.before.name}\.ipynb\) .*\n)"
    return re.sub(before, lambda found: found[1] + row, page, count=1, flags=re.M)


def in_package_table(source: str, place: Place, name: str) -> str:
    """Return ``course_lib/__init__.py`` with a row that says the chapter uses no module yet."""
    before = rf"(^    {place.before.name} +\S.*\n(?: {{5,}}.*\n)*)"
    row = f"    {name:<26}  (none)\n"
    return re.sub(before, lambda found: found[1] + row, source, count=1, flags=re.M)


def say_next(notebook: nbformat.NotebookNode, following: Item | None) -> None:
    """Let the summary's end name the chapter that follows, or none."""
    sentence = (
        f"The next chapter is [{following.title}]({following.name}.ipynb)." if following else ""
    )
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "## Summary" in cell.source:
            summary, heading, rest = cell.source.partition("\n\n## References")
            found = NEXT.search(summary)
            said = NEXT.sub(sentence, summary) if found else f"{summary}\n\n{sentence}"
            cell.source = said.rstrip() + heading + rest
            return
    raise SystemExit("the chapter before has no text cell with '## Summary'; add one")


def skeleton(title: str, following: Item | None) -> nbformat.NotebookNode:
    """Return the chapter as it begins, not run yet."""
    notebook = nbformat.read(SKELETON / "chapter.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.id = nbformat.v4.new_code_cell().id  # a fresh one
        if cell.source.startswith("# TITLE"):
            cell.source = cell.source.replace("TITLE", title, 1)
    say_next(notebook, following)
    return notebook


def run_skeleton(notebook: nbformat.NotebookNode) -> tuple[str, tuple[str, str]]:
    """Run the skeleton where nothing is; return its text, with its time and memory, and these."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chapter.ipynb"
        path.write_text(canonical_text(notebook), encoding="utf-8")
        figures = written(*run_apart(path, fresh=True))
        return with_time(path.read_text(encoding="utf-8"), figures), figures


def check_input(name: str, title: str, part: str, toc: str) -> None:
    """Stop with a sentence if a chapter can't be called so."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise SystemExit(
            "NAME: expected small letters, digits and _, as text_generation (it names files); "
            f"got {name!r}"
        )
    for folder in ("notebooks", "tests/book/wrong_answers", "tests/book/right_answers"):
        for path in (ROOT / folder).glob(f"{name}.*"):
            raise SystemExit(f"NAME: expected a new one, but {path.relative_to(ROOT)} exists")
    for what, words in (("TITLE", title), ("PART", part or "none")):
        if not re.search(r"\w", words) or re.search(r"[^\w ,.:;?!'’&()/–-]", words):
            raise SystemExit(f"{what}: expected words in one line, without marks; got {words!r}")
    chapters = toc.partition(f"  - caption: {part}\n    chapters:\n")[2]
    if part and chapters.startswith("      - file: book/"):
        raise SystemExit(f"PART: expected a part with chapters, or a new one; got {part!r}")


def new_files(name: str, title: str, part: str, after: str) -> dict[str, str]:
    """Return the text of every file that a new chapter makes or changes."""
    pages = ["_toc.yml", "book/home.md", "book/how_to_use.md", "book/glossary.md"]
    pages.append("course_lib/__init__.py")
    toc, home, times, glossary, package = (
        (ROOT / page).read_text(encoding="utf-8") for page in pages
    )
    check_input(name, title, part, toc)
    home = on_map(home, name, title, part, after)
    place = place_of(name, home)
    # the chapter before it leads here
    before = nbformat.read(ROOT / "notebooks" / f"{place.before.name}.ipynb", as_version=4)
    say_next(before, Item(0, "", name, title))
    text, figures = run_skeleton(skeleton(title, place.after))
    files = {
        f"notebooks/{name}.ipynb": text,
        f"notebooks/{place.before.name}.ipynb": canonical_text(before),
        "_toc.yml": in_contents(toc, place, name),
        "book/home.md": home,
        "book/how_to_use.md": in_table_of_times(times, place, name, title, figures),
        "book/glossary.md": in_glossary(glossary, place, name, title),
        "course_lib/__init__.py": in_package_table(package, place, name),
    }
    for kind in ("wrong_answers", "right_answers"):
        stub = (SKELETON / f"{kind}.py").read_text(encoding="utf-8")
        files[f"tests/book/{kind}/{name}.py"] = stub.replace("TITLE", title)
    return files


def main() -> None:
    """Write the files of a new chapter, or say in a sentence why not, and write none."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of its files, such as text_generation")
    parser.add_argument("title", help='as the book has it, such as "Text generation"')
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--part", default="", help="of the book; a new one comes behind those that teach"
    )
    where.add_argument("--after", default="", help="the name of the chapter before it")
    args = parser.parse_args()
    files = new_files(args.name, args.title.strip(), args.part.strip(), args.after)
    for name, text in files.items():
        path = ROOT / name
        print(f"{'changed' if path.exists() else 'new':<8} {name}")
        path.write_text(text, encoding="utf-8")
    print("The map of book/home.md: say behind its link what a reader can do after it.")
    print("The chapter before it: let its last sentence say what this one brings.")
    print(f"Now write notebooks/{args.name}.ipynb, and run: make check CHAPTER={args.name}")


if __name__ == "__main__":
    main()
