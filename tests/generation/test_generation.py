"""Generation against Transformers' on the same weights, its laws, and a scripted model."""

import math
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from transformers import generation as theirs

from course_lib.generation import (
    GREEDY,
    Conditioned,
    Sampler,
    beam_search,
    generate,
    generate_batch,
    generate_tokens,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    stream,
)
from course_lib.model import (
    GPT,
    GPTConfig,
    Speedrun,
    SpeedrunConfig,
    Transformer,
    TransformerConfig,
)
from course_lib.pretrained import from_weights
from course_lib.text.tokenizer import BPETokenizer, CharacterTokenizer

VARIED = Sampler(temperature=0, repetition_penalty=3.0)  # no draws, and no loops soon
PROMPTS = [[3, 1, 4], [1, 5, 9, 2, 6, 5], [3], [5, 8, 9, 7, 9, 3, 2, 3, 8, 4]]


def small_gpt(seed=0, **changes):
    torch.manual_seed(seed)
    shape = {"vocab_size": 17, "context": 24, "n_layers": 2, "n_heads": 4, "d_model": 16}
    shape |= {"n_kv_heads": 2, **changes}
    if "ngrams" in shape:
        model = Speedrun(SpeedrunConfig.gpt2(**shape)).eval()
    else:
        model = GPT(GPTConfig(**shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def gpt2_pair(seed=0):
    """Return Transformers' GPT-2 with random weights, and ours with the same."""
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=23,
        n_positions=40,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=7,
        pad_token_id=0,
        initializer_range=0.5,
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    return model, from_weights(config.to_dict(), model.state_dict())


# Settings of the sampler


def random_logits(rows=6, vocab_size=50):
    return 3 * torch.randn(rows, vocab_size, generator=torch.Generator().manual_seed(0))


TOKENS = [[1, 2, 2, 49], [0], [5, 6], [7] * 9, [48, 3], list(range(50))]


@pytest.mark.parametrize("k", [1, 7, 50, 60])
def test_top_k_equals_transformers(k):
    logits = random_logits()
    wanted = theirs.TopKLogitsWarper(k)(None, logits)
    assert torch.equal(keep_top_k(logits, k), wanted)


@pytest.mark.parametrize("p", [0.001, 0.3, 0.9, 0.999, 1.0])
def test_top_p_equals_transformers(p):
    logits = random_logits()
    wanted = theirs.TopPLogitsWarper(p)(None, logits)
    assert torch.equal(keep_top_p(logits, p), wanted)


def test_top_p_by_hand():
    logits = torch.tensor([[0.5, 0.1, 0.3, 0.1]]).log()
    assert keep_top_p(logits, 0.5).isfinite().tolist() == [[True, False, False, False]]
    assert keep_top_p(logits, 0.6).isfinite().tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("row", ["random", "equal", "two greatest", "hidden", "far apart"])
def test_min_p_equals_transformers(p, row):
    logits = {
        "random": random_logits(),
        "equal": torch.full((2, 5), 7.0),
        "two greatest": torch.tensor([[3.0, 1.0, 3.0, -2.0]]),
        "hidden": torch.tensor([[1.0, -math.inf, 3.0, -math.inf]]),
        "far apart": torch.tensor([[800.0, 799.0, -800.0]]),
    }[row]
    wanted = theirs.MinPLogitsWarper(p)(None, logits.clone())
    assert torch.equal(keep_min_p(logits, p), wanted)


def test_min_p_by_hand():
    logits = torch.tensor([[0.5, 0.1, 0.3, 0.1]]).log()
    assert keep_min_p(logits, 0.5).isfinite().tolist() == [[True, False, True, False]]
    assert keep_min_p(logits, 0.7).isfinite().tolist() == [[True, False, False, False]]


@pytest.mark.parametrize("penalty", [0.7, 1.0, 1.3])
def test_repetition_penalty_equals_transformers(penalty):
    logits = random_logits()
    processor = theirs.RepetitionPenaltyLogitsProcessor(penalty)
    for row, tokens in enumerate(TOKENS):
        wanted = processor(torch.tensor([tokens]), logits[row : row + 1].clone())
        got = penalize_repetition(logits[row : row + 1], [tokens], penalty)
        torch.testing.assert_close(got, wanted)


def test_settings_act_in_transformers_order():
    logits = random_logits(rows=1)
    sampler = Sampler(temperature=0.7, top_k=20, top_p=0.8, min_p=0.2, repetition_penalty=1.5)
    steps = [
        theirs.RepetitionPenaltyLogitsProcessor(1.5),
        theirs.TemperatureLogitsWarper(0.7),
        theirs.TopKLogitsWarper(20),
        theirs.TopPLogitsWarper(0.8),
        theirs.MinPLogitsWarper(0.2),
    ]
    wanted = theirs.LogitsProcessorList(steps)(torch.tensor([TOKENS[-1]]), logits.clone())
    got = sampler.probabilities(logits, TOKENS[-1:])
    torch.testing.assert_close(got, wanted.softmax(-1))


def test_draws_follow_the_probabilities():
    logits = random_logits(rows=1, vocab_size=6)
    sampler = Sampler(temperature=2.0, top_k=4, seed=0)
    draws = sampler(logits.expand(20_000, -1), [[]] * 20_000)
    frequencies = torch.bincount(draws, minlength=6) / 20_000
    torch.testing.assert_close(
        frequencies, sampler.probabilities(logits, [[]])[0], atol=0.015, rtol=0
    )


def test_greedy_is_temperature_zero_and_the_limit_of_small_ones():
    logits = random_logits()
    assert torch.equal(GREEDY(logits, TOKENS), logits.argmax(-1))
    assert torch.equal(Sampler(temperature=1e-4)(logits, TOKENS), logits.argmax(-1))
    assert torch.equal(Sampler(top_k=1)(logits, TOKENS), logits.argmax(-1))
    assert GREEDY.probabilities(logits, TOKENS).sum() == len(logits)
    penalized = penalize_repetition(logits, TOKENS, 100.0).argmax(-1)
    assert torch.equal(Sampler(temperature=0, repetition_penalty=100.0)(logits, TOKENS), penalized)


def test_seed_repeats_the_text_and_another_gives_another():
    model, first = small_gpt(), PROMPTS[1:2]
    texts = [generate_tokens(model, first, Sampler(seed=s), max_new_tokens=30) for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("temperature", [-1, math.inf, math.nan, True, "1", None]),
        ("top_k", [0, -1, 2.0, True, math.nan]),
        ("top_p", [0.0, -0.1, 1.1, math.nan, True]),
        ("min_p", [-0.1, 1.1, math.nan, True]),
        ("repetition_penalty", [0, -1, math.inf, math.nan, True]),
        ("seed", [-1, 0.5, True, 2**63]),
    ],
)
def test_settings_out_of_range_are_named(setting, wrong):
    for value in wrong:
        with pytest.raises(ValueError, match=f"^{setting}: expected .*, got "):
            Sampler(**{setting: value})


# Two are equal and greatest, one is hidden; 2 and 0 occurred before.
EXTREME = torch.tensor([[1.0, 3.0, 3.0, -2.0, -math.inf]])


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"temperature": 1e-38}, [0, 0.5, 0.5, 0, 0]),
        ({"temperature": 5e-324}, [0, 0.5, 0.5, 0, 0]),
        ({"temperature": 1e38}, [0.25, 0.25, 0.25, 0.25, 0]),
        ({"top_p": 1e-38}, None),
        ({"top_p": 1.0, "top_k": 10**9}, EXTREME.softmax(-1)[0].tolist()),
        ({"repetition_penalty": 1e38}, None),
        ({"repetition_penalty": 1e-38}, [0, 0, 1, 0, 0]),
        ({"repetition_penalty": 1e38, "temperature": 1e-38}, [0, 1, 0, 0, 0]),
        ({"repetition_penalty": 1e38, "temperature": 0}, [0, 1, 0, 0, 0]),
    ],
)
def test_extreme_settings_give_the_limit(settings, wanted):
    sampler = Sampler(**settings)
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        got = sampler.probabilities(EXTREME.to(dtype), [[2, 0]])[0]
        assert got.dtype == torch.float32
        assert got.sum().item() == pytest.approx(1)
        assert got[4] == 0
        if wanted is not None:
            assert got.tolist() == pytest.approx(wanted, abs=1e-3)
        assert 0 <= sampler(EXTREME.to(dtype), [[2, 0]]).item() < 4
    alone = Sampler(top_p=1e-38).probabilities(EXTREME, [[]])
    assert (alone > 0).sum() == 1
    penalized = Sampler(repetition_penalty=1e38).probabilities(EXTREME, [[2, 0]])[0]
    assert penalized.tolist() == pytest.approx(
        torch.tensor([0.0, 3.0, 0.0, -2.0, -math.inf]).softmax(-1).tolist(), abs=1e-6
    )


