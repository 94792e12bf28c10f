"""Figures that move: what they hold, and what the browser computes in them."""

import math
import re
import sys

import matplotlib.pyplot as plt
import pytest
import sacrebleu
import sklearn.metrics
import torch

from course_lib import costs, evaluation, figures
from course_lib.attention import scaled_dot_product_attention
from course_lib.generation import Sampler
from course_lib.model import GPTConfig
from course_lib.text.tokenizer import BPETokenizer

TOKENS = ["the", "cat", "</script><b>"]
torch.manual_seed(0)
QUERIES, KEYS = torch.randn(2, 3, 4)


def both_ways(browser, html):
    """Show a page without scripts, then with them; yield whether they run, and the page."""
    for script in (False, True):
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        page.set_content(html)
        yield script, page
        context.close()


def draw(value):
    figure, ax = plt.subplots()
    ax.plot([0, value])
    return figure


def seen_frame(page):
    frames = page.locator(".lm-frame[aria-hidden=false]")
    assert frames.count() == 1
    return frames.get_attribute("aria-label")


def test_frames_show_a_described_drawing_for_each_value_and_move_without_a_kernel(
    browser, monkeypatch
):
    found = []
    monkeypatch.setattr(sys.modules["course_lib.figures.frames"], "display", found.append)
    figures.frames(
        draw,
        [1, 2, 3],
        "A line <b>grows</b>",
        "Move it: the end rises.",
        label="Size",
        describe=lambda value: f"A line to <{value}>",
        start=2,
    )
    (html,) = (shown.data for shown in found)
    assert plt.get_fignums() == [], "figures are closed"
    assert "http" not in html
    for script, page in both_ways(browser, html):
        assert seen_frame(page) == "A line to <2>"
        assert page.locator(".title").text_content() == "A line grows"
        assert page.locator("figcaption").text_content() == "Move it: the end rises."
        slider = page.get_by_role("slider", name="Size", exact=True)
        assert slider.count() == script
        for key, value in (("Home", 1), ("ArrowRight", 2), ("End", 3)) if script else ():
            slider.press(key)
            assert slider.get_attribute("aria-valuetext") == str(value)
            assert seen_frame(page) == f"A line to <{value}>"


def test_frames_name_what_they_can_t_show():
    with pytest.raises(ValueError, match=r"values: expected at least two, got \[1\]"):
        figures.frames(draw, [1], "Lines", "Ends", label="Size", describe=str)
    with pytest.raises(ValueError, match=r"start: expected one of 1, 2, got 3"):
        figures.frames(draw, [1, 2], "Lines", "Ends", label="Size", describe=str, start=3)


def test_explorer_is_the_same_each_time_and_asks_no_other_machine():
    page = figures.attention_explorer(TOKENS, QUERIES, KEYS).data
    assert page == figures.attention_explorer(TOKENS, QUERIES, KEYS).data
    assert "http" not in page
    assert "</script><b>" not in page, "a token can't end the script that holds it"


@pytest.mark.parametrize("name", ["queries", "keys"])
def test_explorer_names_the_tensor_that_does_not_fit(name):
    tensors = {"queries": QUERIES, "keys": KEYS, name: torch.zeros(2, 4)}
    with pytest.raises(ValueError, match=rf"{name}: expected shape \(3, 4\), got \(2, 4\)"):
        figures.attention_explorer(TOKENS, **tensors)


def test_explorer_names_the_place_that_is_not_there():
    with pytest.raises(ValueError, match="asking: expected a place from 0 to 2, got 3"):
        figures.attention_explorer(TOKENS, QUERIES, KEYS, asking=3)


def test_explorer_takes_a_token_that_is_called_like_a_placeholder():
    page = figures.attention_explorer(["FIGURE_DATA", "FIRST_ROWS", "a"], QUERIES, KEYS).data
    assert page.count('"tokens"') == 1
    assert '<th scope="row">FIRST_ROWS</th>' in page


def test_explorer_shows_the_same_first_weights_without_a_script(browser):
    html = figures.attention_explorer(TOKENS, QUERIES, KEYS, asking=1).data
    shown = []
    for script, page in both_ways(browser, html):
        shown.append(page.locator("tbody tr").all_text_contents())
        for role in ("slider", "group"):
            assert page.get_by_role(role).count() == script, "what can't work is not shown"
    assert shown[0] == shown[1]
    assert len(shown[0]) == len(TOKENS)


def test_explorer_scales_exactly_at_its_marks(browser):
    """A slider's step is too coarse for 1/sqrt(4): 8 times 0.5 would be shown as 4.01."""
    page = browser.new_page()
    page.set_content(figures.attention_explorer(["a"], 8 * torch.eye(1, 4), torch.eye(1, 4)).data)
    scaled = page.locator("tbody td:nth-child(3)")
    assert scaled.text_content() == "4.00"
    for key, expected in (("ArrowRight", "4.10"), ("ArrowLeft", "4.00")):
        page.get_by_role("slider").press(key)
        assert scaled.text_content() == expected
    page.get_by_role("button", name="1 (no scale)").click()
    assert scaled.text_content() == "8.00"
    page.close()


