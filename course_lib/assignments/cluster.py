"""Grade on several machines: the same runner in the workers of Dask's ``distributed``.

Each thread of a worker keeps a process of :func:`pool.grade_many`, which forks judges as on one
machine. A notebook goes there as bytes, its verdicts come back as JSON; whoever asked writes the
gradebook. Dask itself sends functions by pickle: its machines trust each other, and learners' code
runs in none of its processes.
"""

import base64
import contextlib
import dataclasses
import importlib
import json
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from course_lib.assignments import pool, sandbox
from course_lib.assignments.cells import chapter_path, read_chapter
from course_lib.assignments.gradebook import fingerprint
from course_lib.assignments.submission import read_file
from course_lib.assignments.verdicts import Graded, Job


class Kept(threading.local):
    """What each thread of a worker keeps: its process that grades."""

    process: subprocess.Popen[str] | None = None


KEPT = Kept()
PATIENCE = 60  # seconds for the scheduler, and for its first worker, to answer


def dask() -> Any:
    """Return Dask's ``distributed``, which only those need who grade so.

    Raises:
        ValueError: where it isn't installed; it says what to do.
    """
    try:
        return importlib.import_module("distributed")
    except ImportError:
        raise ValueError(
            "--scheduler: expected Dask's distributed, got none; install it here and on each "
            "machine that grades: pip install distributed"
        ) from None


def connect(address: str) -> Any:
    """Return a client of the scheduler there.

    Raises:
        ValueError: where nothing answers, or nothing grades; it says what to do.
    """
    try:
        client = dask().Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(
            f"--scheduler: expected the address of a Dask scheduler, such as "
            f"tls://10.0.0.1:8786, got {address!r}, where: {said}"
        ) from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        raise ValueError(
            f"--scheduler: expected a scheduler with workers, got {address!r}, which has none; "
            f"start one on each machine: dask worker {address}"
        ) from None
    return client


def runner(address: str) -> Any:
    """Return what takes jobs and yields what comes out, as :func:`pool.grade_many` does."""
    dask()

    def grade_many(jobs: Sequence[Job], workers: int) -> Iterator[Graded]:
        """Grade in the cluster; its threads say how many at once."""
        waiting, running = iter(jobs), dict[str, Job]()
        with connect(address) as client:
            done = dask().as_completed(loop=client.loop)
            while True:
                # A thread that is done shall find the next one there; more would fill memory.
                ahead = 2 * sum(client.nthreads().values()) or 1
                while len(running) < ahead and (job := next(waiting, None)) is not None:
                    try:
                        future = client.submit(grade_one, *packed(job), pure=False, key=unique())
                    except (OSError, ValueError) as error:
                        yield pool.failed(job, f"not graded: {error}")
                        continue
                    running[future.key] = job
                    done.add(future)
                    del future
                if not running:
                    return
                found = next(done)
                yield result(running.pop(found.key), found)

    return grade_many


def unique() -> str:
    """Return a name of its own, so that nothing that was graded before is taken for it."""
    return f"grade-{uuid.uuid4().hex}"


def packed(job: Job) -> tuple[str, str, int, str, str]:
    """Return what goes to a worker of a job: plain values."""
    content = base64.b64encode(read_file(job.submission)).decode()
    mark = fingerprint(read_chapter(chapter_path(job.chapter)))
    return content, job.chapter, job.seed, job.own, mark


def result(job: Job, future: Any) -> Graded:
    """Return what a worker says of a job."""
    try:
        said = pool.from_text(str(future.result()))
    except dask().KilledWorker:
        return pool.failed(job, "not graded: each worker that had it ended")
    return dataclasses.replace(said, submission=job.submission)


# In a worker


def grade_one(content: str, chapter: str, seed: int, own: str, exercises: str) -> str:
    """Grade one notebook and return its verdicts as JSON.

    Raises:
        RuntimeError: where this machine can't, whatever the notebook is.
    """
    worker = dask().get_worker()
    if (missing := sandbox.why_not()) is not None:
        raise RuntimeError(f"worker {worker.address}: {missing}")
    if fingerprint(read_chapter(chapter_path(chapter))) != exercises:
        raise RuntimeError(
            f"worker {worker.address}: expected the exercises of {chapter} as they are where "
            "grading was begun, got others; install the same version of the course there"
        )
    # Dask removes this folder, also after a worker that was killed.
    path = Path(worker.local_directory, f"{uuid.uuid4().hex}.ipynb")
    path.write_bytes(base64.b64decode(content))
    try:
        said = ask(Job(path, chapter, seed, own))
    finally:
        path.unlink()
    if missing := pool.not_started(said):
        raise RuntimeError(f"worker {worker.address}: {missing}")
    return said


def ask(job: Job) -> str:
    """Let this thread's process grade a job; start one where there is none."""
    if KEPT.process is None or KEPT.process.poll() is not None:
        run = [sys.executable, "-m", __name__]
        KEPT.process = subprocess.Popen(
            run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    process = KEPT.process
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(
            json.dumps([str(job.submission), job.chapter, job.seed, job.own]) + "\n"
        )
        process.stdin.flush()
        if said := str(process.stdout.readline()):
            if pool.not_started(said):
                process.wait()  # it has ended with this
            return said
    return pool.to_text(pool.failed(job, "its judge ended early"))


def jobs() -> Iterator[Job]:
    """Yield what is asked for, line by line."""
    for line in sys.stdin:
        path, *said = json.loads(line)
        yield Job(Path(path), *said)


def main() -> None:
    """Grade what is asked for, until nobody asks any more."""
    sandbox.libc("prctl", 1, signal.SIGKILL, 0, 0, 0)  # not to outlive the worker
    try:
        for graded in pool.grade_many(jobs(), 1):
            print(pool.to_text(graded), flush=True)
    except RuntimeError as error:
        print(json.dumps({pool.NOT_STARTED: str(error)}), flush=True)


if __name__ == "__main__":
    main()
