"""Translation: pairs, a split without a leak, batches, losses by hand, and a small model's text."""

import hashlib

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from sklearn.feature_extraction.text import CountVectorizer

from course_lib import evaluation, training
from course_lib.data import Pair
from course_lib.studies import kit, messages, translation, translation_llm, translator
from course_lib.text.tokenizer import BPETokenizer
from course_lib.training import IGNORE, held_out_loss, optim

PAIRS = {
    "fr": [
        Pair("Delete the file", "Supprimer le fichier"),
        Pair("Open the file", "Ouvrir le fichier"),
        Pair("Delete {name}?", "Supprimer {name} ?"),
        Pair("Hello", "Bonjour"),
    ],
    "zh_CN": [Pair("Delete the file", "删除文件"), Pair("Open the file", "打开文件")],
}


@pytest.fixture(scope="module")
def parts(network):
    return messages.load_parts()


@pytest.fixture(scope="module")
def tokenizer():
    return messages.train_tokenizer(PAIRS, 320)


@pytest.fixture(scope="module")
def model(tokenizer):
    """A small model that knows the six pairs by heart."""
    torch.manual_seed(0)
    model = translation.new_model(tokenizer.vocab_size, d_model=64, n_layers=1)
    batches, _ = translation.translation_batches(tokenizer, PAIRS, 1000)
    optimizer = optim.AdamW(model.parameters(), 5e-3)
    training.train(model, batches, steps=120, optimizer=optimizer, device="cpu", progress=False)
    return model


def test_messages_are_normalized():
    assert messages.normalize("L’hôte\n  est\xa0là\u202f!") == "L'hôte est là !"
    assert messages.normalize("e\u0301te\u0301") == "été"
    assert messages.normalize("_Open a _file") == "Open a file"
    assert messages.normalize("snake_case %(_x)s {_y}") == "snake_case %(_x)s {_y}"


@pytest.mark.parametrize(
    ("message", "protected", "values"),
    [
        ("no placeholder, 100 % sure", "no placeholder, 100 % sure", []),
        ("Hi ${name}!", "Hi <|0|>!", ["${name}"]),
        ("{a} to {b}, {a}", "<|0|> to <|1|>, <|0|>", ["{a}", "{b}"]),
        ("%(n)s of %d", "<|0|> of <|1|>", ["%(n)s", "%d"]),
        ("<b>bold</b>&nbsp;x", "<|0|>bold<|1|><|2|>x", ["<b>", "</b>", "&nbsp;"]),
        ("see https://x.org/a (now)", "see <|0|> (now)", ["https://x.org/a"]),
        ("<|end|>", "<|0|>", ["<|end|>"]),
    ],
)
def test_placeholders_go_into_slots_and_come_back(message, protected, values):
    assert messages.protect(message) == (protected, values)
    assert messages.restore(protected, values) == message


def test_a_translation_shares_the_slots_of_its_source():
    _, values = messages.protect("{a} before {b}")
    assert messages.protect("{b} après {a}", values) == ("<|1|> après <|0|>", ["{a}", "{b}"])
    assert messages.restore("<|1|><|7|>", values) == "{b}"


def test_pairs_are_many_different_and_whole(parts):
    for language, least in (("fr", 20_000), ("zh_CN", 15_000)):
        pairs = [pair for part in parts for pair in part[language]]
        assert len(pairs) >= least
        assert len({pair.source for pair in pairs}) == len(pairs)
        for pair in pairs:
            assert messages.normalize(pair.source) == pair.source
            _, values = messages.protect(pair.source)
            assert sorted(messages.protect(pair.target)[1]) == sorted(values)
    assert Pair("Merge Places", "Fusion des lieux") in [p for part in parts for p in part["fr"]]


