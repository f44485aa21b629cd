# Everything runs in the virtual environment .venv of the checkout. You need Python 3.11 or newer, and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Tests start hundreds of processes, and each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test long soak lint golden reference freeze clean

demo: $(VENV)/.installed
	$(BIN)/orchestrator demo

# Four processes also on two cores: a third of the tests' time is spent waiting. A process that ends in the middle of a
# test ends the run: pytest-xdist 3.8 can wait for ever for the process that it starts in its place.
PYTEST := $(BIN)/python -m pytest --numprocesses 4 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder \
	--ignore tests/lint

# Every kind of test. `make lint` runs the checks that need no server.
test: $(VENV)/.installed
	$(PYTEST) -m "not long"

# What `make test` leaves out: longer forms of its tests, whole documents, and twice as many examples of each property.
long: export CONNECTION_PATHS_EXAMPLES ?= 2
long: $(VENV)/.installed
	$(PYTEST) -m "long or hypothesis"

# Longer still: random calls in large synthetic data, an installation from install to uninstall in every environment,
# five minutes of killing processes, and many more examples for the property tests of the finders.
# CONNECTION_PATHS_SOAK_WORLD=existing only reads the world of ORCHESTRATOR_DSN; see tests/finders/soak_finders.py.
soak: export PYTEST_ADDOPTS += -o faulthandler_timeout=0
soak: $(VENV)/.installed
	$(BIN)/python -m pytest tests/finders/soak_finders.py
	CONNECTION_PATHS_SURROUNDINGS=all $(BIN)/python -m pytest tests/install/test_surroundings.py
	CONNECTION_PATHS_SOAK_KILLS=$${CONNECTION_PATHS_SOAK_KILLS:-300} $(BIN)/python -m pytest -s \
		tests/runs/test_kills.py tests/runs/test_disturbances.py tests/install/test_install.py \
		-k "kills or disturbances or at_once"
	[ "$$CONNECTION_PATHS_SOAK_WORLD" = existing ] || \
		CONNECTION_PATHS_EXAMPLES=$${CONNECTION_PATHS_EXAMPLES:-80} $(BIN)/python -m pytest \
		tests/finders/test_finder_properties.py tests/cli/test_backfill_command.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/lint

# After an intended change of the schema: write tests/golden/schema.txt again. Then review the difference.
golden: $(VENV)/.installed
	$(BIN)/python -m tests.support.catalog

# After a change of an SQL header, of a COMMENT ON or of a command: write docs/reference/sql.md and cli.md again.
reference: $(VENV)/.installed
	$(BIN)/python -m tests.support.sql_reference
	$(BIN)/python -m tests.support.cli_reference

# For a release: store the checksums of its SQL files and its installed state. From then on they must not change.
freeze: $(VENV)/.installed
	$(BIN)/python -m tests.support.frozen

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
