"""Whatever a download holds: notebooks are taken, nothing goes outside, each fault is said."""

import io
import json
import os
import stat
import zipfile
from datetime import UTC, datetime

import pytest

from course_lib.assignments import unpack
from course_lib.assignments.__main__ import main
from course_lib.assignments.cells import chapter_path
from course_lib.assignments.collect import collect, days_late, owner_of
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.names import student_id
from course_lib.assignments.release import notebooks

RELEASED = notebooks(chapter_path("background"))["release"]


def notebook(answer="1"):
    """Return a learner's notebook as the bytes of its file."""
    cells = json.dumps(RELEASED).replace('raise NotImplementedError(\\"your code here\\")', answer)
    return cells.encode()


def zipped(**files):
    """Return a zip file with these contents, which may come with a ZipInfo for a name."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


@pytest.fixture
def take(tmp_path):
    """Collect files, given by their names; return what is said, and the attempts."""
    inbox, course = tmp_path / "inbox", tmp_path / "course"

    def took(files=None, **options):
        for name, content in (files or {}).items():
            path = inbox / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        done = collect([inbox], course, **options)
        with Gradebook(course / FILE) as book:
            return done, book.attempts()

    took.inbox, took.course = inbox, course
    return took


@pytest.mark.parametrize(
    ("place", "student", "name", "late"),
    [
        ("Ada Lovelace_123_assignsubmission_file_/x.ipynb", "123", "Ada Lovelace", False),
        ("Ada B_ C_123_assignsubmission_file_x.ipynb", "123", "Ada B_ C", False),
        ("lovelaceada_123_456_x-2.ipynb", "123", "lovelaceada", False),
        ("lovelaceada_LATE_123_456_x.ipynb", "123", "lovelaceada", True),
        ("submitted/ada/background/background.ipynb", "ada", "ada", False),
        ("ada/x.ipynb", "ada", "ada", False),
        ("ada/bob/x.ipynb", "ada", "ada", False),
        ("ada_1_2_x.zip/Bob_5_assignsubmission_file_/x.ipynb", "1", "ada", False),
        ("ada_background.ipynb", "ada", "ada", False),
        ("ada.ipynb", "ada", "ada", False),
    ],
)
def test_whose_a_file_is(place, student, name, late):
    found = owner_of(place, ["background"])
    assert (found.student, found.name, found.late) == (student, name, late)


MINE, WORTHLESS = notebook("1"), notebook("2")
FORGED = {  # where a learner writes what another one is to have handed in
    "a folder of their own": "mallory/ada/background.ipynb",
    "named as Moodle names": "mallory/Ada_1_assignsubmission_file_/x.ipynb",
    "named as Canvas names": "mallory/ada_1_2_x/x.ipynb",
}


@pytest.mark.parametrize("place", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("packed", [False, True], ids=["in folders", "in a zip file"])
@pytest.mark.parametrize("around", ["", "clones/"], ids=["each", "within one folder"])
def test_nobody_hands_in_for_another(take, place, packed, around):
    own, _, inner = place.partition("/")
    work = {f"{own}/my.zip": zipped(**{inner: WORTHLESS})} if packed else {place: WORTHLESS}
    held = {"ada/background.ipynb": MINE} | work
    _, attempts = take({f"{around}{name}": content for name, content in held.items()})
    assert {one.student: one.place for one in attempts} == {"ada": 1, "mallory": 1}


@pytest.mark.parametrize("name", ["mallory_9_1_x.zip", "Mallory_9_assignsubmission_file_x.zip"])
def test_a_zip_of_a_learner_is_theirs_also_where_the_download_is_unpacked(take, name):
    work = {"ada/background.ipynb": WORTHLESS, "Ada_1_assignsubmission_file_/x.ipynb": WORTHLESS}
    _, attempts = take({name: zipped(**work)})
    assert {one.student for one in attempts} == {"9"}


def test_a_file_without_a_learner_has_none():
    assert owner_of("background.ipynb", ["background"]) is None


@pytest.mark.parametrize(
    "name",
    [
        "; rm -rf ~",
        "$(touch x)",
        "a\nb",
        "../../up",
        "-rf",
        "..",
        "ада",
        "a" * 300,
        "\x1b[31m",
        "'",
    ],
)
def test_a_learners_id_is_safe_in_a_shell_and_as_a_folder(name):
    safe = student_id(name)
    assert 0 < len(safe) <= 70
    assert all(letter.isascii() and (letter.isalnum() or letter in "._@-") for letter in safe)
    assert safe[0] not in ".-"
    assert student_id(name + "x") != safe
    assert student_id("ada.l@x.org") == "ada.l@x.org"


def test_a_bulk_download_is_taken_and_written_as_nbgrader_has_it(take):
    inner = zipped(**{"work/My answers.ipynb": notebook("3")})
    moodle = zipped(
        **{
            "Ada Lovelace_11_assignsubmission_file_/final (2).ipynb": notebook("1"),
            "Bob_12_assignsubmission_file_/mine.zip": inner,
            "Cy_13_assignsubmission_file_/cy.txt": b"sorry",
        }
    )
    done, attempts = take({"download.zip": moodle, "__MACOSX/x.ipynb": b"x"})
    assert [(one.student, one.chapter) for one in attempts] == [
        ("11", "background"),
        ("12", "background"),
    ]
    assert (done["collected"], done["learners"]) == (2, 2)
    (problem,) = done["problems"]
    assert problem.startswith("Cy_13_assignsubmission_file_/cy.txt: expected a notebook")
    folder = take.course / "submitted" / "11" / "background"
    assert (folder / "background.ipynb").read_bytes() == notebook("1")
    assert (folder / "timestamp.txt").read_text().endswith(" UTC\n")
    with Gradebook(take.course / FILE) as book:
        ada = book.students()[0]
    assert (ada["first_name"], ada["last_name"]) == ("Ada", "Lovelace")


def test_the_last_of_several_attempts_counts_and_all_are_kept(take):
    held = {"ada_LATE_7_200_background-1.ipynb": notebook("2"), "ada_7_100_b.ipynb": notebook("1")}
    _, attempts = take({"canvas.zip": zipped(**held)})
    assert [(one.place, one.late) for one in attempts] == [(1, 0), (2, 1)]
    kept = [(take.course / one.file).read_bytes() for one in attempts]
    assert kept == [notebook("1"), notebook("2")]
    counts = take.course / "submitted" / "7" / "background" / "background.ipynb"
    assert counts.read_bytes() == notebook("2")


def test_what_was_taken_before_is_not_taken_twice(take):
    take({"ada.ipynb": notebook("1")})
    done, attempts = take({"ada (1).ipynb": b""} | {"x/ada.ipynb": notebook("1")})
    assert done["known"] == 1
    assert sum(one.student == "ada" for one in attempts) == 1


def test_the_same_file_of_two_learners_is_told_unless_it_is_as_released(take):
    done, _ = take({"ada.ipynb": notebook("1"), "bob.ipynb": notebook("1")})
    assert done["problems"] == ["bob.ipynb: the same file, byte by byte, as ada's; both are taken"]
    stubs = json.dumps(RELEASED).encode()
    done, _ = take({"cy.ipynb": stubs, "di.ipynb": stubs})
    assert len(done["problems"]) == 0


def test_days_late():
    due = datetime(2027, 1, 31, 17, tzinfo=UTC)
    assert days_late(due, due, False) == 0
    assert days_late(datetime(2027, 1, 31, 17, 1, tzinfo=UTC), due, False) == 1
    assert days_late(datetime(2027, 2, 2, 17, 0, tzinfo=UTC), due, False) == 2
    assert days_late(datetime(2027, 2, 2, 17, 1, tzinfo=UTC), due, False) == 3
    assert days_late(due, None, True) == 1


def test_the_chapter_is_told_by_the_notebook_then_by_its_name_then_by_the_option(take):
    broken = {"ada/background.ipynb": b"{", "bob/x.ipynb": b"{"}
    done, attempts = take(broken | {"cy/scaling.ipynb": notebook()})
    assert [(one.student, one.chapter) for one in attempts] == [
        ("ada", "background"),
        ("cy", "background"),
    ]
    assert done["problems"] == [
        "bob/x.ipynb: expected exercises of a chapter, got none; name it: --chapter"
    ]
    _, attempts = take(chapter="background")
    assert "bob" in {one.student for one in attempts}


def member(name, mode=None):
    info = zipfile.ZipInfo(name)
    if mode:
        info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "name", ["../../up.ipynb", "/etc/up.ipynb", "C:/up.ipynb", "a/../../up.ipynb"]
)
def test_a_zip_that_climbs_out_writes_nothing_outside(take, tmp_path, name):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(member(name), notebook())
        archive.writestr("ada/x.ipynb", notebook())
    before = set(tmp_path.parent.rglob("*up.ipynb*"))
    done, attempts = take({"d.zip": held.getvalue()})
    assert [one.student for one in attempts] == ["ada"]
    assert done["problems"] == [f"{name}: expected a name within the zip file, got one outside"]
    assert set(tmp_path.parent.rglob("*up.ipynb*")) == before


@pytest.mark.parametrize("name", ["", ".", "./.", "\0"])
def test_a_zip_s_file_without_a_name_costs_no_other(take, name):
    nameless = zipfile.ZipInfo("x")
    nameless.filename = nameless.orig_filename = name
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(nameless, notebook())
        archive.writestr("ada/x.ipynb", notebook())
    done, attempts = take({"d.zip": held.getvalue()})
    assert len(attempts) == 1
    assert "expected a name within the zip file, got one outside" in str(done["problems"])


def test_links_in_zips_and_folders_are_refused(take, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(notebook("42"))
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(member("ada/x.ipynb", stat.S_IFLNK | 0o777), str(secret))
    take.inbox.mkdir()
    (take.inbox / "bob.ipynb").symlink_to(secret)
    (take.inbox / "folder").symlink_to(tmp_path)
    os.link(secret, take.inbox / "cy.ipynb")
    os.mkfifo(take.inbox / "di.ipynb")
    done, attempts = take({"d.zip": held.getvalue()})
    assert not attempts
    assert sorted(line.partition(":")[0] for line in done["problems"]) == [
        "ada/x.ipynb",
        "bob.ipynb",
        "cy.ipynb",
        "di.ipynb",
        "folder",
    ]


def test_a_zip_bomb_stops_at_the_limit_and_the_rest_goes_on(take, monkeypatch):
    monkeypatch.setattr(unpack, "LARGEST", 100_000)
    monkeypatch.setattr(unpack, "MOST_BYTES", 250_000)
    bomb = {f"m{number}/x.ipynb": b"0" * 3_000_000 for number in range(4)}
    deep = zipped(**{"a.zip": zipped(**{"b.zip": zipped(**{"c.ipynb": b""})})})
    done, attempts = take(
        {"a.zip": zipped(**bomb), "deep.zip": deep, "z.zip": zipped(**{"ada/x.ipynb": notebook()})}
    )
    assert [one.student for one in attempts] == ["ada"]
    assert len(done["problems"]) == 5
    assert all("MB unpacked" in line or "deeper" in line for line in done["problems"])


def test_a_learner_s_zip_bomb_takes_nobody_s_room(take, monkeypatch):
    monkeypatch.setattr(unpack, "ONES_BYTES", 250_000)
    monkeypatch.setattr(unpack, "MOST_BYTES", 1_000_000)
    bomb = zipped(**{f"{number}.ipynb": b"0" * 200_000 for number in range(40)})
    download = {"Bob_12_assignsubmission_file_/mine.zip": bomb}
    download |= {"Cy_13_assignsubmission_file_/x.ipynb": notebook()}
    done, attempts = take({"d.zip": zipped(**download)})
    assert [one.student for one in attempts] == ["13"]
    assert sum("MB unpacked, got more" in line for line in done["problems"]) == 39
    monkeypatch.setattr(unpack, "ONES_FILES", 39)
    done, _ = take()
    assert "Bob_12_assignsubmission_file_/mine.zip: expected at most 39 files, got 40" in str(done)


def test_a_zip_that_is_none_is_said_and_its_fault_costs_no_other(take):
    whole = bytearray(zipped(**{"bob/x.ipynb": notebook()}))
    whole[60:80] = b"\0" * 20  # a broken content
    done, attempts = take({"a.zip": b"PK", "b.zip": bytes(whole), "ada.ipynb": notebook()})
    assert [one.student for one in attempts] == ["ada"]
    assert len(done["problems"]) == 2


def test_strange_names_are_said_in_one_plain_line_each(take):
    names = ["a\nb/$(touch x).ipynb", "\x1b[31mred/x.txt", "'; DROP TABLE student;--/x.ipynb"]
    done, attempts = take({name: notebook() for name in names})
    assert len(attempts) == 2
    assert all(line.isprintable() for line in done["problems"])
    folders = {path.name for path in (take.course / "submitted").iterdir()}
    assert folders == {one.student for one in attempts}


def test_the_command_says_what_it_took_and_its_status_tells_of_problems(take, capsys):
    take({"ada.ipynb": notebook()})
    where = ["--course", str(take.course), "--due", "2001-01-01T00:00+00:00"]
    assert main(["collect", str(take.inbox), *where]) == 0
    assert "0 collected, 1 known before, of 1 learners" in capsys.readouterr().out
    (take.inbox / "note.txt").write_text("hello")
    assert main(["collect", str(take.inbox), "--json", *where]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 1
    assert main(["collect", str(take.inbox / "none"), *where]) == 2
    assert "FROM: expected a folder, a zip file or a notebook, got" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["collect", str(take.inbox), "--due", "soon"])
    assert stop.value.code == 2
    assert "argument --due: expected a time such as 2027-01-31T17:00" in capsys.readouterr().err