def test_explorer_computes_the_weights_of_course_lib(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.attention_explorer(TOKENS, QUERIES, KEYS, asking=2).data)

    def weights():
        cells = page.locator("tbody tr td:nth-child(5)").all_text_contents()
        return torch.tensor([float(cell) for cell in cells])

    def expected(token, scale):
        return scaled_dot_product_attention(QUERIES, KEYS, KEYS, scale=scale)[1][token]

    def agree(token, scale):
        torch.testing.assert_close(weights(), expected(token, scale), atol=6e-4, rtol=0)

    agree(2, 1 / math.sqrt(4))
    assert page.locator("tbody th").all_text_contents() == TOKENS
    page.get_by_role("button", name="1 (no scale)").click()
    agree(2, 1.0)
    page.get_by_role("radio").nth(2).focus()
    page.keyboard.press("ArrowUp")
    agree(1, 1.0)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    agree(1, 0.01)
    share = f"{100 * expected(1, 0.01).max():.0f} %"
    assert f"takes {share} from" in page.locator("[aria-live]").text_content()
    page.close()


SAMPLES = {(n, t): [f"n {n} <i> {t} a", f"n {n} {t} b"] for n in (1, 2, 3) for t in (0.5, 2)}


def test_samples_show_the_text_of_both_settings_and_another_one(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.samples_explorer(SAMPLES, labels=("n", "Temperature")).data)
    text = page.locator("blockquote")
    assert text.text_content() == "n 1 <i> 0.5 a"
    page.get_by_role("slider", name="n", exact=True).press("End")
    page.get_by_role("slider", name="Temperature").press("ArrowRight")
    assert text.text_content() == "n 3 <i> 2 a"
    page.get_by_role("button", name="Another sample").click()
    assert text.text_content() == "n 3 2 b"
    assert page.get_by_role("slider", name="Temperature").get_attribute("aria-valuetext") == "2"
    page.close()


def test_samples_open_where_they_are_asked_to(browser):
    page = browser.new_page()
    page.set_content(
        figures.samples_explorer(SAMPLES, labels=("n", "Temperature"), start=(2, 2)).data
    )
    assert page.locator("blockquote").text_content() == "n 2 <i> 2 a"
    assert page.get_by_role("slider", name="n", exact=True).get_attribute("aria-valuetext") == "2"
    page.get_by_role("slider", name="n", exact=True).press("ArrowLeft")
    assert page.locator("blockquote").text_content() == "n 1 <i> 2 a"
    page.close()


