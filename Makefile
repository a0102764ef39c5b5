# Everything that is done to Headgate. `make serve` runs it, `make test` tests it; both make .venv when it is missing.
PYTHON ?=
BIN := .venv/bin
INPUTS := pyproject.toml tools/environment.sh
SOURCES := $(shell find src tests -name '*.py' -not -path '*/node_modules/*')
COVERAGE := --cov --cov-report=json:.coverage.json --cov-report=
MEASURE ?=
SUITE := $(BIN)/python -m pytest -m "not node and not frameworks" --ignore=tests/conformance
CLIENTS := $(BIN)/python -m pytest -m "node or frameworks" tests/acceptance
# What failed is run once more, by itself: on a busy machine a test that waits for a clock may be late. A fault stays one.
ALONE := -n 0 -rA --last-failed --last-failed-no-failures none

.PHONY: help serve test check fix docs bench bench-cache acceptance nightly lock clean
.DEFAULT_GOAL := help

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' Makefile

serve: .venv/.serve ## Run the gateway with what it finds: ./headgate.yaml, HEADGATE_* and providers' variables
	@$(BIN)/headgate serve

test: .venv/.test ## Run all tests but those of `make acceptance`
	@$(SUITE) -n 3 --dist worksteal $(MEASURE) || $(SUITE) $(ALONE)
	@$(BIN)/python -m pytest -n 2 --dist worksteal tests/conformance

check: .venv/.check .coverage.json ## Look at the source: format, lint, types, layers, spelling, coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/typos
	$(BIN)/python tools/coverage.py .coverage.json

# Written by `make test MEASURE="$(COVERAGE)"` too, as the continuous integration does, so that tests run once.
.coverage.json: .venv/.test $(SOURCES)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not node and not frameworks" --ignore=tests/conformance $(COVERAGE)

fix: .venv/.check ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.test ## Write the generated parts of docs/reference
	$(BIN)/python tools/docs.py

bench: .venv/.test ## Measure
	$(BIN)/python -m bench

bench-cache: .venv/.test ## Measure the semantic cache on labelled sets, where they are at hand
	$(BIN)/python -m bench.cache --write $(MEASURE)

acceptance: .venv/.test ## Drive the running server with clients of others: SDKs for Node, Claude Code, Codex, frameworks
	@$(CLIENTS) -rs || $(CLIENTS) $(ALONE)

nightly: .venv/.test ## Kill a gateway two hundred times, and let its database be away for a minute
	@HEADGATE_TEST_KILLS=200 HEADGATE_TEST_AWAY_S=60 $(BIN)/python -m pytest -rs tests/acceptance/test_killing.py

lock: ## Renew requirements/*.txt
	@command -v uv > /dev/null 2>&1 || { test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv; }
	@PATH="$$PATH:$(CURDIR)/$(BIN)" tools/lock.sh uv

clean: ## Remove the environment and caches
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.json dist

.venv/.serve .venv/.test .venv/.check: .venv/.%: requirements/%.txt $(INPUTS)
	@PYTHON="$(PYTHON)" tools/environment.sh $*
