# Every target works from a bare clone with nothing but Python >= 3.11 and make.
#
#   make demo     the Adult table through the whole path, written to demo-release/
#   make test     the test suite with its coverage gates, then the wheel in a clean environment
#   make check    style, types, fences between the rooms
#   make audit    the slow statistical tests, and property tests on random examples
#   make fuzz     coverage-guided fuzzing of all readers, SECONDS=60 for each (Linux)
#   make bench    benchmarks; some want real data: make bench DATA=folder SCORE=score.py
#   make notebooks  the notebooks from their first cells to their last, with outputs, in docs/notebooks/
#   make docs     the documentation with the notebooks, warnings are errors
#   make clean    remove everything that the targets above made
#
# PYTHON=/path/to/python chooses the interpreter, VENV=folder another environment, WORKERS=n the
# number of test processes.

VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= auto
DATA ?=
SCORE ?=
DEMO ?= demo-release
SECONDS ?= 60
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
NEWEST_FIRST := python3.12 python3.11 python3.13 python3.14 python3 python

.PHONY: demo test check bench audit fuzz notebooks docs clean wheel
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n 's/^#   //p' Makefile

# ---------------------------------------------------------------- environments
# One stamp for each group of dependencies, so that a second call installs nothing.

$(VENV)/.stamp-python:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then for candidate in $(NEWEST_FIRST); do \
	    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        python="$$candidate"; break; fi; done; fi; \
	if [ -z "$$python" ]; then \
	    echo "dpsynth needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python ..." >&2; exit 1; fi; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "PYTHON=$$python is older than 3.11 or does not run." >&2; exit 1; }; \
	echo "Creating $(VENV) with $$python"; "$$python" -m venv $(VENV)
	@$(INSTALL) "pip==$$(sed -n 's/^pip==//p' constraints.txt)"
	@touch $@

$(VENV)/.stamp-run: $(VENV)/.stamp-python pyproject.toml constraints.txt
	@echo "Installing dpsynth and what it needs to run"
	@$(INSTALL) --build-constraint constraints.txt --editable .
	@touch $@

$(VENV)/.stamp-group-%: $(VENV)/.stamp-run
	@echo "Installing the dependency group $*"
	@$(INSTALL) --group $*
	@touch $@

# ---------------------------------------------------------------- what people run

demo: $(VENV)/.stamp-run
	$(BIN)/dpsynth demo --out $(DEMO)

check: $(VENV)/.stamp-group-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: $(VENV)/.stamp-group-test
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "not slow" \
	    --cov --cov-report=term:skip-covered
	$(BIN)/python tests/house/trusted_base.py
	$(MAKE) --no-print-directory wheel

wheel: $(VENV)/.stamp-run
	.ci/wheel $(BIN)/python

audit: $(VENV)/.stamp-group-test
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m slow --timeout 3600
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m hypothesis --timeout 3600

fuzz: $(VENV)/.stamp-group-fuzz
	$(BIN)/python tests/fuzzing/readers.py --seconds $(SECONDS)

# What is imported, what makes files, and what installs other tools and runs for an hour: start it by hand.
NOT_TIMED = $(addprefix benchmarks/,build_% quality_cases.py chart.py deep_wide.py peer_mechanisms.py peers.py audits.py)

bench: $(VENV)/.stamp-group-bench
	@for script in $(filter-out $(NOT_TIMED),$(wildcard benchmarks/*.py)); do \
	    echo "== $$script"; \
	    $(BIN)/python "$$script" $(if $(DATA),--data "$(DATA)") $(if $(SCORE),--score "$(SCORE)") || echo "   not run"; \
	done

notebooks: docs/notebooks/.executed

docs/notebooks/.executed: $(VENV)/.stamp-group-notebooks $(wildcard notebooks/* dpsynth/*/*.py)
	rm -rf docs/notebooks
	$(BIN)/python notebooks/execute.py --out docs/notebooks
	@touch $@

docs: $(VENV)/.stamp-group-docs docs/notebooks/.executed
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet --builder html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean:
	rm -rf $(VENV) $(DEMO) $(DEMO).* build dist docs/_build docs/notebooks fuzz-findings .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache \
	    .hypothesis .import_linter_cache
	find dpsynth tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
