"""Grading in a Dask cluster: all results are there, each once, also if a worker is killed."""

import json
import os
import signal
import sys
from collections import Counter
from types import SimpleNamespace

import psutil
import pytest
from graded_class import EXERCISES, LIGHT_EXERCISES, hand_in

from course_lib.assignments import cluster, pool, sandbox
from course_lib.assignments.__main__ import main
from course_lib.assignments.grade import grade
from course_lib.assignments.gradebook import FILE, Gradebook, fingerprint
from course_lib.assignments.verdicts import Job

LEARNERS = 7
RIGHT = {one.name: one.solution for one in LIGHT_EXERCISES}
WRONG = RIGHT | {"one_step": "def one_step(*_):\n    return 0"}


@pytest.fixture
def two():
    """A cluster of two processes of one thread each on this machine, and a client of it."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield made.scheduler_address, client


@pytest.mark.long
def test_a_worker_is_killed_and_all_results_are_there_each_once(walls, two, tmp_path):
    address, client = two
    course = hand_in(tmp_path, LEARNERS, lambda i: {**(WRONG if i % 2 else RIGHT), "fit": f"# {i}"})
    pids = list(client.run(os.getpid).values())
    seen, left = Counter(), []

    def runner(jobs, workers):
        for number, result in enumerate(cluster.runner(address)(jobs, workers)):
            seen[result.submission.parts[-3]] += 1
            if number == 1:  # both are at work: more wait than there are threads
                victim = psutil.Process(pids[0])
                left.extend(victim.children(recursive=True))
                victim.send_signal(signal.SIGKILL)
            yield result

    done = grade(course, runner=runner)
    assert done["graded"] == LEARNERS
    assert seen == {f"learner{number:02d}": 1 for number in range(LEARNERS)}
    with Gradebook(course / FILE) as book:
        scores = [row["score"] for row in book.scores()]
    points = {one.name: one.points for one in LIGHT_EXERCISES}
    rest = sum(points.values()) - points["fit"]
    assert scores == [rest - points["one_step"] * (number % 2) for number in range(LEARNERS)]
    assert left, "its judge and the sandbox ran"
    assert not psutil.wait_procs(left, timeout=10)[1], "they ended with it"
    again = grade(course, runner=cluster.runner(address))
    assert (again["graded"], again["unchanged"]) == (0, LEARNERS)


def test_without_dask_it_says_what_to_install(monkeypatch, course, capsys):
    monkeypatch.setattr(sandbox, "why_not", lambda: None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    run = ["grade", "--course", str(course), "--again", "--scheduler", "tcp://127.0.0.1:9"]
    assert main(run) == 2
    assert "expected Dask's distributed, got none; install it" in capsys.readouterr().err


def test_where_nothing_answers_it_says_so(monkeypatch, course, capsys):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    run = ["grade", "--course", str(course), "--again", "--scheduler", "tcp://127.0.0.1:9"]
    assert main(run) == 2
    said = capsys.readouterr().err
    assert "--scheduler: expected the address of a Dask scheduler" in said
    assert "tcp://127.0.0.1:9" in said


def test_only_plain_values_go_to_a_worker(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_bytes(b"\xff{}")
    sent = cluster.packed(Job(path, "background", 7))
    assert [type(one) for one in sent] == [str, str, int, str, str]


def test_a_machine_that_cannot_start_a_worker_stops_grading_and_says_which(monkeypatch, tmp_path):
    said = json.dumps({pool.NOT_STARTED: "no worker starts"})
    worker = SimpleNamespace(address="tcp://10.0.0.2:1", local_directory=str(tmp_path))
    monkeypatch.setattr(cluster, "dask", lambda: SimpleNamespace(get_worker=lambda: worker))
    monkeypatch.setattr(sandbox, "why_not", lambda: None)
    monkeypatch.setattr(cluster, "ask", lambda _: said)
    mark = fingerprint(EXERCISES)
    with pytest.raises(RuntimeError, match=r"worker tcp://10.0.0.2:1: no worker starts"):
        cluster.grade_one("", "background", 1, "", mark)


def test_a_process_that_cannot_start_a_worker_says_so_to_the_machine(monkeypatch, capsys):
    def nothing(*_):
        raise RuntimeError("no worker starts")

    monkeypatch.setattr(pool, "grade_many", nothing)
    monkeypatch.setattr(sandbox, "libc", lambda *_: 0)
    cluster.main()
    assert pool.not_started(capsys.readouterr().out) == "no worker starts"
