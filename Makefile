.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo bench test test-faults test-release test-kafka test-fast mutants lint format docs site notebooks screenshot lock clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

install: $(STAMP) ## Create .venv with the locked requirements and listenback itself

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo "listenback needs Python 3.11 to 3.14; this is $$($(PYTHON) --version)."; \
		  echo "Name another: make install PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: install ## Simulate, stream, join and report on this machine (no services needed)
	$(BIN)/listenback demo

SIZE ?= full

bench: install ## Measure every budget beside other engines: the full size takes about 40 minutes (SIZE=small: 5)
	$(BIN)/python -m benchmarks --size $(SIZE)
	@if [ "$(SIZE)" = full ]; then $(BIN)/python -m benchmarks.report; fi

test: install ## All tests but the long ones
	$(BIN)/python -m pytest -n 2 -q -m "not faults and not release and not calibration"

ONE_THREAD := POLARS_MAX_THREADS=1 OPENBLAS_NUM_THREADS=1
UNDER_FIRE := tests/faults tests/integration tests/mutants tests/property tests/simulation

test-faults: install ## The laws under fire: Apache Kafka, kills, zombies, full disks, 1,000 simulated runs (Java 17, Maven)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 3 -v -rfE -m faults $(UNDER_FIRE)

test-release: install ## What else is long: workers on Apache Kafka, error rates by simulation, the wheel, the small bench
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -q -m "release or calibration"

test-kafka: install ## The shortest of them: Apache Kafka, a takeover, three brokers with one killed, TLS and logins
	$(BIN)/python -m pytest -n 2 -q -m "faults or release" tests/faults/test_takeover.py \
		tests/faults/test_three_brokers.py tests/faults/test_secured_kafka.py \
		tests/integration/test_transport_fetch.py

mutants: install ## Flip each comparison of the engine; print the test that catches it
	PYTHONPATH=. $(BIN)/python tests/mutants/test_mutants.py

test-fast: install ## The tests without a marker, for every few minutes
	$(BIN)/python -m pytest -q -m "not property and not simulation and not calibration and not integration and not release and not faults"

lint: install ## Format check, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: install ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install ## Write the pages of docs/ that come from the code
	$(BIN)/python docs/generate.py

site: install ## Build the documentation as a site: build/site/index.html (a warning is an error)
	$(BIN)/python -m sphinx -W --keep-going -q -b html -c docs -d build/doctrees . build/site

notebooks: demo ## Run the notebooks on the demo and store them with their output
	$(BIN)/python docs/notebooks.py

screenshot: demo ## Take the picture of the report (needs Chromium)
	$(BIN)/python docs/screenshot.py

COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"

lock: ## Resolve pyproject.toml into requirements/*.txt (hashes, no addresses)
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet uv
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) --group build -o requirements/build.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	rm -rf .venv-lock

clean: ## Remove what the project made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist demo reports
