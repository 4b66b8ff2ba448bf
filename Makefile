# Every target sets up what it needs: Python packages into .venv, the CDK CLI into node_modules.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
NODE_MAJOR := $(shell node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
NODE_FROM_PYPI := $(shell [ $(NODE_MAJOR) -ge 20 ] || echo --group node)

export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)
export CDK_DISABLE_CLI_TELEMETRY := 1
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := $(NODE_MAJOR)
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
unexport VIRTUAL_ENV

READY := $(VENV)/.ready

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml uv.lock package.json package-lock.json
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on PATH." >&2; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@test -x $(VENV)/bin/uv || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		"$$(sed -n 's/^ *"\(uv==[^"]*\)".*/\1/p' pyproject.toml)"
	@echo "Installing the locked dependencies…"
	@uv sync --quiet --frozen $(NODE_FROM_PYPI)
	@npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: setup
setup: $(READY) ## Create .venv and node_modules (every other target does it too)