def test_samples_show_the_first_text_without_a_script(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(
        figures.samples_explorer(SAMPLES, labels=("n", "Temperature"), start=(3, 0.5)).data
    )
    assert page.locator("blockquote").text_content() == "n 3 <i> 0.5 a"
    assert "n 3 and Temperature 0.5" in page.locator("noscript").text_content()
    assert page.get_by_role("slider").count() == 0
    context.close()


def test_samples_name_what_is_missing():
    with pytest.raises(ValueError, match=r"every pair of settings, got none for \(1, 2\)"):
        figures.samples_explorer({(1, 1): ["a"], (2, 2): ["b"]}, labels=("n", "t"))
    with pytest.raises(ValueError, match=r"equally many texts for each pair, got \[1, 2\]"):
        figures.samples_explorer({(1, 1): ["a"], (2, 1): ["b", "c"]}, labels=("n", "t"))
    with pytest.raises(ValueError, match=r"start: expected a pair .* has texts, got \(9, 2\)"):
        figures.samples_explorer(SAMPLES, labels=("n", "t"), start=(9, 2))


def training_run(**changes):
    run = {"parameters": 175e9, "tokens": 300e9, "percent": 40, "n_gpus": 1024, "gpu": costs.A100}
    return figures.cost_calculator(**run | changes).data


def results(page):
    return dict(
        zip(
            page.locator("tbody th").all_text_contents(),
            page.locator("tbody td").all_text_contents(),
            strict=True,
        )
    )


def test_calculator_shows_the_same_first_state_without_a_script(browser):
    for changes in ({}, {"n_gpus": 1, "tokens": 1e13}, {"gpu": costs.H100, "parameters": 1.3e7}):
        html = training_run(**changes)
        assert html == training_run(**changes)
        assert "http" not in html
        shown = []
        for script, page in both_ways(browser, html):
            shown.append((results(page), page.locator(".lm-says").text_content()))
            assert page.get_by_role("slider").count() == 4 * script
            assert page.get_by_role("radio").count() == 3 * script
        assert shown[0] == shown[1]
        # The time on one GPU is said once.
        assert len(shown[0][0]) == 7 - (changes.get("n_gpus") == 1)
        assert "$" not in " ".join(shown[0][0].values()), "JupyterLab takes it for mathematics"


def test_calculator_computes_what_course_lib_does(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(training_run())
    page.get_by_role("slider", name="Parameters").press("Home")
    page.get_by_role("button", name="20 tokens per parameter").click()
    page.get_by_role("slider", name="Utilization").press("ArrowRight")
    page.get_by_role("slider", name="GPUs at once").press("Home")
    page.get_by_role("radio", name="A100").press("ArrowRight")
    flops = costs.training_flops(1e7, 20e7)
    hours = costs.gpu_hours(flops, costs.H100.peak, 0.41)
    kwh = 1000 * costs.energy_mwh(hours, costs.H100.watts, costs.PUE[0])
    found = results(page)
    assert found["Operations, 6·N·D"] == "1.20 × 10¹⁶ FLOP" == f"{flops / 1e16:.2f} × 10¹⁶ FLOP"
    assert found["Tokens per parameter"] == "20"
    assert found["Time on one GPU"] == f"{3600 * hours:.1f} seconds"
    assert "Time on 1 GPU" not in found
    assert found["Energy"].startswith(f"{kwh:.3g} kWh to ")
    cheap, dear = (f"{hours * price:.3g}" for price in costs.DOLLARS_PER_GPU_HOUR)
    assert found["Rent"] == f"{cheap} to {dear} dollars"
    tokens = page.get_by_role("slider", name="Tokens")
    assert tokens.get_attribute("aria-valuetext") == "200 million"
    assert "on H100 GPUs at 41 % of their peak" in page.locator("[aria-live]").text_content()
    page.close()


def test_calculator_says_what_it_can_t_show():
    for changes, message in (
        ({"parameters": 0}, "parameters: expected a number from 1 to 1e18, got 0"),
        ({"tokens": math.nan}, "tokens: expected a number from 1 to 1e18, got nan"),
        ({"tokens": 1e300}, r"tokens: expected a number from 1 to 1e18, got 1e\+300"),
        ({"percent": 140}, "percent: expected a whole number from 1 to 100, got 140"),
        ({"percent": 40.5}, "percent: expected a whole number from 1 to 100, got 40.5"),
        ({"n_gpus": 0}, "n_gpus: expected a whole number above 0, got 0"),
        ({"gpu": None}, r"gpu: expected one of \['V100', 'A100', 'H100'\], got None"),
    ):
        with pytest.raises(ValueError, match=message):
            training_run(**changes)


def roofline_state(page):
    shape = (
        page.locator("svg .curve").get_attribute("d"),
        page.locator("svg .now").get_attribute("d"),
    )
    dot = [page.locator("circle").get_attribute(name) for name in ("cx", "cy")]
    return results(page), page.locator(".lm-says").text_content(), shape, dot


def test_roofline_shows_the_same_first_state_without_a_script(browser):
    for settings in (
        {},
        {"width": 128, "tokens": 1, "gpu": costs.V100},
        {"width": 16384, "tokens": 65536, "gpu": costs.H100},
    ):
        html = figures.roofline_explorer(**settings).data
        assert html == figures.roofline_explorer(**settings).data
        assert "http" not in html
        shown = []
        for script, page in both_ways(browser, html):
            shown.append(roofline_state(page))
            assert page.get_by_role("slider").count() == 2 * script
            assert page.get_by_role("radio").count() == 3 * script
        without, with_script = shown
        assert without[:2] == with_script[:2]
        assert without[3] == with_script[3]


def test_roofline_s_numbers_can_be_read_on_the_narrowest_phone(browser):
    page = browser.new_page(viewport={"width": 320, "height": 800})
    page.set_content(f'<body style="margin:16px">{figures.roofline_explorer().data}</body>')
    sizes = page.evaluate("""() => [...document.querySelectorAll('svg text')].map(
        t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)""")
    assert min(sizes) >= 10.5
    page.close()


def test_roofline_computes_what_course_lib_does(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.roofline_explorer(width=1024, tokens=1).data)
    page.get_by_role("slider", name="Width").press("ArrowRight")
    for _ in range(4):
        page.get_by_role("slider", name="Tokens").press("ArrowRight")
    page.get_by_role("radio", name="A100").press("ArrowRight")
    gpu, intensity = costs.H100, costs.matmul_intensity(16, 2048, 8192, 2)
    speed = costs.attainable_flops(intensity, gpu.peak, gpu.bandwidth)
    shown, says, _, dot = roofline_state(page)
    assert shown["Operations per byte"] == f"{intensity:.3g}"
    assert shown["Time, at least"] == f"{2 * 16 * 2048 * 8192 / speed * 1e6:.3g} µs"
    assert f"memory sets the limit. At most {speed / 1e12:.3g} TFLOP/s" in says
    page.get_by_role("slider", name="Tokens").press("End")
    _, says, _, higher = roofline_state(page)
    assert "arithmetic sets the limit. At most 989 TFLOP/s, 100 % of the peak" in says
    assert float(higher[0]) > float(dot[0]), "further right"
    assert float(higher[1]) < float(dot[1]), "further up"
    assert page.get_by_role("slider", name="Tokens").get_attribute("aria-valuetext") == "65,536"
    page.close()


@pytest.mark.parametrize("wrong", [{"width": 100}, {"tokens": 3}, {"gpu": "A100"}])
def test_roofline_names_what_it_does_not_have(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}: expected one of "):
        figures.roofline_explorer(**wrong)


MERGED_TEXT = "the thee don't  中文中 FIGURE_DATA </script> é 12 🙂"


@pytest.fixture(scope="module")
def bpe():
    return BPETokenizer.train(f"{MERGED_TEXT} the the cat's hat\n\n\n\n" * 3, 330)


def test_merges_join_the_text_as_the_tokenizer_does(browser, bpe):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.merges_explorer(bpe.merges, MERGED_TEXT).data)
    box, slider = page.get_by_label("Text"), page.get_by_role("slider", name="Merges")
    for text in (MERGED_TEXT, "the  cat's 中国\u00a0thé", "    ", ""):
        box.fill(text)
        for n in (0, 1, 2, 10, len(bpe.merges)):
            slider.fill(str(n))
            expected = BPETokenizer(bpe.merges[:n])
            tokens = [list(expected.vocab)[i] for i in expected.encode(text)]
            shown = page.locator("ol li").all_text_contents()
            assert shown == [figures.show_token(token) for token in tokens]
            said = f"After {n} merges: {len(tokens)} tokens for {len(text)} characters."
            assert page.locator("[aria-live]").text_content().startswith(said)
    page.close()


def test_merges_go_to_the_next_that_joins_and_mark_it(browser, bpe):
    page = browser.new_page()
    page.set_content(figures.merges_explorer(bpe.merges, "hat the").data)
    counts = [page.locator("ol li").count()]
    while page.locator("output").text_content() != str(len(bpe.merges)) and len(counts) < 20:
        page.get_by_role("button", name="Next that joins").press("Enter")
        counts.append(page.locator("ol li").count())
        marked = page.locator("ol li.on").count()
        assert marked > 0 or counts[-1] == counts[-2]
    assert counts[-1] == len(bpe.encode("hat the")) < counts[0] == 7
    page.get_by_role("slider").press("Home")
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "0 merges, 7 tokens"
    page.close()


def test_merges_show_the_same_first_tokens_without_a_script(browser, bpe):
    html = figures.merges_explorer(bpe.merges, MERGED_TEXT).data
    shown = []
    for script, page in both_ways(browser, html):
        shown.append(
            [page.locator("ol").all_text_contents(), page.locator(".lm-says").text_content()]
        )
        assert page.get_by_role("slider").count() == script
    assert shown[0] == shown[1]


def test_merges_need_a_merge_and_a_text():
    with pytest.raises(ValueError, match=r"^(merges|text): expected at least one"):
        figures.merges_explorer([], "text")


READ, WRITTEN = ["the", " file", "<|end|>"], ["</script><b>", " fichier", " ", "<|end|>"]
LOOKED = torch.rand(2, 2, 4, 3, generator=torch.Generator().manual_seed(0)).mul(3).softmax(-1)


def alignment_state(page):
    return page.locator("ol li").all_text_contents(), page.locator("[aria-live]").text_content()


def test_alignment_shows_where_each_head_looks_for_each_token(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.alignment_explorer(READ, WRITTEN, LOOKED, head=(1, 0), asking=2).data)
    assert page.get_by_role("combobox").input_value() == "2"
    for i, name in enumerate(("1.1", "1.2", "2.1", "2.2")):
        page.get_by_role("combobox", name="Head").select_option(name)
        for t, token in enumerate(WRITTEN):
            page.get_by_role("radio").nth(t).check()
            weights = LOOKED[i // 2, i % 2, t]
            percents = [f"{100 * w:.0f}" for w in weights.tolist()]
            items, said = alignment_state(page)
            assert items == [f"{r.strip()}{p} %" for r, p in zip(READ, percents, strict=True)]
            most = READ[weights.argmax()].strip()
            assert said.startswith(
                f"Writing “{token.strip() or '␣'}”, head {name} looks most at “{most}”: "
            )
            heights = page.locator(".bar span").evaluate_all(
                "bars => bars.map(b => b.style.height)"
            )
            assert heights == [f"{p}%" for p in percents]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("radio").nth(0).press("ArrowRight")
    assert "fichier" in alignment_state(page)[1], "the keyboard moves it, too"
    page.close()


def test_alignment_marks_chinese_where_its_script_writes(browser):
    page = browser.new_page()
    written = ["删除", " fichier", " ", "<|end|>"]
    page.set_content(figures.alignment_explorer(READ, written, LOOKED, asking=0).data)
    assert page.locator(".lm-choice [lang=zh]").all_text_contents() == ["删除"]
    assert page.locator("[aria-live] [lang=zh]").all_text_contents() == ["删除"]
    page.close()


def test_alignment_shows_the_same_first_state_without_a_script(browser):
    html = figures.alignment_explorer(READ, WRITTEN, LOOKED, head=(0, 1), asking=1).data
    assert "</script><b>" not in html
    shown = []
    for script, page in both_ways(browser, html):
        shown.append(alignment_state(page))
        for role in ("combobox", "group"):
            assert page.get_by_role(role).count() == script, "what can't work is not shown"
    assert shown[0] == shown[1]
    assert len(shown[0][0]) == len(READ)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": LOOKED[:, :, :3]}, r"weights: expected shape \(2, 2, 4, 3\), got \(2, 2, 3,"),
        ({"head": (2, 0)}, r"head: expected \(0, 0\) to \(1, 1\), got \(2, 0\)"),
        ({"head": (-1, 0)}, r"head: expected \(0, 0\) to \(1, 1\), got \(-1, 0\)"),
        ({"weights": LOOKED[0]}, r"weights: expected shape \(L, H, T, S\), got \(2, 4, 3\)"),
        ({"weights": LOOKED * math.nan}, "weights: expected 0 to 1, got others"),
        ({"weights": -LOOKED}, "weights: expected 0 to 1, got others"),
        ({"asking": -1}, "asking: expected a place from 0 to 3, got -1"),
        ({"asking": 4}, "asking: expected a place from 0 to 3, got 4"),
    ],
)
def test_alignment_names_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        figures.alignment_explorer(READ, WRITTEN, **{"weights": LOOKED, **changes})
    with pytest.raises(ValueError, match="read: expected at least one token, got none"):
        figures.alignment_explorer([], WRITTEN, LOOKED[..., :0])


PAIRS = [
    ("The cat sat on the mat.", "The cat is on the mat."),
    ("the the the the the", "the cat and the dog"),
    (
        "Le fichier n'est pas &quot;là&quot;, 3.14 - 20-30 !",
        "Le fichier, 3.14, n'est pas là: 20-30.",
    ),
    ("short", "a much longer reference that has more words"),
    ("a b c d e f", "x y z"),
    ("</script><b> FIRST_ROWS FIGURE_DATA a", "FIRST_ROWS FIGURE_DATA </script><b> a"),
    ("中文 句子。🙂, \u3000ok.\x85 x-\ny", "中文 🙂 , ok . xy."),
    ("a b c d", "a b c d"),
]


def bleu_state(page):
    rows = page.locator("tbody tr").all()
    return (
        [row.locator("th, td").all_text_contents() for row in rows],
        page.locator("li.on").all_text_contents(),
        page.locator("[aria-live]").text_content(),
    )


def test_bleu_calculator_counts_as_course_lib_and_sacrebleu_do(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.bleu_calculator("a", "b").data)
    for hypothesis, reference in PAIRS:
        page.get_by_label("Hypothesis").fill(hypothesis)
        page.get_by_label("Reference").fill(reference)
        # What the box holds: a browser may change line breaks.
        hypothesis, reference = (
            page.get_by_label(name).input_value() for name in ("Hypothesis", "Reference")
        )
        rows, _, says = bleu_state(page)
        counts = evaluation.bleu_counts(hypothesis, reference)
        assert [row[1] for row in rows] == [str(count) for count in counts[2:6]]
        assert [row[2] for row in rows] == [str(count) for count in counts[6:]]
        assert says.startswith(f"{counts[0]} words for {counts[1]}: brevity penalty ")
        expected = sacrebleu.corpus_bleu([hypothesis], [[reference]])
        assert float(says.rsplit(" ", 1)[1].rstrip(".")) == pytest.approx(expected.score, abs=0.051)
        assert f"penalty {expected.bp:.3f}." in says
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_bleu_calculator_marks_what_the_reference_has_and_no_more(browser):
    page = browser.new_page()
    page.set_content(figures.bleu_calculator("the cat the cat", "the cat sat").data)
    assert bleu_state(page)[1] == ["the", "cat"], "the reference has each once"
    page.get_by_role("radio").first.press("ArrowRight")
    assert page.locator("ol li").all_text_contents() == ["the cat", "cat the", "the cat"]
    assert bleu_state(page)[1] == ["the cat"]
    page.get_by_label("Hypothesis").fill("")
    assert bleu_state(page)[2] == "0 words for 3: brevity penalty 0.000. BLEU 0.0."
    page.close()


def test_bleu_calculator_shows_the_same_first_state_without_a_script(browser):
    for pair in PAIRS:
        html = figures.bleu_calculator(*pair).data
        assert html == figures.bleu_calculator(*pair).data
        assert "http" not in html
        shown = []
        for script, page in both_ways(browser, html):
            shown.append((bleu_state(page), page.locator("ol li").all_text_contents()))
            for role in ("textbox", "radio"):
                assert page.get_by_role(role).count() == script * (2 if role == "textbox" else 4)
        assert shown[0] == shown[1]


def test_bleu_calculator_needs_words():
    with pytest.raises(ValueError, match=r"^(hypothesis|reference): expected at least one word"):
        figures.bleu_calculator("a", " ")


LABELS = torch.tensor([0, 1] * 150)
SCORES = (torch.rand(300, generator=torch.Generator().manual_seed(0)) + LABELS) / 2


def threshold_state(page):
    cells = page.locator(".matrix tbody td").all_text_contents()
    scores = page.locator(".scores tbody td").all_text_contents()
    dot = [page.locator("circle").get_attribute(name) for name in ("cx", "cy")]
    line = page.locator(".line").get_attribute("d")
    return cells, scores, page.locator("[aria-live]").text_content(), dot, line


def test_threshold_gives_the_scores_of_course_lib(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.threshold_explorer(LABELS, SCORES, ("</script>", "good")).data)
    slider = page.get_by_role("slider")
    for percent in (1, 30, 50, 51, 77, 99):
        slider.fill(str(percent))
        predicted = (SCORES.double().numpy() >= percent / 100).astype(int)
        cells, shown, says, dot, _ = threshold_state(page)
        matrix = evaluation.confusion_matrix(LABELS, predicted, 2)
        assert cells == [str(count) for count in matrix.flatten()]
        precision, recall, f1 = (s[1] for s in evaluation.precision_recall_f1(LABELS, predicted))
        accuracy = evaluation.accuracy(LABELS, predicted)
        assert [float(x) for x in shown] == pytest.approx(
            [precision, recall, f1, accuracy], abs=5.1e-4
        )
        assert [float(x) for x in dot] == pytest.approx(
            [30 + 250 * recall, 190 - 180 * precision], abs=0.06
        )
        assert says.startswith(f"From {percent / 100:.2f} on called good: {predicted.sum()}, of")
    assert slider.get_attribute("aria-valuetext") == "0.99"
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "0.98"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_threshold_draws_the_curve_of_scikit_learn():
    precision, recall, _ = sklearn.metrics.precision_recall_curve(LABELS, SCORES)
    page = figures.threshold_explorer(LABELS, SCORES).data
    path = re.search(r'class="curve" d="M([^"]*)"', page).group(1)
    drawn = {tuple(map(float, point.split())) for point in path.split("L")}
    expected = set(zip((30 + 250 * recall).round(1), (190 - 180 * precision).round(1), strict=True))
    assert len(drawn) > 100
    assert all(any(abs(x - a) < 0.11 and abs(y - b) < 0.11 for a, b in expected) for x, y in drawn)


def test_threshold_shows_the_same_first_state_without_a_script(browser):
    for threshold in (0.29, 0.5, 0.99):
        html = figures.threshold_explorer(LABELS, SCORES, threshold=threshold).data
        assert "http" not in html
        shown = []
        for script, page in both_ways(browser, html):
            shown.append(threshold_state(page))
            assert page.get_by_role("slider").count() == script
        assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": LABELS[:9]}, r"labels: expected 0 and 1, .* shape \(9,\) for \(300,\)"),
        ({"labels": torch.ones(300)}, r"labels: expected 0 and 1, at least one of both"),
        ({"scores": 2 * SCORES}, "scores: expected 0 to 1, got "),
        ({"labels": [[0, 1]], "scores": [[0, 1]]}, r"labels: .* shape \(1, 2\) for \(1, 2\)"),
        ({"scores": SCORES * math.nan}, "scores: expected 0 to 1, got nan to nan"),
        ({"names": ("a", "a")}, "names: expected two different ones, got "),
        ({"threshold": math.nan}, "threshold: expected a share from 0 to 1, got nan"),
        ({"threshold": 1.0}, "threshold: expected one of 0.01, 0.02, ..., 0.99, got 1.0"),
        ({"threshold": 0.505}, "threshold: expected one of 0.01, .* got 0.505"),
    ],
)
def test_threshold_names_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        figures.threshold_explorer(**{"labels": LABELS, "scores": SCORES, **changes})


