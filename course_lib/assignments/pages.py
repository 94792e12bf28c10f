"""Pages for a class: one file each, no script, nothing from elsewhere, whatever a learner wrote."""

import html
import re

STYLE = """
:root{color-scheme:light dark;--ink:#1f2430;--muted:#566070;--paper:#fff;--edge:#d5dae1;
--soft:#f4f6f8;--good:#1a7f4b;--bad:#b3372b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--muted:#a3adba;--paper:#15181d;--edge:#39414c;
--soft:#1f242b;--good:#5cc48d;--bad:#f08a7e}}
body{font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}p{max-width:42rem}
pre{background:var(--soft);border:1px solid var(--edge);border-radius:6px;padding:.75rem;
overflow:auto;font-size:.875rem;white-space:pre-wrap;overflow-wrap:anywhere}
.good{color:var(--good)}.bad{color:var(--bad)}.muted{color:var(--muted)}
table{border-collapse:collapse}td,th{text-align:left;padding:.3rem .75rem .3rem 0;
border-bottom:1px solid var(--edge);vertical-align:top}.number{text-align:right}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}
"""
# Nothing runs and nothing is fetched, even if a learner's text weren't escaped.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'"
# They would turn a line's letters round, or hide some.
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def shown(text: object) -> str:
    """Return a text as HTML that shows it as it is; what can't be seen is written as its code."""
    plain = str(text).replace("\r\n", "\n")
    return html.escape(HIDDEN.sub(lambda sign: f"\\x{ord(sign[0]):02x}", plain))


def code(text: str) -> str:
    """Return a program as HTML."""
    return f"<pre>{shown(text)}</pre>"


def prose(markdown: str) -> str:
    """Return a text of the book as HTML: paragraphs, code and what is stressed."""
    made = []
    for part in re.split(r"\n\s*\n", markdown.strip()):
        if part.startswith("#"):
            continue
        words = shown(part)
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", words)
        words = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", words)
        made.append(f"<p>{words}</p>")
    return "".join(made)


def page(title: str, *parts: str) -> str:
    """Return a whole page; ``parts`` are HTML."""
    name = shown(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{STYLE}</style></head><body>\n<h1>{name}</h1>\n" + "\n".join(parts)
    ) + "\n</body></html>\n"
