"""Conversations: a chat with SmolLM2, in Python, in a notebook, and in the terminal.

Taught in 'Dialogue'; `course_lib.studies.dialogue` trains an assistant.
"""

import argparse
import contextlib
import html
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence

import ipywidgets
from IPython.display import display

from course_lib import data
from course_lib.checks import check_sizes, expect
from course_lib.generation import GREEDY, Choose, Sampler, stream
from course_lib.model import GPT
from course_lib.pretrained import SYSTEM_PROMPT, encode_chat, load_smollm2
from course_lib.text import BPETokenizer

Message = Mapping[str, str]  # with "role" and "content"


def trim(tokenizer: BPETokenizer, messages: Sequence[Message], window: int) -> list[Message]:
    """Return a conversation without its oldest turns, so that it fits the window.

    A system message and the last message always stay. What is left begins with a user's message.

    Args:
        tokenizer: SmolLM2's.
        messages: as for :func:`course_lib.pretrained.encode_chat`.
        window: tokens that the model may read, those that begin its answer included.

    Raises:
        ValueError: if what must stay doesn't fit, or the window is not a whole number above 0.
    """
    check_sizes(window=window)
    system = [message for message in messages[:1] if message["role"] == "system"]
    turns = list(messages[len(system) :])
    while (length := len(encode_chat(tokenizer, [*system, *turns]))) > window:
        starts = [i for i, turn in enumerate(turns) if turn["role"] == "user" and i > 0]
        if not starts:
            raise ValueError(
                f"message: expected at most {window} tokens with the system prompt, got {length}; "
                "write less, or give the chat a larger window"
            )
        turns = turns[starts[0] :]
    return [*system, *turns]


