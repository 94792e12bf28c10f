"""Pages for a class: one file each, no script, nothing from elsewhere, whatever a learner wrote."""

import html
import re

# The names of colors are those of the book's figures.
STYLE = """
:root{color-scheme:light dark;--lm-ink:#1f2430;--lm-muted:#566070;--lm-paper:#fff;
--lm-edge:#7a8494;--lm-line:#d5dae1;--lm-query:#2467d6;--soft:#f4f6f8;--good:#1a7f4b;--bad:#b3372b}
@media(prefers-color-scheme:dark){:root{--lm-ink:#e6e9ee;--lm-muted:#a3adba;--lm-paper:#15181d;
--lm-edge:#7a8494;--lm-line:#39414c;--lm-query:#6ea0f5;--soft:#1f242b;--good:#5cc48d;--bad:#f08a7e}}
body{font:1rem/1.5 system-ui,sans-serif;color:var(--lm-ink);background:var(--lm-paper);
max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}p,li{max-width:42rem}
a{color:var(--lm-query)}
pre{background:var(--soft);border:1px solid var(--lm-line);border-radius:6px;padding:.75rem;
overflow:auto;font-size:.875rem;white-space:pre-wrap}
.good{color:var(--good)}.bad{color:var(--bad)}.muted{color:var(--lm-muted)}
table{border-collapse:collapse}td,th{text-align:left;padding:.3rem .75rem .3rem 0;
border-bottom:1px solid var(--lm-line);vertical-align:top}.number{text-align:right}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr));gap:1rem}
input,textarea,button{font:inherit;color:inherit;background:var(--soft);padding:.3rem .5rem;
border:1px solid var(--lm-edge);border-radius:6px}
textarea{display:block;box-sizing:border-box;width:100%;max-width:42rem}
"""
# Nothing runs and nothing is fetched, even if a learner's text weren't escaped.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'"
SIGNS = {
    **{"times": " × ", "cdot": "·", "sqrt": "√", "le": " ≤ ", "ge": " ≥ ", "ldots": "…"},
    **{"alpha": "α", "beta": "β", "sigma": "σ", "delta": "δ", "ln": "ln ", "log": "log "},
}
# They would turn a line's letters round, or hide some.
HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)


def shown(text: object) -> str:
    """Return a text as HTML that shows it as it is; what can't be seen is written as its code."""
    plain = str(text).replace("\r\n", "\n")
    return html.escape(HIDDEN.sub(lambda sign: f"\\x{ord(sign[0]):02x}", plain))


def code(text: str) -> str:
    """Return a program as HTML."""
    return f"<pre>{shown(text)}</pre>"


def formula(tex: re.Match[str]) -> str:
    """Return a formula as HTML: as it is read where it is short, else as it is written."""
    said = tex[1]
    for word, sign in SIGNS.items():
        said = re.sub(rf"\\{word}(?![a-z])\s*", sign, said)
    said = said.replace("{,}", ",")
    return f"<i>{said}</i>" if "\\" not in said else f"<code>{tex[1]}</code>"


def marked(words: str) -> str:
    """Return a line of the book's text as HTML: code, formulas, links, and what is stressed."""
    # Code stays as it is; so it is put aside first.
    parts = re.split(r"`([^`]+)`", shown(words))
    for place in range(0, len(parts), 2):
        part = re.sub(r"\$\$?([^$]+)\$\$?", formula, parts[place])
        part = re.sub(r"\[([^\]]+)\]\((https?://[^\s)]+)\)", r'<a href="\2">\1</a>', part)
        part = re.sub(r"\[([^\]]+)\]\([^\s)]+\)", r"\1", part)  # within the book
        part = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", part)
        parts[place] = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?!\w)", r"<em>\1</em>", part)
    return "".join(f"<code>{one}</code>" if i % 2 else one for i, one in enumerate(parts))


def prose(markdown: str) -> str:
    """Return a text of the book as HTML: paragraphs and lists."""
    made = []
    for part in re.split(r"\n\s*\n", markdown.strip()):
        if part.startswith("#"):
            continue
        if part.startswith("- "):
            items = re.split(r"^- ", part, flags=re.M)[1:]
            made.append("<ul>" + "".join(f"<li>{marked(one)}</li>" for one in items) + "</ul>")
        else:
            made.append(f"<p>{marked(part)}</p>")
    return "".join(made)


def page(title: str, *parts: str) -> str:
    """Return a whole page; ``parts`` are HTML."""
    name = shown(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{STYLE}</style></head><body><main>\n<h1>{name}</h1>\n" + "\n".join(parts)
    ) + "\n</main></body></html>\n"
