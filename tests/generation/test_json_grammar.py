"""Constrained output: what the automaton reads, compared with Python's json, and what it allows."""

import json
import random

import pytest
import torch

from course_lib import data
from course_lib.generation import (
    Sampler,
    generate,
    generate_batch,
    generate_tokens,
    stream,
)
from course_lib.generation.json_grammar import JSONChooser, JSONGrammar
from course_lib.model import Speedrun, SpeedrunConfig
from course_lib.pretrained import END_OF_TURN, GGUFFile
from course_lib.pretrained.smollm2 import read_tokenizer
from course_lib.text.tokenizer import BPETokenizer

VALID = [
    '{"name": "Zoë \\"Z\\" 🙂", "age": 41, "tags": ["a", "", "中文"], "pair": {"x": null}}',
    "-0.5e+3",
    "[0, -0, 10, 1.25, 1E9, 2e-07, 0.0, 0e0]",
    '"\\u00e9\\n\\/\\\\\\ud83d\\ude42"',
    ' {"a" : [ ] ,\n"b":{ } , "" : [[true,false],null]}\r\n\t',
    "7",
    '""',
    "[[[[]]]]",
    "null",
]
INVALID = [
    *("", " ", "{", "[1,]", '{"a"}', "{a: 1}", "01", "1.", ".5", "+1", "1e", "1e+", "--1", "-"),
    *("tr", "True", "nul", '"a', '"\n"', '"\\x"', '"\\u12g4"', "[1 2]", '{"a":1,}', "'a'", "[1]]"),
    *("NaN", "Infinity", '{"a":1 "b":2}', "{1:2}", "[,1]", "1 2", "{}{}", "\ufeff1", '"\x7f\x00"'),
]
END = 2


def accepts(grammar: JSONGrammar, text: str) -> bool:
    """Whether a text is valid."""
    state = grammar.read(grammar.start, text.encode(errors="surrogatepass"))
    return state is not None and grammar.complete(state)


def parses(text):
    def refuse(name):
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def smollm2(network):
    (path,) = data.smollm2_folder().glob("*.gguf")
    return read_tokenizer(GGUFFile(path).fields)


@pytest.fixture(scope="module")
def small():
    text = "".join(VALID) * 3 + '"}, {"", "": [[{"}}]}]]' * 2
    return BPETokenizer.train(text, 420, special_tokens=["<|end|>"])


@pytest.fixture(scope="module")
def real(smollm2):
    return JSONChooser(smollm2, END, 1000)


