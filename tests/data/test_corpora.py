"""Corpora parse to what their cards say."""

import pytest

from course_lib import data
from course_lib.data import HELD_OUT, DataError
from course_lib.text import strip_play_markup

pytestmark = pytest.mark.network


def test_plays_are_38_with_their_words():
    plays = data.load_plays()
    assert len(plays) == 38
    assert sum(map(len, plays.values())) == 5_318_730
    assert sum(len(play.split()) for play in plays.values()) == 903_310
    assert plays["hamlet"].startswith("# Hamlet\n")
    assert "To be, or not to be: that is the question" in plays["hamlet"]


def test_spoken_plays_are_one_text_for_training_and_one_for_each_group():
    plays = {name: strip_play_markup(text) for name, text in data.load_plays().items()}
    assert data.load_spoken_plays() == ("\n\n".join(plays.values()),)
    training, others, test = data.load_spoken_plays(("othello", "as-you-like-it"), HELD_OUT)
    assert others == f"{plays['othello']}\n\n{plays['as-you-like-it']}"
    assert test == "\n\n".join(plays[name] for name in ("hamlet", "macbeth", "twelfth-night"))
    rest = [name for name in plays if name not in (*HELD_OUT, "othello", "as-you-like-it")]
    assert training == "\n\n".join(plays[name] for name in rest)
    assert "# Hamlet" not in test
    assert "To be, or not to be" in test


@pytest.mark.parametrize("groups", [[["hamlet", "omelet"]], [["hamlet"], ["hamlet"]], [["omelet"]]])
def test_a_play_that_is_not_there_or_held_out_twice_is_named(groups):
    with pytest.raises(ValueError, match=rf"^held_out: expected plays .*, got '{groups[-1][-1]}'"):
        data.load_spoken_plays(*groups)


def test_film_reviews_are_balanced():
    for source, count in (("imdb", 25_000), ("rotten_tomatoes", 8_530)):
        labels = [review.label for review in data.load_film_reviews(source)]
        assert len(labels) == count
        assert sum(labels) == count / 2
    with pytest.raises(DataError, match="expected one of imdb, rotten_tomatoes, got 'yelp'"):
        data.load_film_reviews("yelp")


def test_messages_come_in_pairs_without_keys():
    pairs = data.load_messages("fr")
    assert len(pairs) == 3_549
    assert data.Pair("Delete", "Supprimer") in pairs
    assert all(pair.source and pair.target for pair in pairs)
    assert not [p for p in pairs if "\\" in p.source or p.source.startswith("Default:")]
    assert "这" in "".join(pair.target for pair in data.load_messages("zh_CN"))
    with pytest.raises(DataError, match=r"nothing in plone.app.locales==7.0.4 fits '.*/tlh/"):
        data.load_messages("tlh")


def test_other_programs_messages_come_in_pairs_too():
    sizes = {"gramps": (7_015, 6_842), "horizon": (3_254, 3_092), "indico": (5_558, 4_788)}
    sizes |= {"pretix": (6_627, 2_920), "wagtail": (1_890, 1_318)}
    for program, (french, chinese) in sizes.items():
        pairs = data.load_messages("fr", f"messages-{program}")
        assert len(pairs) == french
        assert all(pair.source and pair.target for pair in pairs)
        assert len(set(data.load_messages("zh_CN", f"messages-{program}"))) == chinese
    assert data.Pair("Merge Places", "Fusion des lieux") in data.load_messages(
        "fr", "messages-gramps"
    )
    with pytest.raises(DataError, match=r"expected one of messages, .*, got 'plays'"):
        data.load_messages("fr", "plays")


def test_misspellings_have_corrections():
    found = data.load_misspellings()
    assert found["recieve"] == ["receive"]
    assert len(found) == 64_980
    assert found["abandonin"] == ["abandoning", "abandon in"]
    assert all(word for words in found.values() for word in words)


def test_pronunciations_make_homophones():
    found = data.load_pronunciations()
    assert set(found["their"]) & set(found["there"])
    assert len(found["read"]) == 2
    assert len(found) == 126_052


def test_chinese_reviews_have_both_labels():
    reviews = data.load_chinese_reviews()
    assert {review.label for review in reviews} == {0, 1}
    assert len(reviews) == 35_123
    assert len({review.text for review in reviews}) == 35_123 - 17_713
    assert sum("\u4e00" <= c <= "\u9fff" for c in reviews[0].text) > 5


def test_dialogues_are_turns_of_text():
    dialogues = data.load_dialogues()
    assert len(dialogues) == 2_025
    assert len(set(dialogues)) == 898
    assert len({dialogue.topic for dialogue in dialogues}) == 21
    assert data.Dialogue("ai", ("Are you sentient?", "Sort of.")) in dialogues
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    assert all(isinstance(turn, str) and turn.strip() for turn in turns)
    assert "1984" in turns, "not a number"
    assert len(data.load_dialogues("chinese")) == 467


def test_models_lie_in_folders_of_their_own():
    (gguf,) = data.smollm2_folder().iterdir()
    assert gguf.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert gguf.stat().st_size == 98_362_432
    files = {path.name for path in data.minilm_folder().iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"} <= files
