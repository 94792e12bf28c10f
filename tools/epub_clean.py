"""Make a page of the book one of the EPUB: what moves becomes still, what is folded moves away.

Colors become the reader's own: ink is its ink, and a hue is readable on light and on dark.
"""

import copy
import re

from epub_package import XHTML, plain
from lxml import etree
from pages import published

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
MATH = "{http://www.w3.org/1998/Math/MathML}"
APPLY = "\u2061"  # stands unseen between a function and what it is applied to
# The book's colors on any ground: ink is the reader's; each hue has 4 : 1 on white and on black.
COLORS = {
    **dict.fromkeys(("ink", "stream", "muted"), "currentColor"),
    **dict.fromkeys(("neutral", "position"), "#757d87"),
    "paper": "transparent",
    "surface": "#80808020",
    "line": "#80808060",
    "edge": "#808080",
    "accent": "#5877c8",
    "on-accent": "#fff",
    "query": "#2f7be5",
    "key": "#c06420",
    "value": "#0d8a6a",
    "attention": "#a45cd0",
    "heat": "#a45cd090",
    "mlp": "#96760a",
    "embedding": "#d0489c",
    "right": "#2a8a50",
    "wrong": "#d9483f",
    "mono": '"Course Mono", monospace',
    "sans": '"Course Sans", sans-serif',
    "serif": "serif",
}
# What is written on a hue, and what lies on a line.
OPAQUE = {"text": ("fill:transparent", "fill:#fff"), "rect": ("fill:#80808020", "fill:#808080")}
RIGHT = "Show what is right"  # leads to what speaks for and against each choice
CONTROL = re.compile(r"\b(input|button|select|textarea|lm-(slider|marks|controls|button|field))\b")
MARKED = re.compile(r"line|k[ncdrt]?|ow|c1?")  # of code: lines, keywords and comments


def classes(element: etree._Element) -> set[str]:
    """Return an element's classes."""
    return set(element.get("class", "").split())


def within(element: etree._Element, kind: str) -> etree._Element | None:
    """Return the nearest element of a class around an element."""
    return next((each for each in element.iterancestors() if kind in classes(each)), None)


def made(tag: str, text: str = "", **attributes: str) -> etree._Element:
    """Return a new element."""
    named = {name.strip("_"): value for name, value in attributes.items()}
    element = etree.Element(XHTML + tag, named, {None: XHTML[1:-1]})  # without a prefix
    element.text = text
    return element


def heading(element: etree._Element) -> etree._Element:
    """Return the heading that an element stands below."""
    sections = (each for each in element.iterancestors() if each.tag == XHTML + "section")
    tags = {f"{XHTML}h{n}" for n in (1, 2, 3)}
    return next(each for section in sections for each in section if each.tag in tags)


def colored(style: str) -> str:
    """Return declarations in the EPUB's colors, without those that name the page's."""
    style = re.sub(r"(--lm-[\w-]+|color-scheme)\s*:[^;{}]*(;|$)", "", style)
    style = re.sub(r"var\(--lm-([\w-]+)(?:,[^()]*)?\)", lambda m: COLORS[m[1]], style)
    # A hue on paper, also for readers that can't mix colors.
    return re.sub(
        r"color-mix\(in srgb,\s*(#\w{6}|currentColor) (\d+)%,\s*transparent\)",
        lambda m: f"{m[1].replace('currentColor', '#808080')}{round(2.55 * int(m[2])):02x}",
        style,
    )


def ruled(sheet: str) -> list[str]:
    """Return a figure's rules, without those for controls, as older readers understand them."""

    def spread(selector: str) -> list[str]:
        found = re.search(r":is\(([^()]*)\)", selector)
        if not found:
            return [selector]
        before, behind = selector[: found.start()], selector[found.end() :]
        return [s for each in found[1].split(",") for s in spread(before + each.strip() + behind)]

    def written(rule: re.Match[str]) -> str:
        selectors = [
            s for each in re.split(r",(?![^()]*\))", rule[1]) for s in spread(each.strip())
        ]
        kept = [s for s in selectors if not CONTROL.search(s)]
        declared = re.sub(r"(font:[^;]*?[\d.])rem", r"\1em", colored(rule[2])).strip()
        return f"{', '.join(kept)} {{ {declared} }}\n" if kept and declared else ""

    sheet = re.sub(r"([^{}]+)\{([^{}]*)\}", written, sheet)
    # A rule, or a group of them such as @media; those without one in them go.
    rules = re.findall(r"[^{}]+\{(?:[^{}]|\{[^{}]*\})*\}", sheet)
    return [each.strip() for each in rules if each.count("{") > each.count("@")]


def put_formulas(article: etree._Element) -> None:
    """Leave of each formula the MathML that the built page has for screen readers."""
    for place in [each for each in article.iter(XHTML + "*") if "math" in classes(each)]:
        formula = next(place.iter(MATH + "math"))
        for each in formula.iter(MATH + "*"):
            for name in [n for n in each.attrib if n.startswith("data-") or n == "class"]:
                del each.attrib[name]
            # What browsers leave out of MathML: columns that are aligned, and a space as in "ln p".
            sides = each.get("columnalign", "").split()
            for row in each if sides else ():
                for side, cell in zip(sides, row, strict=False):
                    cell.set("style", f"text-align:{side};padding-left:0;padding-right:0")
            behind = each.getnext()
            if each.text == APPLY and behind is not None and behind.text not in ("(", "["):
                each.set("rspace", "0.167em")
        place[:] = [formula]