def random_texts(tokenizer, end, count, lengths, **settings):
    """Return texts of random logits, as a model that knows nothing would write them."""
    chance = torch.Generator().manual_seed(0)
    texts = []
    for length in lengths:
        chooser = JSONChooser(tokenizer, end, length, **settings)
        rows, done = [[i] for i in range(count // len(lengths))], []
        for _ in range(length):
            logits = torch.randn(tokenizer.vocab_size, generator=chance)
            shifts = torch.randint(len(logits), (len(rows),), generator=chance).tolist()
            chosen = chooser(torch.stack([logits.roll(s) for s in shifts]), rows).tolist()
            pairs = list(zip(rows, chosen, strict=True))
            done += [row for row, token in pairs if token == end]
            rows = [[*row, token] for row, token in pairs if token != end]
            if not rows:
                break
        texts += [tokenizer.decode(row[1:]) for row in done + rows]
    return texts


@pytest.mark.parametrize("text", VALID)
def test_valid_texts_are_read_and_so_is_each_beginning(text):
    grammar = JSONGrammar()
    assert parses(text)
    assert accepts(grammar, text)
    written = text.encode()
    for n in range(len(written)):
        assert grammar.read(grammar.start, written[:n]) is not None


@pytest.mark.parametrize("text", INVALID)
def test_invalid_texts_are_refused(text):
    assert not parses(text)
    assert not accepts(JSONGrammar(), text)


def test_judgment_is_that_of_python_s_json_on_texts_with_slips():
    chance, grammar, seen = random.Random(0), JSONGrammar(), {True: 0, False: 0}
    for _ in range(4000):
        signs = list(chance.choice(VALID))
        for _ in range(chance.randint(1, 2)):
            place = chance.randrange(len(signs) + 1)
            signs[place : place + chance.randint(0, 1)] = chance.choice(
                '{}[],:" \n\\0123-+.eEuta/中'
            )
        text = "".join(signs)
        assert accepts(grammar, text) == parses(text), text
        seen[parses(text)] += 1
    assert min(seen.values()) > 500, seen


def test_bytes_in_strings_are_those_of_utf_8():
    chance, grammar, valid = random.Random(0), JSONGrammar(), 0
    edges = [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC]
    edges += [0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]
    for _ in range(20_000):
        piece = bytes(chance.choice(edges) for _ in range(chance.randint(1, 4)))
        try:
            expected = bool(piece.decode())
        except UnicodeDecodeError:
            expected = False
        read = grammar.read(grammar.start, b'"' + piece + b'"')
        assert (read is not None and grammar.complete(read)) == expected, piece
        valid += expected
    assert valid > 300


@pytest.mark.parametrize("text", VALID)
def test_no_token_of_a_valid_text_is_refused(text, smollm2, small, real):
    for tokenizer, chooser in ((smollm2, real), (small, JSONChooser(small, END, 1000))):
        state = chooser.grammar.start
        for token in tokenizer.encode(text):
            assert chooser.allowed(state, 1000)[token]
            state = chooser.grammar.read(state, chooser._bytes[token])
        assert chooser.allowed(state, 1000)[END], "it may end here"


def test_allowed_tokens_are_those_that_the_automaton_reads_one_by_one(smollm2, small, real):
    end = small.special_tokens["<|end|>"]
    for tokenizer, chooser in ((smollm2, real), (small, JSONChooser(small, end, 1000))):
        grammar = chooser.grammar
        for begun in ("", '{"a": [1', '{"a', '[{"b":"\\', "[[-", "[12.5", '"x"', "[tr"):
            state = grammar.read(grammar.start, begun.encode())
            expected = torch.zeros(tokenizer.vocab_size, dtype=torch.bool)
            for written, token in tokenizer.vocab.items():
                expected[token] = grammar.read(state, written) is not None
            expected[chooser.end] = grammar.complete(state)
            assert torch.equal(chooser.allowed(state, 1000), expected), begun


@pytest.mark.parametrize("text", VALID)
def test_any_beginning_can_be_closed_in_the_tokens_that_it_is_said_to_take(text, real):
    written = text.encode()
    for n in range(len(written) + 1):
        state, closing = real.grammar.read(real.grammar.start, written[:n]), b""
        for left in range(int(real._length(state)), 0, -1):
            allowed = real.allowed(state, left).nonzero()[:, 0].tolist()
            token = next(t for t in allowed if t != END)
            closing += real._bytes[token]
            state = real.grammar.read(state, real._bytes[token])
        assert parses((written[:n] + closing).decode()), closing


def test_random_logits_always_parse_with_a_small_vocabulary(small):
    texts = random_texts(small, small.special_tokens["<|end|>"], 1000, (1, 2, 5, 30, 60))
    assert len(texts) == 1000
    assert all(map(parses, texts))
    assert len(set(texts)) > 500


def test_random_logits_always_parse_with_smollm2_s_vocabulary(smollm2):
    texts = random_texts(smollm2, END, 1000, (1, 3, 8, 12, 16))
    assert len(texts) == 1000
    assert all(map(parses, texts))
    assert len(set(texts)) > 500


SCHEMA = {
    'na"me é': str,
    "kind": ('a "red" one', 'a "red" one or two', "中"),
    "age": int,
    "size": float,
    "sure": bool,
    "none": None,
    "tags": [{"x": int}],
    "empty": {},
    "any": object,
}


def test_schema_holds_for_random_logits(smollm2):
    texts = random_texts(smollm2, END, 20, (150,), schema=SCHEMA)
    for text in texts:
        found = json.loads(text)
        assert list(found) == list(SCHEMA), "all keys, in order"
        assert type(found['na"me é']) is str
        assert type(found["age"]) is int
        assert type(found["size"]) in (int, float)
        assert type(found["sure"]) is bool
        assert found["none"] is None
        assert found["empty"] == {}
        assert all(list(item) == ["x"] and type(item["x"]) is int for item in found["tags"])
        assert found["kind"] in SCHEMA["kind"]


def test_schema_refuses_what_is_not_in_it():
    grammar = JSONGrammar({"a": int, "b": [("x", "xy")]})
    assert accepts(grammar, '{"a": -3, "b": ["x", "xy", "x"]}')
    assert accepts(grammar, ' { "a" :0,"b":[ ]} ')
    for text in (
        '{"b": [], "a": 1}',
        '{"a": 1}',
        '{"a": 1.5, "b": []}',
        '{"a": 01, "b": []}',
        '{"a": 1, "b": ["y"]}',
        '{"a": 1, "b": ["x",]}',
        '{"a": 1, "b": [], "c": 0}',
        '{"a": null, "b": []}',
        "7",
    ):
        assert not accepts(grammar, text), text


@pytest.mark.parametrize(
    "schema", ["str", [], [int, int], (), (1,), {1: int}, {"a": complex}, set()]
)
def test_schema_that_can_t_be_is_named(schema):
    with pytest.raises(ValueError, match="schema: expected a type of JSON, a dict of them"):
        JSONGrammar(schema)


def test_schema_may_leave_a_choice_of_types():
    grammar = JSONGrammar({"age": int | None, "name": str | bool})
    assert accepts(grammar, '{"age": 7, "name": "x"}')
    assert accepts(grammar, '{"age": null, "name": false}')
    assert not accepts(grammar, '{"age": "7", "name": "x"}')
    assert not accepts(grammar, '{"age": 7, "name": null}')
    with pytest.raises(ValueError, match="schema: expected types that begin with different signs"):
        JSONGrammar(int | float)


def test_least_number_of_tokens_is_named(small):
    end = small.special_tokens["<|end|>"]
    with pytest.raises(ValueError, match=r"max_new_tokens: expected at least 7, got 6"):
        JSONChooser(small, end, 6, {"a": int})
    (text,) = random_texts(small, end, 1, (7,), schema={"a": int})
    assert list(json.loads(text)) == ["a"]


def test_a_model_s_rows_of_several_lengths_parse(small):
    torch.manual_seed(0)
    model = Speedrun(SpeedrunConfig(small.vocab_size, d_model=32, context=200))
    end = small.special_tokens["<|end|>"]
    for seed in range(5):
        chooser = JSONChooser(small, end, 40, choose=Sampler(top_k=9, seed=seed))
        prompts = [[1], [5, 6, 7], list(range(60)), [1]]
        rows = generate_tokens(model, prompts, chooser, max_new_tokens=40, stop_tokens=[end])
        assert all(parses(small.decode(row)) for row in rows)
    text = generate(
        model, small, "x", JSONChooser(small, end, 40), max_new_tokens=40, stop="<|end|>"
    )
    assert parses(text)
    chooser = JSONChooser(small, end, 40, ("a",))
    with pytest.raises(ValueError, match="expected a valid text that stops at its end token"):
        generate(model, small, "x", chooser, max_new_tokens=40)


def test_one_chooser_serves_any_number_of_texts(small):
    torch.manual_seed(0)
    model = Speedrun(SpeedrunConfig(small.vocab_size, d_model=32, context=200))
    end = small.special_tokens["<|end|>"]
    settings = {"max_new_tokens": 12, "stop": "<|end|>"}

    def new():
        return JSONChooser(small, end, 12, {"a": bool}, Sampler(temperature=0))

    prompts = [[5, 6, 7], [5, 6, 7, 8], [5, 6, 7, 8, 9], [5]]  # each goes on from one before
    wanted = [generate(model, small, prompt, new(), **settings) for prompt in prompts]
    assert all(map(parses, wanted))
    one = new()
    assert [generate(model, small, prompt, one, **settings) for prompt in prompts] == wanted
    begun = one.anew()
    begun(torch.zeros(1, small.vocab_size), [prompts[0]])  # called by hand: it remembers the row
    assert generate(model, small, prompts[1], begun, **settings) == wanted[1]
    broken_off = stream(model, small, prompts[0], one, **settings)
    first = next(broken_off)
    assert generate_batch(model, small, prompts, one, **settings) == wanted
    assert first + "".join(broken_off) == wanted[0]


def test_rows_may_be_tensors_or_arrays(small):
    end, logits = small.special_tokens["<|end|>"], torch.zeros(1, small.vocab_size)
    begin = small.encode('{"a": ')
    wanted = []
    for make in (list, torch.tensor, lambda row: torch.tensor(row).short().numpy()):
        chooser, row = JSONChooser(small, end, 30, {"a": bool}), [7]
        for token in begin:
            chooser(logits, [make(row)])
            row = [*row, token]
        wanted.append(chooser(logits, [make(row)]).item())
    assert wanted[0] == wanted[1] == wanted[2]
    assert small.decode(wanted[:1])[:1] in ("t", "f")


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"end": -1}, "end"), ({"end": 420}, "end"), ({"end": True}, "end"), ({"end": None}, "end")]
    + [({"max_new_tokens": wrong}, "max_new_tokens") for wrong in (0, -3, 9.5, True, None)],
)
def test_numbers_out_of_range_are_refused_by_name(small, changes, name):
    with pytest.raises(ValueError, match=f"^{name}: expected "):
        JSONChooser(small, **{"end": 3, "max_new_tokens": 9, **changes})


def test_schema_that_no_tokens_spell_is_refused():
    tokenizer = BPETokenizer([], ["<|end|>"], alphabet=[bytes([b]) for b in b'{}": a'])
    JSONChooser(tokenizer, 6, 20, {"a": str})
    with pytest.raises(ValueError, match="schema: expected one that the tokenizer's tokens can"):
        JSONChooser(tokenizer, 6, 20, {"b": str})


def test_logits_of_another_vocabulary_are_refused(small):
    chooser = JSONChooser(small, small.special_tokens["<|end|>"], 9)
    with pytest.raises(ValueError, match=r"^logits: expected shape \(B, \d+\), got \(1, 512\)"):
        chooser(torch.zeros(1, 512), [[1]])


def test_half_of_a_surrogate_pair_is_no_json():
    assert not accepts(JSONGrammar(), '"\ud800"')


def test_smollm2_s_special_tokens_are_no_text(smollm2, real):
    assert smollm2.special_tokens[END_OF_TURN] == END
    inside = real.grammar.read(real.grammar.start, b'"a')
    assert not real.allowed(inside, 50)[list(smollm2.special_tokens.values())].any()
