# Everything runs in .venv, which is made from requirements.lock when it is missing or older than the lock.
BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO := recipes/mini/exp/demo/speech.ckpt
SHELL_FILES := $(wildcard .ci/* benchmarks/*.sh recipes/*.sh recipes/*/*.sh)
PYTHON_IS_NEW := -c 'import sys; sys.exit(sys.version_info < (3, 12))'

.PHONY: help demo page test lint docs wheel lock

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: $(INSTALLED) ## the whole pipeline on a synthetic corpus: convert a voice, write units, measure both
	@recipes/mini/run.sh

page: $(INSTALLED) ## open the page on the demo's model: convert, add a voice, see the units
	@test -f $(DEMO) || { echo "$(DEMO) is missing; make it with: make demo" >&2; exit 1; }
	@$(BIN)/sqspeech serve $(DEMO) $(addprefix --prior ,$(wildcard $(dir $(DEMO))prior/best.ckpt)) --open

# One thread a worker: two workers with two threads each would fight for two cores.
test: $(INSTALLED) ## run the tests
	@echo "Running the tests"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4

lint: $(INSTALLED) ## run the linters and the type checker
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck --external-sources --source-path=SCRIPTDIR $(SHELL_FILES)

docs: $(INSTALLED) ## build the documentation site, site/html, and refuse dead links
	@$(BIN)/python docs/generate site/source
	@$(BIN)/zensical build --strict --clean

wheel: ## install the wheel into empty environments, outside the checkout, and use it; needs uv and the demo's model
	.ci/wheel

lock: ## renew requirements.lock from pyproject.toml; needs uv
	uv pip compile --universal --python-version 3.12 --extra dev --no-emit-index-url --annotation-style line \
		--custom-compile-command "make lock" --quiet --output-file requirements.lock pyproject.toml

# Compiled to bytecode, as pip does by itself: where Python must not write it, torch would take twice as long to start.
# Where there is no uv, pip may be the environment's own or, on systems that ship Python without ensurepip, the
# system's. A command counts as present when it runs: a version manager's shim may exist and have nothing behind it.
$(INSTALLED): requirements.lock
	@$(BIN)/python $(PYTHON_IS_NEW) 2>/dev/null || rm -rf .venv
	@if uv --version >/dev/null 2>&1; then \
		echo "Installing requirements.lock into .venv with uv (once, some minutes)"; \
		{ test -d .venv || uv venv --quiet --python 3.12 .venv; } && \
		uv pip install --quiet --compile-bytecode --python .venv -r requirements.lock && \
		uv pip install --quiet --python .venv --no-deps --editable .; \
	else \
		for candidate in python3.12 python3 python ""; do \
			"$$candidate" $(PYTHON_IS_NEW) 2>/dev/null && break; \
		done; \
		test -n "$$candidate" || { echo "No Python 3.12 or newer on PATH; install one (or uv) and type make again" >&2; exit 1; }; \
		echo "Installing requirements.lock into .venv with $$candidate and pip (once, some minutes)"; \
		$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$candidate" -m venv --clear .venv >/dev/null 2>&1 || { \
			"$$candidate" -m venv --clear --without-pip .venv && \
			"$$candidate" -m pip --python .venv install --quiet pip; } && \
		$(BIN)/python -m pip install --quiet -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --no-deps --editable .; \
	fi
	@touch $@