def clean(article: etree._Element, page: str) -> None:
    """Take away what needs a script, and say where it can be found."""
    etree.strip_tags(article, etree.Comment)
    for each in list(article.iter(XHTML + "*", SVG + "*")):
        kinds, name = classes(each), etree.QName(each).localname
        # What those without scripts are told leads to the page that has them.
        if name == "noscript" or "widget-view" in each.get("type", ""):
            said = plain(each) if name == "noscript" else "With JavaScript it stands here."
            before, _, behind = said.partition("With JavaScript")
            each.tag = XHTML + "p"
            each.attrib.clear()
            each.set("class", "still")
            where = made("a", "In the published book", href=f"{published()}{page}.html")
            each[:], each.text, where.tail = [where], before, behind
        # Controls, what waits for a script, and what is empty go; so do colors of code.
        elif (
            name in ("script", "style", "button", "input", "select", "textarea")
            or "hidden" in each.attrib
            or kinds & {"headerlink", "bound"}
            or (name in ("p", "div", "ul", "svg") and not len(each) and not plain(each))
            or (name == "path" and "d" not in each.attrib)
        ):
            each.tag = "gone"
        elif (
            name == "span"
            and not MARKED.fullmatch(each.get("class", ""))
            and within(each, "highlight") is not None
        ):
            each.tag = "unmarked"
        # Attributes as XML and older readers want them.
        if "style" in each.attrib:
            each.set("style", colored(each.get("style")))
            each.set("style", each.get("style").replace(*OPAQUE.get(name, ("", ""))))
        if each.get("role") == "doc-biblioentry":  # deprecated
            del each.attrib["role"]
        if each.get("font-weight", "").endswith("50"):  # as 650, which SVG 1 doesn't know
            each.set("font-weight", "bold")
        if "lang" in each.attrib:
            each.set("{http://www.w3.org/XML/1998/namespace}lang", each.get("lang"))
        if "href" in each.attrib and each.tag.startswith(SVG):
            each.set(XLINK + "href", each.attrib.pop("href"))
    etree.strip_elements(article, "gone", with_tail=False)
    etree.strip_tags(article, "unmarked")
    # Readers that take a page for HTML know these by their prefix alone.
    etree.cleanup_namespaces(article, top_nsmap={"xlink": XLINK[1:-1]})


def block(element: etree._Element) -> etree._Element:
    """Return the part of a section that an element stands in."""
    around = [element, *element.iterancestors()]
    return next(each for each in around if each.getparent().tag == XHTML + "section")


def goes_on(last: etree._Element, fold: etree._Element) -> bool:
    """Say whether only cells stand between what was folded last and this."""
    here, there = block(last), block(fold)
    while here is not there:
        here = here.getnext()
        if here is None or "cell" not in classes(here):
            return False
    return True


def fold_out(article: etree._Element) -> etree._Element:
    """Move what is folded to a file of its own, a link in its place; return that file's content.

    The choices of a question and the outputs behind it are one answer. Code that only draws or
    checks stays folded, below what it draws.
    """
    answers, last = made("article"), None
    for fold in list(article.iter(XHTML + "details")):
        summary = fold.find(XHTML + "summary")
        said = summary.find(f"{XHTML}p[@class='collapsed admonition-title']")
        label = plain(summary if said is None else said)
        cell = within(fold, "cell")
        kinds = classes(fold) | (set() if cell is None else classes(cell))
        if within(fold, "lm-tool") is not None:
            fold.tag = XHTML + "div"
            fold.attrib.pop("open", None)
            fold.remove(summary)
            continue
        if cell is not None and not kinds & {"tag_hide-cell", "tag_hide-output"}:
            fold.replace(summary, made("summary", label))
            cell.append(fold)
            continue
        # A new answer, or more of the last one; the link stands where the question ends.
        if last is None or not goes_on(last, fold):
            number = str(len(answers) + 1)
            last = made("p", class_="ask", id=f"ask-{number}")
            last.append(made("a", href=f"#answer-{number}"))
            answer = made("section", id=f"answer-{number}")
            answer.append(made("h2"))
            answer[0].append(made("a", plain(heading(fold)), href=f"#ask-{number}"))
            answers.append(answer)
        if last[0].text in ("", RIGHT):
            last[0].text = RIGHT if "choice" in kinds else label
        body = made("div", summary.tail or "", class_="answer")
        body.extend(fold[1:])
        if "choice" in kinds:
            summary.tag, summary.tail = XHTML + "p", None
            summary.set("class", "choice")
            option, verdict = copy.deepcopy(summary), made("em", "Not this one.")
            option.tag, option.tail = XHTML + "strong", ": "
            if "right" in kinds:
                verdict.text = "Right."
            verdict.tail, body.text = f" {body.text}", None
            body[:0] = [option, verdict]
            fold.addprevious(summary)
        elif "tag_hide-cell" in kinds and "tag_solution" not in kinds:
            code = made("details")
            code.append(made("summary", "Show the code"))
            code.extend([each for each in body if "cell_input" in classes(each)])
            body.append(code)
        answer.append(body)
        fold.addprevious(last)
        fold.getparent().remove(fold)
    return answers
