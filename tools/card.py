"""Take the picture that messages show with a link to the book: the home page's model at work.

After ``make book``. The picture is committed, since what builds the book may have no browser.
"""

import argparse

from pages import HOME, ROOT, browsing, load

CARD = ROOT / "book" / "_static" / "card.png"
WIDE, HIGH = 1200, 630  # as the home page's front matter says
STYLE = """
.bd-sidebar-primary, .bd-header-article, .prev-next-footer, .bd-footer, .pst-skip-link,
section > :is(p:not(:first-of-type), nav, section, .lm-ladder), .lm-writer :is(.text, .lm-title,
.lm-controls, .lm-says, .more, .views, .lens, figcaption, caption, thead, .next tr:nth-child(n + 4),
td:nth-child(3), .lm-bar + .lm-bar) {
  display: none !important;
}
.bd-main .bd-content .bd-article-container .bd-article {
  max-width: none !important;
  padding: 2.5rem !important;
}
section > :is(h1, p) { max-width: none !important; }
.bd-article h1 { font-size: 3.7rem; margin: 0 0 1.25rem; }
.bd-article section > p { font-size: 1.5rem; line-height: 1.45; }
.lm-writer.lm-tool { border: 0; padding: 0; zoom: 1.6; }
.lm-writer.lm-tool .sides { display: block; margin-top: 0.75rem; }
"""


def main() -> None:
    """Take it, or say what is missing."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with browsing("the picture") as page:
        page.set_viewport_size({"width": WIDE, "height": HIGH})
        load(page, HOME.removesuffix(".html"))
        page.mouse.move(5, 5)  # a reader's first sign: now the model comes
        page.locator(".lm-writer[aria-busy=false]").wait_for()
        page.add_style_tag(content=STYLE)
        page.evaluate(
            "() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))"
        )
        page.screenshot(path=CARD, animations="disabled")
    print(f"{CARD}: {CARD.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