def test_no_held_out_message_has_a_near_copy_in_training(parts):
    training_sources, *held_out = ({p.source for ps in part.values() for p in ps} for part in parts)
    assert len(held_out[1]) >= 1_000

    def shares(held_out):
        return nearest(held_out, training_sources)

    for part in held_out:
        similar = shares(part)
        assert not (similar >= 0.8).any()
        assert (similar >= 0.6).mean() < 0.01  # locality-sensitive hashing finds nearly all
    everything = sorted(training_sources.union(*held_out))
    chosen = set(everything[:: len(everything) // 1_000])
    assert (nearest(chosen, set(everything) - chosen) >= 0.6).mean() > 0.2  # any split would leak


def nearest(held_out, seen):
    """Return the greatest Jaccard similarity of each held-out message to one that was seen."""
    held_out, seen = ([messages.spell(s) for s in sorted(part)] for part in (held_out, seen))
    runs = CountVectorizer(analyzer=lambda s: five_letters(s), binary=True, dtype="float32").fit(
        held_out + seen
    )
    a, b = runs.transform(held_out), runs.transform(seen)
    both = (a @ b.T).tocoo()
    sizes_a, sizes_b = a.sum(1).A1, b.sum(1).A1
    similarity = both.data / (sizes_a[both.row] + sizes_b[both.col] - both.data)
    found = torch.zeros(len(held_out))
    return found.scatter_reduce(
        0, torch.tensor(both.row).long(), torch.tensor(similarity), "amax"
    ).numpy()


def five_letters(spelled):
    letters = [letter for letter in spelled.lower().split() if letter.isalnum()]
    return ["".join(letters[i : i + 5]) for i in range(max(1, len(letters) - 4))]


def test_each_pair_comes_once_in_an_epoch_with_targets_one_further(tokenizer):
    batches, per_epoch = translation.translation_batches(tokenizer, PAIRS, 30)
    assert per_epoch > 1
    seen = []
    for step in range(per_epoch):
        source, inputs, mask, targets = batches(step)
        assert len(source) == len(inputs) == len(mask) == len(targets)
        for row in range(len(source)):
            real = targets[row] != IGNORE
            assert torch.equal(inputs[row, 1:][real[1:]], targets[row][real][:-1])
            words = [tokenizer.decode(ids) for ids in (source[row][mask[row]], targets[row][real])]
            seen.append((*words, tokenizer.decode(inputs[row, :1])))
    wanted = [
        (*(messages.protect(t)[0] + "<|end|>" for t in (p.source, p.target)), f"<|{language}|>")
        for language, pairs in PAIRS.items()
        for p in pairs
    ]
    assert sorted(seen) == sorted(wanted)


def test_batches_are_a_function_of_the_step_and_differ_between_epochs(tokenizer):
    def epochs(seed):
        batches, n = translation.translation_batches(tokenizer, PAIRS, 30, seed)
        return [[batches(step)[1].tolist() for step in range(k * n, k * n + n)] for k in range(8)]

    first = epochs(0)
    assert first == epochs(0)
    assert first != epochs(1)
    assert any(epoch != first[0] for epoch in first)


def test_held_out_loss_is_the_mean_over_all_tokens(tokenizer, model):
    batches, n = translation.translation_batches(tokenizer, PAIRS, 30)
    one, _ = translation.translation_batches(tokenizer, PAIRS, 10_000)
    *inputs, targets = one(0)
    with torch.no_grad():
        whole = F.cross_entropy(model(*inputs).flatten(0, 1), targets.flatten()).item()
    assert held_out_loss(model, map(batches, range(n))) == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("n_beams", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_model_that_knows_the_pairs_translates_them(tokenizer, model, n_beams, batch_size):
    for language, pairs in PAIRS.items():
        got = translator.translate(
            model,
            tokenizer,
            [pair.source for pair in pairs],
            language,
            n_beams=n_beams,
            batch_size=batch_size,
        )
        assert got == [pair.target for pair in pairs]


def test_placeholders_of_another_name_are_kept(tokenizer, model):
    (got,) = translator.translate(model, tokenizer, ["Delete %(title)s?"])
    assert got == "Supprimer %(title)s ?"


def test_odd_messages_get_some_translation(tokenizer, model):
    odd = ["🦉" * 40, "word " * 300, "你好", "<|end|>", "x"]
    assert all(isinstance(got, str) for got in translator.translate(model, tokenizer, odd))


def test_slots_of_any_number_stand_for_their_placeholders():
    message = " ".join(f"{{name{i}}}" for i in range(30)) + " {name3}"
    protected, values = messages.protect(message)
    assert len(values) == 30
    assert protected.endswith("<|29|> <|3|>")
    assert messages.restore(protected, values) == message


def test_protecting_takes_time_in_proportion_to_the_placeholders():
    class Counted(str):
        compared = 0

        def __eq__(self, other):
            Counted.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    values = [Counted(f"{{{i}}}") for i in range(2_000)]
    messages.protect("{a}{b}" + "".join(values), values)
    assert Counted.compared < 10_000


def test_a_long_message_is_translated_piece_by_piece(tokenizer, model):
    message = "Delete the file. " * 40 + "Delete the file"
    pieces = translator._pieces(tokenizer, message)
    assert " ".join(pieces) == message
    sizes = [len(tokenizer.encode(messages.protect(p)[0], messages.SLOTS)) for p in pieces]
    assert max(sizes) <= messages.MAX_TOKENS // 2
    (got,) = translator.translate(model, tokenizer, [message])
    assert got == " ".join(translator.translate(model, tokenizer, pieces))
    assert got.endswith("Supprimer le fichier")
    short = translator.translate(model, tokenizer, [message, "Delete the file", message])
    assert short == [got, "Supprimer le fichier", got]


@pytest.mark.parametrize("unit", ["word ", "a", "🦉", "A b. ", "{name} ", "{a}{b}", "<b>"])
def test_pieces_of_any_message_fit_and_lose_nothing(tokenizer, unit):
    message = messages.normalize(unit * 400 + "end")
    pieces = translator._pieces(tokenizer, message)
    assert "".join("".join(pieces).split()) == "".join(message.split())
    for piece in pieces:
        protected, values = messages.protect(piece)
        assert len(values) <= len(messages.SLOTS)
        assert len(messages.encode(tokenizer, protected)) <= messages.MAX_TOKENS // 2


def test_all_placeholders_of_a_message_come_back(tokenizer, model):
    message = " ".join(f"Delete %(name{i})s?" for i in range(9))
    (got,) = translator.translate(model, tokenizer, [message])
    assert got == " ".join(f"Supprimer %(name{i})s ?" for i in range(9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, m: translation.new_model(300, 16), "d_model: expected a multiple of 32, got 16"),
        (lambda t, m: translation.translation_batches(t, PAIRS, 0), "batch_tokens: expected a wh"),
        (lambda t, m: translation.translation_batches(t, PAIRS, 3), "batch_tokens: expected more"),
        (lambda t, m: translation.translation_batches(t, {}, 9), "pairs: expected at least one"),
        (lambda t, m: translation.translation_batches(t, {"xx": []}, 9), "pairs: expected one of"),
        (lambda t, m: translator.translate(m, t, "Hello"), "messages: expected a list of texts"),
        (lambda t, m: translator.translate(m, t, [], n_beams=0), "n_beams: expected a whole nu"),
        (lambda t, m: translator.translate(m, t, [], batch_size=0), "batch_size: expected a wh"),
        (lambda t, m: translator.cross_attention(m, t, "a", "b", "xx"), "language: expected one"),
        (
            lambda t, m: translator.cross_attention(m, t, "🦉" * 60, "b"),
            "message: expected at most 126 tokens, got 240",
        ),
    ],
)
def test_what_is_out_of_range_is_named(tokenizer, model, call, message):
    with pytest.raises(ValueError, match=message):
        call(tokenizer, model)


def test_bad_input_is_named(tokenizer, model):
    with pytest.raises(ValueError, match="language: expected one of fr, zh_CN, got 'xx'"):
        translator.translate(model, tokenizer, ["Hello"], "xx")
    with pytest.raises(ValueError, match="messages: expected texts that are not empty"):
        translator.translate(model, tokenizer, ["Hello", " "])
    assert translator.translate(model, tokenizer, []) == []


def test_cross_attention_is_what_the_model_computes(tokenizer, model):
    message, written = "Delete the file", "Supprimer le fichier"
    source, target, weights = translator.cross_attention(model, tokenizer, message, written)
    assert "".join(source) == message + "<|end|>"
    assert "".join(target) == written + "<|end|>"
    assert weights.shape == (1, 2, len(target), len(source))
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, len(target)))
    block = model.decoder.blocks[0]
    given = []
    hook = block.cross_attention.out_proj.register_forward_pre_hook(
        lambda _, inputs: given.append(inputs[0])
    )
    ids = torch.tensor([[*tokenizer.encode(message), tokenizer.special_tokens["<|end|>"]]])
    start = [tokenizer.special_tokens["<|fr|>"]]
    memory = model.encode(ids)
    with torch.no_grad():
        model.decode(torch.tensor([start + tokenizer.encode(written)]), memory)
    hook.remove()
    heads = (weights[0] @ memory.keys_values[0][1][0]).transpose(0, 1).flatten(1)  # (T, H * D)
    torch.testing.assert_close(heads, given[0][0], rtol=1e-4, atol=1e-5)


