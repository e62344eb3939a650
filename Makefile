# The same targets serve people and CI. Needs Linux or macOS and Python 3.11 or newer with venv and SQLite 3.38 or newer;
# everything else is fetched.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
BARE = $(VENV)-bare
LOCKED = --quiet --universal --generate-hashes --no-header
PIP = $(BIN)/python -m pip --disable-pip-version-check -q

IS_SUPPORTED = import sys, sqlite3; sys.exit(sys.version_info < (3, 11) or sqlite3.sqlite_version_info < (3, 38))

# An environment made by an older Python, left without pip or moved with its Python gone, would fail for ever.
ifneq ($(wildcard $(VENV)/pyvenv.cfg),)
ifneq ($(shell $(BIN)/python -c 'import pip; $(IS_SUPPORTED)' 2>/dev/null && echo usable),usable)
$(shell rm -rf $(VENV))
endif
endif

.PHONY: demo run test postgres coverage check drills image bench pictures dist format lock clean help

# A folder that could not be finished is removed, else the next run would take it for a whole one.
define new_venv
@$(PYTHON) -c '$(IS_SUPPORTED)' 2>/dev/null || { echo "Reelwatch needs Python 3.11 or newer with SQLite 3.38 or newer; $(PYTHON) is not. Name one: make PYTHON=python3.12 …" >&2; exit 1; }
@$(PYTHON) -m venv $(1) || { rm -rf $(1); echo "$(PYTHON) can't make a virtual environment; on Debian or Ubuntu install python3-venv." >&2; exit 1; }
endef

demo: $(VENV)/.run  ## the real bot between a fake Telegram and fake gateways
	$(BIN)/python -m bot demo

run: $(VENV)/.run  ## the bot, with the settings in .env
	$(BIN)/python -m bot

# Where the environment forbids bytecode, each of the workers and programs below would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

# More at a time than a small machine has cores: the end-to-end tests mostly wait. In the order of the folders, so these come early.
PYTEST = $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --ignore=tests/repo

test: $(VENV)/.dev  ## all tests but tests/repo, which check runs
	$(PYTEST)

postgres: $(VENV)/.dev  ## the end-to-end tests and the drills in short, with the database on PostgreSQL; four minutes
	E2E_DATABASE=postgres $(PYTEST) tests/e2e tests/drills/test_drills.py

coverage: $(VENV)/.dev  ## all tests, and the share of lines they run, which may not fall below pyproject.toml's floor
	$(PYTEST) --cov

check: $(VENV)/.dev  ## lint, types, architecture, lock and .env.example in step with the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 tests/repo

drills: $(VENV)/.dev  ## break everything, in full, on SQLite and on PostgreSQL; an hour and a half
	$(BIN)/python -m tests.drills
	E2E_DATABASE=postgres $(BIN)/python -m tests.drills

image: $(VENV)/.dev  ## build the image and check it in containers; as root with buildah, podman, debootstrap; two minutes
	$(BIN)/python -m tests.image

bench: $(VENV)/.dev $(BARE)/.run  ## the schedule's goals in a simulation, what polling costs, then the demo's page; about half an hour
	$(BIN)/python -m tests.bench.simulate
	$(BIN)/python -m tests.bench --python $(BARE)/bin/python
	$(BIN)/python -m tests.bench.page
	$(BIN)/python -m tests.bench.long_demo

pictures: $(VENV)/.dev  ## play conversations in the demo's page and take docs/pictures/; with Chromium; five minutes
	$(BIN)/python -m tests.pictures

dist: $(VENV)/.dev  ## the wheel and the source distribution, in dist/
	$(BIN)/uv build --quiet

format: $(VENV)/.dev  ## lint what can be mended, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev  ## resolve the dependencies anew; both locks hold the same versions
	$(BIN)/uv pip compile $(LOCKED) --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile $(LOCKED) --constraint requirements-dev.lock pyproject.toml -o requirements.lock

$(BIN)/python:
	$(call new_venv,$(VENV))

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
	$(call new_venv,$(BARE))
	$(BARE)/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r requirements.lock
	@touch $@

help:  ## what each target does
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
		printf '%-9s %s\n' "$$name" "$$what"; done

clean:  ## remove the environments and all caches
	rm -rf $(VENV) $(BARE) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