def decoding_logits(size=400, seed=0):
    logits = 4 * torch.randn(size, generator=torch.Generator().manual_seed(seed)).double()
    return logits.round(decimals=2)


def decoding_contexts():
    tied = decoding_logits(seed=1)
    tied[tied.topk(30).indices] = tied.max()  # more than there are rows for
    return {"</script> a": decoding_logits(), "b": tied}


def decoding_label(token):
    return f"<token {token}>"


def decoding_state(page):
    rows = page.locator("tbody tr").all_text_contents()
    return rows, page.locator(".lm-says").text_content(), page.locator("caption").text_content()


def test_decoding_shows_the_same_first_state_without_a_script(browser):
    html = figures.decoding_explorer(decoding_contexts(), decoding_label).data
    assert html == figures.decoding_explorer(decoding_contexts(), decoding_label).data
    assert "http" not in html
    shown = []
    for script, page in both_ways(browser, html):
        shown.append(decoding_state(page))
        assert page.get_by_role("slider").count() == 3 * script
        assert page.get_by_role("radio").count() == 2 * script
    assert shown[0] == shown[1]
    assert len(shown[0][0]) == 13


@pytest.mark.parametrize("at", [0, 1])
def test_decoding_draws_from_what_the_sampler_draws_from(browser, at):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.decoding_explorer(decoding_contexts(), decoding_label).data)
    page.get_by_role("radio").nth(at).check()
    logits = list(decoding_contexts().values())[at]
    order = (100 * logits).round().sort(descending=True, stable=True).indices.tolist()
    settings = [(1, None, None), (0.5, 3, None), (1.5, None, 0.3), (0.85, 50, 0.9), (2, 5, 0.05)]
    for temperature, k, p in [*settings, (0, None, None), (1, 1, None), (2, None, 0.99)]:
        wanted = {"Temperature": f"{temperature:.2f}", "Top-k": str(k or "off")}
        for name, value in (wanted | {"Top-p": f"{p:.2f}" if p else "off"}).items():
            slider = page.get_by_role("slider", name=name)
            for place in range(int(slider.get_attribute("max")) + 1):
                slider.fill(str(place))
                if slider.get_attribute("aria-valuetext") == value:
                    break
            assert slider.get_attribute("aria-valuetext") == value
        probabilities = Sampler(temperature, k, p).probabilities(logits[None].float(), [[]])[0]
        kept, says = int((probabilities > 0).sum()), page.locator(".lm-says").text_content()
        found = int(says.removeprefix("Kept: ").split(" of 400")[0])
        # The sampler's sums are in single precision: of many tokens one more may be kept.
        assert abs(found - kept) <= (p is not None and kept > 20), (temperature, k, p)
        warm = (logits / temperature).softmax(-1).sort(descending=True).values if temperature else 1
        share = 100 * warm[:found].sum().item() if temperature else 100
        assert f"have {share:.1f} % of the probability" in says
        choices = torch.special.entr(probabilities).sum().exp().item()
        said = float(says.split("among ")[1].split()[0])
        assert said == pytest.approx(choices, rel=5e-3, abs=0.06)
        if at == 0:
            cells = page.locator("tbody td:nth-child(3)").all_text_contents()
            names = page.locator("tbody th").all_text_contents()
            assert names[:12] == [decoding_label(token) for token in order[:12]]
            for cell, token in zip(cells, order[:12], strict=False):
                expected = 100 * probabilities[token].item()
                got = 0.0 if cell == "cut" else float(cell.removesuffix(" %"))
                assert got == pytest.approx(expected, abs=0.06)
                assert (cell == "cut") == (expected == 0)
    page.close()