def test_all_equal_logits_give_equal_chances():
    for settings in ({}, {"temperature": 1e-30}, {"top_k": 2}, {"top_p": 1.0}):
        got = Sampler(**settings).probabilities(torch.full((1, 4), 7.0), [[]])
        assert got.tolist() == [[0.25] * 4]


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0}, {"temperature": 1e-38}, {"repetition_penalty": 2.0}]
)
@pytest.mark.parametrize("row", [[-math.inf] * 3, [math.nan, 1.0, 2.0], [1.0, 2.0, math.nan]])
def test_logits_that_leave_no_choice_are_refused(settings, row):
    logits = torch.tensor([[1.0, 2.0, 3.0], row])
    with pytest.raises(ValueError, match=r"^logits: expected numbers, and in each row one above"):
        Sampler(**settings)(logits, [[0], [0]])


def test_top_p_of_half_precision_sums_in_full():
    logits = torch.zeros(1, 5000, dtype=torch.bfloat16)  # the sum of 1/5000 stops growing soon
    assert (keep_top_p(logits, 0.5) > -math.inf).sum().item() == pytest.approx(2500, abs=2)


def test_penalty_takes_ids_in_any_form_and_refuses_those_that_are_none():
    logits = random_logits(rows=2)
    wanted = penalize_repetition(logits, [[1, 49], [0, 3]], 2.0)
    for kind in (torch.uint8, torch.int16, torch.int32):
        ids = torch.tensor([[1, 49], [0, 3]], dtype=kind)
        assert torch.equal(penalize_repetition(logits, ids, 2.0), wanted)
        assert torch.equal(penalize_repetition(logits, list(ids.numpy()), 2.0), wanted)
    for ids in ([[-1], [0]], [[50], [0]]):
        with pytest.raises(ValueError, match="tokens: expected whole numbers from 0 to 49"):
            penalize_repetition(logits, ids, 2.0)
    for penalty in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="penalty: expected a number above 0"):
            penalize_repetition(logits, [[], []], penalty)
    for k in (0, 1.5):
        with pytest.raises(ValueError, match="k: expected a whole number above 0"):
            keep_top_k(logits, k)
    for p in (0, 1.5):
        with pytest.raises(ValueError, match="p: expected a "):
            keep_top_p(logits, p)


