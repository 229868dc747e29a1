# make run    run the example flow to its verdict          make run ARGS="--param max_depth=7"
# make test   run the tests                                make test ARGS="tests/flow -x"
# make slow   run those that take more than five seconds
# make lint   style, types and import contracts
# make clean  remove what these leave, the environment too
#
# Each sets up .venv first, where that is missing or out of date; otherwise nothing is installed, so no network is needed.
# Another Python: make PYTHON=python3.12 run

PYTHON ?= python3
ARGS   ?=

VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready

.PHONY: run test slow lint clean
.DEFAULT_GOAL := run

run: $(READY)
	@$(PY) pipeline.py $(ARGS)

test: $(READY)
	@$(PY) -m pytest -q -n auto -m "not slow" $(ARGS)

slow: $(READY)
	@$(PY) -m pytest -q -n auto -m "slow and not network" $(ARGS)

lint: $(READY)
	@$(VENV)/bin/ruff check --quiet . && echo "ruff check: no findings"
	@$(VENV)/bin/ruff format --check --quiet . && echo "ruff format: nothing to change"
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

clean:
	rm -rf $(VENV) .mlci build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The constraints hold for the environments that packages are built in, too; PIP_BUILD_CONSTRAINT is pip 25.3's name of it.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c '' 2>/dev/null || { \
	    echo "make: there is no \"$(PYTHON)\". Install Python 3.10 or later, or name yours: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "make: mlci needs Python 3.10 or later, and \"$(PYTHON)\" is `$(PYTHON) -V 2>&1`." \
	        "Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: \"$(PYTHON)\" has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) with `$(PYTHON) -V 2>&1`; a minute or two, once ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USE_PEP517=1 \
	    $(PY) -m pip install --quiet --no-input -c constraints.txt -e '.[serve,example,dev]'
	@touch $@