def test_decoding_moves_by_the_keyboard_and_counts_a_whole_vocabulary(browser):
    page = browser.new_page()
    logits = 3 * torch.randn(49_152, generator=torch.Generator().manual_seed(0))
    html = figures.decoding_explorer({"x": logits}, decoding_label).data
    few = figures.decoding_explorer({"x": logits[:13]}, decoding_label).data
    assert len(html) - len(few) < 10_000, "the logits of most tokens are only counted"
    page.set_content(html)
    assert "Kept: 49,152 of 49,152 tokens" in page.locator(".lm-says").text_content()
    page.get_by_role("slider", name="Top-k").press("ArrowLeft")
    assert "Kept: 1,0" in page.locator(".lm-says").text_content(), "1,000 and those that tie"
    page.get_by_role("slider", name="Temperature").press("Home")
    assert "Kept: 1 of 49,152" in page.locator(".lm-says").text_content()
    assert "among 1.0 equally" in page.locator(".lm-says").text_content()
    assert page.locator("tbody td:nth-child(3)").all_text_contents()[:2] == ["100.0 %", "cut"]
    page.close()


def test_decoding_names_what_it_can_t_show():
    with pytest.raises(ValueError, match="contexts: expected at least one text, got none"):
        figures.decoding_explorer({}, decoding_label)
    for wrong in (torch.zeros(12), torch.zeros(1, 50)):
        with pytest.raises(ValueError, match=r"contexts: expected logits \(V,\) with V above 12"):
            figures.decoding_explorer({"x": wrong}, decoding_label)


