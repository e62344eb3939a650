# The same targets serve people and CI. Needs Linux or macOS and Python 3.11 or newer with venv and SQLite 3.38 or newer;
# everything else is fetched.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
BARE = $(VENV)-bare
LOCKED = --quiet --universal --generate-hashes --no-header
PIP = $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo run test check format drills bench lock clean

demo: $(VENV)/.run  ## the real bot between a make-believe Telegram and make-believe gateways
	$(BIN)/python -m bot demo

run: $(VENV)/.run  ## the bot, with the settings in .env
	$(BIN)/python -m bot

test: $(VENV)/.dev  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev  ## lint, types, architecture, lock and .env.example in step with the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/house

drills: $(VENV)/.dev  ## break everything, in full; about a quarter of an hour
	$(BIN)/python -m tests.drills

bench: $(VENV)/.dev $(BARE)/.run  ## the schedule's goals in a simulation, then what polling costs; about a quarter of an hour
	$(BIN)/python -m tests.bench.simulate
	$(BIN)/python -m tests.bench --python $(BARE)/bin/python

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev  ## resolve the dependencies anew; both locks hold the same versions
	$(BIN)/uv pip compile $(LOCKED) --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile $(LOCKED) --constraint requirements-dev.lock pyproject.toml -o requirements.lock

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock | $(BIN)/python
	@echo "Installing what the bot needs into $(VENV) (about a minute, once) …"
	$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(BIN)/python
	@echo "Installing what the tests need into $(VENV) (about a minute, once) …"
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.run

$(BARE)/.run: requirements.lock
	@echo "Installing what the bot needs, and no more, into $(BARE) (about a minute, once) …"
	$(PYTHON) -m venv $(BARE)
	$(BARE)/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r requirements.lock
	@touch $@

clean:
	rm -rf $(VENV) $(BARE) .mypy_cache .pytest_cache .ruff_cache .hypothesis
