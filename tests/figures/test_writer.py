"""The Transformer in the page: it writes what the package's model writes, and says what it sees."""

import re
from importlib.resources import files

import pytest
import torch

from course_lib import export
from course_lib.figures import writer_explorer
from course_lib.figures.writer import VIEWS
from course_lib.generation import Sampler, generate
from course_lib.model import GPT, GPTConfig
from course_lib.text import BPETokenizer

TOKENIZER = BPETokenizer.train("the winter of our discontent, made glorious summer " * 3, 256 + 30)
PROMPT = "the winter"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = GPTConfig.llama(TOKENIZER.vocab_size, context=16, n_layers=2, d_model=32)
    model = GPT(config).eval()
    for weight in model.parameters():
        weight.data = (weight + 0.3 * torch.randn_like(weight)).half().float()
    return model


@pytest.fixture
def view(browser, model, tmp_path):
    """Return a way to open the figure, with its script or without."""
    script = export.runtime() + export.model_script(model, TOKENIZER, "writer")
    contexts = []

    def opened(*, javascript=True, held=script, of=""):
        html = writer_explorer(model, TOKENIZER, PROMPT, src="writer.js", home="../", view=of).data
        (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{html}", "utf-8")
        (tmp_path / "writer.js").write_text(held, encoding="utf-8")
        contexts.append(browser.new_context(java_script_enabled=javascript))
        page = contexts[-1].new_page()
        page.goto((tmp_path / "page.html").as_uri())
        page.mouse.move(5, 5)  # a reader's first sign
        return settled(page) if javascript and held else page

    yield opened
    for context in contexts:
        context.close()


def settled(page):
    page.locator(".lm-writer[aria-busy=false]").wait_for()
    return page


def write(page, n):
    """Press in quick succession."""
    press = f"(button) => {{ for (let i = 0; i < {n}; i++) button.click(); }}"
    page.get_by_role("button", name="Write the next token").evaluate(press)
    settled(page)


def table(page):
    settled(page) if page.locator("[aria-busy]").count() else None
    return page.locator(".next tbody tr").all_inner_texts()


def probabilities(page):
    return [row.split("\t")[:2] for row in table(page)]


def written(page):
    return settled(page).locator(".text").text_content()


def likeliest(model, text):
    ids = torch.tensor([TOKENIZER.encode(text)])[:, -model.config.context :]
    with torch.inference_mode():
        return TOKENIZER.decode([model(ids)[0, -1].argmax().item()])


def test_without_a_script_the_model_s_own_probabilities_are_there(view):
    without, with_script = view(javascript=False), view()
    assert table(without) == table(with_script)
    assert len(table(without)) == 9
    assert without.locator(".lm-says").inner_text() == with_script.locator(".lm-says").inner_text()
    assert without.get_by_role("button").count() == 0


@pytest.mark.parametrize("of", VIEWS)
def test_a_chapter_s_view_shows_that_one_with_its_first_state_from_python(view, of):
    without, with_script = view(javascript=False, of=of), view(of=of)
    parts = {"next": ".next", "stream": ".lens", "heads": ".heads", "look": ".look"}
    for name, part in parts.items():
        for page in (without, with_script):
            assert page.locator(part).is_visible() == (name == of), (name, part)
    assert without.locator(parts[of]).inner_text() == with_script.locator(parts[of]).inner_text()
    for drawn in (".heads svg", ".grid svg") if of in ("heads", "look") else ():
        pictures = [page.locator(drawn).all() for page in (without, with_script)]
        assert len(pictures[0]) == len(pictures[1]) > 0
        for first, later in zip(*pictures, strict=True):
            assert first.inner_html() == later.inner_html()
    told = [page.locator(".grid").get_attribute("aria-label") for page in (without, with_script)]
    assert told[0] == told[1]


def test_a_view_that_there_is_not_is_refused(model):
    with pytest.raises(ValueError, match="view: expected one of"):
        writer_explorer(model, TOKENIZER, PROMPT, view="all")


def writes_the_likeliest(page, model):
    text = PROMPT
    for _ in range(4):
        page.get_by_role("button", name="Write the next token").click()
        text += likeliest(model, text)
        assert written(page) == text


def test_top_k_of_1_writes_what_the_model_finds_likeliest(view, model):
    page = view(of="next")
    page.get_by_role("slider", name="Temperature").press("End")
    page.get_by_role("slider", name="Top-k").press("Home")
    writes_the_likeliest(page, model)


def test_at_temperature_0_it_writes_what_the_model_finds_likeliest(view, model):
    page = view()
    page.locator(".more summary").click()
    page.get_by_role("slider", name="Temperature").press("Home")
    writes_the_likeliest(page, model)


def test_beside_its_probability_stands_with_which_chance_a_token_is_drawn_now(view, model):
    page = view(of="next")
    ids = torch.tensor([TOKENIZER.encode(PROMPT)])
    with torch.inference_mode():
        logits = model(ids)[:, -1]
    top = logits[0].topk(8).indices

    def agrees(**settings):
        chances = Sampler(**settings).probabilities(logits, [[]])[0][top]
        expected = [f"{100 * chance:.1f} %" for chance in [*chances, 1 - chances.sum()]]
        assert [row.split("\t")[2] for row in table(page)] == expected
        bars = page.locator(".next .lm-bar:last-child span").evaluate_all(
            "(all) => all.map((bar) => `${Number(bar.style.width.slice(0, -1)).toFixed(1)} %`)"
        )
        assert bars == expected

    agrees(temperature=0.8, top_p=0.95)
    before = probabilities(page)
    for name, key, settings in (
        ("Temperature", "End", {"temperature": 2.0, "top_p": 0.95}),
        ("Top-k", "Home", {"temperature": 2.0, "top_k": 1}),
        ("Temperature", "Home", {"temperature": 0.0}),
    ):
        page.get_by_role("slider", name=name).press(key)
        agrees(**settings)
    assert probabilities(page) == before, "the model's own stay"


def test_where_it_is_all_but_sure_that_is_said(view, model):
    sure = GPT(model.config)
    sure.load_state_dict(model.state_dict())
    sure.norm.weight.data *= 30
    script = export.runtime() + export.model_script(sure, TOKENIZER, "writer")
    page = view(held=script)
    said = "all but sure"
    assert said in page.locator(".lm-says").inner_text()
    html = writer_explorer(sure, TOKENIZER, PROMPT, src="x.js").data
    assert said in html.partition("<figcaption")[0]
    assert said not in view(javascript=False).locator(".lm-says").inner_text()


def test_a_part_of_a_sign_is_shown_by_its_bytes_and_told(view, model):
    page = view()
    page.get_by_label("Begin a verse").fill("é\x01")
    settled(page)
    tokens = [r"\xc3", r"\xa9", r"\x01"]
    assert page.locator(".lm-tokens li").all_inner_texts() == tokens
    assert r"as bytes, such as \xc3." in page.locator(".lm-says").inner_text()
    html = writer_explorer(model, TOKENIZER, "é\x01", src="x.js").data
    assert re.findall(r"<li style[^>]*>(.+?)</li>", html) == tokens
    page.get_by_label("Begin a verse").fill(r"\xc3")  # the signs themselves
    assert "as bytes" not in settled(page).locator(".lm-says").inner_text()


def test_a_press_chooses_a_token(view):
    page = view()
    third = page.locator(".next tbody button").nth(2)
    token = third.inner_text()
    third.click()
    assert written(page) == PROMPT + token.replace("␣", " ").replace("⏎", "\n")


def test_each_layer_s_word_is_read_from_its_stream(view, model):
    page = view()
    with torch.inference_mode():
        x = model.token_embedding(torch.tensor([TOKENIZER.encode(PROMPT)]))
        first = model.logits(model.norm(x))[0, -1].softmax(-1)
    rows = page.locator(".lens tbody tr").all_inner_texts()
    assert len(rows) == 3
    share, token = first.max(-1)
    assert rows[0].split("\t")[1] == TOKENIZER.decode([token.item()]).replace(" ", "␣")
    assert rows[0].split("\t")[2] == f"{100 * share.item():.1f} %"
    assert rows[-1].split("\t")[1:3] == table(page)[0].split("\t")[:2]
    length = x[0, -1].norm().item()
    assert float(rows[0].split("\t")[3]) == pytest.approx(length, abs=0.051)


def test_a_head_that_is_off_changes_what_comes_next_and_can_be_put_on_again(view):
    page = view()
    before = table(page)
    page.locator(".more summary").click()
    off = page.get_by_role("button", name="Switch this head off")
    assert off.is_disabled(), "all heads at once can't be switched off"
    page.get_by_role("group", name="Head").get_by_label("2").check()
    off.click()
    assert table(page) != before, "what comes next is another"
    assert "off: 2.2" in page.locator(".lm-says").inner_text()
    page.get_by_role("button", name="Switch it on again").click()
    assert table(page) == before


def test_a_head_that_is_off_rewrites_the_text_and_put_on_again_it_is_the_same(view):
    page = view()
    page.get_by_label("Begin a verse").fill("winter")
    page.locator(".more summary").click()
    page.get_by_role("slider", name="Temperature").press("End")
    write(page, 3)
    settled(page).locator(".next tbody button").nth(7).click()  # a choice stays, whatever the heads
    write(page, 9)
    before, last = written(page), probabilities(page)
    page.get_by_role("slider", name="Temperature").press("Home")
    page.get_by_role("group", name="Head").get_by_label("2").check()
    page.get_by_role("button", name="Switch this head off").click()
    assert written(page) != before
    page.get_by_role("button", name="Switch it on again").click()
    assert written(page) == before
    assert probabilities(page) == last


def test_a_token_can_be_taken_back_beyond_the_context_too(view):
    page = view()
    page.get_by_label("Begin a verse").fill(beginning := "the winter of " * 3)
    texts = [written(page)]
    for _ in range(3):
        page.get_by_role("button", name="Write the next token").click()
        texts.append(written(page))
    for text in reversed(texts[:-1]):
        page.get_by_role("button", name="Take one back").click()
        assert written(page) == text
    before = table(page)
    page.get_by_role("button", name="Take one back").click()
    assert (written(page), table(page)) == (beginning, before)


def test_what_was_pressed_by_keys_keeps_the_focus(view):
    page = view()
    for part in (".next tbody button", "button:text-is('Take one back')"):
        page.locator(part).first.press("Enter")
        settled(page)
        assert page.evaluate(f"document.activeElement.closest({part.partition(':')[0]!r}) !== null")


def test_a_token_that_is_pressed_while_it_runs_is_the_one_under_the_finger(view):
    page = view()
    page.get_by_role("button", name="Run").click()
    third = page.locator(".next tbody button").nth(2)
    third.dispatch_event("pointerdown")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    before, token = written(page), third.inner_text()
    third.click()
    assert written(page) == before + token.replace("␣", " ").replace("⏎", "\n")


def test_what_is_read_out_is_what_was_written_and_not_each_token_of_a_run(view):
    page = view()
    says = page.locator(".lm-says")
    page.get_by_role("button", name="Write the next token").click()
    assert says.get_attribute("aria-live") == "polite"
    assert says.text_content().startswith(f"Written: {written(page).removeprefix(PROMPT)}. The")
    before = written(page)
    page.get_by_label("Begin a verse").press("Enter")  # as the button Run does
    page.wait_for_function(
        f"() => document.querySelector('.text').textContent.length > {len(before) + 3}"
    )
    assert says.get_attribute("aria-live") == "off"
    page.get_by_role("button", name="Pause").click()
    told = " ".join(written(page).removeprefix(before).split())
    assert says.get_attribute("aria-live") == "polite"
    assert " ".join(says.text_content().split()).startswith(f"Written: {told}")
    page.get_by_label("Begin a verse").press_sequentially("ab")
    assert says.get_attribute("aria-live") == "off"
    page.keyboard.press("Tab")
    assert says.get_attribute("aria-live") == "polite"


def test_the_model_works_in_slices_so_that_the_page_can_answer(view):
    page = view()
    page.evaluate("""() => {
        window.slices = [0];
        const {step} = Transformer.prototype, later = window.setTimeout;
        window.setTimeout = (...all) => { slices.push(0); return later(...all); };
        Transformer.prototype.step = function (id) {
            slices[slices.length - 1] += 1;
            for (const from = performance.now(); performance.now() < from + 5; );
            return step.call(this, id);
        };
    }""")
    page.get_by_label("Begin a verse").fill("the winter of " * 3)
    settled(page)
    slices = page.evaluate("slices")
    assert sum(slices) == 15, "tokens"
    assert max(slices) <= 3, "three of five milliseconds are the longest slice"


def test_arcs_are_as_wide_as_the_head_s_weights(view, model):
    page = view()
    page.locator(".more summary").click()
    page.get_by_role("group", name="layer").get_by_label("1").check()
    page.get_by_role("group", name="Head").get_by_label("3").check()
    with torch.inference_mode():
        x = model.blocks[0].attention_norm(
            model.token_embedding(torch.tensor([TOKENIZER.encode(PROMPT)]))
        )
        weights = model.blocks[0].attention(x, causal=True, return_weights=True)[1][0, 2, -1]
    found = page.evaluate(
        "() => [...document.querySelectorAll('.lm-tokens li')]"
        ".map(li => Number(li.style.getPropertyValue('--weight')))"
    )
    torch.testing.assert_close(torch.tensor(found), weights, atol=6e-4, rtol=0)
    # The same in words, for those who don't see it.
    share, j = weights.max(-1)
    ids = TOKENIZER.encode(PROMPT)
    most = TOKENIZER.decode([ids[j]]).replace(" ", "␣")
    assert page.locator(".lm-scroll svg").get_attribute("aria-label") == (
        f"Arcs: in layer 1, head 3, the last token takes most from “{most}”, {100 * share:.1f} %."
    )
    titles = [item.get_attribute("title") for item in page.locator(".lm-tokens li").all()]
    assert titles[j] == f"id {ids[j]}; the last token takes {100 * share:.1f} % from it"


def test_a_square_chooses_its_head_and_tells_what_it_shows(view):
    page = view()
    page.locator(".views summary").click()
    squares = page.locator(".heads button")
    assert squares.count() == 2 * 4
    assert page.locator(".heads [aria-pressed=true]").count() == 0
    squares.nth(2).press("Enter")
    assert squares.nth(2).get_attribute("aria-pressed") == "true"
    label = squares.nth(2).get_attribute("aria-label")
    assert label.startswith("Layer 1, head 3: the last token takes most from ")
    page.locator(".more summary").click()
    assert page.get_by_role("group", name="layer").get_by_label("1").is_checked()
    assert page.get_by_role("group", name="Head").get_by_label("3").is_checked()
    # The large grid says the same of its last row.
    most = label.partition("most from ")[2]
    told = page.locator(".grid").get_attribute("aria-label")
    assert told.endswith(f" takes most from {most}.")


def test_one_look_is_shown_with_its_numbers(view, model):
    page = view()
    page.locator(".views summary").click()
    page.locator(".heads button").nth(2).click()  # layer 1, head 3
    page.get_by_label("The earlier token").select_option("1")
    shown = dict(row.split("\t") for row in page.locator(".look tbody tr").all_inner_texts())
    ids = torch.tensor([TOKENIZER.encode(PROMPT)])
    with torch.inference_mode():
        x = model.blocks[0].attention_norm(model.token_embedding(ids))
        layer = model.blocks[0].attention
        weights = layer(x, causal=True, return_weights=True)[1][0, 2, -1]
        values = layer.v_proj(x)[0, 1].unflatten(0, (layer.n_kv_heads, -1))[2]
    assert shown[f"its weight among {len(weights)} tokens, by the softmax"] == (
        f"{100 * weights[1].item():.1f} %"
    )
    (numbers,) = (text for name, text in shown.items() if name.startswith("value of"))
    found = [float(each.replace("−", "-")) for each in numbers.split()]
    assert found == pytest.approx(values.tolist(), abs=6e-3)


def test_the_views_follow_the_text_beyond_the_context(view):
    page = view()
    page.locator(".views summary").click()
    write(page, 20)
    assert page.locator(".look tbody tr").count() == 5
    assert page.locator(".grid text").count() <= 12


def test_beyond_its_context_it_forgets_as_the_package_does_and_says_so(view, model):
    page = view()
    page.locator(".more summary").click()
    page.get_by_role("slider", name="Temperature").press("Home")
    write(page, 20)
    text = generate(model, TOKENIZER, PROMPT, max_new_tokens=20)
    assert written(page) == PROMPT + text
    assert "16 tokens at most" in page.locator(".lm-says").inner_text()
    page.get_by_role("button", name="Start again").click()
    assert written(page) == PROMPT
    assert "at most" not in page.locator(".lm-says").inner_text()


def test_it_runs_until_it_is_paused(view):
    page = view()
    page.get_by_role("button", name="Run").click()
    page.wait_for_function(
        f"() => document.querySelector('.text').textContent.length > {len(PROMPT) + 3}"
    )
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Run").count() == 1


def test_it_looks_the_same_where_another_figure_follows(view):
    page = view()
    for fold in page.locator("summary").all():
        fold.click()
    kit = (files("course_lib.figures") / "base.css").read_text(encoding="utf-8")
    look = """(figure) => [...figure.querySelectorAll(":not(style, script)")].map((each) => {
        const {backgroundColor, color, display, font, margin, padding} = getComputedStyle(each);
        return [each.className, backgroundColor, color, display, font, margin, padding].join();
    })"""
    figure, run = page.locator("figure"), page.get_by_role("button", name="Run")
    run.hover()
    before = figure.evaluate(look)
    figure.evaluate("(it, kit) => it.insertAdjacentHTML('afterend', kit)", f"<style>{kit}</style>")
    assert figure.evaluate(look) == before


def test_on_paper_the_tokens_are_named_and_nothing_asks_to_be_pressed(view):
    page = view()
    page.emulate_media(media="print")
    assert page.locator(".next tbody button").first.is_visible()
    assert not page.get_by_role("button", name="Run").is_visible()
    assert not page.locator(".more summary").is_visible()


def test_any_text_can_begin(view):
    page = view()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    for text in ("", "😀 漢字", "</script><b>", "\ufeff\u202eשלום", "word " * 30):
        page.get_by_label("Begin a verse").fill(text)
        assert written(page).strip() == text.strip()
        assert len(table(page)) == 9
    assert not wrong


def test_what_is_seen_stays_in_view_when_the_window_gets_narrow(view):
    page = view()
    page.get_by_label("Begin a verse").fill("the winter of our disc")
    settled(page).set_viewport_size({"width": 320, "height": 600})
    page.wait_for_function("""() => {
        const row = document.querySelector(".lm-scroll").getBoundingClientRect();
        const last = document.querySelector(".lm-tokens li:last-child").getBoundingClientRect();
        return row.right < 320 && last.right <= row.right + 1;
    }""")


def test_the_script_is_asked_for_at_a_reader_s_first_sign(browser, model, tmp_path):
    html = writer_explorer(model, TOKENIZER, PROMPT, src="late.js", home="../", view="heads").data
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{html}", "utf-8")
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.goto((tmp_path / "page.html").as_uri(), wait_until="networkidle")
    assert asked == ["page.html"]
    assert page.locator(".heads svg").count() == 8, "what Python drew stays until then"
    # A button that is pressed before the model is there is answered when it is.
    (tmp_path / "late.js").write_text(
        export.runtime() + export.model_script(model, TOKENIZER, "writer"), encoding="utf-8"
    )
    with page.expect_request("**/late.js"):
        page.get_by_role("button", name="Write the next token").click()
    assert len(written(page)) > len(PROMPT)
    page.close()


@pytest.mark.parametrize("name", ["Run", "Write the next token"])
def test_who_presses_while_the_model_is_on_its_way_is_told(browser, model, tmp_path, name):
    html = writer_explorer(model, TOKENIZER, PROMPT, src="slow.js").data
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{html}", "utf-8")
    page, held = browser.new_page(), []
    page.route("**/slow.js", lambda route: held.append(route))
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_role("button", name=name).click()
    assert "is being loaded" in page.locator(".lm-says").inner_text()
    script = export.runtime() + export.model_script(model, TOKENIZER, "writer")
    held[0].fulfill(content_type="text/javascript", body=script)
    page.wait_for_function(
        f"() => document.querySelector('.text').textContent.length > {len(PROMPT)}"
    )
    assert "is being loaded" not in page.locator(".lm-says").inner_text()
    page.close()


def test_what_is_seen_before_the_model_comes_is_what_it_then_says(view, browser, tmp_path):
    seen = """() => [...document.querySelectorAll(".lm-scroll svg, .lm-scroll path, .lm-tokens li")]
        .map(e => [e.getAttribute("aria-label"), e.getAttribute("d"), e.getAttribute("style")])"""
    after = view().evaluate(seen)
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.locator(".lm-scroll path").first.wait_for(state="attached")
    assert page.evaluate("() => globalThis.courseModels") is None
    before = page.evaluate(seen)
    page.close()
    assert [label for label, *_ in before] == [label for label, *_ in after]
    numbers = [[float(n) for n in re.findall(r"\d+\.?\d*", str(seen))] for seen in (before, after)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.5)  # a pixel's half


def test_where_no_script_runs_there_is_no_empty_place_for_arcs(view):
    assert not view(javascript=False).locator(".lm-scroll svg").is_visible()
    assert view().locator(".lm-scroll svg").is_visible()


@pytest.mark.parametrize("held", [None, "", "var broken = {"])
def test_a_script_that_can_t_be_had_or_is_broken_is_told(browser, model, tmp_path, held):
    if held is not None:
        (tmp_path / "missing.js").write_text(held, encoding="utf-8")
    html = writer_explorer(model, TOKENIZER, PROMPT, src="missing.js", home="../").data
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{html}", "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.mouse.move(5, 5)
    says = page.locator(".lm-says").filter(has_text="missing.js")
    says.wait_for()
    assert "could not be loaded" in says.inner_text()
    assert not page.get_by_role("button").first.is_visible()
    page.close()


@pytest.mark.parametrize("prompt", ["", "a" * 40])
def test_a_prompt_that_cannot_be_read_is_refused(model, prompt):
    with pytest.raises(ValueError, match="prompt: expected 1 to 16 tokens"):
        writer_explorer(model, TOKENIZER, prompt, src="x.js", home="")
