"""Sphinx extension: where the book is published, and what search engines and messages show of it.

The address follows from the repository's, the one URL in ``_config.yml``; a book that is published
elsewhere names its own there, as ``html: baseurl:``. Each page tells its canonical address, and
``sitemap.xml`` lists them all. The book's own address shows in a message what the home page does.
"""

import re
from xml.sax.saxutils import escape

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

_FORGES = {"github.com": "github.io", "gitlab.com": "gitlab.io"}


def published_at(repository: str) -> str:
    """Return where a forge publishes a repository's pages.

    Raises:
        ExtensionError: if the forge isn't known.
    """
    found = re.fullmatch(r"https://([^/]+)/([^/]+)/([^/]+?)(?:\.git)?/?", repository)
    if not found or found[1] not in _FORGES:
        raise ExtensionError(
            f"_config.yml: no pages are known of the repository {repository!r}; expected "
            f"https://HOST/OWNER/NAME with HOST one of {', '.join(_FORGES)}, or the book's address "
            "as html: baseurl:"
        )
    host, owner, name = found.groups()
    return f"https://{owner}.{_FORGES[host]}/{name}/"


def _set(app: Sphinx, config: Config) -> None:
    repository = config.html_theme_options["repository_url"]
    config.html_baseurl = config.html_baseurl or published_at(repository)
    if not repository.startswith("https://github.com/"):  # Colab opens notebooks from there only
        config.html_theme_options["launch_buttons"].pop("colab_url", None)
    config.ogp_site_url, config.ogp_site_name = config.html_baseurl, config.html_title


def _write_sitemap(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.name != "html":
        return
    pages = sorted(map(app.builder.get_target_uri, app.env.found_docs))
    rows = [f"<url><loc>{escape(app.config.html_baseurl + page)}</loc></url>\n" for page in pages]
    (app.outdir / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{''.join(rows)}</urlset>\n",
        encoding="utf-8",
    )


def _write_index(app: Sphinx, error: Exception | None) -> None:
    """Let the book's own address lead on, with what searches and messages show of the home page."""
    if error or app.builder.name != "html":
        return
    home = app.builder.get_target_uri(app.config.root_doc)
    page = (app.outdir / home).read_text(encoding="utf-8")
    tags = re.findall(r'<title>.*?</title>|<(?:meta|link) (?:[^>"]|"[^"]*")*>', page)
    of = re.compile(r'<title|property="og:|name="(?:description|twitter:)|rel="canonical"')
    head = filter(of.search, tags)
    (app.outdir / "index.html").write_text(
        '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8">\n'
        + "\n".join(head)
        + f'\n<link rel="icon" href="_static/favicon.svg">'
        f'\n<meta http-equiv="refresh" content="0; url={home}">'
        f'\n<p><a href="{home}">{escape(app.config.html_title)}</a></p></html>\n',
        encoding="utf-8",
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", _set)
    app.connect("build-finished", _write_sitemap)
    app.connect("build-finished", _write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
