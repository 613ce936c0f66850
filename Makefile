# Everything a person types. Needs python3 (3.11 or newer) and make; no Docker, no root.
#
# The environment is .venv, filled from requirements.lock by hash; .venv/.ready is its stamp.
# Indexes, proxies and certificates are whatever uv's or pip's own configuration says.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Arguments for a command: make demo ARGS="--resolution 720p", make test PYTEST_ARGS="-k slots".
ARGS ?=
PYTEST_ARGS ?=
# Seeds of random histories: make faults HISTORIES=200-399 PYTEST_ARGS="-k histories".
HISTORIES ?=
# Ctrl-C is how a person ends these: the shell waits for the command, which stops its servers and
# answers 130, and make has no error to report.
UNTIL_CTRL_C := trap : INT;
OR_CTRL_C := || [ $$? -eq 130 ]
LOCK_FLAGS := --universal --fork-strategy fewest --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header --quiet --extra embedded --group dev

export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS ?= 1

.PHONY: help setup demo up test lint types imports check-tests bench faults fuzz openapi clean lock

help: ## Show this list
	@printf 'FlatRender\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Make .venv with everything in it (the other targets do this by themselves)
	@echo "ready: $(BIN)/flatrender --help"

demo: $(READY) ## A customer's journey over HTTP, from nothing to an MP4
	@$(UNTIL_CTRL_C) $(BIN)/flatrender demo --embedded $(ARGS) $(OR_CTRL_C)

up: $(READY) ## Run all of it on this machine until Ctrl-C
	@$(UNTIL_CTRL_C) $(BIN)/flatrender up $(ARGS) $(OR_CTRL_C)

test: $(READY) ## Lint, types, import rules and every test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory imports
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory check-tests

lint: $(READY) ## ruff: rules and formatting
	@echo '== ruff check'; $(BIN)/ruff check --quiet .
	@echo '== ruff format'; $(BIN)/ruff format --check --quiet .

types: $(READY) ## mypy, strict
	@echo '== mypy'; $(BIN)/mypy

imports: $(READY) ## import-linter: no plugin imports a plugin, the kernel imports none
	@echo '== import rules'; $(BIN)/lint-imports --no-logo

check-tests: $(READY) ## The tests alone
	@echo '== pytest'; $(BIN)/pytest -q -n auto --dist worksteal $(PYTEST_ARGS)

bench: $(READY) ## Speed of hot reads, rendering and claims, against bare yardsticks
	@$(BIN)/python -m tests.bench $(ARGS)

faults: $(READY) ## Kill and damage things while they work, again and again, with real timers
	@FLATRENDER_FAULTS=full FLATRENDER_HISTORIES=$(HISTORIES) $(BIN)/pytest -q tests/faults $(PYTEST_ARGS)

fuzz: $(READY) ## What schemathesis makes up, against the API's own description
	@FLATRENDER_FUZZ=full $(BIN)/pytest -q -s tests/contract/test_api_holds.py $(PYTEST_ARGS)

openapi: $(READY) ## Write the OpenAPI and AsyncAPI documents
	@$(BIN)/flatrender openapi $(ARGS)

lock: $(READY) ## Resolve requirements.lock anew (UPGRADE=1 takes newer releases)
	@uv=$$($(FIND_UV)) && "$$uv" pip compile $(LOCK_FLAGS) $(if $(UPGRADE),--upgrade) \
		--python-version 3.11 pyproject.toml -o requirements.lock
	@echo 'requirements.lock written'

clean: ## Remove the environment and caches (never the data in .flatrender)
	@rm -rf $(VENV) .uv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -------------------------------------------------------------------------

# The first Python of at least 3.11 that truly runs (a pyenv shim may only say it cannot).
FIND_PYTHON = \
	for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			"$$candidate" -c 'import sys; print(sys.executable)'; exit 0; \
		fi; \
	done; \
	echo "FlatRender needs Python 3.11 or newer and found none: install python3.11 or newer, or say make PYTHON=/path/to/python" >&2; \
	exit 1

# uv of the machine, else one of our own in .uv: by venv, or where Debian split venv off, by pip.
FIND_UV = \
	if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then command -v uv; exit 0; fi; \
	if .uv/bin/uv --version >/dev/null 2>&1; then echo .uv/bin/uv; exit 0; fi; \
	python=$$($(FIND_PYTHON)) || exit 1; rm -rf .uv; mkdir .uv; log=.uv/install.log; \
	if "$$python" -c 'import ensurepip' >/dev/null 2>&1 && "$$python" -m venv .uv >>$$log 2>&1; then \
		installed=1; .uv/bin/python -m pip install --quiet uv >>$$log 2>&1 || installed=; \
	elif "$$python" -m pip --version >/dev/null 2>&1; then \
		installed=1; "$$python" -m pip install --quiet --target .uv uv >>$$log 2>&1 || installed=; \
	else \
		rm -rf .uv; \
		if command -v apt-get >/dev/null 2>&1; then \
			version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
			echo "neither uv, venv nor pip is here: sudo apt-get install -y python$$version-venv" >&2; \
		else echo 'neither uv, venv nor pip is here: install uv (https://docs.astral.sh/uv) or your python3-venv package' >&2; fi; \
		exit 1; \
	fi; \
	if [ -z "$$installed" ] || ! .uv/bin/uv --version >/dev/null 2>&1; then \
		echo "uv could not be installed into .uv: $$(grep -v '^ *$$' $$log | tail -n 1)" >&2; rm -rf .uv; exit 1; \
	fi; \
	echo .uv/bin/uv

# uv does not read pip's configuration: hand it the index and certificate, unless uv has its own.
PIP_TO_UV = \
	if [ -z "$$UV_DEFAULT_INDEX$$UV_INDEX_URL$$UV_INDEX$$UV_CONFIG_FILE" ]; then \
		settings=$$("$$python" -m pip config list 2>/dev/null || true); \
		pick() { printf '%s\n' "$$settings" | sed -n "s/^[^=]*\.$$1='\(.*\)'\$$/\1/p" | tail -n 1; }; \
		index=$${PIP_INDEX_URL:-$$(pick index-url)}; \
		if [ -n "$$index" ]; then UV_DEFAULT_INDEX=$$index; export UV_DEFAULT_INDEX; fi; \
		cert=$${PIP_CERT:-$$(pick cert)}; \
		if [ -n "$$cert" ] && [ -f "$$cert" ] && [ -z "$$SSL_CERT_FILE" ]; then SSL_CERT_FILE=$$cert; export SSL_CERT_FILE; fi; \
	fi

$(READY): requirements.lock pyproject.toml
	@set -e; \
	python=$$($(FIND_PYTHON)); \
	uv=$$($(FIND_UV)); \
	$(PIP_TO_UV); \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		echo "== making $(VENV) with $$python"; \
		rm -rf $(VENV); "$$uv" venv --quiet --python "$$python" $(VENV); \
	fi; \
	echo '== installing what requirements.lock names'; \
	"$$uv" pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	"$$uv" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	$(BIN)/python -m flatrender.syslibs; \
	touch $@
