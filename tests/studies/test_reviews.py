"""The reviews' split, and the classifiers of the chapter 'Evaluation'."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from course_lib import data
from course_lib.evaluation import accuracy
from course_lib.model import Encoder, EncoderConfig
from course_lib.studies import reviews as study
from course_lib.studies.reviews import (
    ReviewClassifier,
    TextClassifier,
    classify,
    head_and_tail,
    split_reviews,
    text_batches,
)
from course_lib.text import near_copies
from course_lib.training import pad_with_mask


@pytest.fixture(scope="module")
def reviews(network):
    return data.load_film_reviews()


@pytest.fixture(scope="module")
def parts(reviews):
    return split_reviews(reviews)


def small_model():
    torch.manual_seed(0)
    return TextClassifier(Encoder(EncoderConfig(20, context=12, n_layers=1, n_heads=2, d_model=8)))


def test_no_film_is_on_two_sides(parts, reviews):
    """Within a class reviews of a film are neighbors, at most 30."""
    part_of = np.full(len(reviews), -1)
    for number, part in enumerate(parts):
        part_of[part] = number
    for distance in range(1, 31):
        first, second = part_of[:-distance], part_of[distance:]
        assert not ((first != second) & (first >= 0) & (second >= 0)).any()


def test_parts_have_both_classes_and_their_sizes(parts, reviews):
    training, validation, test = parts
    assert len(test) == 3700
    assert 990 <= len(validation) <= 1000
    assert 19_300 <= len(training) <= 19_400
    for part in parts:
        assert 0.49 < np.mean([reviews[i].label for i in part]) < 0.51


def test_near_copies_are_not_on_two_sides(reviews):
    chosen = [replace(review) for review in reviews[1900:2600]]
    chosen[150] = replace(chosen[50], text=chosen[300].text + " Indeed.")  # validation, test
    chosen[50] = replace(chosen[50], text=chosen[120].text)  # training, validation
    chosen[20] = replace(chosen[20], text=chosen[400].text)  # training, test
    shifted = [replace(chosen[0], text=f"review {i}") for i in range(1900)] + chosen
    training, validation, test = split_reviews(shifted)
    assert 2300 in test, "the test part stays as it is"
    assert 2050 not in validation
    assert 2020 in validation, "what training has a copy of stays in validation"
    assert 1950 not in training
    assert 1920 not in training
    texts = [shifted[i].text for i in (*training, *validation, *test)]
    sides = [0] * len(training) + [1] * len(validation) + [2] * len(test)
    assert all(sides[i] == sides[j] for i, j, _ in near_copies(texts) if i >= 1900)


@pytest.mark.parametrize(
    ("length", "expected"), [(0, []), (4, [0, 1, 2, 3]), (5, [0, 1, 2, 3, 4]), (7, [0, 1, 4, 5, 6])]
)
def test_head_and_tail_keeps_both_ends(length, expected):
    assert head_and_tail(range(length), 2, 3) == expected


@pytest.mark.parametrize("head", range(5))
@pytest.mark.parametrize("tail", range(5))
def test_head_and_tail_has_no_token_twice_and_none_too_many(head, tail):
    for length in range(12):
        kept = head_and_tail(range(length), head, tail)
        assert len(kept) == min(length, head + tail)
        assert kept == sorted(set(kept))


def test_empty_texts_get_the_bias():
    model = small_model().eval()
    tokens, mask = pad_with_mask([[], [1, 2]])
    assert tokens.dtype == torch.int64
    logits = model(tokens, mask)
    torch.testing.assert_close(logits[0], model.head.bias)
    torch.testing.assert_close(logits[1:], model(*pad_with_mask([[1, 2]])))
    torch.testing.assert_close(model(*pad_with_mask([[], []])), model.head.bias.expand(2, -1))
    torch.testing.assert_close(classify(model, [[], [1, 2], []])[:2], logits)
    model(tokens, mask).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_fewer_texts_than_a_batch_are_one_batch():
    texts, labels = [[i + 1] for i in range(5)], list(range(5))
    batches = text_batches(texts, labels, batch_size=8)
    orders = [batches(step)[2].tolist() for step in range(3)]
    assert all(sorted(order) == labels for order in orders)
    assert len(set(map(tuple, orders))) > 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: head_and_tail([1], -1, 2), "head: expected a whole number, 0 or above, got -1"),
        (lambda: head_and_tail([1], 1, 2.0), "tail: expected a whole number, 0 or above, got 2.0"),
        (lambda: text_batches([], [], 1), "texts: expected at least one, got none"),
        (lambda: text_batches([[1]], [0], 0), "batch_size: expected a whole number above 0"),
        (lambda: text_batches([[1]], [0], 1, seed=-1), "seed: expected a whole number, 0 or above"),
        (lambda: text_batches([[1]], [0, 1], 1), "labels: expected one for each of 1 texts, got 2"),
        (lambda: text_batches([[1]], [-1], 1), "labels: expected whole numbers from 0 up, got -1"),
        (lambda: classify(small_model(), []), "texts: expected at least one, got none"),
        (lambda: classify(small_model(), [[1]], 0), "batch_size: expected a whole number above 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_padding_changes_no_logits():
    model = small_model().eval()
    texts = [[3, 4, 5], [6], [7, 8, 9, 10, 11]]
    together = model(*pad_with_mask(texts))
    alone = torch.cat([model(*pad_with_mask([text])) for text in texts])
    torch.testing.assert_close(together, alone)


def test_classify_keeps_the_order_of_the_texts():
    model = small_model()
    texts = [list(range(1, n + 1)) for n in (5, 1, 12, 3, 7)]
    got = classify(model, texts, batch_size=2)
    torch.testing.assert_close(got, torch.cat([model(*pad_with_mask([text])) for text in texts]))
    assert not model.training


def test_batches_read_every_text_once_in_an_epoch_and_differ_in_the_next():
    texts = [[i + 1] for i in range(11)]
    batches = text_batches(texts, list(range(11)), batch_size=5, seed=1)
    epochs = [[batches(step) for step in (first, first + 1)] for first in (0, 2)]
    orders = [torch.cat([labels for *_, labels in epoch]).tolist() for epoch in epochs]
    assert all(len(set(order)) == 10 for order in orders)
    assert orders[0] != orders[1]
    tokens, mask, labels = batches(3)
    assert (tokens[:, 0] == labels + 1).all()
    assert mask.all()
    assert all(torch.equal(a, b) for a, b in zip(batches(3), (tokens, mask, labels), strict=True))


@pytest.mark.network
def test_what_was_trained_is_saved_and_read_again(tmp_path):
    torch.manual_seed(0)
    model = ReviewClassifier()
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name.split(".")[2] for name in names if ".lora_" in name} == {"2", "3", "4", "5"}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in names:
                parameter.copy_(torch.randn(parameter.shape) * 0.05)
    model.save(tmp_path / "weights.safetensors")
    assert load_file(tmp_path / "weights.safetensors").keys() == names
    texts = model.encode(["A good film.", "Bad, bad, bad and long. " * 9])
    expected = classify(model, texts)
    read = ReviewClassifier().load(tmp_path / "weights.safetensors")
    assert not any(".lora_" in name for name in read.state_dict()), "added to the matrices"
    torch.testing.assert_close(classify(read, texts), expected, atol=2e-2, rtol=2e-2)
    assert (classify(ReviewClassifier(), texts) - expected).abs().max() > 0.1


@pytest.mark.network
def test_another_file_is_refused(tmp_path):
    small = ReviewClassifier()
    small.head = torch.nn.Linear(384, 3)
    small.save(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"expected a file that ReviewClassifier.save\(\) wrote"):
        ReviewClassifier().load(tmp_path / "other.safetensors")
    for junk in (b"", b"junk" * 100, (tmp_path / "other.safetensors").read_bytes()[:-100]):
        (tmp_path / "other.safetensors").write_bytes(junk)
        with pytest.raises(ValueError, match=r"expected a file that ReviewClassifier.save\(\) wro"):
            small.load(tmp_path / "other.safetensors")


def test_committed_margins_are_of_this_split_and_these_weights(parts, reviews):
    found = study.load_runs()
    assert found["validation"]["reviews"] == parts.validation
    assert found["test"]["reviews"] == parts.test
    model, _ = study.load_trained()
    chosen = range(0, len(parts.test), 400)
    texts = model.encode([reviews[parts.test[i]].text for i in chosen])
    logits = classify(model, [head_and_tail(text, *study.TESTED) for text in texts])
    margins = [found["test"]["margins"][i] for i in chosen]
    torch.testing.assert_close(
        logits[:, 1] - logits[:, 0], torch.tensor(margins), atol=0.02, rtol=0.01
    )
    labels = [reviews[i].label for i in parts.test]
    assert accuracy(labels, np.array(found["test"]["margins"]) > 0) > 0.85
