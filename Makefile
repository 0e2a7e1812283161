# make bench   set everything up and run the main job
# make test    set everything up and run the tests
# make setup   only set up (into .venv)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: bench test setup lint clean
bench: setup
	$(BIN)/bench zoo --models readme --device host

test: setup
	$(BIN)/python -m pytest tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[bench]' --group dev
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
