"""Where the book says that it is published: one address, from the repository's."""

import re
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from project import CONFIG, PAGES, ROOT
from sphinx.errors import ExtensionError

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import address
from address import published_at
from chapter_map import in_colab

SITE = ROOT / "_build" / "html"


@pytest.mark.parametrize(
    ("repository", "pages"),
    [
        ("https://github.com/who/course", "https://who.github.io/course/"),
        ("https://github.com/who/course.git", "https://who.github.io/course/"),
        ("https://gitlab.com/who/course/", "https://who.gitlab.io/course/"),
    ],
)
def test_pages_are_where_the_forge_publishes_a_repository_s(repository, pages):
    assert published_at(repository) == pages


@pytest.mark.parametrize("repository", ["", "https://example.org/who/course", "git@github.com:a/b"])
def test_an_unknown_forge_is_told_with_what_to_do(repository):
    with pytest.raises(ExtensionError, match="html: baseurl:"):
        published_at(repository)


@pytest.mark.parametrize(
    ("repository", "opens"),
    [("https://github.com/who/course", True), ("https://gitlab.com/who/course", False)],
)
def test_colab_is_offered_where_it_can_open_the_notebooks(repository, opens):
    events = {}
    app = SimpleNamespace(setup_extension=lambda name: None, connect=events.setdefault)
    address.setup(app)
    options = {"repository_url": repository, "launch_buttons": {"colab_url": "https://colab"}}
    config = SimpleNamespace(html_theme_options=options, html_baseurl="", html_title="A book")
    events["config-inited"](app, config)
    assert ("colab_url" in options["launch_buttons"]) == opens
    assert config.html_baseurl == config.ogp_site_url == published_at(repository)
    options["repository_branch"] = "main"
    home = "https://colab/github/who/course/blob/main/a.ipynb" if opens else "how_to_use.html"
    assert in_colab("a.ipynb", options) == home


def told(html):
    """Return what a page tells of itself, by name."""
    found = re.findall(r'<meta (?:property|name|content)="[^>]*>', html)
    tags = [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in found]
    return {tag.get("property") or tag.get("name"): tag["content"] for tag in tags}


@pytest.mark.browser
def test_sitemap_and_pages_agree_on_every_address():
    home = published_at(CONFIG["repository"]["url"])
    places = ElementTree.parse(SITE / "sitemap.xml").findall(".//{*}loc")
    listed = {place.text for place in places}
    assert listed == {f"{home}{page}.html" for page in PAGES}
    for place in listed:
        html = (SITE / place.removeprefix(home)).read_text(encoding="utf-8")
        assert f'<link rel="canonical" href="{place}"' in html
        assert len(told(html)["description"]) > 40


@pytest.mark.browser
def test_the_book_s_own_address_shows_in_a_message_what_the_home_page_does():
    site = published_at(CONFIG["repository"]["url"])
    shown = []
    for page in ("index.html", "book/home.html"):
        html = (SITE / page).read_text(encoding="utf-8")
        names = ("og:title", "og:description", "og:image", "description", "twitter:card")
        shown.append(told(html))
        assert set(names) <= set(shown[-1]), page
        assert f'<link rel="canonical" href="{site}book/home.html"' in html
    assert all(shown[0][name] == shown[1][name] for name in names)
    assert shown[0]["description"] == shown[0]["og:description"]
    assert "..." not in shown[0]["description"], "nothing is cut off"
    # The picture is there, and as large as is said.
    picture = (SITE / shown[0]["og:image"].removeprefix(site)).read_bytes()
    size = [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)]  # of a PNG
    assert size == [int(shown[0][f"og:image:{name}"]) for name in ("width", "height")]