def test_draws_of_two_texts_go_on_and_begin_again_when_made_anew():
    model, twice = small_gpt(), Sampler(seed=3)
    first, second = (generate_tokens(model, PROMPTS, twice, max_new_tokens=9) for _ in range(2))
    assert first != second
    assert first == generate_tokens(model, PROMPTS, Sampler(seed=3), max_new_tokens=9)


# Against Transformers' generate


@pytest.mark.parametrize("penalty", [1.0, 1.4])
def test_greedy_batch_equals_transformers(penalty):
    model, ours = gpt2_pair()
    wanted = [
        model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=25,
            do_sample=False,
            eos_token_id=None,
            repetition_penalty=penalty,
        )[0, len(prompt) :].tolist()
        for prompt in PROMPTS
    ]
    choose = Sampler(temperature=0, repetition_penalty=penalty)
    assert generate_tokens(ours, PROMPTS, choose, max_new_tokens=25) == wanted
    assert len({tuple(row) for row in wanted}) > 1, "the prompts matter"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("n_beams", "length_penalty", "stop_tokens"),
    [(1, 1.0, [7]), (3, 1.0, [7]), (4, 0.0, [7, 2]), (5, 2.0, [7]), (2, -1.0, [7, 2, 4])],
)
def test_beam_search_equals_transformers(seed, n_beams, length_penalty, stop_tokens):
    model, ours = gpt2_pair(seed)
    hypotheses = beam_search(
        ours,
        PROMPTS,
        n_beams,
        max_new_tokens=9,
        stop_tokens=stop_tokens,
        length_penalty=length_penalty,
    )
    for prompt, got in zip(PROMPTS, hypotheses, strict=True):
        if n_beams == 1:  # Transformers takes its greedy loop, which gives no scores
            (greedy,) = generate_tokens(ours, [prompt], max_new_tokens=9, stop_tokens=stop_tokens)
            assert got[0].tokens == greedy
            continue
        wanted = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            num_beams=n_beams,
            num_return_sequences=n_beams,
            max_new_tokens=9,
            length_penalty=length_penalty,
            eos_token_id=stop_tokens,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        rows = wanted.sequences[:, len(prompt) :].tolist()
        assert [h.tokens for h in got] == [until(stop_tokens, row) for row in rows]
        scores = [h.score for h in got]
        assert scores == pytest.approx(wanted.sequences_scores.tolist(), abs=1e-4)


