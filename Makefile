# `make run` and `make test` do everything on a machine that has only Python 3.11 or newer. 3.12 and 3.11 come first
# because the built-in Redis has wheels for them; on newer ones pip compiles it, which takes a minute and a C compiler.
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# A lock names every package that is needed, so pip need not look for more: `--no-deps`. An older pip would, for an extra
# that some package asks for ("google-auth[requests]"), and then take the newest version instead of the locked one.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps

.PHONY: help install run demo test test-deep chaos check bench bench-replies bench-engine bench-turns format lock clean

help:
	@echo "make run      answer in Slack and Discord (with no tokens set: the demo, nothing else needed)"
	@echo "make demo     the demo: local Slack and Discord, one web page"
	@echo "make test     every test, with everything they need"
	@echo "make chaos    three minutes in which everything dies; make chaos ARGS='--seed 7' for another way"
	@echo "make test-deep  the property tests of replies with thousands of examples"
	@echo "make check    format, lint, types, import rules"
	@echo "make bench    measure: first text, memory, start"
	@echo "make bench-replies  measure replies: rendering, and under the platforms' limits, simulated, over two processes, 200 at a time"
	@echo "make bench-turns   measure turns: round trips to Redis, turns per second, memory after 20,000"
	@echo "make bench-engine  measure the engine beside other engines, which are installed into .venv-bench"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Parley needs Python 3.11 or newer; none was found on the PATH. Set PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# The two stamps say which locked set is installed; a changed lock installs again.
.venv/.run-installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Parley's locked dependencies into .venv ..."
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/.dev-installed: requirements-dev.lock .venv/.run-installed
	@echo "Installing the development tools into .venv ..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

install: .venv/.run-installed

run: install
	@exec $(BIN)/parley start

demo: install
	@exec $(BIN)/parley demo

test: .venv/.dev-installed
	$(BIN)/python -m pytest -n 4 --dist worksteal

# About five minutes: kills, restarts, lost answers, and then the wait for the leases of the last ones that died.
chaos: .venv/.dev-installed
	$(BIN)/python -m tests.chaos $(ARGS)

# What must hold for every text, for some thousands of them instead of a hundred: about eight minutes, before a release.
test-deep: .venv/.dev-installed
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n 2 --timeout 900 tests/replies tests/slack/test_slack_markdown.py tests/slack/test_slack_outflow.py tests/slack/test_slack_streams.py tests/discord/test_discord_markdown.py

check: .venv/.dev-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev-installed
	$(BIN)/python -m benchmarks.footprint
	$(BIN)/python -m benchmarks.first_text
	$(BIN)/python -m benchmarks.engine

bench-replies: .venv/.dev-installed
	$(BIN)/python -m benchmarks.replies.rendering
	$(BIN)/python -m benchmarks.replies.simulation
	$(BIN)/python -m benchmarks.replies.two_processes
	$(BIN)/python -m benchmarks.replies.cost
	$(BIN)/python -m benchmarks.replies.load

bench-turns: .venv/.dev-installed
	$(BIN)/python -m benchmarks.turns

# The engine's peers live in an environment of their own: neither the bot nor its tests ever see them.
.venv-bench/.installed: requirements-bench.lock pyproject.toml | $(BIN)/python
	@echo "Installing the engine and its peers into .venv-bench ..."
	@$(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements-bench.lock
	@touch $@

bench-engine: .venv-bench/.installed
	.venv-bench/bin/python -m benchmarks.engine

format: .venv/.dev-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs uv (https://docs.astral.sh/uv). Addresses of package indexes never enter a lock file.
lock:
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11 -o requirements.lock
	uv pip compile pyproject.toml --extra dev -c requirements.lock --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11 -o requirements-dev.lock
	uv pip compile pyproject.toml --extra bench -c requirements.lock --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11 -o requirements-bench.lock

clean:
	rm -rf .venv .venv-bench build dist *.egg-info
