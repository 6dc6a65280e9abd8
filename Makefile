# make demo and make test set up what they need in .venv on a fresh clone; PYTHON=python3.12 picks
# another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
READY := $(VENV)/ready

.PHONY: help demo test lint parity clean

help:
	@echo "make demo    set up, then distil a small student and write demo/index.html (minutes)"
	@echo "make test    set up, then lint, check types and run all tests"
	@echo "make lint    ruff and mypy only"
	@echo "make parity  only the tests against the golden files (NERFGAN_GOLDENS names their folder)"
	@echo "make clean   remove the virtual environment and all caches"

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(READY): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/nerfgan demo

test: lint
	$(BIN)/pytest --numprocesses 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

parity: $(READY)
	$(BIN)/pytest tests/parity

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