def test_logits_without_a_distribution_are_refused_and_the_least_ones_are_small():
    for wrong in (math.nan, math.inf, -math.inf):
        logits = torch.arange(20.0)
        logits[3] = wrong
        with pytest.raises(ValueError, match="contexts: expected finite logits"):
            figures.decoding_explorer({"text": logits}, str)
    with pytest.raises(ValueError, match="shown: expected a whole number above 0, got 0"):
        figures.decoding_explorer({"text": torch.arange(20.0)}, str, shown=0)
    logits = torch.arange(20.0)
    logits[0] = -1e9
    assert len(figures.decoding_explorer({"text": logits}, str).data) < 400_000


def test_explorer_refuses_what_no_weights_can_be_computed_from():
    for name in ("queries", "keys"):
        tensors = {"queries": QUERIES, "keys": KEYS, name: KEYS * math.inf}
        with pytest.raises(ValueError, match=f"{name}: expected finite numbers"):
            figures.attention_explorer(TOKENS, **tensors)


def test_samples_of_nothing_are_refused():
    with pytest.raises(ValueError, match="samples: expected texts for at least one pair of"):
        figures.samples_explorer({}, labels=("a", "b"))


def test_a_merge_twice_keeps_its_first_place_and_a_text_is_one_line():
    merges = [(b"a", b"b"), (b"ab", b"c")]
    once, twice = (figures.merges_explorer(m, "abc").data for m in (merges, [*merges, merges[0]]))
    assert once == twice
    for text in ("a\nb", "a\r"):
        with pytest.raises(ValueError, match="text: expected one line, got"):
            figures.merges_explorer(merges, text)


