# Each target makes its own virtual environment when needed: only Python (3.10 or newer) and make are expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check soak bench clean

help:
	@echo "make demo   the whole product at work: sandbox, Redis, a worker, beat (under two minutes after installation)"
	@echo "make test   the tests a change needs (under ten minutes)"
	@echo "make check  format, lint, types, import contracts, compose file"
	@echo "make soak   the long runs"
	@echo "make bench  the performance table"
	@echo "make clean  remove everything made by the above"

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/python -m demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak" tests

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

soak: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m soak --timeout 1800 tests

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
