# `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or newer, make and a compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
LOWEST := .venv-lowest

.PHONY: help demo test test-all lint docs format notebooks test-lowest clean
help:
	@echo "make demo         set up, then the three jobs on data that comes with the packages (about 2 minutes)"
	@echo "make test         set up, then the test suite: at least one test of each promise (about 12 minutes on 2 cores)"
	@echo "make test-all     set up, then every test, the slow ones included"
	@echo "make lint         ruff and mypy"
	@echo "make docs         the pages of docs/ as a site in build/docs (about half a minute)"
	@echo "make notebooks    execute the notebooks and write what came out into them"
	@echo "make test-lowest  theory and simulations with the oldest supported packages, without torch"
	@echo "make clean        remove the environments and the site"

# The environment is made once, and brought up to date when pyproject.toml changes. The mark is set last, so that an
# interrupted set-up is taken up again; importing torchvision shows that it fits the installed torch.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "== Setting up $(VENV): PyTorch and dependencies (about 3 minutes and 6 GB; first time only)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -c 'import torchvision' || { echo "Error: torchvision does not fit the torch that was installed; remove $(VENV) and try again" >&2; exit 2; }
	@touch $@

demo: RUN := demo-$(shell date +%Y%m%d-%H%M%S)
demo: $(INSTALLED)
	@echo "== python cli.py verify-lemmas"
	@$(BIN)/python cli.py verify-lemmas
	@echo "== python cli.py simulate-tm --m 10000"
	@$(BIN)/python cli.py simulate-tm --m 10000
	@echo "== python cli.py train --dataset digits --model evae --epochs 20 --name $(RUN)"
	@$(BIN)/python cli.py train --dataset digits --model evae --epochs 20 --name $(RUN)
	@echo "== python cli.py evaluate runs/$(RUN) --features classifier"
	@$(BIN)/python cli.py evaluate runs/$(RUN) --features classifier
	@echo "== Done. Look at reconstructions.png and samples.png in runs/$(RUN); then: source $(BIN)/activate; python cli.py report"

test: $(INSTALLED)
	@echo "== Testing in $(VENV)"
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-all: $(INSTALLED)
	@echo "== Testing in $(VENV), slow tests included"
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m ""

lint: $(INSTALLED)
	@echo "== Linting"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(INSTALLED)
	@echo "== Building build/docs"
	@rm -rf build/docs
	@$(BIN)/python -m sphinx -q -W --keep-going docs build/docs
	@echo "== Done. Open build/docs/index.html"

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

notebooks: $(INSTALLED)
	@$(BIN)/python -m notebooks.execute

# The lower bounds in pyproject.toml are claims too: this environment has exactly those versions, and no torch.
$(LOWEST)/installed: pyproject.toml tests/support/lowest_requirements.py
	@echo "== Setting up $(LOWEST): $(PYTHON) with the oldest supported packages, without torch"
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(PYTHON) tests/support/lowest_requirements.py > $(LOWEST)/requirements.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(LOWEST)/requirements.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

test-lowest: $(LOWEST)/installed
	@echo "== Testing theory and simulations in $(LOWEST)"
	@$(LOWEST)/bin/python -m pytest --numprocesses auto --dist worksteal tests/theory tests/simulations theory simulations

clean:
	rm -rf $(VENV) $(LOWEST) build/docs *.egg-info
