# The commands of this repository. `make serve` and `make test` work from a fresh clone with Python >= 3.11.
.DELETE_ON_ERROR:
.PHONY: help serve test check bench gate train train-smoke clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt
DATA   ?= data/samples
ENCODER ?= $(DATA)/../models/e5-small-zh
RUN    ?= model
POOL    = $(wildcard $(DATA)/unlabelled/*.jsonl)
CHAMPION = models/$(shell sed -n 's/.*"champion": *"\([^"]*\)".*/\1/p' models/aliases.json | head -1)

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Fenzhen needs Python 3.11 or newer, found " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[serve]'
	@touch $@

# torch comes first and pinned: left to a resolver it would be the newest build with its GPU libraries.
$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) torch==2.13.0
	$(PIP) -e '.[serve,train,dev]'
	@touch $@ $(VENV)/.serve

serve: $(VENV)/.serve ## install what serving needs and listen on 127.0.0.1:8080
	@$(BIN)/fenzhen serve

test: $(VENV)/.dev ## install what the tests need and run all of them
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## speed, as ratios measured side by side in one run
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only -s

train: $(VENV)/.dev ## corpus to bundle: make train DATA=<folder> ENCODER=<hub id or folder> RUN=<name>
	$(BIN)/fenzhen-train corpus $(DATA) --labels data/labels
	$(if $(POOL),$(BIN)/fenzhen-train pretrain $(DATA) --encoder $(ENCODER))
	$(BIN)/fenzhen-train finetune --encoder $(if $(POOL),var/training/runs/pretrained/encoder,$(ENCODER)) --run $(RUN)
	$(BIN)/fenzhen-train calibrate --run $(RUN)
	$(BIN)/fenzhen-train evaluate --run $(RUN)
	$(BIN)/fenzhen-train export --run $(RUN) --samples data/samples
	$(BIN)/fenzhen-train promote latest

train-smoke: $(VENV)/.dev ## the whole road on our own samples in about four minutes, from the champion's checkpoint
	rm -rf var/smoke
	$(BIN)/fenzhen-train corpus data/samples --work var/smoke
	$(BIN)/fenzhen-train finetune --start $(CHAMPION)/checkpoint --epochs 0.5 --work var/smoke
	$(BIN)/fenzhen-train calibrate --work var/smoke
	$(BIN)/fenzhen-train evaluate --work var/smoke
	$(BIN)/fenzhen-train export --work var/smoke --models var/smoke/models --samples data/samples
	$(BIN)/fenzhen-train promote latest --models var/smoke/models --despite 'a smoke run'

gate: $(VENV)/.dev ## the champion before the metamorphic gate
	$(BIN)/fenzhen-train gate

clean: ## remove caches and the virtual environment; models and var/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks *.egg-info