def until(stop_tokens, row):
    ends = [i for i, token in enumerate(row) if token in stop_tokens]
    return row[: ends[0]] if ends else row


def test_wide_beam_finds_the_likeliest_of_all():
    model, vocab_size = small_gpt(vocab_size=5), 5
    prompt, best = [1, 2], (-math.inf, None)
    for code in range(vocab_size**3):
        tokens = [code // vocab_size**i % vocab_size for i in range(3)]
        logits = model(torch.tensor([prompt + tokens]))[0].log_softmax(-1)
        score = sum(logits[1 + i, token].item() for i, token in enumerate(tokens)) / 3
        best = max(best, (score, tokens))
    ((first, *_),) = beam_search(model, [prompt], vocab_size**2, max_new_tokens=3)
    assert first.tokens == best[1]
    assert first.score == pytest.approx(best[0], abs=1e-5)


# Cache and batch


@pytest.mark.parametrize("positions", ["learned", "rope", "none"])
@pytest.mark.parametrize("max_new_tokens", [1, 10, 60])  # 60 outgrow the context of 24 twice
def test_neither_cache_nor_batch_changes_the_tokens(positions, max_new_tokens):
    model, stop = small_gpt(vocab_size=400, positions=positions), 399
    model.double()  # two tokens that are all but as likely must not turn on how sums are rounded

    def choose(logits, tokens):
        chosen = VARIED(logits[:, :stop], tokens)
        # The row with the longest prompt ends early; the padding that it caused goes on.
        ends = [row[: len(PROMPTS[3])] == PROMPTS[3] and len(row) == 14 for row in tokens]
        return chosen.masked_fill(torch.tensor(ends), stop)

    settings = {"choose": choose, "max_new_tokens": max_new_tokens, "stop_tokens": [stop]}
    plain = [generate_tokens(model, [p], use_cache=False, **settings)[0] for p in PROMPTS]
    assert [len(row) for row in plain] == [max_new_tokens] * 3 + [min(4, max_new_tokens)]
    assert len(set(plain[0])) > max_new_tokens / 2, "the model doesn't loop"
    assert [generate_tokens(model, [p], **settings)[0] for p in PROMPTS] == plain
    assert generate_tokens(model, PROMPTS, **settings) == plain
    assert generate_tokens(model, PROMPTS, use_cache=False, **settings) == plain


def test_batch_gives_the_logits_of_each_alone():
    for positions in ("learned", "rope"):
        model = small_gpt(positions=positions)
        together = logits_of(model, PROMPTS)
        for i, prompt in enumerate(PROMPTS):
            alone = logits_of(model, [prompt])
            torch.testing.assert_close(together[:, i], alone[:, 0], atol=1e-5, rtol=1e-5)


def logits_of(model, prompts, max_new_tokens=8):
    seen = []

    def spy(logits, tokens):
        seen.append(logits)
        return logits.argmax(-1)

    generate_tokens(model, prompts, spy, max_new_tokens=max_new_tokens)
    return torch.stack(seen)  # (steps, B, V)


def test_full_context_goes_on_with_its_newest_half():
    model, prompt = small_gpt(context=8), [1, 2, 3, 4, 5, 6]
    tokens, start = prompt.copy(), 0
    for logits in logits_of(model, [prompt], max_new_tokens=12):
        if len(tokens) - start > 8:
            start = len(tokens) - 4
        wanted = model(torch.tensor([tokens[start:]]))[:, -1]
        torch.testing.assert_close(logits, wanted, atol=1e-5, rtol=1e-5)
        tokens.append(logits.argmax().item())


def test_model_in_training_generates_without_dropout():
    model = small_gpt(dropout=0.5).train()
    assert generate_tokens(model, PROMPTS) == generate_tokens(model.eval(), PROMPTS)


def test_half_precision_works():
    (new,) = generate_tokens(small_gpt().bfloat16(), PROMPTS[:1], Sampler(0.9, top_p=0.9))
    assert len(new) == 100


# Ids and settings in all forms


@pytest.mark.parametrize(
    "make",
    [
        tuple,
        lambda ids: np.array(ids, dtype=np.int8),
        lambda ids: np.array(ids, dtype=np.uint16),
        lambda ids: torch.tensor(ids, dtype=torch.uint8),
        lambda ids: torch.tensor(ids, dtype=torch.int16),
        lambda ids: torch.tensor(ids),
        lambda ids: list(torch.tensor(ids)),
        lambda ids: [np.int32(i) for i in ids],
    ],
)
def test_ids_in_any_form_give_the_same_tokens(make):
    model = small_gpt(vocab_size=120, ngrams=3)
    prompts = [[100, 1, 90], [5, 119]]
    stop = generate_tokens(model, prompts, VARIED, max_new_tokens=8)[0][5]
    wanted = generate_tokens(model, prompts, VARIED, max_new_tokens=8, stop_tokens=[stop])
    assert len(wanted[0]) == 5
    others = [make(prompt) for prompt in prompts]
    settings = {"max_new_tokens": 8, "stop_tokens": make([stop])}
    assert generate_tokens(model, others, VARIED, **settings) == wanted
    plain = beam_search(model, prompts, 2, max_new_tokens=8, stop_tokens=[stop])
    assert beam_search(model, others, 2, **settings) == plain
    assert all(type(i) is int for row in plain for beam in row for i in beam.tokens)
    tokenizer = CharacterTokenizer("".join(map(chr, range(120))))
    text = generate(model, tokenizer, prompts[0], VARIED, max_new_tokens=8)
    assert generate(model, tokenizer, others[0], VARIED, max_new_tokens=8) == text


def test_prompts_of_one_tensor_are_its_rows():
    model, prompts = small_gpt(), [[1, 2], [3, 4]]
    wanted = generate_tokens(model, prompts, max_new_tokens=4)
    assert generate_tokens(model, torch.tensor(prompts), max_new_tokens=4) == wanted
    assert generate_tokens(model, np.array(prompts), max_new_tokens=4) == wanted


@pytest.mark.parametrize(
    "prompt", [[17], [-1], [1.0], [True], "ab", 3, torch.tensor([[1, 2]]), torch.tensor([0.5])]
)
def test_prompts_that_hold_no_ids_are_refused(prompt):
    for run in (generate_tokens, lambda *args: beam_search(*args, 2)):
        with pytest.raises(ValueError, match=r"^prompt: expected "):
            run(small_gpt(), [[1], prompt])


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ("max_new_tokens", [-1, 2.0, True, None]),
        ("stop_tokens", [[-1], [17], [0.0], 3, None]),
        ("n_beams", [0, 1.0, True]),
        ("length_penalty", [math.nan, math.inf, -11, 11, "1"]),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(settings, wrong):
    for value in wrong:
        with pytest.raises(ValueError, match=f"^{settings}: expected .*, got "):
            beam_search(small_gpt(), PROMPTS, **{"n_beams": 2, settings: value})
        if settings in ("max_new_tokens", "stop_tokens"):
            with pytest.raises(ValueError, match=f"^{settings}: expected .*, got "):
                generate_tokens(small_gpt(), PROMPTS, **{settings: value})


@pytest.mark.parametrize("length_penalty", [-10, 10])
def test_length_penalties_at_the_ends_of_their_range_give_numbers(length_penalty):
    found = beam_search(small_gpt(), PROMPTS, 3, length_penalty=length_penalty)
    assert all(math.isfinite(h.score) for row in found for h in row)


def test_model_that_gives_no_numbers_is_refused():
    model = small_gpt()
    with torch.no_grad():
        model.norm.weight.fill_(math.nan)
    for run in (generate_tokens, lambda *args: beam_search(*args, 2)):
        with pytest.raises(ValueError, match=r"^logits: expected numbers"):
            run(model, PROMPTS)


# Encoder and decoder


@pytest.fixture
def translator():
    torch.manual_seed(0)
    config = TransformerConfig(13, context=20, n_layers=2, n_heads=2, d_model=16)
    model = Transformer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return model


def test_encoder_decoder_generates_step_by_step(translator):
    source = torch.randint(13, (3, 7))
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 2 + [0] * 5])
    new = generate_tokens(
        Conditioned(translator, source, mask), [[0]] * 3, max_new_tokens=12, stop_tokens=[5]
    )
    for row in range(3):
        tokens = [0]
        for token in new[row]:
            inputs = source[row : row + 1], torch.tensor([tokens]), mask[row : row + 1]
            assert token == translator(*inputs)[0, -1].argmax()
            tokens.append(token)
        if len(tokens) < 13:
            inputs = source[row : row + 1], torch.tensor([tokens]), mask[row : row + 1]
            assert translator(*inputs)[0, -1].argmax() == 5
    greedy = beam_search(
        Conditioned(translator, source, mask), [[0]] * 3, 1, max_new_tokens=12, stop_tokens=[5]
    )
    assert [h[0].tokens for h in greedy] == new


