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


@pytest.mark.browser
def test_sitemap_and_pages_agree_on_every_address():
    home = published_at(CONFIG["repository"]["url"])
    places = ElementTree.parse(SITE / "sitemap.xml").findall(".//{*}loc")
    listed = {place.text for place in places}
    assert listed == {f"{home}{page}.html" for page in PAGES}
    for address in listed:
        html = (SITE / address.removeprefix(home)).read_text(encoding="utf-8")
        assert f'<link rel="canonical" href="{address}"' in html
        assert len(re.search(r'<meta name="description" content="([^"]*)"', html)[1]) > 40