# Texts that mean something to HTML, to JSON, to a script, to MathJax

MARKUP = [
    "</script><script>window.hurt = 1</script>",
    "<img src=x onerror='window.hurt = 1'>",
    "<!--<script>",
    "&lt;b&gt; &amp;",
    "\"'`${window.hurt = 1}\\",
    "$x^2$ and $y_1$",
    "\\(x\\) \\[y\\]",
    "\u2028\u2029\t",
    "%s {0} FIGURE_ID",
    "猫🙂e\u0301",
]
SHARES = torch.full((1, 1, len(MARKUP), len(MARKUP)), 1 / len(MARKUP))
MARKED = {
    "attention": lambda: figures.attention_explorer(
        MARKUP, torch.eye(len(MARKUP)), torch.eye(len(MARKUP)), asking=1
    ),
    "samples": lambda: figures.samples_explorer(
        {(a, b): [a] for a in MARKUP for b in MARKUP}, labels=(MARKUP[0], MARKUP[1])
    ),
    "merges": lambda: figures.merges_explorer([(b"<", b"/")], "".join(MARKUP)),
    "alignment": lambda: figures.alignment_explorer(MARKUP, MARKUP, SHARES, asking=1),
    "bleu": lambda: figures.bleu_calculator("".join(MARKUP), "".join(MARKUP)),
    "threshold": lambda: figures.threshold_explorer([0, 1], [0.1, 0.9], (MARKUP[0], MARKUP[1])),
    "decoding": lambda: figures.decoding_explorer(
        {text: torch.arange(20.0) for text in MARKUP}, lambda i: MARKUP[i % len(MARKUP)]
    ),
}


@pytest.mark.parametrize("make", MARKED.values(), ids=MARKED)
def test_texts_that_look_like_markup_are_shown_as_they_are(browser, make):
    for script, page in both_ways(browser, make().data):
        assert page.locator("img, figure figure").count() == 0
        assert page.locator("script").count() == 1
        if script:
            assert page.evaluate("window.hurt") is None
            assert page.locator("figure [hidden]").count() == 0, "the script ran to its end"