def test_beam_search_of_a_batch_of_sources_equals_one_by_one(translator):
    source = torch.randint(13, (4, 7))
    together = beam_search(Conditioned(translator, source), [[0]] * 4, 3, max_new_tokens=10)
    for row in range(4):
        model = Conditioned(translator, source[row : row + 1])
        (alone,) = beam_search(model, [[0]], 3, max_new_tokens=10)
        assert [h.tokens for h in together[row]] == [h.tokens for h in alone]
        assert together[row][0].score >= together[row][-1].score


# Text: a model that recites a script


class Reciter(nn.Module):
    """Predicts, after a token, the script's next one, and counts how many tokens it is shown."""

    def __init__(self, script, vocab_size):
        super().__init__()
        self.script = script
        self.config = SimpleNamespace(context=1000, vocab_size=vocab_size)
        self.zero = nn.Parameter(torch.zeros(1))
        self.shown = []

    def new_caches(self, max_length):
        self.position = 0
        return [SimpleNamespace(length=0)]

    def states(self, tokens, caches, attention_mask):
        self.shown.append(tokens.shape[1])
        caches[0].length += tokens.shape[1]
        return tokens

    def logits(self, tokens):
        self.position += 1
        scores = torch.zeros(len(tokens), self.config.vocab_size)
        scores[:, self.script[self.position - 1]] = 1.0
        return scores


