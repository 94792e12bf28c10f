"""Where the book says that it is published: one address, from the repository's."""

import re
import sys
from xml.etree import ElementTree

import pytest
from project import CONFIG, PAGES, ROOT
from sphinx.errors import ExtensionError

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from address import published_at

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
    for address in listed:
        html = (SITE / address.removeprefix(home)).read_text(encoding="utf-8")
        assert f'<link rel="canonical" href="{address}"' in html
        assert len(told(html)["description"]) > 40


@pytest.mark.browser
def test_the_book_s_own_address_shows_in_a_message_what_the_home_page_does():
    address = published_at(CONFIG["repository"]["url"])
    shown = []
    for page in ("index.html", "book/home.html"):
        html = (SITE / page).read_text(encoding="utf-8")
        names = ("og:title", "og:description", "og:image", "description", "twitter:card")
        shown.append(told(html))
        assert set(names) <= set(shown[-1]), page
        assert f'<link rel="canonical" href="{address}book/home.html"' in html
    assert all(shown[0][name] == shown[1][name] for name in names)
    assert shown[0]["description"] == shown[0]["og:description"]
    assert "..." not in shown[0]["description"], "nothing is cut off"
    # The picture is there, and as large as is said.
    picture = (SITE / shown[0]["og:image"].removeprefix(address)).read_bytes()
    size = [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)]  # of a PNG
    assert size == [int(shown[0][f"og:image:{name}"]) for name in ("width", "height")]
