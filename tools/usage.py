"""What ``course_lib`` holds and who uses it, read from the sources; nothing of it is imported."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "course_lib"
DRAWN = {"assignments", "figures"}  # nearly every chapter uses them


class Entry(NamedTuple):
    """A public name: where one imports it from, who defines it, what it is, who uses it."""

    door: str
    name: str
    module: str
    summary: str
    chapters: tuple[str, ...]
    modules: tuple[str, ...]


def chapters() -> list[Path]:
    """Return the notebooks in the book's order."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    files = [chapter["file"] for part in parts for chapter in part["chapters"]]
    return [ROOT / f"{file}.ipynb" for file in files if file.startswith("notebooks/")]


def module_name(path: Path) -> str:
    """Return what a file of the package is imported as."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def trees() -> dict[str, ast.Module]:
    """Return each module's syntax tree."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def imports(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield for each import of the package the module, the name out of it, and what it is called.

    ``from course_lib import data`` imports the module ``course_lib.data``, no name out of it.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the whole name of the module"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                module, name = (whole, "") if whole in FILES else (node.module, alias.name)
                yield module, name, alias.asname or alias.name


def own(tree: ast.AST) -> list[tuple[str, str, str]]:
    """Return the imports of the package's own modules."""
    return [found for found in imports(tree) if found[0].split(".")[0] == "course_lib"]


def chapter_tree(path: Path) -> ast.Module:
    """Return the syntax tree of a chapter's code, without its magics."""
    try:
        cells = nbformat.read(path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", code, flags=re.M))
    except (AttributeError, KeyError, SyntaxError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise ValueError(f"{path.name}: its code can't be read ({said}); mend it") from None


def defined(tree: ast.Module) -> dict[str, str]:
    """Return what a module itself defines: each name with its docstring's first line, or value."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = (ast.get_docstring(node) or "").partition("\n")[0]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = ast.unparse(node.value)
            said = f"``{value}``" if len(value) <= 50 and "`" not in value else "a constant"
            names = [name.id for t in targets for name in ast.walk(t) if isinstance(name, ast.Name)]
            found |= dict.fromkeys(names, said if len(names) == 1 else "a constant")
    return {name: said for name, said in found.items() if not name.startswith("_")}


def used(tree: ast.AST) -> set[tuple[str, str]]:
    """Return the names of the package that some code uses, each with the module it came from."""
    found = own(tree)
    # a module may have the name of what it defines: figures.frames
    names = {(module, name) if name else module.rpartition(".")[::2] for module, name, _ in found}
    called = {called: module for module, name, called in found if not name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (module := called.get(ast.unparse(node.value))):
            names.add((module, node.attr))
    return names


def index() -> list[Entry]:
    """Return every public name of the front doors, in order, with the chapters that use it."""
    code = trees()
    definitions = {module: defined(tree) for module, tree in code.items()}
    brought = {
        module: {called: (source, name) for source, name, called in own(tree) if name}
        for module, tree in code.items()
    }

    def home(module: str, name: str) -> tuple[str, str]:
        """Return the module that defines a name, and what it is called there."""
        while name not in definitions.get(module, {}) and name in brought.get(module, {}):
            module, name = brought[module][name]
        return module, name

    def is_brought(module: str) -> bool:
        """Say whether a front door brings a name of this module's name."""
        parent, _, name = module.rpartition(".")
        return name in brought.get(parent, {})

    # who uses what: chapters in the book's order, and modules that aren't front doors
    users: dict[tuple[str, str], list[list[str]]] = {}
    whole = set()
    for path in chapters():
        tree = chapter_tree(path)
        whole |= {module for module, name, _ in own(tree) if not name and not is_brought(module)}
        for found in used(tree):
            users.setdefault(home(*found), [[], []])[0].append(path.stem)
    for module, tree in code.items():
        if FILES[module].name != "__init__.py":
            for found in used(tree):
                users.setdefault(home(*found), [[], []])[1].append(module.partition(".")[2])

    entries = []
    for door, tree in code.items():
        folder = FILES[door].name == "__init__.py"
        flat = door.count(".") == 1 or door.startswith("course_lib.studies.") or door in whole
        if door == "course_lib" or door.endswith("__main__") or not (folder or flat):
            continue
        names = exported(tree) if folder else list(definitions[door])
        for name in sorted(names, key=str.lower):
            module, inner = home(door, name)
            summary = definitions.get(module, {}).get(inner, "")
            by = users.get((module, inner), [[], []])
            short = (door.partition(".")[2], name, module.partition(".")[2])
            entries.append(Entry(*short, summary, *map(tuple, by)))
    return entries


def exported(tree: ast.Module) -> list[str]:
    """Return what ``__all__`` of a front door lists."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def chapter_uses(path: Path) -> set[str]:
    """Return the package's modules that a chapter imports, a study by its own name."""
    found = set()
    for module, *_ in own(chapter_tree(path)):
        parts = module.split(".")[1:]
        found.add(".".join(parts[: 2 if parts[:1] == ["studies"] else 1]))
    return found - DRAWN - {""}
