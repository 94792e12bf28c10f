"""The chat: what is trained on, what is forgotten, and a widget that a scripted model answers."""

import threading

import ipywidgets
import pytest
import torch
import torch.nn.functional as F

from course_lib import chat
from course_lib.chat import Chat, ChatWidget, Exchange
from course_lib.lora import load_lora
from course_lib.model import GPT, GPTConfig
from course_lib.pretrained import END_OF_TURN, START_OF_TURN, encode_chat
from course_lib.tokenizer import BPETokenizer
from course_lib.training import IGNORE, next_token_loss

TOKENIZER = BPETokenizer([], [START_OF_TURN, END_OF_TURN])
END = TOKENIZER.special_tokens[END_OF_TURN]
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


class Script:
    """Chooses tokens of the answers in turn; stops at "!" until it may go on, fails at "#"."""

    def __init__(self, *answers):
        self.tokens = [t for answer in answers for t in (*TOKENIZER.encode(answer), END)]
        self.prompts: list[str] = []
        self.at_mark, self.go_on = threading.Event(), threading.Event()

    def __call__(self, logits, tokens):
        self.prompts.append(TOKENIZER.decode(tokens[0]))
        token = self.tokens.pop(0)
        if token == TOKENIZER.encode("!")[0]:
            self.at_mark.set()
            assert self.go_on.wait(20)
        if token == TOKENIZER.encode("#")[0]:
            raise RuntimeError("no more memory")
        return torch.tensor([token])


def new_chat(*answers, **settings):
    script = Script(*answers)
    settings = {"window": 400, "max_new_tokens": 50} | settings
    return Chat(small_model(), TOKENIZER, "Be kind.", choose=script, **settings), script


class TestTraining:
    def test_what_the_assistant_writes_is_what_counts(self):
        inputs, targets = chat.training_row(TOKENIZER, TURNS)
        assert inputs == encode_chat(TOKENIZER, TURNS, add_generation_prompt=False)[:-1]
        counted = [target for target in targets if target != IGNORE]
        said = f"Hello{END_OF_TURN}Fine.\nAnd you?{END_OF_TURN}"
        assert TOKENIZER.decode(counted) == said
        for place, target in enumerate(targets[:-1]):
            assert target in (IGNORE, inputs[place + 1]), "a target is the next input"

    def test_the_first_target_stands_where_generation_begins(self):
        inputs, targets = chat.training_row(TOKENIZER, TURNS[:3])
        first = next(i for i, target in enumerate(targets) if target != IGNORE)
        assert inputs[: first + 1] == encode_chat(TOKENIZER, TURNS[:2])

    def test_a_conversation_without_an_answer_has_no_target(self):
        assert set(chat.training_row(TOKENIZER, TURNS[:2])[1]) == {IGNORE}

    def test_an_epoch_of_batches_has_each_short_exchange_once(self):
        exchanges = [Exchange(f"q{i}", "a" * i, "topic") for i in range(1, 60)]
        batches, per_epoch = chat.chat_batches(TOKENIZER, exchanges, 8)
        answers = [
            int((row != IGNORE).sum()) - 1 for i in range(per_epoch) for row in batches(i)[1]
        ]
        assert sorted(answers) == list(range(1, chat.MAX_ANSWER + 1))
        again = chat.chat_batches(TOKENIZER, exchanges, 8)[0]
        assert all(torch.equal(batches(i)[0], again(i)[0]) for i in range(2 * per_epoch))
        first, second = ([batches(i + j)[0].shape for i in range(5)] for j in (0, per_epoch))
        assert first != second, "another order in each epoch"

    def test_loss_is_that_of_all_logits_and_of_torch(self):
        model = small_model()
        exchanges = [Exchange("who?", "I.", "t"), Exchange("what then?", "Nothing.", "t")]
        inputs, targets = chat.chat_batches(TOKENIZER, exchanges, 2)[0](0)
        ours = chat.answer_loss(model, inputs, targets)
        torch.testing.assert_close(ours, next_token_loss(model, inputs, targets))
        theirs = F.cross_entropy(model(inputs).mT, targets, ignore_index=IGNORE)
        torch.testing.assert_close(ours, theirs)

    def test_parts_share_no_question_and_lose_no_exchange(self):
        training, held_out = chat.load_exchanges()
        known, asked = ({e.question.lower() for e in part} for part in (training, held_out))
        assert not known & asked
        assert len({*training, *held_out}) == len(training) + len(held_out) > 800
        assert 0.15 < len(held_out) / (len(training) + len(held_out)) < 0.25

    def test_committed_weights_fit_the_model(self):
        model = GPT(
            GPTConfig(8, n_layers=30, n_heads=9, d_model=576, n_kv_heads=3, bias=False, d_ff=8)
        )
        load_lora(model, chat.WEIGHTS)
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        assert all(p.abs().sum() > 0 for p in trained.values()), "B began at zero"
        assert chat.WEIGHTS.stat().st_size <= 4_000_000


