"""`python -m course_lib.training`: train a model on a text file."""

import sys

from course_lib.training.loop import main

if __name__ == "__main__":
    sys.exit(main())
