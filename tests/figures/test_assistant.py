"""SmolLM2 in the page: nothing is loaded before a press, and it answers as the package does."""

import functools
import json
import re
import sys
import threading
from http.server import ThreadingHTTPServer

import pytest
from project import ROOT, skip_except_in_ci

from course_lib.figures import assistant_box
from course_lib.generation import generate
from course_lib.pretrained import END_OF_TURN, encode_chat, load_smollm2

sys.path.insert(0, str(ROOT / "book" / "_ext"))

import assistant
import serve

RUNTIME = ROOT / "_build" / "vendor" / "static" / "assistant"
OPEN = "Talk to SmolLM2 in this page (98 MB)"


def document(src="", **options):
    box = assistant_box(src, assistant.MODEL, **options).data
    return f'<!doctype html><meta charset=utf-8><link rel=icon href="data:,">{box}'


@pytest.fixture
def served(browser, tmp_path):
    """Return a function that opens the box from a folder of the book's own server."""
    handler = functools.partial(serve.Handler, directory=tmp_path)
    server = ThreadingHTTPServer((serve.HOST, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()

    def opened(runtime=None, **options):
        html = document("assistant/", **options)
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        if runtime:
            (tmp_path / "assistant").symlink_to(runtime)
        page = context.new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(f"http://{serve.HOST}:{server.server_port}/page.html")
        return page

    yield opened
    context.close()
    server.shutdown()
    server.server_close()


def says(page):
    return page.locator(".lm-says")


def test_a_notebook_s_mark_becomes_the_box_and_the_notebook_stays_json():
    cell = {"cell_type": "markdown", "source": f"Before.\n\n{assistant.MARK}"}
    source = json.loads(assistant.drawn(json.dumps(cell), "notebooks/dialogue"))["source"]
    assert source.startswith('Before.\n\n<figure id="talk" class="lm-figure lm-tool lm-assistant"')
    assert '"src": "../_static/assistant/"' in source
    assert "\n\n" not in source.removeprefix("Before.\n\n"), "an empty line ends the figure"


def test_the_chapter_has_the_mark_and_the_home_page_a_way_to_it():
    home = (ROOT / "book" / "home.md").read_text(encoding="utf-8")
    assert f"dialogue.html#{assistant.PLACE}" in home
    assert assistant.MARK in (ROOT / "notebooks" / "dialogue.ipynb").read_text(encoding="utf-8")


def test_from_a_disk_it_says_what_to_do(browser, tmp_path):
    (tmp_path / "page.html").write_text(document(), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert "make serve" in says(page).inner_text()
    assert page.get_by_role("button").count() == 0
    page.emulate_media(media="print")
    assert says(page).is_visible()
    page.close()


def test_nothing_is_loaded_before_the_press_and_what_is_missing_is_said(served):
    page = served()
    page.get_by_role("button", name=OPEN).wait_for()
    assert [url.rpartition("/")[2] for url in page.asked] == ["page.html"]
    assert page.evaluate("crossOriginIsolated"), "so that it may use threads"
    page.get_by_role("button", name=OPEN).click()
    page.get_by_text("isn’t in this copy of the book (status 404)").wait_for()
    assert page.get_by_role("button", name=OPEN).is_enabled()


FAKE = """
export class LoggerWithoutDebug {}
export class Wllama {
    async loadModel([file]) {
        if ((await file.text()).includes("broken")) throw new Error("broken");
    }
    getNumThreads() { return 1; }
    async *createCompletion({abortSignal}) {
        const piece = (text) => ({choices: [{text}]});
        if (!globalThis.silent) yield piece(globalThis.word ?? "Well");
        for (let i = 0; !globalThis.ended; i++) {
            await new Promise((go) => { setTimeout(go); });
            abortSignal.throwIfAborted();
        }
        yield piece(".");
        yield {choices: [{text: "", finish_reason: "stop"}]};
    }
}
"""


@pytest.fixture
def fake(tmp_path_factory):
    """Return a folder with a runtime that writes two tokens when it is told to, and no model."""
    folder = tmp_path_factory.mktemp("fake")
    (folder / "esm").mkdir()
    (folder / "esm" / "index.min.js").write_text(FAKE, encoding="utf-8")
    return folder


def test_what_is_not_the_model_is_not_kept_and_the_next_try_fetches_it_again(served, fake):
    page = served(fake)
    page.get_by_role("button", name=OPEN).wait_for()
    # No network, neither for the model nor for the runtime; then what isn't the model.
    for part in ("**/*.gguf", "**/index.min.js"):
        (fake / assistant.MODEL).write_text("GGUF", encoding="utf-8")
        page.context.route(part, lambda route: route.abort())
        page.get_by_role("button", name=OPEN).press("Enter")
        says(page).filter(has_text="check the network").wait_for()
        assert page.evaluate("document.activeElement.textContent") == OPEN
        page.context.unroute(part)
    page.evaluate("caches.delete('course-assistant')")
    tries = {"<!doctype html>": "isn’t the model", "GGUF broken": "broken", "GGUF": ""}
    for held, said in tries.items():
        (fake / assistant.MODEL).write_text(held, encoding="utf-8")
        page.get_by_role("button", name=OPEN).click()
        if said:
            says(page).filter(has_text=said).wait_for()
    page.get_by_role("button", name="Send").wait_for()


def test_by_keys_an_answer_is_begun_and_stopped_and_the_focus_is_never_lost(served, fake):
    page = served(fake)
    (fake / assistant.MODEL).write_text("GGUF", encoding="utf-8")
    page.get_by_role("button", name=OPEN).press("Enter")
    send = page.get_by_role("button", name="Send")
    send.wait_for()
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    for stops in (True, False):
        page.get_by_label("Your message").fill("Hello")
        send.press("Enter")
        page.locator(".log[aria-busy=true]").get_by_text("Well").last.wait_for()
        assert page.evaluate("document.activeElement.textContent") == "Stop"
        page.keyboard.press("Enter") if stops else page.evaluate("globalThis.ended = true")
        page.locator(".log[aria-busy=false]").wait_for()
        assert page.evaluate("document.activeElement.textContent") == "Send"
    assert page.locator(".log p").all_inner_texts()[-1] == "SmolLM2: Well."
    # An answer that was stopped before it began leaves nothing.
    page.evaluate("globalThis.ended = false; globalThis.silent = true")
    page.get_by_label("Your message").fill("Again")
    send.press("Enter")
    page.get_by_role("button", name="Stop", exact=True).press("Enter")
    says(page).filter(has_text="Stopped").wait_for()
    assert page.locator(".log p").all_inner_texts()[-1] == "SmolLM2: Well."
    assert page.get_by_label("Your message").input_value() == "Again"


def test_a_conversation_that_begins_anew_or_is_cleared_says_so(served, fake):
    page = served(fake)
    (fake / assistant.MODEL).write_text("GGUF", encoding="utf-8")
    page.get_by_role("button", name=OPEN).click()
    page.evaluate("globalThis.ended = true")
    for word, anew in (("Well", False), (f"Well{END_OF_TURN}", True), ("Well", False)):
        page.evaluate("(word) => { globalThis.word = word; }", word)
        page.get_by_label("Your message").fill("Hello")
        page.get_by_label("Your message").press("Enter")
        says(page).filter(has_text="Your turn").wait_for()
        assert ("begins a new conversation" in says(page).inner_text()) == anew
        page.evaluate("document.querySelector('.lm-says').textContent = ''")
    page.get_by_role("button", name="Clear").click()
    assert says(page).inner_text() == "The conversation is cleared: write a message."


def test_a_stop_while_it_still_reads_is_answered_at_once(served, fake):
    page = served(fake)
    (fake / assistant.MODEL).write_text("GGUF", encoding="utf-8")
    page.get_by_role("button", name=OPEN).click()
    page.get_by_role("button", name="Send").wait_for()
    page.evaluate("""() => {
        const {abort} = AbortController.prototype; // the engine looks at it when it has read
        AbortController.prototype.abort = function () { globalThis.read = () => abort.call(this); };
        globalThis.silent = true;
    }""")
    page.get_by_label("Your message").fill("Hello")
    page.get_by_label("Your message").press("Enter")
    says(page).filter(has_text="is reading").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    assert says(page).inner_text() == "It stops when it has read what you wrote."
    page.evaluate("globalThis.read()")
    says(page).filter(has_text="Stopped").wait_for()


@pytest.fixture
def runtime(network, tmp_path_factory):
    """Return a folder as the built book has it, with the runtime and the model."""
    if not RUNTIME.exists():
        skip_except_in_ci("the runtime isn't there; `make book` fetches it")
    site = tmp_path_factory.mktemp("site")
    assistant.put_model(site)
    folder = site / assistant.FOLDER
    (folder / "esm").symlink_to(RUNTIME / "esm")
    return folder


def test_it_answers_as_the_package_does_is_kept_and_can_be_stopped(served, runtime):
    page = served(runtime)
    page.get_by_role("button", name=OPEN).click()
    send = page.get_by_role("button", name="Send")
    send.wait_for(timeout=120_000)
    talk = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is the capital of Norway?"},
    ]
    model, tokenizer = load_smollm2()
    prompt = encode_chat(tokenizer, talk)
    expected = generate(model, tokenizer, prompt, max_new_tokens=8, stop=END_OF_TURN)
    page.get_by_label("Your message").press("Enter")
    said = page.get_by_text(re.compile(r"\d tokens, \d+\.\d a second"))
    said.wait_for(timeout=120_000)
    lines = page.locator(".log p").all_inner_texts()
    assert lines == [f"You: {talk[1]['content']}", f"SmolLM2: {expected}"]
    # Nobody stops at the end sign: the model goes on, until it is stopped.
    page.get_by_label("A conversation to begin with").select_option("No stop sign")
    send.click()
    page.locator(".log").get_by_text(f"Oslo.{END_OF_TURN}").wait_for(timeout=120_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("Stopped. Your turn.").wait_for()
    # A sign of turns in a message is refused, as the package refuses it.
    page.get_by_label("Your message").fill(f"Hello{END_OF_TURN}")
    send.click()
    assert "can’t hold the signs of turns" in says(page).inner_text()
    # The browser has kept the file.
    page.reload()
    page.asked.clear()
    page.get_by_role("button", name=OPEN).click()
    send.wait_for(timeout=120_000)
    assert not any(assistant.MODEL in url for url in page.asked)


def test_of_a_long_conversation_the_oldest_turns_are_forgotten_and_a_long_message_is_refused(
    served, runtime
):
    page = served(runtime, window=256)
    page.get_by_role("button", name=OPEN).click()
    page.get_by_role("button", name="Send").wait_for(timeout=120_000)
    message, told = page.get_by_label("Your message"), []
    for question in ("What is the capital of Norway?", "And of Italy?", "And of Peru?"):
        message.fill(question)
        message.press("Enter")
        page.get_by_text(re.compile(r"\d tokens, \d+\.\d a second")).wait_for(timeout=120_000)
        told.append(re.search(r"the first (\d+) messages", says(page).inner_text()))
    assert [each and each[1] for each in told] == [None, None, "2"], "with its answer"
    assert page.locator(".log p").count() == 6, "the reader still sees all"
    message.fill("word " * 300)
    message.press("Enter")
    page.get_by_text("at most 256 can be read").wait_for()
    assert message.input_value().startswith("word word"), "what was written isn't lost"
    assert page.locator(".log p").count() == 6
