# make bench   set everything up and run the main job: the README's models, nobuco against onnx-tf, on this machine
# make test    set everything up and run the tests
# make test-full   the same with more random programs, the large models, and PyTorch's whole op table; hours
# make lint    set everything up, check style and types
# make docs    set everything up and build the documentation's site into build/docs; a warning is an error
# make setup   only set up (into .venv)
# make clean   remove what set-up and builds left here
#
# Another Python: make setup PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Each takes a core and up to 2 GB. A file's tests share what they set up, so they stay together.
TESTERS := --numprocesses logical --maxprocesses 4 --dist loadfile
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check

.PHONY: bench test test-full lint docs setup clean
bench: setup
	# 5: done, and the table says which cells failed; a converter that cannot be set up here is no failure of make.
	$(BIN)/bench zoo --models readme --device host || [ $$? -eq 5 ]
	$(BIN)/bench readme --from-records results/records.jsonl --measured-only --no-write

test: setup
	$(BIN)/python -m pytest tests $(TESTERS)

test-full: setup
	NOBUCO_SLOW_TESTS=1 $(BIN)/python -m pytest tests $(TESTERS) --timeout 3600
	$(BIN)/python -m tests.op_table

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: setup
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --builder html docs build/docs

setup: $(STAMP)

# The stamp is written last and taken away first: without it, set-up was never finished, and starts afresh.
$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null \
	  || { echo "set-up needs Python 3.11 or newer, and there is no $(PYTHON); on Debian: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "set-up needs Python 3.11 or newer, $(PYTHON) is `$(PYTHON) -V`; name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make virtual environments, a package is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (a few minutes the first time) ..."
	@[ -e $@ ] || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --editable '.[bench,quantize,lab]' --group dev
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
