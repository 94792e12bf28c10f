"""The tables of a gradebook: nbgrader's, and the course's own."""

# nbgrader's tables; references between them are by id.
NBGRADER = {
    "course": "id VARCHAR(128) PRIMARY KEY NOT NULL",
    "student": "id VARCHAR(128) PRIMARY KEY NOT NULL, first_name VARCHAR(128), "
    "last_name VARCHAR(128), email VARCHAR(128), lms_user_id VARCHAR(128)",
    "assignment": "id VARCHAR(32) PRIMARY KEY NOT NULL, name VARCHAR(128) NOT NULL UNIQUE, "
    "duedate DATETIME, course_id VARCHAR(128) NOT NULL REFERENCES course (id)",
    "notebook": "id VARCHAR(32) PRIMARY KEY NOT NULL, name VARCHAR(128) NOT NULL, "
    "assignment_id VARCHAR(32) REFERENCES assignment (id), kernelspec VARCHAR(1024), "
    "UNIQUE (name, assignment_id)",
    "base_cell": "id VARCHAR(32) PRIMARY KEY NOT NULL, name VARCHAR(128) NOT NULL, "
    "notebook_id VARCHAR(32) NOT NULL REFERENCES notebook (id), type VARCHAR(50), "
    "UNIQUE (name, notebook_id, type)",
    "grade_cells": "id VARCHAR(32) PRIMARY KEY NOT NULL REFERENCES base_cell (id), "
    "max_score FLOAT NOT NULL, cell_type VARCHAR(8) NOT NULL",
    "solution_cells": "id VARCHAR(32) PRIMARY KEY NOT NULL REFERENCES base_cell (id)",
    "task_cells": "id VARCHAR(32) PRIMARY KEY NOT NULL REFERENCES base_cell (id), "
    "max_score FLOAT NOT NULL, cell_type VARCHAR(8) NOT NULL",
    "source_cell": "id VARCHAR(32) PRIMARY KEY NOT NULL, name VARCHAR(128) NOT NULL, "
    "cell_type VARCHAR(8) NOT NULL, locked BOOLEAN NOT NULL, source TEXT, checksum VARCHAR(128), "
    "notebook_id VARCHAR(32) REFERENCES notebook (id), UNIQUE (name, notebook_id)",
    "submitted_assignment": "id VARCHAR(32) PRIMARY KEY NOT NULL, "
    "assignment_id VARCHAR(32) REFERENCES assignment (id), "
    "student_id VARCHAR(128) REFERENCES student (id), timestamp DATETIME, extension DATETIME, "
    "UNIQUE (assignment_id, student_id)",
    "submitted_notebook": "id VARCHAR(32) PRIMARY KEY NOT NULL, "
    "assignment_id VARCHAR(32) REFERENCES submitted_assignment (id), "
    "notebook_id VARCHAR(32) REFERENCES notebook (id), flagged BOOLEAN, "
    "late_submission_penalty FLOAT, UNIQUE (notebook_id, assignment_id)",
    "grade": "id VARCHAR(32) PRIMARY KEY NOT NULL, "
    "notebook_id VARCHAR(32) REFERENCES submitted_notebook (id), "
    "cell_id VARCHAR(32) REFERENCES base_cell (id), auto_score FLOAT, manual_score FLOAT, "
    "extra_credit FLOAT, needs_manual_grade BOOLEAN NOT NULL, UNIQUE (cell_id, notebook_id)",
    "comment": "id VARCHAR(32) PRIMARY KEY NOT NULL, "
    "notebook_id VARCHAR(32) REFERENCES submitted_notebook (id), "
    "cell_id VARCHAR(32) REFERENCES base_cell (id), auto_comment TEXT, manual_comment TEXT, "
    "UNIQUE (cell_id, notebook_id)",
}
# The course's own: what was handed in, each attempt, and what came out of its grading.
OWN = {
    "course_attempt": "student TEXT NOT NULL, chapter TEXT NOT NULL, sha256 TEXT NOT NULL, "
    "file TEXT NOT NULL, origin TEXT NOT NULL, time TEXT, late INTEGER NOT NULL, "
    "place INTEGER NOT NULL, PRIMARY KEY (student, chapter, sha256)",
    "course_graded": "student TEXT NOT NULL, chapter TEXT NOT NULL, sha256 TEXT NOT NULL, "
    "fingerprint TEXT NOT NULL, seed INTEGER NOT NULL, graded TEXT NOT NULL, "
    "PRIMARY KEY (student, chapter)",
    "course_seed": "chapter TEXT PRIMARY KEY NOT NULL, seed INTEGER NOT NULL",
    # What learners' own numbers are drawn from, where a chapter was released with a seed.
    "course_own": "chapter TEXT PRIMARY KEY NOT NULL, seed INTEGER NOT NULL",
    # Who is on the class's list, and the number that Moodle gives a learner in an assignment.
    "course_roster": "student TEXT PRIMARY KEY NOT NULL",
    "course_number": "student TEXT NOT NULL, chapter TEXT NOT NULL, number TEXT NOT NULL, "
    "PRIMARY KEY (student, chapter)",
}
VERSION = "e43177bfe90b"