@pytest.fixture
def recite():
    tokenizer = BPETokenizer.train("the end. " * 9, 262)

    def make(text):
        return Reciter(tokenizer.encode(text), tokenizer.vocab_size), tokenizer

    return make


def test_pieces_join_to_the_text_and_the_cache_is_shown_one_token_at_a_time(recite):
    model, tokenizer = recite("café 中🙂 the end.")
    n = len(model.script)
    pieces = list(stream(model, tokenizer, "abc", max_new_tokens=n))
    assert "".join(pieces) == "café 中🙂 the end."
    assert len(pieces) > 8
    assert "\ufffd" not in "".join(pieces), "no piece ends inside a sign"
    assert {"é", "🙂"} <= {piece[-1] for piece in pieces}
    assert model.shown == [3] + [1] * (n - 1)


def test_stream_gives_each_piece_as_soon_as_it_is_there(recite):
    model, tokenizer = recite("ab")
    pieces = stream(model, tokenizer, "x", max_new_tokens=2)
    assert next(pieces) == "a"
    assert len(model.shown) == 1, "the second token is not yet computed"


@pytest.mark.parametrize(
    ("stop", "wanted"),
    [
        ("STOP", "one two ST three "),
        (["nothing", "two"], "one "),
        (["three", "two ST"], "one "),
        ("one", ""),
        ("\n\n", "one two ST three STOP four"),
        ((), "one two ST three STOP four\n\n"),
    ],
)
def test_stop_string_ends_the_text_and_is_never_shown(recite, stop, wanted):
    model, tokenizer = recite("one two ST three STOP four\n\n")
    n = len(model.script)
    assert "".join(stream(model, tokenizer, "x", max_new_tokens=n, stop=stop)) == wanted
    assert generate(model, tokenizer, "x", max_new_tokens=n, stop=stop) == wanted