class Chat:
    """A conversation with SmolLM2, or another model that was trained on its template.

    Args:
        model: in any precision.
        tokenizer: the model's.
        system: what the assistant is told before the conversation.
        choose: how tokens are chosen; see :func:`course_lib.generation.stream`.
        window: tokens that the model may read at once, its answer included. A model reads all of
            them before it answers: a small window answers sooner, and forgets sooner.
        max_new_tokens: of an answer.

    Attributes:
        messages: what was said so far, without the system message.
        forgotten: how many of them, from the first, the last answer was made without.

    Raises:
        ValueError: if the window is larger than the model's context, or not larger than an answer;
            or if the system prompt has a special token.
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: BPETokenizer,
        system: str = SYSTEM_PROMPT,
        *,
        choose: Choose = GREEDY,
        window: int = 1024,
        max_new_tokens: int = 200,
    ) -> None:
        check_sizes(window=window, max_new_tokens=max_new_tokens)
        context = model.config.context
        fine = f"more than max_new_tokens={max_new_tokens}, at most the model's context={context}"
        expect(max_new_tokens < window <= context, "window", fine, window)
        self.model, self.tokenizer, self.choose = model, tokenizer, choose
        self.system: Message = {"role": "system", "content": system}
        encode_chat(tokenizer, [self.system])  # refuses what it can't write
        self.window, self.max_new_tokens = window, max_new_tokens
        self._stopping = threading.Event()  # of the newest answer: each has its own
        self.clear()

    def clear(self) -> None:
        """Forget what was said; an answer that is being written ends."""
        self.stop()
        self.messages: list[dict[str, str]] = []
        self.forgotten = 0

    def stop(self) -> None:
        """End the answer that is being written; what there is of it stays."""
        self._stopping.set()

    def send(self, text: str) -> Iterator[str]:
        """Say something, and return the answer piece by piece as the model writes it.

        The answer ends at the first special token, or text that reads like one. If the model fails,
        the conversation is as it was before. An answer that is still being written ends.

        Args:
            text: the user's message.

        Raises:
            ValueError: at once, if the text is empty, doesn't fit the window, or has a special
                token.
        """
        said = [{"role": "user", "content": text.strip()}, {"role": "assistant", "content": ""}]
        expect(said[0]["content"] != "", "message", "some text", "none")
        all_messages = [self.system, *self.messages, said[0]]
        seen = trim(self.tokenizer, all_messages, self.window - self.max_new_tokens)
        prompt = encode_chat(self.tokenizer, seen)
        self.stop()
        self._stopping, forgotten = threading.Event(), self.forgotten
        self.forgotten = len(all_messages) - len(seen)
        self.messages += said
        return self._answer(prompt, said, self.messages, forgotten, self._stopping)

    def _answer(
        self,
        prompt: list[int],
        said: list[dict[str, str]],
        messages: list[dict[str, str]],
        forgotten: int,
        stopping: threading.Event,
    ) -> Iterator[str]:
        # Stopped before its first piece: nothing is said.
        if stopping.is_set():
            return
        # What is written is part of the conversation at once.
        try:
            for piece in stream(
                self.model,
                self.tokenizer,
                prompt,
                self.choose,
                max_new_tokens=self.max_new_tokens,
                stop=list(self.tokenizer.special_tokens),  # none can be read in a later turn
            ):
                said[1]["content"] += piece
                yield piece
                if stopping.is_set():
                    return
        # A model that fails leaves the conversation as it was.
        except Exception:
            messages[:] = [each for each in messages if not any(each is mine for mine in said)]
            if messages is self.messages:
                self.forgotten = forgotten
            raise


_NO_KERNEL = (
    "Write below and press Enter. In the pages of the book no Python runs: there the buttons do "
    "nothing. Open the notebook and run it to talk to the model on your own machine."
)


class ChatWidget:
    """A chat in a notebook; the answer is written in the background as the model makes it.

    Enter or Send sends; Stop ends an answer, Clear the conversation.

    Args:
        chat: what was said in it already is shown.
    """

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self._thread: threading.Thread | None = None
        wide = ipywidgets.Layout(width="auto")
        self.log = ipywidgets.HTML(layout=wide)
        self.status = ipywidgets.HTML(f"<span role='status'>{_NO_KERNEL}</span>", layout=wide)
        self.input = ipywidgets.Text(
            description="Message", placeholder="Write here; Enter sends", layout=wide
        )
        self.buttons = {
            name: ipywidgets.Button(description=name, tooltip=about, disabled=name == "Stop")
            for name, about in (
                ("Send", "Send the message"),
                ("Stop", "End the answer that is being written"),
                ("Clear", "Begin a new conversation"),
            )
        }
        for name, action in {"Send": self.send, "Stop": chat.stop, "Clear": self.clear}.items():
            self.buttons[name].on_click(lambda _, action=action: action())
        # Enter sends this message; a change of the value comes also when the field is left.
        self.input.on_msg(self._enter)
        row = ipywidgets.HBox(list(self.buttons.values()))
        self.box = ipywidgets.VBox([self.log, self.status, self.input, row])
        self._show()

    def _ipython_display_(self) -> None:
        if not hasattr(self.box, "_repr_mimebundle_"):  # ipywidgets 7, as in Colab
            display(self.box)
            return
        bundle = self.box._repr_mimebundle_()
        bundle["text/plain"] = "A chat: a field for the message, and Send, Stop and Clear"
        display(bundle, raw=True)

    def send(self) -> None:
        """Send what is in the field; the answer is written in the background."""
        if self._thread is not None and self._thread.is_alive():
            self._say("Wait until the answer is written, or stop it.")
            return
        try:
            pieces = self.chat.send(self.input.value)
        except ValueError as error:
            self._say(str(error))
            return
        self.input.value = ""
        self._say("The assistant is writing.")
        self.buttons["Stop"].disabled = False
        self._thread = threading.Thread(target=self._write, args=(pieces,), daemon=True)
        self._thread.start()

    def _enter(self, _: object, content: Mapping[str, object], __: object) -> None:
        if content.get("event") == "submit":
            self.send()

    def clear(self) -> None:
        """Begin a new conversation."""
        self.chat.clear()
        self._show()
        self._say("A new conversation.")

    def wait(self) -> None:
        """Return when the answer is written."""
        if self._thread is not None:
            self._thread.join()

    def _write(self, pieces: Iterator[str]) -> None:
        try:
            self._show(busy=True)
            for _ in pieces:
                self._show(busy=True)
        except Exception as error:  # of the model: in a thread nobody else would tell
            self._say(f"The model failed. {type(error).__name__}: {error}")
        else:
            self._say("Your turn.")
        self.buttons["Stop"].disabled = True
        self._show()

    def _say(self, text: str) -> None:
        self.status.value = f"<span role='status'>{html.escape(text)}</span>"

    def _show(self, busy: bool = False) -> None:
        """Write the conversation; a screen reader reads a turn when it is whole."""
        names = {"user": "You", "assistant": "Assistant"}
        rows = [
            f"<p style='white-space: pre-wrap; margin: 0.3em 0'><b>{names[message['role']]}:</b> "
            f"{html.escape(message['content'])}</p>"
            for message in self.chat.messages
        ]
        if self.chat.forgotten:
            line = "<p><i>What stands above is out of the window: the model forgot it.</i></p>"
            rows.insert(self.chat.forgotten, line)
        self.log.value = (
            f"<div role='log' aria-label='Conversation' aria-busy='{str(busy).lower()}'>"
            f"{''.join(rows)}</div>"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Talk to SmolLM2 in the terminal; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.chat",
        description="Talk to SmolLM2-135M. Ctrl-C ends an answer, at the prompt the chat.",
    )
    parser.add_argument("--system", default=SYSTEM_PROMPT, help="the system prompt [%(default)s]")
    parser.add_argument(
        "--temperature", type=float, default=0.7, help="0 always takes the likeliest [%(default)s]"
    )
    args = parser.parse_args(arguments)
    # The model, in 4 bits: it answers soonest.
    try:
        choose = Sampler(args.temperature, top_p=0.9)
        chat = Chat(*load_smollm2("int4"), args.system, choose=choose)
    except (ValueError, data.DataError) as error:
        print(error, file=sys.stderr)
        return 1
    # One turn a line; an empty line, or the end of the input, ends the chat.
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while line := input("> ").strip():
            try:
                for piece in chat.send(line):
                    print(piece, end="", flush=True)
            except KeyboardInterrupt:
                print(" [stopped]", end="")
            except ValueError as error:
                print(error, end="")
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
