"""Many submissions at once: each has a judge of its own, forked from one that has torch loaded.

A judge that dies, of whatever a submission made it do, costs that submission alone. A worker that
ends before it was given anything of a submission costs nobody anything: grading waits until nothing
else runs, and tries a worker that no learner's code comes near. If that one fails, too, grading
stops; else the submission is graded once more, alone.
"""

import contextlib
import dataclasses
import json
import os
import resource
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from course_lib.assignments import groups, sandbox, zygote
from course_lib.assignments.engines import Engine
from course_lib.assignments.verdicts import Graded, Job, Limits, Verdict

JUDGE_MEMORY = 4 * 2**30  # bytes that a judge may take for what an answer returns
NOT_STARTED = "not started"  # in place of what came out: why a worker couldn't be
TRIES, PAUSE = 3, 1.0  # of a worker alone, and seconds between: what was ended may still be ending


@dataclasses.dataclass
class Running:
    """A judge at work."""

    job: Job
    pid: int
    deadline: float
    again: bool = False
    text: bytes = b""


def to_text(graded: Graded) -> str:
    """Return a graded submission as JSON."""
    return json.dumps(dataclasses.asdict(graded) | {"submission": str(graded.submission)})


def from_text(text: str | bytes) -> Graded:
    """Return what :func:`to_text` wrote.

    Raises:
        ValueError: if it isn't whole.
    """
    said = json.loads(text)
    said["verdicts"] = [Verdict(**one) for one in said["verdicts"]]
    return Graded(**said | {"submission": Path(said["submission"])})


def failed(job: Job, why: str) -> Graded:
    """Return what is said of a submission whose judge ended."""
    from course_lib.assignments.cells import chapter_path, read_chapter

    exercises = read_chapter(chapter_path(job.chapter))
    lost = [Verdict(one.name, one.points, 0.0, "not yet", False, why, 0.0) for one in exercises]
    return Graded(job.submission, job.chapter, job.seed, lost, [why])


class Zygotes:
    """One process to fork workers from for each chapter that is being graded."""

    def __init__(self, limits: Limits, engine: Engine | None = None) -> None:
        self.limits, self.begun = limits, dict[str, zygote.Zygote | None]()
        self.engine = engine

    def starter(self, chapter: str, used: set[str]) -> Callable[[], Any]:
        """Return what starts a worker, by a fork if it can; end those of chapters that are done."""
        from course_lib.assignments import judge, peers

        for other in self.begun.keys() - used - {chapter}:
            self.end(other)
        found = self.begun.get(chapter)
        if found is not None and found.process.process.poll() is not None:
            self.end(chapter)  # the system has ended it, for want of memory
        if chapter not in self.begun:
            exercises, _, _ = judge.load(chapter)  # once for all: a forked judge has it already
            peers.warm()
            imports = exercises[0].imports
            self.begun[chapter] = None if self.engine else zygote.begin(self.limits, imports)
        found = self.begun[chapter]
        return found.fork if found else self.anew

    def trial(self, chapter: str, why: str) -> None:
        """Start a worker of which no learner's code comes near.

        Args:
            chapter: whose imports it runs.
            why: what was said of the one that couldn't be started.

        Raises:
            RuntimeError: if it can't be started, either; it says what to do.
        """
        from course_lib.assignments import judge
        from course_lib.assignments.asking import NotStarted, Runs

        for _ in range(TRIES):
            time.sleep(PAUSE)
            start = self.starter(chapter, set())
            imports = judge.load(chapter)[0][0].imports
            runs = Runs([], 0, self.limits, 0.0, start, imports)
            try:
                runs.begin()
                return
            except NotStarted as error:
                why = str(error)
                self.end(chapter)
            finally:
                runs.stop()
        said = self.wrong() or "Is there memory for one? Fewer --workers take less."
        raise RuntimeError(
            f"{chapter}: expected a worker that starts, before it gets any submission, got none "
            f"({why}). {said} Grading stops here, and nobody lost a point by it; what was graded "
            "is kept, and the same command goes on from there."
        )

    def wrong(self) -> str:
        """Return what is wrong with the sandbox, or the engine, and what to do; or nothing."""
        if self.engine is None:
            return sandbox.probe(whole=True)[1]
        try:
            self.engine.need()
        except RuntimeError as error:
            return str(error)
        return ""

    def anew(self) -> Any:
        """Start a worker that isn't a fork."""
        if self.engine:
            return self.engine.start(self.limits)
        return sandbox.start(self.limits, group=groups.make(self.limits))

    def end(self, chapter: str) -> None:
        """End one."""
        if (found := self.begun.pop(chapter, None)) is not None:
            found.end()