def test_first_stop_string_of_a_token_counts(recite):
    model, tokenizer = recite("the")
    assert len(model.script) == 1
    assert generate(model, tokenizer, "x", max_new_tokens=1, stop=["e", "h"]) == "t"


def test_text_held_back_for_a_stop_string_is_shown_at_the_end(recite):
    model, tokenizer = recite("to be ST")
    pieces = list(stream(model, tokenizer, "x", max_new_tokens=len(model.script), stop="STOP"))
    assert pieces[-1] == "ST"
    assert "".join(pieces) == "to be ST"


def test_unfinished_sign_at_the_end_is_the_replacement_sign(recite):
    model, tokenizer = recite("a🙂")
    assert generate(model, tokenizer, "x", max_new_tokens=3) == "a\ufffd"
    assert "".join(stream(model, tokenizer, "x", max_new_tokens=3)) == "a\ufffd"


def test_batch_of_texts_equals_one_by_one():
    tokenizer = CharacterTokenizer("abcdefghijklmnopq")
    model = small_gpt(positions="rope")
    prompts = ["ab", "qqqqqqqq", "hello"]
    stop = generate(model, tokenizer, prompts[1], VARIED)[7:9]
    alone = [generate(model, tokenizer, prompt, VARIED, stop=stop) for prompt in prompts]
    assert generate_batch(model, tokenizer, prompts, VARIED, stop=stop) == alone
    assert len(alone[1]) <= 7 < max(map(len, alone))


