# make run    run the example flow to its verdict          make run ARGS="--param max_depth=7"
# make test   run the tests                                make test ARGS="tests/flow -x"
# make slow   run those that take more than five seconds
# make lint   style, types and import contracts
# make lock   lock the newest versions that pyproject.toml allows (needs uv)
# make clean  remove what these leave, the environment too
#
# Each sets up .venv first, where that is missing or out of date; otherwise nothing is installed, so no network is needed.
# Another Python: make PYTHON=python3.12 run

PYTHON ?= python3
ARGS   ?=

VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
LOCKS  := src/mlci/locks
PIP    := PIP_USE_PEP517=1 $(PY) -m pip install --quiet --no-input --disable-pip-version-check
COMPILE := uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header --no-emit-index-url --generate-hashes

.PHONY: run test slow lint lock clean
.DEFAULT_GOAL := run

# Jobs run with the example's packages, whatever environment is active.
run: $(READY)
	@VIRTUAL_ENV="$(abspath $(VENV))" $(PY) pipeline.py $(ARGS)

test: $(READY)
	@$(PY) -m pytest -q -n auto -m "not slow and not toolkits" $(ARGS)

# Accounts that `mlci bootstrap` sets up take minutes to make, so tests that share one stay in one process.
slow: $(READY)
	@$(PY) -m pytest -q -n auto --dist loadgroup -m "slow and not network and not toolkits and not examples" $(ARGS)

lint: $(READY)
	@$(VENV)/bin/ruff check --quiet . && echo "ruff check: no findings"
	@$(VENV)/bin/ruff format --check --quiet . && echo "ruff format: nothing to change"
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

clean:
	rm -rf $(VENV) .mlci build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The locks hold every version that the project is tested with, on Python 3.10 to 3.13 and each platform, with its hashes:
# `build` for building packages from source, `runtime` for mlci, `slim` for mlci without the SDKs, `sdk` for these,
# `stats` and `parquet` for what judging cases needs, `plots` for what draws plots, `github` for what posts reports beside a slim install,
# `example` for the example's scripts too, `all` for everything. A package that has no wheel is built with what `build` installs, and not with what an index offers that day.
$(READY): pyproject.toml $(LOCKS)/build.txt $(LOCKS)/all.txt
	@$(PYTHON) -c '' 2>/dev/null || { \
	    echo "make: there is no \"$(PYTHON)\". Install Python 3.10 or later, or name yours: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "make: mlci needs Python 3.10 or later, and \"$(PYTHON)\" is `$(PYTHON) -V 2>&1`." \
	        "Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: \"$(PYTHON)\" has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) with `$(PYTHON) -V 2>&1`; a minute or two, once ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --require-hashes -r $(LOCKS)/build.txt
	@$(PIP) --require-hashes --no-build-isolation -r $(LOCKS)/all.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# The lock of an environment holds the versions of `all`, so that what is deployed is what was tested.
lock:
	@$(COMPILE) --all-extras pyproject.toml -o $(LOCKS)/all.txt --upgrade
	@$(COMPILE) pyproject.toml -c $(LOCKS)/all.txt -o $(LOCKS)/runtime.txt
	@$(COMPILE) --extra example pyproject.toml -c $(LOCKS)/all.txt -o $(LOCKS)/example.txt
	@printf 'setuptools\nwheel\n' | $(COMPILE) - -c $(LOCKS)/all.txt -o $(LOCKS)/build.txt
	@$(MAKE) --no-print-directory $(READY)
	@$(PY) .ci/slim_lock.py $(LOCKS)
	@$(PY) .ci/sagemaker_images.py > src/mlci/stage/sagemaker_images.json.new
	@mv src/mlci/stage/sagemaker_images.json.new src/mlci/stage/sagemaker_images.json