def fork(job: Job, limits: Limits, start: Callable[[], Any]) -> tuple[int, int]:
    """Start a judge; return its process id and where its result can be read."""
    from course_lib.assignments import judge
    from course_lib.assignments.asking import NotStarted

    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    try:
        sandbox.libc("prctl", 1, signal.SIGKILL, 0, 0, 0)  # not to outlive who forked it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(read)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + JUDGE_MEMORY, used + JUDGE_MEMORY))
        graded = judge.grade(
            job.submission, job.chapter, seed=job.seed, own=job.own, limits=limits, start=start
        )
        with os.fdopen(write, "w") as out:
            out.write(to_text(graded))
    except NotStarted as error:
        with contextlib.suppress(Exception):
            os.write(write, json.dumps({NOT_STARTED: str(error)[:1000]}).encode())
    except BaseException as error:
        with contextlib.suppress(Exception):
            os.write(write, to_text(failed(job, f"not graded: {type(error).__name__}")).encode())
    finally:
        os._exit(0)


def not_started(text: str | bytes) -> str:
    """Return why a judge's worker couldn't be started, or nothing if it could."""
    with contextlib.suppress(ValueError):
        if isinstance(said := json.loads(text), dict):
            return str(said.get(NOT_STARTED, ""))
    return ""


def grade_many(
    jobs: Iterable[Job],
    workers: int,
    limits: Limits | None = None,
    engine: Engine | None = None,
) -> Iterator[Graded]:
    """Grade many submissions; yield each as it is done.

    Args:
        jobs: what to grade; taken one by one, so that a long list costs no memory.
        workers: how many at once.
        limits: what each submission may use.
        engine: whose containers take bubblewrap's place, if any; it works, as its ``need`` says.

    Raises:
        RuntimeError: where the sandbox can't be built, or no worker can be started in it; it says
            what to do.
    """
    if engine is None:
        sandbox.need()
    groups.sweep()
    limits = limits or Limits()
    waiting, alone = iter(jobs), list[tuple[Job, str]]()
    running: dict[int, Running] = {}
    selector, zygotes = selectors.DefaultSelector(), Zygotes(limits, engine)

    def begin(job: Job, again: bool) -> None:
        used = {one.job.chapter for one in running.values()}
        pid, pipe = fork(job, limits, zygotes.starter(job.chapter, used))
        deadline = time.monotonic() + limits.total_seconds + sandbox.PATIENCE + 30
        running[pipe] = Running(job, pid, deadline, again)
        selector.register(pipe, selectors.EVENT_READ)

    try:
        while True:
            # One whose worker couldn't be started goes alone, after a worker without it.
            if alone and not running:
                first, why = alone.pop()
                zygotes.trial(first.chapter, why)
                begin(first, again=True)
            free = workers if not any(one.again for one in running.values()) else 1
            while not alone and len(running) < free:
                if (job := next(waiting, None)) is None:
                    break
                begin(job, again=False)
            if not running:
                return
            for key, _ in selector.select(timeout=1):
                one = running[key.fd]
                if got := os.read(key.fd, 2**16):
                    one.text += got
                    continue
                selector.unregister(key.fd)
                os.close(key.fd)
                os.waitpid(one.pid, 0)
                groups.sweep()  # what a judge that was killed has left
                del running[key.fd]
                why = not_started(one.text)
                if why and not one.again:
                    alone.append((one.job, why))
                    continue
                try:
                    done = from_text(one.text)
                except (ValueError, KeyError):
                    done = failed(one.job, why or "its judge ended early")
                yield done
            for one in running.values():
                if time.monotonic() > one.deadline:
                    os.kill(one.pid, signal.SIGKILL)
    finally:
        for pipe, one in running.items():
            with contextlib.suppress(OSError):
                os.kill(one.pid, signal.SIGKILL)
                os.waitpid(one.pid, 0)
                os.close(pipe)
        for chapter in list(zygotes.begun):
            zygotes.end(chapter)
        selector.close()
