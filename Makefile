# Everything happens in a virtual environment beside this file; nothing is installed anywhere else.
#   make PYTHON=python3.11 VENV=.venv-3.11 test     another Python, beside the usual one
#   make test ARGS="-k scrub"                       arguments for pytest

VENV ?= .venv
PYTHON ?= $(shell sh tools/find-python.sh)
ARGS ?=

LOWEST := $(VENV)-lowest
PY := $(VENV)/bin/python
LOWEST_PY := $(LOWEST)/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
# What the versions of other packages bear upon; the rest is our own.
LOWEST_TESTS := tests/contract tests/unit/ops $(addprefix tests/integration/,database http observability ops upstream websocket)
SOURCES := $(wildcard app tests tools benchmarks)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run dashboard test test-lowest check lint types imports format bench bench-full lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.requirements ## start the service on http://localhost:8000
	@$(PY) -m app

dashboard: $(VENV)/.requirements ## start the service against a real Sentry-compatible dashboard on this machine
	@$(PY) -m tools.dashboard

test: $(VENV)/.requirements-dev ## run the whole test suite
	$(PY) -m pytest $(ARGS)

test-lowest: $(LOWEST)/.requirements ## test against the lowest versions that pyproject.toml allows
	$(LOWEST_PY) -m pytest -m "not slow" $(LOWEST_TESTS) $(ARGS)

check: lint types imports test ## all that must hold: format, lint, types, import contracts, tests

lint: $(VENV)/.requirements-dev ## check format and lint rules
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: $(VENV)/.requirements-dev ## check types
	$(PY) -m mypy $(SOURCES)

imports: $(VENV)/.requirements-dev ## check who imports whom
	$(VENV)/bin/lint-imports

format: $(VENV)/.requirements-dev ## write the format and the safe lint fixes
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/.requirements-dev ## measure what the module costs, in some minutes
	$(PY) -m benchmarks $(ARGS)

bench-full: $(VENV)/.requirements-dev ## measure it with every variant and round
	$(PY) -m benchmarks --full $(ARGS)

lock: ## pin the requirements again (needs uv; newer versions: make lock ARGS=--upgrade)
	$(UV_COMPILE) $(ARGS) pyproject.toml --output-file requirements.txt
	$(UV_COMPILE) $(ARGS) --extra dev --constraint requirements.txt pyproject.toml --output-file requirements-dev.txt
	$(UV_COMPILE) --resolution lowest-direct --extra dev pyproject.toml --output-file requirements-lowest.txt
	$(UV_COMPILE) $(ARGS) tools/bugsink/requirements.in --output-file tools/bugsink/requirements.txt

clean: ## remove the virtual environments and what tools left behind
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov

$(PY) $(LOWEST_PY):
	@python='$(PYTHON)'; test -n "$$python" || exit 1; \
	"$$python" -c 'import sys; print("Python", sys.version.split()[0], "in $(@:/bin/python=)"); sys.exit(sys.version_info < (3, 11))' \
	    || { echo "StreamAPI needs Python 3.11 or newer" >&2; exit 1; }; \
	"$$python" -m venv $(@:/bin/python=)

$(VENV)/.requirements: requirements.txt | $(PY)
	$(PY) $(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.requirements-dev: requirements-dev.txt | $(PY)
	$(PY) $(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

$(LOWEST)/.requirements: requirements-lowest.txt | $(LOWEST_PY)
	$(LOWEST_PY) $(PIP_INSTALL) -r requirements-lowest.txt
	@touch $@
