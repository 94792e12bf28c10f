"""What a training run tells as it goes: a history, a bar, a plot that grows, files.

Used by ``course_lib.training``.
"""

import csv
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from course_lib.files import reason, written_whole


class Row(TypedDict):
    """What is told of some steps; ``val_loss`` is None where the model wasn't evaluated."""

    step: int
    loss: float
    val_loss: float | None
    learning_rate: float
    grad_norm: float
    seconds: float
    tokens_per_second: float


def somebody_watches() -> bool:
    """Say whether a person sees the output as it comes: at a terminal, or in a live notebook.

    A notebook that a program runs can't ask its user anything. Its output is kept, so that
    progress bars have no place in it.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    return bool(kernel._allow_stdin) if kernel else sys.stderr.isatty()


class TrainingLog:
    """Gathers rows; shows and writes them. To be used in a ``with`` statement.

    Args:
        history: rows of the steps already done.
        steps: length of the training.
        folder: for ``log.csv`` and TensorBoard's files; None for no files.
        progress: show a bar where somebody watches.
        live_plot: draw the loss, in a notebook where somebody watches.
    """

    def __init__(
        self,
        history: list[Row],
        steps: int,
        folder: str | Path | None,
        progress: bool,
        live_plot: bool,
    ) -> None:
        self.history, self.steps = history, steps
        self.folder = Path(folder) if folder else None
        watched = somebody_watches()
        self._show_bar, self._show_plot = progress and watched, live_plot and watched
        self._losses: list[Tensor] = []  # since the last row; on a GPU, reading them waits for it
        self._norms: list[Tensor] = []
        self._tokens = 0
        self._seconds = history[-1]["seconds"] if history else 0.0

    def __enter__(self) -> "TrainingLog":
        done = self.history[-1]["step"] if self.history else 0
        if self.folder:
            with self._writing():
                self._open(self.folder, done)
        self._bar = tqdm(
            total=self.steps, initial=done, disable=not self._show_bar, unit="step", desc="training"
        )
        self._plot = _Plot() if self._show_plot else None
        self.start_clock()
        return self

    def _open(self, folder: Path, done: int) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog  # slow to import
        from tensorboard.summary.writer.record_writer import RecordWriter

        # A table: the rows of the steps already done, and open for those that follow.
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "log.csv"
        with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, Row.__annotations__)
            writer.writeheader()
            writer.writerows(self.history)
        self._file = path.open("a", newline="", encoding="utf-8")

        # TensorBoard's file. Not torch's SummaryWriter: its thread prints an error and ends.
        self._board = (folder / f"events.out.tfevents.{time.time():.6f}").open("ab")
        self._records = RecordWriter(self._board)
        self._add_event(file_version="brain.Event:2")
        # TensorBoard drops what an earlier run wrote of the steps that follow.
        self._add_event(step=done + 1, session_log=SessionLog(status=SessionLog.START))

    def _add_event(self, **fields: object) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())
        self._board.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in one sentence which log can't be written."""
        try:
            yield
        except OSError as error:
            step = self.history[-1]["step"] if self.history else 0
            raise OSError(
                f"{self.folder}: the log of step {step} can't be written ({reason(error)}); free "
                "space there, or name another folder"
            ) from error

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._bar.close()
        if self._plot:
            self._plot.close(self.history)
        if self.folder:
            # What ended the training must not be hidden by a file that can't be closed.
            with suppress(OSError) if kind else self._writing():
                self._file.close()
            with suppress(OSError) if kind else self._writing():
                self._board.close()

    def start_clock(self) -> None:
        """Begin to measure: what came before, such as an evaluation, isn't training."""
        self._since = time.perf_counter()

    def step(self, loss: Tensor, grad_norm: Tensor, tokens: int) -> None:
        """Note a step; nothing is read from the device yet."""
        self._losses.append(loss)
        self._norms.append(grad_norm)
        self._tokens += tokens

    def read(self) -> list[tuple[float, float]]:
        """Return loss and gradient norm of the steps since the last row, from the device."""
        losses, norms = torch.stack(self._losses).tolist(), torch.stack(self._norms).tolist()
        return list(zip(losses, norms, strict=True))

    def add_row(self, done: int, learning_rate: float, losses: list[float], norm: float) -> None:
        """Sum the steps since the last row up in a new one, and stop the clock."""
        took = time.perf_counter() - self._since
        self._seconds += took
        self.history.append(
            {
                "step": done,
                "loss": sum(losses) / len(losses),
                "val_loss": None,
                "learning_rate": learning_rate,
                "grad_norm": norm,
                "seconds": self._seconds,
                "tokens_per_second": self._tokens / max(took, 1e-9),
            }
        )
        self._losses, self._norms, self._tokens = [], [], 0
        self._bar.update(len(losses))

    def show(self) -> None:
        """Show the last row and write it to the files."""
        # Behind the bar, and in the plot.
        row = self.history[-1]
        shown = {"loss": f"{row['loss']:.3f}", "tokens/s": f"{row['tokens_per_second']:,.0f}"}
        if row["val_loss"] is not None:
            shown["val"] = f"{row['val_loss']:.3f}"
        self._bar.set_postfix(shown)
        if self._plot:
            self._plot.draw(self.history)
        # In the table, and for TensorBoard.
        if self.folder:
            with self._writing():
                csv.DictWriter(self._file, Row.__annotations__).writerow(row)
                self._file.flush()
                values = [
                    {"tag": name, "simple_value": value}
                    for name, value in row.items()
                    if name != "step" and value is not None
                ]
                self._add_event(step=row["step"], summary={"value": values})


class _Plot:
    """The loss so far, drawn anew in the same place of a notebook."""

    def __init__(self) -> None:
        import matplotlib.pyplot as plt
        from IPython.display import display

        self._figure, self._ax = plt.subplots()
        self._handle = display(self._figure, display_id=True)
        self._drawn = -math.inf

    def draw(self, history: list[Row], pause: float = 2.0) -> None:
        """Draw, unless it was drawn less than ``pause`` seconds ago."""
        if time.perf_counter() < self._drawn + pause:
            return
        self._drawn = time.perf_counter()
        self._ax.clear()
        losses = [(row["step"], row["loss"]) for row in history]
        held_out = [
            (row["step"], row["val_loss"]) for row in history if row["val_loss"] is not None
        ]
        for name, points, style in (("loss", losses, "-"), ("val_loss", held_out, "o-")):
            self._ax.plot(*np.array(points, float).reshape(-1, 2).T, style, label=name)
        self._ax.set(xlabel="step", ylabel="loss (nats)")
        self._ax.legend()
        self._handle.update(self._figure)

    def close(self, history: list[Row]) -> None:
        """Draw a last time."""
        import matplotlib.pyplot as plt

        self.draw(history, pause=0)
        plt.close(self._figure)