class TestTrim:
    def length(self, messages):
        return len(encode_chat(TOKENIZER, messages))

    def test_what_fits_stays(self):
        assert chat.trim(TOKENIZER, TURNS, self.length(TURNS)) == TURNS

    def test_the_oldest_turns_go_and_the_system_prompt_stays(self):
        kept = chat.trim(TOKENIZER, TURNS, self.length(TURNS) - 1)
        assert kept == [TURNS[0], *TURNS[3:]]
        assert len(TURNS) == 5, "the conversation itself is left alone"

    def test_without_a_system_prompt_it_begins_with_a_user(self):
        turns = TURNS[1:4]
        assert chat.trim(TOKENIZER, turns, self.length(turns) - 1) == [TURNS[3]]

    def test_what_can_t_be_left_out_is_refused(self):
        message = r"message: expected at most 20 tokens with the system prompt, got \d+; write less"
        with pytest.raises(ValueError, match=message):
            chat.trim(TOKENIZER, TURNS[:2], 20)


class TestChat:
    def test_answer_comes_in_pieces_and_ends_at_the_sign(self):
        talk, script = new_chat("Hello, 你", "Well.")
        assert list(talk.send(" Hi ")) == ["H", "e", "l", "l", "o", ",", " ", "你"]
        assert talk.messages == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello, 你"},
        ]
        assert "".join(talk.send("And?")) == "Well."
        seen = encode_chat(TOKENIZER, [talk.system, *talk.messages[:3]])
        assert TOKENIZER.decode(seen) in script.prompts, "the model reads all turns before"

    def test_old_turns_fall_out_of_the_window(self):
        talk, script = new_chat("One.", "Two.", "Three.", window=145)
        for text in ("first", "second", "third"):
            list(talk.send(text))
        assert talk.forgotten == 2
        assert len(talk.messages) == 6
        assert "first" not in script.prompts[-1]
        assert "Be kind." in script.prompts[-1]
        assert "second" in script.prompts[-1]

    def test_stop_keeps_what_was_said(self):
        talk, _ = new_chat("Hello", "Yes")
        pieces = talk.send("Hi")
        assert next(pieces) == "H"
        talk.stop()
        assert list(pieces) == []
        assert talk.messages[-1] == {"role": "assistant", "content": "H"}

    def test_a_failing_model_leaves_the_conversation_as_it_was(self):
        talk, _ = new_chat("Hello", "We#")
        list(talk.send("Hi"))
        before = [dict(message) for message in talk.messages]
        with pytest.raises(RuntimeError, match="no more memory"):
            list(talk.send("More"))
        assert talk.messages == before

    def test_clear_while_an_answer_is_written(self):
        talk, _ = new_chat("Hello")
        pieces = talk.send("Hi")
        next(pieces)
        talk.clear()
        assert list(pieces) == []
        assert talk.messages == []

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("  ", "message: expected some text, got none"),
            ("x" * 900, "message: expected at most 350 tokens"),
            (f"a{END_OF_TURN}b", "special"),
        ],
    )
    def test_a_bad_message_is_refused_at_once(self, text, message):
        talk, _ = new_chat()
        with pytest.raises(ValueError, match=message):
            talk.send(text)
        assert talk.messages == []

    @pytest.mark.parametrize("window", [50, 601])
    def test_a_window_that_can_t_be_is_refused(self, window):
        with pytest.raises(ValueError, match=f"window: expected more than .*, got {window}"):
            new_chat(window=window)