def test_the_trained_model_has_read_only_what_is_the_training_part_today(parts):
    path = kit.FOLDER / translation.FILES[0]
    assert path.stat().st_size <= 8_000_000
    sources = sorted({pair.source for pairs in parts[0].values() for pair in pairs})
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        assert {file.get_tensor(name).dtype for name in names} == {torch.float16}
        read = file.metadata()["training_sources"]
    assert read == hashlib.sha256("\n".join(sources).encode()).hexdigest()


@pytest.mark.parametrize(
    ("language", "least", "delete"), [("fr", 40, "Supprimer"), ("zh_CN", 25, "删除")]
)
def test_the_trained_model_translates(parts, language, least, delete):
    model, tokenizer = translation.load_trained()
    assert isinstance(tokenizer, BPETokenizer)
    pairs = parts[2][language][::25]
    got = translator.translate(model, tokenizer, [pair.source for pair in pairs], language)
    assert evaluation.chrf(got, [p.target for p in pairs]) > least
    assert translator.translate(model, tokenizer, ["Delete"], language) == [delete]


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_what_the_language_model_translated_are_test_messages(parts, language):
    ways = translation_llm.load_runs()[language]
    asked, shown = (set(answers) for answers in ways.values())
    assert asked == shown
    assert len(asked) >= 60
    assert asked <= {pair.source for pair in parts[2][language]}
