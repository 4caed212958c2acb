# Everything runs inside .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test shapes lint format types docs benchmark clean help

help:
	@echo "make demo       set up, then train a digit classifier with a hand-written gradient and prove it"
	@echo "make test       set up, then run every test"
	@echo "make shapes     the contract again, with every annotated shape and dtype checked at run time"
	@echo "make lint       style; make format repairs it; make types; make docs"
	@echo "make benchmark  set up with PyTorch, then time an epoch against its peers"

demo: $(VENV)/.installed
	$(BIN)/python -m experiments digits

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist loadfile

shapes: $(VENV)/.installed
	@# combinations of the same layers, the other precision, and laws that call the same functions again for their
	@# numbers say nothing new of shapes
	$(BIN)/python -m pytest -n auto --dist loadfile --check-shapes tests/contract --ignore tests/contract/test_combinations.py \
		-k "not (float64 or scaled or linear or zero_cotangent or bitwise or sum_of_its or mean_of_its)"

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.installed
	$(BIN)/mypy

docs: $(VENV)/.installed
	@# jaxtyping's shape strings are no forward references, which pdoc warns of for each
	$(BIN)/python -W ignore -m pdoc --docformat google --math -o build/docs fnnets

benchmark: $(VENV)/.installed
	$(BIN)/pip install --quiet torch==2.13.0 flax==0.12.8 equinox==0.13.8
	$(BIN)/python -m experiments.benchmarks.feedforward

# A marker made last, so that an interrupted installation is begun again.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "fnnets needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build results .pytest_cache .mypy_cache .ruff_cache .hypothesis