def test_prompt_in_token_ids_and_a_choice_of_one_s_own():
    tokenizer = CharacterTokenizer("abcdefghijklmnopq")

    def only_vowels(logits, tokens):
        assert tokens[0][:2] == [1, 2]
        allowed = torch.zeros(17, dtype=torch.bool)
        allowed[[0, 4, 8, 14]] = True
        return logits.masked_fill(~allowed, -math.inf).argmax(-1)

    text = generate(small_gpt(), tokenizer, [1, 2], only_vowels, max_new_tokens=20)
    assert len(text) == 20
    assert set(text) <= set("aeio")


@pytest.mark.parametrize("chosen", [[1], [1, 2, 3], []])
def test_a_choice_for_other_rows_is_refused(chosen):
    with pytest.raises(ValueError, match="choose: expected 2 ids, one for each row, got "):
        generate_tokens(small_gpt(), PROMPTS[:2], lambda *_: torch.tensor(chosen))


def test_bad_input_is_named():
    model, tokenizer = small_gpt(), CharacterTokenizer("abcdefghijklmnopq")
    with pytest.raises(ValueError, match="prompt: expected 1 to context=24 tokens, got 0"):
        generate(model, tokenizer, "")
    with pytest.raises(ValueError, match="prompt: expected 1 to context=24 tokens, got 25"):
        generate(model, tokenizer, "a" * 25)
    with pytest.raises(ValueError, match="prompts: expected at least one, got none"):
        generate_batch(model, tokenizer, [])
    with pytest.raises(ValueError, match="stop: expected strings that are not empty"):
        generate(model, tokenizer, "a", stop=["b", ""])
    for stop in (b"b", None, [3], 3):
        with pytest.raises(ValueError, match="stop: expected strings that are not empty"):
            generate(model, tokenizer, "a", stop=stop)
    with pytest.raises(ValueError, match="prompts: expected a list of prompts, got one text"):
        generate_batch(model, tokenizer, "abc")
    assert generate(model, tokenizer, "a", max_new_tokens=0) == ""


def test_stream_refuses_at_once():
    model, tokenizer = small_gpt(), CharacterTokenizer("abcdefghijklmnopq")
    with pytest.raises(ValueError, match="max_new_tokens: expected a whole number"):
        stream(model, tokenizer, "a", max_new_tokens=-1)  # before the first piece is asked for


def test_stop_strings_may_come_from_an_iterator():
    model, tokenizer = small_gpt(positions="rope"), CharacterTokenizer("abcdefghijklmnopq")
    texts = generate_batch(model, tokenizer, ["ab", "qqqq"], VARIED)
    stops = [text[4] for text in texts]
    wanted = generate_batch(model, tokenizer, ["ab", "qqqq"], VARIED, stop=stops)
    assert max(map(len, wanted)) <= 4
    assert generate_batch(model, tokenizer, ["ab", "qqqq"], VARIED, stop=iter(stops)) == wanted


class Counter:
    """Chooses 0, 1, 2, …, from 0 again in each text."""

    def __init__(self):
        self.next = 0

    def anew(self):
        return Counter()

    def __call__(self, logits, tokens):
        self.next += 1
        return torch.tensor([self.next - 1] * len(tokens))


def test_what_is_kept_of_a_text_is_made_anew_for_each():
    model, tokenizer = small_gpt(), CharacterTokenizer("abcdefghijklmnopq")
    choose = Counter()
    broken_off = stream(model, tokenizer, "a", choose)
    assert "".join(islice(broken_off, 3)) == "abc"
    beside = stream(model, tokenizer, "a", choose, max_new_tokens=4)
    assert next(beside) == "a"
    assert generate(model, tokenizer, "a", choose, max_new_tokens=4) == "abcd"
    assert generate_batch(model, tokenizer, ["a", "b"], choose, max_new_tokens=4) == ["abcd"] * 2
    assert "".join(beside) == "bcd"
    assert "".join(islice(broken_off, 2)) == "de"
