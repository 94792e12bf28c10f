"""The book's own server: texts compressed for who takes it, everything else as it lies there."""

import functools
import gzip
import sys
import threading
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer

import pytest
from project import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import serve


@pytest.fixture
def get(tmp_path):
    """Return a function that asks the server of a folder for an address."""
    handler = functools.partial(serve.Handler, directory=tmp_path)
    server = ThreadingHTTPServer((serve.HOST, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def asked(address, takes="gzip, deflate"):
        where = f"http://{serve.HOST}:{server.server_port}/{address}"
        return urllib.request.urlopen(
            urllib.request.Request(where, headers={"Accept-Encoding": takes})
        )

    yield asked
    server.shutdown()
    server.server_close()


def test_a_text_comes_compressed_and_whole_to_who_takes_it(get, tmp_path):
    text = "注意力 is all you need. " * 100
    (tmp_path / "a page.html").write_text(text, encoding="utf-8")
    answer = get("a%20page.html?v=1")
    body = answer.read()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert int(answer.headers["Content-Length"]) == len(body) < 200
    assert gzip.decompress(body).decode() == text
    assert get("a%20page.html", takes="identity").read().decode() == text


def test_what_is_no_text_comes_as_it_is(get, tmp_path):
    (tmp_path / "model.gguf").write_bytes(bytes(range(256)))
    answer = get("model.gguf")
    assert answer.headers["Content-Encoding"] is None
    assert answer.read() == bytes(range(256))


def test_a_folder_leads_to_its_first_page_and_what_is_missing_is_said(get, tmp_path):
    (tmp_path / "index.html").write_text("home", encoding="utf-8")
    assert get("").read() == b"home"
    for missing in ("none.html", "../serve.py", "%2e%2e/serve.py"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(missing)
