"""Dialogue: what is trained on, what counts in the loss, and the committed weights."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.model import GPT, GPTConfig, load_lora
from course_lib.pretrained import END_OF_TURN, START_OF_TURN, encode_chat
from course_lib.studies import dialogue
from course_lib.studies.dialogue import Exchange
from course_lib.text import BPETokenizer
from course_lib.training import IGNORE, next_token_loss

END_OF_TEXT = "<|endoftext|>"
TOKENIZER = BPETokenizer([], [START_OF_TURN, END_OF_TURN, END_OF_TEXT])
TURNS = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi 你好 👋"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "How are you?"},
    {"role": "assistant", "content": "Fine.\nAnd you?"},
]


def small_model():
    torch.manual_seed(0)
    return GPT(GPTConfig(TOKENIZER.vocab_size, context=600, n_layers=1, n_heads=1, d_model=8))


def test_what_the_assistant_writes_is_what_counts():
    inputs, targets = dialogue.training_row(TOKENIZER, TURNS)
    assert inputs == encode_chat(TOKENIZER, TURNS, add_generation_prompt=False)[:-1]
    counted = [target for target in targets if target != IGNORE]
    said = f"Hello{END_OF_TURN}Fine.\nAnd you?{END_OF_TURN}"
    assert TOKENIZER.decode(counted) == said
    for place, target in enumerate(targets[:-1]):
        assert target in (IGNORE, inputs[place + 1]), "a target is the next input"


def test_the_first_target_stands_where_generation_begins():
    inputs, targets = dialogue.training_row(TOKENIZER, TURNS[:3])
    first = next(i for i, target in enumerate(targets) if target != IGNORE)
    assert inputs[: first + 1] == encode_chat(TOKENIZER, TURNS[:2])


def test_a_conversation_without_an_answer_has_no_target():
    assert set(dialogue.training_row(TOKENIZER, TURNS[:2])[1]) == {IGNORE}


def test_a_conversation_may_begin_with_the_assistant():
    inputs, targets = dialogue.training_row(TOKENIZER, TURNS[2:4])
    assert inputs == encode_chat(TOKENIZER, TURNS[2:4], add_generation_prompt=False)[:-1]
    counted = [target for target in targets if target != IGNORE]
    assert TOKENIZER.decode(counted) == f"Hello{END_OF_TURN}"


def test_batches_that_can_t_be_are_refused():
    exchanges = [Exchange("q", "a" * 3, "t"), Exchange("q", "a" * 99, "t")]
    _, per_epoch = dialogue.chat_batches(TOKENIZER, exchanges, 8)
    assert per_epoch == 1, "fewer than a batch are a small one"
    for none in (exchanges[1:], []):
        with pytest.raises(ValueError, match="exchanges: expected one whose answer has at most"):
            dialogue.chat_batches(TOKENIZER, none, 8)
    for size in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match="batch_size: expected a whole number above 0"):
            dialogue.chat_batches(TOKENIZER, exchanges, size)
    with pytest.raises(ValueError, match="seed: expected a whole number"):
        dialogue.chat_batches(TOKENIZER, exchanges, 8, seed=0.5)


def test_loss_of_nothing_is_zero_and_of_narrow_ids_the_same():
    model = small_model()
    inputs, targets = dialogue.chat_batches(TOKENIZER, [Exchange("who?", "I.", "t")], 2)[0](0)
    wanted = dialogue.answer_loss(model, inputs, targets)
    assert dialogue.answer_loss(model, inputs.int(), targets.int()) == wanted
    nothing = dialogue.answer_loss(model, inputs, torch.full_like(targets, IGNORE))
    nothing.backward()
    assert nothing == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_an_epoch_of_batches_has_each_short_exchange_once():
    exchanges = [Exchange(f"q{i}", "a" * i, "topic") for i in range(1, 60)]
    batches, per_epoch = dialogue.chat_batches(TOKENIZER, exchanges, 8)
    answers = [int((row != IGNORE).sum()) - 1 for i in range(per_epoch) for row in batches(i)[1]]
    assert sorted(answers) == list(range(1, dialogue.MAX_ANSWER + 1))
    again = dialogue.chat_batches(TOKENIZER, exchanges, 8)[0]
    assert all(torch.equal(batches(i)[0], again(i)[0]) for i in range(2 * per_epoch))
    first, second = ([batches(i + j)[0].shape for i in range(5)] for j in (0, per_epoch))
    assert first != second, "another order in each epoch"


def test_loss_is_that_of_all_logits_and_of_torch():
    model = small_model()
    exchanges = [Exchange("who?", "I.", "t"), Exchange("what then?", "Nothing.", "t")]
    inputs, targets = dialogue.chat_batches(TOKENIZER, exchanges, 2)[0](0)
    ours = dialogue.answer_loss(model, inputs, targets)
    torch.testing.assert_close(ours, next_token_loss(model, inputs, targets))
    theirs = F.cross_entropy(model(inputs).mT, targets, ignore_index=IGNORE)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.network
def test_parts_share_no_question_and_lose_no_exchange():
    training, held_out = dialogue.load_exchanges()
    known, asked = ({e.question.lower() for e in part} for part in (training, held_out))
    assert not known & asked
    assert len({*training, *held_out}) == len(training) + len(held_out) > 800
    assert 0.15 < len(held_out) / (len(training) + len(held_out)) < 0.25


def test_committed_weights_fit_the_model():
    model = GPT(GPTConfig(8, n_layers=30, n_heads=9, d_model=576, n_kv_heads=3, bias=False, d_ff=8))
    load_lora(model, dialogue.WEIGHTS)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(p.abs().sum() > 0 for p in trained.values()), "B began at zero"
    assert dialogue.WEIGHTS.stat().st_size <= 4_000_000