class TestWidget:
    def widget(self, *answers, **settings):
        talk, script = new_chat(*answers, **settings)
        return ChatWidget(talk), script

    def press_enter(self, widget):
        widget.input._handle_custom_msg({"event": "submit"}, [])

    def test_enter_sends_and_the_answer_is_shown_escaped(self):
        widget, _ = self.widget("1 <b> & 2")
        widget.input.value = "<i>Hi</i>"
        self.press_enter(widget)
        widget.wait()
        assert "&lt;i&gt;Hi&lt;/i&gt;" in widget.log.value
        assert "1 &lt;b&gt; &amp; 2" in widget.log.value
        assert "aria-busy='false'" in widget.log.value
        assert widget.input.value == ""
        assert widget.buttons["Stop"].disabled

    def test_it_streams_and_stop_ends_the_answer(self):
        widget, script = self.widget("Oh!no")
        widget.input.value = "Hi"
        widget.buttons["Send"].click()
        assert script.at_mark.wait(20)
        assert "Oh" in widget.log.value, "what is written is shown while the model goes on"
        assert "aria-busy='true'" in widget.log.value
        assert not widget.buttons["Stop"].disabled
        widget.input.value = "More"
        self.press_enter(widget)
        assert "Wait until the answer is written" in widget.status.value
        assert widget.input.value == "More", "nothing typed is lost"
        widget.buttons["Stop"].click()
        script.go_on.set()
        widget.wait()
        assert widget.chat.messages[-1]["content"] == "Oh!"

    def test_clear_while_an_answer_is_written(self):
        widget, script = self.widget("Oh!no")
        widget.input.value = "Hi"
        widget.send()
        assert script.at_mark.wait(20)
        widget.buttons["Clear"].click()
        script.go_on.set()
        widget.wait()
        assert widget.chat.messages == []
        assert "Oh" not in widget.log.value

    def test_what_goes_wrong_is_said(self):
        widget, _ = self.widget("a#")
        widget.send()
        assert "expected some text" in widget.status.value
        widget.input.value = "Hi"
        widget.send()
        widget.wait()
        assert "RuntimeError: no more memory" in widget.status.value
        assert widget.chat.messages == []

    def test_it_says_what_was_forgotten(self):
        widget, _ = self.widget("One.", "Two.", "Three.", window=145)
        for text in ("first", "second", "third"):
            widget.input.value = text
            widget.send()
            widget.wait()
        before, after = widget.log.value.split("out of the window")
        assert "first" in before
        assert "second" not in before
        assert "second" in after

    def test_its_parts_have_names_and_its_text_is_the_same_each_time(self, monkeypatch):
        shown = []
        monkeypatch.setattr(chat, "display", lambda bundle, raw=False: shown.append(bundle))
        widget, _ = self.widget()
        assert widget.input.description == "Message"
        assert {b.description for b in widget.buttons.values()} == {"Send", "Stop", "Clear"}
        assert all(b.tooltip for b in widget.buttons.values())
        assert "role='log' aria-label='Conversation'" in widget.log.value
        assert "no Python runs" in widget.status.value
        widget._ipython_display_()
        assert shown[0]["text/plain"].startswith("A chat: ")
        assert isinstance(widget.box, ipywidgets.VBox)


def test_talking_in_the_terminal(monkeypatch, capsys):
    lines = iter(["Hi", "x" * 900, ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    monkeypatch.setattr(chat, "load_smollm2", lambda precision: (small_model(), TOKENIZER))
    monkeypatch.setattr(chat, "Sampler", lambda *_, **__: Script("Hello"))
    real = chat.Chat
    monkeypatch.setattr(
        chat, "Chat", lambda *args, **kw: real(*args, **kw, window=400, max_new_tokens=50)
    )
    assert chat.main([]) == 0
    hello, refused = capsys.readouterr().out.splitlines()
    assert hello == "Hello"
    assert refused.startswith("message: expected at most 350 tokens")
