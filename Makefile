# Everything is set up inside the checkout (.venv, node_modules); `make demo` and `make test` need Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export PYTHON
PACKAGES := app.py settings.py deployment_outputs.py image_tags.py batch_limits.py launcher_contract.py instance_type_facts.py setting_groups functions stacks constructs_lib runner local_batch
LAUNCHED := dopi dopisecond fieldstats mpi standin
.DEFAULT_GOAL := help

.PHONY: help setup demo check format lint types test test-slow launcher snapshots architecture bench constraints clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: ## Python packages, Node and the cdk command, into the checkout
	@toolchain/setup.sh run

demo: ## Deploy the stacks to a local cloud, run the three-job DAG and an MPI program on it, show what came, take it down
	@started=$$($(PYTHON) -c 'import time; print(time.time())'); toolchain/setup.sh run && $(BIN)/hpc demo --started-at $$started

format: ## Rewrite the sources in the house format
	@toolchain/setup.sh dev
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/clang-format -i $$(git ls-files '*.c')

lint: ## Format check, lint, import contracts, shellcheck, clang-format
	@toolchain/setup.sh dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache
	$(BIN)/vulture $(PACKAGES) --min-confidence 80
	$(BIN)/shellcheck $$(git ls-files '*.sh' .ci/run)
	$(BIN)/clang-format --dry-run -Werror $$(git ls-files '*.c')

types: ## mypy, strict
	@toolchain/setup.sh dev
	$(BIN)/mypy $(PACKAGES) tests benchmarks
	$(BIN)/mypy containers/dopi/dopi.py
	$(BIN)/mypy containers/dopisecond/dopisecond.py
	$(BIN)/mypy containers/fieldstats/fieldstats.py
	$(BIN)/mypy containers/standin/standin.py
	$(BIN)/mypy containers/launcher/launcher.py
	$(BIN)/mypy containers/mpi/bringup.py containers/mpi/mpi_bringup
	$(BIN)/mypy mpi/*.py
	$(BIN)/mypy head_node/idle.py

check: lint types ## lint, types, synth and cfn-lint
	$(BIN)/hpc synth
	$(BIN)/cfn-lint --non-zero-exit-code warning cdk.out/*.template.json

test: check ## Everything: check, then every suite
	$(BIN)/pytest

test-slow: ## The slow tests: other people's clients of AWS Batch against the local cloud, scanners of templates
	@toolchain/setup.sh dev
	$(BIN)/pytest --slow -m slow

launcher: ## Copy containers/launcher/launcher.py into the folders of the images that start with it
	for image in $(LAUNCHED); do cp containers/launcher/launcher.py containers/$$image/launcher.py; done

snapshots: ## Write the templates' snapshots anew after an intended change
	@toolchain/setup.sh dev
	$(BIN)/pytest tests/infra/test_snapshots.py --update-snapshots

architecture: ## Write the diagram and the table of resources in docs/architecture.md anew, from the templates
	@toolchain/setup.sh run
	$(BIN)/hpc synth
	$(BIN)/hpc synth --settings private
	$(BIN)/hpc synth --settings production
	$(BIN)/python -m runner.assembly.architecture docs/architecture.md cdk.out cdk.out.private cdk.out.production

bench: ## Benchmarks: ratios, measured side by side in one run
	@toolchain/setup.sh dev
	$(BIN)/python -m benchmarks

constraints: ## Pin what the requirements resolve to today
	@toolchain/setup.sh dev
	@toolchain/freeze.sh

clean: ## Remove what the targets above made
	rm -rf .venv node_modules cdk.out* .hpc build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
