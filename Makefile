# Every target needs only make and Python 3.11 or newer. A target creates its virtual environment and
# installs its requirements there; a second call reuses both.
#
#   make demo                          show the demo
#   make test                          run the tests
#   make PYTHON=/path/to/python ...    use another Python
#   make demo ARGS="--seconds 5"       pass arguments to demo, bench or pytest

PYTHON ?=
ARGS ?=
VENV ?= .venv
BIN := $(VENV)/bin

# Extra options of pip; test-oldest passes its pins here.
PIP_ARGS ?=
# An old setuptools does not know all settings of setup.cfg: with PEP 517 pip builds with a new one.
PIP := PIP_USE_PEP517=1 PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check --no-input

# A change of these files reinstalls the package.
METADATA := setup.cfg setup.py

.DEFAULT_GOAL := help
# Two installations at the same time would break their environment.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test coverage lint format docs pages examples browser exporter-check picture faults soak bench bench-check test-oldest oldest test-all build setup clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.with-testing  ## show an agent's start, log and metadata, on this machine only
	@$(BIN)/python -m coder_agents.demo $(ARGS)

# Most tests wait most of the time: two processes per core keep two cores busy. Each further process
# costs ten seconds, because it imports everything and collects all tests. With worksteal the tests of
# one file stay in one process, unless another process is idle, and share fixtures.
PARALLEL ?= -n 4 --dist worksteal
# With this variable set, each process would rewrite the assertions of all tests again.
PYTEST_ENV := PYTHONDONTWRITEBYTECODE=

test: $(VENV)/.collected  ## run every test
	@$(PYTEST_ENV) $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

coverage: $(VENV)/.collected  ## run every test and fail below 99.9 % branch coverage
	@$(BIN)/coverage erase
	@$(PYTEST_ENV) $(BIN)/coverage run -m pytest $(PARALLEL) $(MARKED) $(ARGS)
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

format: $(VENV)/.with-lint  ## fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

# -W: a warning is an error. -n: a missing target of a reference is a warning.
SPHINX = $(BIN)/python -m sphinx -W --keep-going -n -q -d docs/_build/doctrees

docs: pages examples  ## build the documentation, run its examples and check their types

pages: $(VENV)/.with-docs
	@echo "==> building docs/_build/html"
	@$(SPHINX) -b html docs docs/_build/html
	@echo "==> running the examples of docs/ and README.md"
	@$(SPHINX) -b doctest docs docs/_build/doctest
	@sed -n '/^Doctest summary/,$$p' docs/_build/doctest/output.txt

examples: $(VENV)/.with-docs
	@echo "==> checking the types of the examples"
	@$(BIN)/python tools/typed_examples.py docs/_build/examples

browser: $(VENV)/.with-browser  ## run the notebooks in JupyterLab in a real browser, with pictures; needs Chromium
	@$(BIN)/python tools/browser.py docs/_build/browser

exporter-check: $(VENV)/.with-tests  ## check the exporter with a real Prometheus; needs Debian's package prometheus
	@$(BIN)/python tools/prometheus.py

picture: $(VENV)/.with-docs  ## draw the demo in a terminal, and the dashboard, for the documentation
	@$(BIN)/python tools/demo_picture.py docs/_static/demo.svg
	@$(BIN)/python tools/dashboard_picture.py docs/_static/dashboard.svg docs/_static/dashboard_agent.svg

faults: $(VENV)/.with-testing  ## run every fault against every stream, and write the table of the documentation
	@$(BIN)/python benchmarks/faults.py --write

soak: $(VENV)/.with-testing  ## follow a million lines through ten thousand drops; takes minutes
	@$(BIN)/python benchmarks/soak.py --write

bench: $(VENV)/.with-bench  ## measure performance against limits, Go and other libraries; takes minutes
	@$(BIN)/python benchmarks/bench.py $(ARGS)

bench-check: $(VENV)/.collected  ## measure only ratios, within wider bounds; takes half a minute
	@$(BIN)/python benchmarks/bench.py --check $(ARGS)

# Coverage is measured here: a run of its own would take minutes more. What depends on no version is
# skipped, because "make test" runs it, unless a line is measured there alone.
test-oldest: oldest  ## run the tests with exactly the lower bounds of setup.cfg; fails below 99.9 %
	@$(MAKE) --no-print-directory coverage VENV=.venv-oldest MARKED='-m "measured or not once"'

oldest:
	@python=$$(sh tools/pythons.sh every | sed -n '1s/^[^ ]* //p') && \
	python=$$(sh tools/pythons.sh one "$$python") && \
	mkdir -p .venv-oldest && \
	"$$python" tools/lower_bounds.py cli data fast files notebook testing > .venv-oldest/pins && \
	$(MAKE) --no-print-directory .venv-oldest/.collected VENV=.venv-oldest PYTHON="$$python" \
	    PIP_ARGS="--constraint .venv-oldest/pins"

test-all:  ## run the tests on each Python of this machine, 3.11 and newer
	@pythons=$$(sh tools/pythons.sh every) && \
	[ -n "$$pythons" ] || { sh tools/pythons.sh one; exit 1; } && \
	for version in 3.11 3.12 3.13 3.14; do \
	    echo "$$pythons" | grep -q "^$$version " || \
	        echo "==> Python $$version is not on this machine: skipped"; \
	done; \
	echo "$$pythons" | while read -r version python; do \
	    echo "==> Python $$version"; \
	    $(MAKE) --no-print-directory test VENV=".venv-$$version" PYTHON="$$python" || exit 1; \
	done

build: $(VENV)/.with-dev  ## build the wheel and the source archive in dist/
	@rm -rf build dist
	@$(BIN)/python -m build --quiet
	@ls dist

setup: $(VENV)/.with-dev  ## install everything for development into .venv

clean:  ## remove everything that make has created
	rm -rf .venv .venv-* build dist *.egg-info docs/_build docs/_generated .cache .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage .coverage.*
	find coder_agents tests tools docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@python=$$(sh tools/pythons.sh one "$(PYTHON)") && \
	echo "==> creating $(VENV) with $$("$$python" --version)" && \
	"$$python" -m venv $(VENV)
	@touch $@

# Compiling all that is installed takes longer than installing it, and most of it is never imported:
# Python compiles each module when it is imported first. Tests turn the warnings of compiling into
# errors, so their requirements are compiled by pip.
$(VENV)/.with-docs $(VENV)/.with-lint: COMPILE := --no-compile

$(VENV)/.with-%: $(VENV)/.made $(METADATA)
	@echo "==> installing coder-agents[$*] and its requirements into $(VENV) (once; this takes a while)"
	@$(PIP) install --quiet $(COMPILE) $(PIP_ARGS) --editable '.[$*]'
	@touch $@

# Collecting the tests rewrites their assertions. In a fresh checkout, each process of a run would do
# that, at the same time. The run itself reports what fails here.
$(VENV)/.collected: $(VENV)/.with-tests
	@$(PYTEST_ENV) $(BIN)/python -m pytest --collect-only -qq >/dev/null 2>&1 || true
	@touch $@
