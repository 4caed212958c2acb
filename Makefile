# Everything runs inside .venv, which the first target that needs it creates.
#   PYTHON=python3.13   another interpreter; the environment is then made anew
#   LATEST=1            the newest release of everything in place of the pinned ones
#   JAX=0.11.2          this release of JAX, and the newest of the rest that goes with it
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
LOCK := requirements/python-$(VERSION).txt
LOCKED_PYTHONS := 3.11 3.12 3.13
RANGES := $(if $(JAX),'jax==$(JAX)' 'jaxlib==$(JAX)',$(if $(LATEST),--upgrade))
INSTALLED := $(VENV)/.installed-$(VERSION)-$(if $(JAX),jax-$(JAX),$(if $(LATEST),latest,locked))

.PHONY: demo test shapes versions selftest tried lint format types docs browse benchmark lock clean help

help:
	@echo "make demo       set up, then train a digit classifier with a hand-written gradient and prove it"
	@echo "make test       set up, then run every test"
	@echo "make shapes     the contract again, with every annotated shape and dtype checked at run time"
	@echo "make versions   the tests that depend on the release of JAX: verifier, checkpoints, contract, pages"
	@echo "make selftest   right and wrong code at 20 seeds: the verifier's false alarms and what it misses; some hours"
	@echo "make tried      every test, and its counts written into the table of docs/guides/installing.md"
	@echo "make docs       the site, build/docs/index.html; its pages are executed"
	@echo "make browse     open every page of the site in headless Chromium, and look for faults"
	@echo "make lint       style; make format repairs it; make types"
	@echo "make benchmark  set up with PyTorch, then time an epoch against its peers"
	@echo "make lock       pin the newest releases anew, for each Python"
	@echo "with PYTHON=python3.13, LATEST=1 or JAX=0.11.2: another interpreter, other releases than the pinned ones"

demo: $(INSTALLED)
	$(BIN)/python -m experiments digits

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist loadfile

shapes: $(INSTALLED)
	@# left out, as they add nothing on shapes: combinations of the same layers, the other precision, and checks that
	@# call the same functions again for their numbers
	$(BIN)/python -m pytest -n auto --dist loadfile --check-shapes tests/contract --ignore tests/contract/test_combinations.py \
		-k "not (float64 or scaled or linear or zero_cotangent or bitwise or sum_of_its or mean_of_its)"

versions: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist loadfile tests/core/test_jaxprs.py tests/verify tests/contract/test_layers.py \
		tests/contract/test_networks.py tests/training/checkpoint tests/test_readme.py tests/site

selftest: $(INSTALLED)
	$(BIN)/fnnets selftest --seeds 20

tried: $(INSTALLED)
	$(BIN)/python requirements/tried.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED)
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -q -W --keep-going -j 2 -b html docs build/docs
	@echo "the site is in build/docs/index.html"

browse: docs
	$(BIN)/pip install --quiet selenium==4.52.0
	$(BIN)/python docs/browse.py build/docs --pictures

benchmark: $(INSTALLED)
	$(BIN)/pip install --quiet torch==2.13.0 flax==0.12.8 equinox==0.13.8
	$(BIN)/python -m experiments.benchmarks feedforward

# The strategy "fewest" keeps to releases that this Python can have, in place of one for it and one for the next.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet uv
	for version in $(LOCKED_PYTHONS); do \
		.venv-lock/bin/uv pip compile pyproject.toml --extra dev --quiet --upgrade --universal --python-version $$version \
			--fork-strategy fewest --generate-hashes --no-annotate --custom-compile-command "make lock" \
			--output-file requirements/python-$$version.txt || exit 1; \
	done
	rm -rf .venv-lock

# A marker made last, so that an interrupted installation is begun again. It bears what the environment was made of,
# so that another Python or other releases make it anew. The editable install is a path: a folder named fnnets beside
# a script would otherwise hide it.
$(INSTALLED): pyproject.toml $(wildcard $(LOCK))
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "fnnets needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which with make PYTHON=python3.12")'
	@test -n "$(RANGES)" -o -f $(LOCK) || { echo "$(LOCK) is missing: releases are pinned for Python $(LOCKED_PYTHONS), this is $(VERSION). Take one of them with PYTHON=python3.13, or the newest releases with LATEST=1" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
ifeq ($(RANGES),)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
else
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --config-settings editable_mode=compat --editable '.[dev]' $(RANGES)
endif
	@touch $@

clean:
	rm -rf $(VENV) build results .pytest_cache .mypy_cache .ruff_cache .hypothesis
