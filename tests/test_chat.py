"""The chat: what is trained on, what is forgotten, and a widget that a scripted model answers."""

import threading

import ipywidgets
import pytest
import torch

from course_lib import chat
from course_lib.chat import Chat, ChatWidget
from course_lib.model import GPT, GPTConfig
from course_lib.pretrained import END_OF_TURN, START_OF_TURN, encode_chat
from course_lib.text.tokenizer import BPETokenizer

END_OF_TEXT = "<|endoftext|>"
TOKENIZER = BPETokenizer([], [START_OF_TURN, END_OF_TURN, END_OF_TEXT])
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
        special = TOKENIZER.special_tokens
        self.tokens = [t for answer in answers for t in (*TOKENIZER.encode(answer, special), END)]
        self.prompts: list[str] = []
        self.at_mark, self.go_on = threading.Event(), threading.Event()

    def __call__(self, logits, tokens):
        self.prompts.append(TOKENIZER.decode(tokens[0]))
        token = self.tokens.pop(0)
        if token == TOKENIZER.encode("!")[0]:
            self.at_mark.set()
            assert self.go_on.wait(600)
        if token == TOKENIZER.encode("#")[0]:
            raise RuntimeError("no more memory")
        return torch.tensor([token])


def new_chat(*answers, **settings):
    script = Script(*answers)
    settings = {"window": 400, "max_new_tokens": 50} | settings
    return Chat(small_model(), TOKENIZER, "Be kind.", choose=script, **settings), script


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

    @pytest.mark.parametrize("sign", [END_OF_TEXT, START_OF_TURN, END_OF_TURN])
    @pytest.mark.parametrize("as_text", [False, True])
    def test_any_special_token_ends_the_answer_and_the_next_turn_works(self, sign, as_text):
        talk, script = new_chat(f"Yes{sign}No", "Well", "Good")
        if as_text:  # the same signs in plain tokens
            script.tokens[3:4] = [TOKENIZER.vocab[bytes([byte])] for byte in sign.encode()]
        assert "".join(talk.send("Hi")) == "Yes"
        del script.tokens[:3]  # what would have come behind it
        assert "".join(talk.send("And?")) == "Well"
        assert "".join(talk.send("So?")) == "Good"
        assert [m["content"] for m in talk.messages] == ["Hi", "Yes", "And?", "Well", "So?", "Good"]

    @pytest.mark.parametrize(
        "answer",
        ["", " \n", "a" * 49 + "é", "a" * 48 + "🙂", "<|im_", "\ufffd", "\x00", f"{END_OF_TEXT}"],
    )
    def test_whatever_was_answered_the_next_turn_works(self, answer):
        talk, script = new_chat(answer)  # 50 tokens: the last two are cut inside a character
        first = "".join(talk.send("Hi"))
        assert talk.messages[1]["content"] == first
        script.tokens = [*TOKENIZER.encode("Well"), END]
        assert "".join(talk.send("And?")) == "Well"
        assert len(talk.messages) == 4

    def test_an_answer_that_was_left_alone_ends_when_the_next_is_asked_for(self):
        talk, script = new_chat("One", "Two")
        first = talk.send("a")
        assert next(first) == "O"
        script.tokens = [*TOKENIZER.encode("Two"), END]
        second = talk.send("b")
        assert next(second) == "T"
        assert list(first) == []
        assert "".join(second) == "wo"
        assert [m["content"] for m in talk.messages] == ["a", "O", "b", "Two"]
        unheard = talk.send("c")
        script.tokens = [*TOKENIZER.encode("Four"), END]
        assert "".join(talk.send("d")) == "Four"
        assert list(unheard) == []
        assert [m["content"] for m in talk.messages[4:]] == ["c", "", "d", "Four"]

    def test_a_failure_takes_back_its_own_turn_only(self):
        talk, script = new_chat("One.", "Two.", "Three.#", window=145)
        for text in ("first", "second"):
            list(talk.send(text))
        before, forgotten = [dict(message) for message in talk.messages], talk.forgotten
        failing = talk.send("third")
        assert talk.forgotten != forgotten
        with pytest.raises(RuntimeError, match="no more memory"):
            list(failing)
        assert talk.messages == before
        assert talk.forgotten == forgotten
        script.tokens = [*TOKENIZER.encode("Well"), END]
        assert "".join(talk.send("fourth")) == "Well"

    def test_a_refused_message_leaves_everything(self):
        talk, _ = new_chat("Hello", "Well")
        pieces = talk.send("Hi")
        next(pieces)
        for text in ("", "x" * 900, *TOKENIZER.special_tokens, "\ud800"):
            with pytest.raises(ValueError, match=r"message|special|surrogates"):
                talk.send(text)
        assert "".join(pieces) == "ello", "the answer that is being written goes on"
        assert len(talk.messages) == 2
        assert "".join(talk.send("And?")) == "Well"

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

    @pytest.mark.parametrize("name", ["window", "max_new_tokens"])
    @pytest.mark.parametrize("wrong", [0, -1, 60.0, True, float("nan"), None])
    def test_numbers_out_of_range_are_refused_by_name(self, name, wrong):
        with pytest.raises(ValueError, match=f"^{name}: expected a whole number above 0, got"):
            new_chat(**{name: wrong})
        if name == "window":
            with pytest.raises(ValueError, match=r"^window: expected a whole number above 0, got"):
                chat.trim(TOKENIZER, TURNS, wrong)

    def test_a_system_prompt_with_a_special_token_is_refused_at_once(self):
        with pytest.raises(ValueError, match="has the special token"):
            Chat(small_model(), TOKENIZER, f"Be{END_OF_TURN}", window=400, max_new_tokens=50)


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
        assert script.at_mark.wait(600)
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

    def test_a_special_token_in_an_answer_does_not_break_the_next_turn(self):
        widget, script = self.widget(f"Yes{END_OF_TEXT}")
        for text, answer in (("Hi", "Yes"), ("And?", "Well")):
            widget.input.value = text
            widget.send()
            widget.wait()
            assert widget.chat.messages[-1]["content"] == answer
            assert "Your turn." in widget.status.value
            script.tokens = [*TOKENIZER.encode("Well"), END]

    def test_clear_while_an_answer_is_written(self):
        widget, script = self.widget("Oh!no")
        widget.input.value = "Hi"
        widget.send()
        assert script.at_mark.wait(600)
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


def talk_to_a_small_model(monkeypatch, read_line):
    """Let the terminal's chat read its lines from a function, and run on a small model."""
    real = chat.Chat
    monkeypatch.setattr("builtins.input", read_line)
    monkeypatch.setattr(chat, "load_smollm2", lambda precision: (small_model(), TOKENIZER))
    monkeypatch.setattr(
        chat, "Chat", lambda *args, **kw: real(*args, **kw, window=400, max_new_tokens=50)
    )


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_the_end_of_the_input_and_ctrl_c_at_the_prompt_end_the_chat(monkeypatch, end):
    def ending(prompt):
        raise end

    talk_to_a_small_model(monkeypatch, ending)
    assert chat.main([]) == 0


def test_talking_in_the_terminal(monkeypatch, capsys):
    lines = iter(["Hi", "x" * 900, "So?", "And?", ""])
    talk_to_a_small_model(monkeypatch, lambda prompt: next(lines))
    monkeypatch.setattr(chat, "Sampler", lambda *_, **__: Script("Hello", f"No{END_OF_TEXT}"))
    assert chat.main([]) == 0
    hello, refused, no, nothing = capsys.readouterr().out.splitlines()
    assert (hello, no, nothing) == ("Hello", "No", "")
    assert refused.startswith("message: expected at most 350 tokens")