def test_explorer_shows_each_token_as_it_is(browser):
    for _, page in both_ways(browser, MARKED["attention"]().data):
        shown = page.locator("tbody th").all_text_contents()
        assert shown == MARKUP


def test_a_dollar_is_no_formula_and_other_texts_need_no_frame():
    for token in ("$", "\\(x\\)", "\\begin{a}"):
        page = figures.attention_explorer([token, "a", "b"], QUERIES, KEYS).data
        assert page.startswith('<div class="mathjax_ignore tex2jax_ignore"><figure')
    for token in ("a", "\n", '"', "\\"):
        page = figures.attention_explorer([token, "a", "b"], QUERIES, KEYS).data
        assert page.startswith("<figure")


@pytest.mark.parametrize("size", [1, 1e18])
def test_calculator_shows_the_same_least_and_greatest_run_without_a_script(browser, size):
    html = figures.cost_calculator(parameters=size, tokens=size, percent=100, n_gpus=1).data
    shown = [page.locator("table").inner_text() for _, page in both_ways(browser, html)]
    assert shown[0] == shown[1]


def test_data_calculator_shows_the_same_first_state_without_a_script(browser):
    for settings in ({}, {"parameters": 1e6, "per_parameter": 1}, {"per_parameter": 1950}):
        html = figures.data_calculator(**settings).data
        assert html == figures.data_calculator(**settings).data
        assert "http" not in html
        shown = []
        for script, page in both_ways(browser, html):
            shown.append((results(page), page.locator(".lm-says").text_content()))
            assert page.get_by_role("slider").count() == 2 * script
        assert shown[0] == shown[1]


def test_data_calculator_counts_what_a_reader_can_check(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.data_calculator(parameters=1e9, per_parameter=1).data)
    page.get_by_role("button", name="Chinchilla").click()
    page.get_by_role("slider", name="Parameters").press("End")
    found, (_, tokens) = results(page), costs.compute_optimal(costs.training_flops(1e12, 2e13))
    assert found["Tokens"] == "20 trillion" == f"{tokens / 1e12:.0f} trillion"
    assert found["As plain text"] == "86 TB", "4.3 bytes a token"
    assert found["Books of 100,000 words"] == "152 million", "2e13 / 1.32 / 1e5"
    assert found["One person’s reading, day and night"] == "121,000 years"
    assert found["Share of the web’s text"] == "3.92 %", "of 510 trillion"
    page.close()


def test_data_calculator_says_what_it_can_t_show():
    with pytest.raises(ValueError, match=r"parameters: expected one of .*, got 7"):
        figures.data_calculator(parameters=7)
    with pytest.raises(ValueError, match="per_parameter: expected a number from 1 to 19,000"):
        figures.data_calculator(per_parameter=math.nan)


def test_memory_calculator_shows_the_same_first_state_without_a_script(browser):
    for settings in ({}, {"model": "GPT-3", "use": "train"}, {"use": "adapt", "bits": 4}):
        html = figures.memory_calculator(**settings).data
        assert html == figures.memory_calculator(**settings).data
        assert "http" not in html
        shown = []
        for script, page in both_ways(browser, html):
            shown.append((results(page), page.locator(".lm-says").text_content()))
            assert page.get_by_role("slider").count() == 2 * script
            assert page.get_by_role("radio").count() == 11 * script
        assert shown[0] == shown[1]


def test_memory_calculator_computes_what_course_lib_does(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_content(figures.memory_calculator(context=512).data)
    page.get_by_role("radio", name="Llama 3.1 8B").press("ArrowLeft")
    page.get_by_role("slider", name="Tokens of context").press("ArrowRight")
    for _ in range(3):
        page.get_by_role("slider", name="Texts at once").press("ArrowRight")
    found = results(page)
    config = GPTConfig.llama(49_152, d_model=576, n_layers=30, n_heads=9, n_kv_heads=3)
    cache = costs.cache_bytes(config, 1024, rows=8)
    assert found["Weights"] == "269 MB", "134.515 million of 2 bytes"
    assert found["Keys and values"] == f"{cache / 1e6:.3g} MB"
    speed = 8 * costs.H100.bandwidth / (269e6 + cache)
    assert found["Speed on an H100, at most"].startswith(f"{speed:,.0f}"[:2])
    page.get_by_role("radio", name="16", exact=True).press("ArrowLeft")
    assert results(page)["Weights"] == "67.3 MB", "4 bits"
    page.get_by_role("radio", name="answer").press("ArrowLeft")
    whole = costs.training_memory(134.515e6)
    assert results(page)["Together"] == f"{whole.total / 1e9:.3g} GB"
    assert results(page)["Keys and values"] == "none"
    page.get_by_role("radio", name="train all weights").press("ArrowLeft")
    learned = costs.training_memory(30 * 2 * 2 * 8 * 576).total
    assert results(page)["Gradients and Adam’s means"] == f"{learned / 1e6:.3g} MB"
    page.close()


def test_memory_calculator_says_what_it_can_t_show():
    for changes, message in (
        ({"model": "GPT-9"}, "model: expected one of .*, got GPT-9"),
        ({"use": "sing"}, r"use: expected one of \['answer', 'adapt', 'train'\], got sing"),
        ({"bits": 3}, r"bits: expected one of \[16, 8, 4\], got 3"),
        ({"context": 1000}, "context: expected one of .*, got 1000"),
    ):
        with pytest.raises(ValueError, match=message):
            figures.memory_calculator(**changes)
