# Everything here needs only make and a Python, 3.11 or newer; each target makes the virtual
# environment it needs and installs what it needs into it. A second call finds both in place.
#
#   make demo                          see it work
#   make test                          run the tests
#   make PYTHON=/path/to/python ...    with a Python of your choice
#   make demo ARGS="--seconds 5"       arguments for demo, bench and pytest

PYTHON ?=
ARGS ?=
VENV ?= .venv
BIN := $(VENV)/bin

# Extra settings for pip; test-oldest passes its pins here.
PIP_ARGS ?=
# The set-up tools of an old pip do not know all of setup.cfg; building apart, pip takes new ones.
PIP := PIP_USE_PEP517=1 PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check --no-input

# What must be installed anew when it changes.
METADATA := setup.cfg setup.py

.DEFAULT_GOAL := help
# Two installations into one environment at the same time would break it.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test lint format docs picture faults soak bench bench-check test-oldest test-all pytest build setup clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.with-testing  ## watch an agent start, its log and its metadata, on this machine alone
	@$(BIN)/python -m coder_agents.demo $(ARGS)

# Most tests wait most of the time: three processes a core keep two cores busy. Those of one file stay
# together, as far as that keeps nobody idle, and share what is made once for a file.
PARALLEL ?= -n 6 --dist worksteal
# Otherwise each process rewrites the assertions of all tests anew.
PYTEST_ENV := PYTHONDONTWRITEBYTECODE=

test: $(VENV)/.with-tests  ## run every test; fails under 100 % branch coverage
	@$(BIN)/coverage erase
	@$(PYTEST_ENV) $(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: $(VENV)/.with-lint  ## check style, types and the direction of imports
	@echo "==> ruff check"
	@$(BIN)/ruff check .
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "==> mypy"
	@$(BIN)/mypy coder_agents tests tools benchmarks
	@echo "==> lint-imports"
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.with-lint  ## mend what ruff can mend by itself
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

# -W: a warning is an error. -n: so is a reference into this package that leads nowhere.
SPHINX = $(BIN)/python -m sphinx -W --keep-going -n -q -d docs/_build/doctrees

docs: $(VENV)/.with-docs  ## build the documentation, run its examples and check their types
	@echo "==> building docs/_build/html"
	@$(SPHINX) -b html docs docs/_build/html
	@echo "==> running the examples of docs/ and README.md"
	@$(SPHINX) -b doctest docs docs/_build/doctest
	@sed -n '/^Doctest summary/,$$p' docs/_build/doctest/output.txt
	@echo "==> checking the types of the examples"
	@$(BIN)/python tools/typed_examples.py docs/_build/examples

picture: $(VENV)/.with-testing  ## run the demo in a terminal and draw it for the documentation
	@$(BIN)/python tools/demo_picture.py docs/_static/demo.svg

faults: $(VENV)/.with-testing  ## let every fault happen to every stream; writes the table of the documentation
	@$(BIN)/python benchmarks/faults.py --write

soak: $(VENV)/.with-testing  ## follow a million lines through ten thousand drops; takes minutes
	@$(BIN)/python benchmarks/soak.py --write

bench: $(VENV)/.with-bench  ## measure the work against limits, Go and other libraries; takes minutes
	@$(BIN)/python benchmarks/bench.py $(ARGS)

bench-check: $(VENV)/.with-tests  ## the same in half a minute: only ratios, within wider bounds
	@$(BIN)/python benchmarks/bench.py --check $(ARGS)

test-oldest:  ## run the tests with exactly the lower bounds of setup.cfg
	@python=$$(sh tools/pythons.sh every | sed -n '1s/^[^ ]* //p') && \
	python=$$(sh tools/pythons.sh one "$$python") && \
	mkdir -p .venv-oldest && \
	"$$python" tools/lower_bounds.py testing fast > .venv-oldest/pins && \
	$(MAKE) --no-print-directory pytest VENV=.venv-oldest PYTHON="$$python" \
	    PIP_ARGS="--constraint .venv-oldest/pins"

test-all:  ## run the tests on each Python, 3.11 and newer, that this machine has
	@pythons=$$(sh tools/pythons.sh every) && \
	[ -n "$$pythons" ] || { sh tools/pythons.sh one; exit 1; } && \
	for version in 3.11 3.12 3.13 3.14; do \
	    echo "$$pythons" | grep -q "^$$version " || \
	        echo "==> Python $$version is not on this machine: skipped"; \
	done; \
	echo "$$pythons" | while read -r version python; do \
	    echo "==> Python $$version"; \
	    $(MAKE) --no-print-directory pytest VENV=".venv-$$version" PYTHON="$$python" || exit 1; \
	done

# The suite alone, without coverage, in the environment that VENV names.
pytest: $(VENV)/.with-tests
	@$(PYTEST_ENV) $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

build: $(VENV)/.with-dev  ## make the wheel and the source archive in dist/
	@rm -rf build dist
	@$(BIN)/python -m build --quiet
	@ls dist

setup: $(VENV)/.with-dev  ## install everything that development needs into .venv

clean:  ## remove everything that was made here
	rm -rf .venv .venv-* build dist *.egg-info docs/_build docs/_generated .cache .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage .coverage.*
	find coder_agents tests tools docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@python=$$(sh tools/pythons.sh one "$(PYTHON)") && \
	echo "==> making $(VENV) with $$("$$python" --version)" && \
	"$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.with-%: $(VENV)/.made $(METADATA)
	@echo "==> installing coder-agents[$*] and what it needs into $(VENV) (once; this takes a while)"
	@$(PIP) install --quiet $(PIP_ARGS) --editable '.[$*]'
	@touch $@
