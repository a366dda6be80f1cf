# Every target sets up what it needs in .venv, from constraints.txt (names, versions, hashes).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
LOWEST := .venv-lowest
VLLM := .cache/vllm/venv
BIN := $(VENV)/bin
PIP := -m pip --quiet --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --no-python-downloads --universal --python-version 3.10 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 32

.PHONY: demo
demo: $(VENV)/.stamp ## run the fact checker, plain and wrapped
	$(BIN)/python -m examples.fact_check

.PHONY: test
test: $(VENV)/.stamp ## run this repository's tests
	$(BIN)/python -m pytest -n 2 --timeout-method=thread tests

.PHONY: test-vllm
test-vllm: $(VENV)/.stamp $(VLLM)/.stamp ## run the vLLM adapter's tests beside real vLLM servers
	PYTHONPATH=.cache/vllm/standard $(BIN)/python -m tests.vllm.serve \
		$(BIN)/python -m pytest --timeout-method=thread tests/vllm

.PHONY: conformance
conformance: $(VENV)/.stamp ## run LangGraph's own test suites with every graph wrapped
	$(BIN)/python -m tests.conformance.run --policy proven

.PHONY: conformance-speculative
conformance-speculative: $(VENV)/.stamp ## the same under policy="speculative"
	$(BIN)/python -m tests.conformance.run --policy speculative

.PHONY: lint
lint: $(VENV)/.stamp ## check style and types: ruff, mypy, pyright
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYRIGHT_PYTHON_USE_BUNDLED_PYRIGHT=1 $(BIN)/pyright

.PHONY: format
format: $(VENV)/.stamp ## rewrite the code in the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: lowest
lowest: $(LOWEST)/.stamp ## run the tests on the oldest LangGraph we support
	$(LOWEST)/bin/python -m pytest -n 2 --timeout-method=thread tests

.PHONY: constraints
constraints: $(VENV)/.stamp ## resolve constraints*.txt again after a change of dependencies
	$(COMPILE) pyproject.toml --extra dev -o constraints.txt
	echo 'langgraph==1.2.0' | $(COMPILE) pyproject.toml - --extra demo --extra test -o constraints-lowest.txt

$(VENV)/.stamp $(LOWEST)/.stamp: pyproject.toml
	@echo "Setting up $(@D) (about a minute the first time)"
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python $(PIP) install --require-hashes -r $(filter constraints%,$^)
	@$(@D)/bin/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# 2.5 GB. Where the processor cannot run it, `tests.vllm.serve` says so, and nothing is installed.
$(VLLM)/.stamp: tests/vllm/requirements.txt tests/vllm/requirements-standard.txt
	@$(PYTHON) -m tests.vllm.serve --unable || { \
		echo "Setting up $(@D) (two minutes the first time)"; \
		mkdir -p $(@D); \
		test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D); \
		$(@D)/bin/python $(PIP) install --no-deps --require-hashes -r $<; \
		rm -rf .cache/vllm/standard; \
		$(BIN)/python $(PIP) install --no-deps --require-hashes --target .cache/vllm/standard \
			-r tests/vllm/requirements-standard.txt; \
	}
	@mkdir -p $(@D)
	@touch $@

$(VENV)/.stamp: constraints.txt
$(LOWEST)/.stamp: constraints-lowest.txt
