"""What grading says of a submission: plain records, which import nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What one submission may use; what goes beyond it costs the exercise, never the batch.

    Attributes:
        seconds: for one exercise's tests, by the clock on the wall.
        cell_seconds: for one cell of the notebook.
        total_seconds: for the whole submission, by the clock on the wall.
        cpu_seconds: of processor time in the sandbox, its torch import included.
        memory: bytes of private memory in the sandbox.
        disk: bytes that may be written, all files together.
        output: bytes of one answer's return value, and of all that is printed.
        processes: processes and threads in the sandbox.
        calls: calls of the answer, or back into the judge, for one exercise.
        depth: calls within calls.
        notebook: bytes of the submitted file.
    """

    seconds: float = 60.0
    cell_seconds: float = 20.0
    total_seconds: float = 600.0
    cpu_seconds: float = 600.0
    memory: int = 3 * 2**30
    disk: int = 64 * 2**20
    output: int = 64 * 2**20
    processes: int = 64
    calls: int = 100_000
    depth: int = 16
    notebook: int = 20 * 2**20


@dataclass(frozen=True)
class Verdict:
    """How one exercise went.

    Attributes:
        name: the exercise's.
        points: what it is worth.
        earned: points given; all of them where both tests passed, else none.
        visible: "passed", "not yet", "not written yet" or "missing": the test that learners see.
        hidden: whether the hidden test passed.
        message: the hint of the test that failed, as plain text of at most 500 characters.
        seconds: how long its tests took.
    """

    name: str
    points: float
    earned: float
    visible: str
    hidden: bool
    message: str
    seconds: float


@dataclass(frozen=True)
class Graded:
    """How one submission went.

    Attributes:
        submission: the notebook's path.
        chapter: the chapter's name, as of its notebook.
        seed: what the tests' own draws started from.
        verdicts: one per exercise, in the chapter's order.
        problems: what was wrong with the file or with how it ran, in one sentence each.
        seconds: how long all of it took.
    """

    submission: Path
    chapter: str
    seed: int
    verdicts: list[Verdict] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Job:
    """One submission to grade.

    Attributes:
        submission: the notebook's path.
        chapter: the chapter's name.
        seed: what the tests' own draws start from.
        own: what the learner's own numbers are drawn from, if the exercises have any.
    """

    submission: Path
    chapter: str
    seed: int
    own: str = ""
