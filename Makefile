# One way in: `make book`, `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help book assistant slides pdf epub release chapter check assignments demo data quick test test-newest test-colab style slow notebooks weights serve clean in-its-place a-python unfinished

# The first Python from 3.11 up; PYTHON=... overrides.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# The active environment if there is one (conda's shared "base" doesn't count), else .venv here.
ifneq ($(VIRTUAL_ENV),)
ENVIRONMENT := $(VIRTUAL_ENV)
else ifneq ($(filter-out base,$(CONDA_DEFAULT_ENV)),)
ENVIRONMENT := $(CONDA_PREFIX)
else
ENVIRONMENT := .venv
endif
RUN := "$(ENVIRONMENT)/bin/python"
# In a name of a file, make wants the spaces of a path escaped; the shell wants the path quoted.
space := $() $()
HOME_OF_STAMPS := $(subst $(space),\$(space),$(ENVIRONMENT))
READY := $(HOME_OF_STAMPS)/.course-ready
# With TensorFlow, which the book's build doesn't need.
COMPLETE := $(HOME_OF_STAMPS)/.course-complete
# What `make quick` leaves to `make test`; pyproject.toml says what the markers mean.
LEFT_OUT := network or browser or long or slow
SITE := _build/html/book/home.html
# Of a file, as a browser wants it: no space and no foreign letter ends it.
ADDRESS = $$($(RUN) -c 'import pathlib; print(pathlib.Path("$(1)").resolve().as_uri())')
PORT := 8000
# By name: an environment in this folder isn't the project's code.
CHECKED := book benchmarks course_lib notebooks tests tools
SOURCES := $(shell find book course_lib notebooks _config.yml _toc.yml -type f -not -path '*/.*' -not -path '*/__pycache__/*')

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

book: $(SITE)  ## build the book and print where it is
	@echo "The book: $(call ADDRESS,$(SITE))"
	@echo "To run its chapters without a network, too: make data (fetches their texts and models)"

slides: $(SITE)  ## build the book, each chapter also as slides, and print where they are
	@echo "The slides: $(call ADDRESS,_build/html/slides/index.html)"

pdf: $(SITE)  ## print the book as one PDF, solutions at its end (2 minutes; needs Chromium or Chrome)
	@$(RUN) tools/pdf.py _build/html/book.pdf

epub: $(SITE)  ## bind the book as one EPUB for phones and e-readers (10 seconds; needs Chromium or Chrome)
	@$(RUN) tools/epub.py _build/html/book.epub

release: $(READY)  ## make a release in _build/release: the book as a zip, a PDF and an EPUB, and the wheel (4 minutes)
	@$(RUN) tools/release.py _build/release

chapter: $(READY)  ## begin a chapter: make chapter NAME=... TITLE="..." (PART="...", AFTER=...)
	@$(RUN) tools/chapter.py "$$NAME" "$$TITLE" $(if $(PART),--part "$$PART") $(if $(AFTER),--after "$$AFTER")

check: $(READY)  ## check one chapter, from its format to its page: make check CHAPTER=...
	@$(RUN) tools/check.py "$$CHAPTER"

assignments: $(READY)  ## write the exercises as notebooks for a class (CHAPTER=..., OUT=...)
	@$(RUN) -m course_lib.assignments release $(if $(CHAPTER),"$$CHAPTER",all) --out "$(or $(OUT),_build/assignments)"

demo: $(READY)  ## make a class of 30 made-up learners and grade it (OUT=...; needs Linux and bubblewrap)
	@$(RUN) -m course_lib.assignments demo --out "$(or $(OUT),_build/class)"

data: $(READY)  ## fetch all texts and models that the chapters use (350 MB), to work offline
	$(RUN) -m course_lib.data fetch all

style: $(READY)  ## check style, spelling and types (20 seconds)
	$(RUN) -m ruff check $(CHECKED)
	$(RUN) -m ruff format --check $(CHECKED)
	$(RUN) -m codespell_lib $(CHECKED) *.md *.yml *.toml
	$(RUN) -m mypy

quick: style  ## check all that needs no network, no browser and no long run (2 minutes)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist worksteal -m "not ($(LEFT_OUT))" tests

test: $(COMPLETE) $(SITE) style  ## check everything: style, package, notebooks, book (writes _build/screenshots)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile --continue-on-collection-errors --nbval --nbval-current-env tests notebooks

test-newest: a-python  ## run every notebook in the newest versions of what it needs (half an hour)
	@"$(PYTHON)" tools/try_notebooks.py newest

test-colab: a-python  ## the same in the versions of requirements-colab.txt (needs Colab's Python)
	@"$(PYTHON)" tools/try_notebooks.py colab

slow: $(COMPLETE)  ## run every cell of every notebook twice (half an hour)
	$(RUN) -m pytest -m slow tests

notebooks: $(COMPLETE)  ## run every notebook again, in place; print time and memory
	$(RUN) tools/notebooks.py

weights: $(READY)  ## make the committed weights, cards and runs anew, where their code has changed (hours)
	$(RUN) -m course_lib.studies

assistant: $(SITE)  ## put SmolLM2 into the built book, for the page that talks (98 MB)
	@$(RUN) book/_ext/assistant.py _build/html

serve: assistant  ## serve the book on this machine, at http://127.0.0.1:8000 (PORT=... overrides)
	@$(RUN) tools/serve.py --port $(PORT) _build/html

clean:  ## remove what was built (not the environment)
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache .mypy_cache

# Pages that a build left behind which was cut off are no book, as new as they are.
unfinished: ;
$(SITE): $(READY) $(SOURCES) tools/slides.py $(if $(wildcard _build/unfinished),unfinished)
	@$(RUN) tools/build_book.py

# An environment that was moved or copied runs the code of the folder that it was made in.
PLACE := $(shell cd "$(ENVIRONMENT)" 2>/dev/null && pwd -P) for $(CURDIR)
in-its-place:
	@test ! -s "$(ENVIRONMENT)/.course-ready" || test "$$(cat "$(ENVIRONMENT)/.course-ready")" = "$(PLACE)" || { \
		echo "make: the environment $(ENVIRONMENT) was set up as $$(cat "$(ENVIRONMENT)/.course-ready"), so it runs that folder's code; to set it up here: rm '$(ENVIRONMENT)/.course-ready' and make again (if it was copied or moved, remove it whole)"; exit 1; }

a-python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and none was found; install one, or name it: make PYTHON=/path/to/python3.11"; exit 1; }

$(READY): requirements.txt pyproject.toml tools/setup_environment.py | in-its-place a-python
	@"$(PYTHON)" tools/setup_environment.py "$(ENVIRONMENT)"
	@echo "$$(cd "$(ENVIRONMENT)" && pwd -P) for $(CURDIR)" > "$(ENVIRONMENT)/.course-ready"

$(COMPLETE): $(READY) requirements-tensorflow.txt
	@"$(PYTHON)" tools/setup_environment.py --tensorflow "$(ENVIRONMENT)"
	@touch "$@"
