# Every target sets up what it needs: Python packages into .venv, the CDK CLI into node_modules.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

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
export NODE_NO_WARNINGS := 1
unexport VIRTUAL_ENV PYTHONPATH

READY := $(VENV)/.ready
SEEDS ?= 1000
FROM ?= 0
SIZE ?= core
WORD ?=
PART ?=
STACK ?=
REGION ?=
PROFILE ?=

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(READY) ## Watch buyers register, use and cancel, and their usage reach the bill
	@python -m sandbox.demo

.PHONY: sandbox
sandbox: $(READY) ## Start AWS and AWS Marketplace on this machine, deploy, and stay until Ctrl-C
	@exec python -m sandbox

.PHONY: check
check: $(READY) ## Lint, types, import contracts and fast tests
	ruff format --check
	ruff check
	mypy
	lint-imports
	pytest -q -n 2 tests/unit

# Files that deploy are dealt out in the order of their names, so that long ones come early.
E2E := pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/e2e

.PHONY: test
test: check ## All of check, and everything else: what CI runs
	pytest -q -n 2 --dist loadfile tests/integration tests/infra
	pytest -q -n 2 --dist loadfile tests/conformance
	pytest -q -n 2 tests/simulation
	@$(MAKE) --no-print-directory chromium || true
	@if python -m tests.e2e.browser > /dev/null 2>&1; then $(E2E); \
	else \
		$(E2E) --ignore-glob='*/test_browser*'; \
		echo "LEFT OUT: the browser run, tests/e2e/test_browser*.py; 'make chromium' says why." >&2; \
	fi

# Debian's Chromium, if there is no browser and apt-get may be used without being asked anything.
.PHONY: chromium
chromium: $(READY) ## Install Chromium for the browser run of the tests, where apt-get may
	@if python -m tests.e2e.browser 2> /dev/null; then exit; fi; \
	as_root=; test "$$(id -u)" = 0 || as_root="sudo -n"; \
	if command -v apt-get > /dev/null && $$as_root true 2> /dev/null; then \
		echo "Installing Chromium…"; \
		$$as_root apt-get -qq update || true; \
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install chromium > /dev/null || true; \
	fi; \
	python -m tests.e2e.browser

.PHONY: simulate
simulate: $(READY) ## Play SEEDS runs of the simulation, SIZE core or whole, beginning with seed FROM
	@python -m tests.simulation --size $(SIZE) --seeds $(SEEDS) --from $(FROM)

.PHONY: bite
bite: $(READY) ## Plant bugs in copies of the sources, one after the other, and see each of them caught
	@python -m tests.bite

.PHONY: mutants
mutants: $(READY) ## Change every small thing of the pure modules in turn, and see a unit test fail
	@uv sync --quiet --frozen --inexact --group mutants $(NODE_FROM_PYPI)
	@python -m tests.mutants $(WORD)

.PHONY: bench
bench: $(READY) ## Count what a million events cost, and measure how fast ticks and cold starts are
	@python -m bench $(PART)

.PHONY: doctor
doctor: $(READY) ## Check a deployed stack without changing it; STACK, REGION and PROFILE choose it
	@marketplace doctor $(if $(STACK),--stack $(STACK)) $(if $(REGION),--region $(REGION)) \
		$(if $(PROFILE),--profile $(PROFILE))

.PHONY: synth
synth: $(READY) ## Write the CloudFormation templates to cdk.out and lint them; needs no account
	cdk synth --quiet
	cfn-lint cdk.out/*.template.json

# Both outside the lock: their own dependencies would contradict it.
CHECKOV := uv tool run --from checkov==3.2.489 checkov --config-file .checkov.yaml
PIP_AUDIT := uv tool run --from pip-audit==2.10.0 pip-audit --strict --disable-pip --require-hashes

.PHONY: security
security: $(READY) ## Ask checkov about the templates and pip-audit about the lock; needs the internet
	cdk synth --quiet --output .build/cdk.out
	cdk synth --quiet --output .build/cdk.out.all -c region=eu-west-1 -c customer_managed_key=true \
		-c access_logs=true -c web_acl=true -c usage_endpoint=true
	$(CHECKOV) --file .build/cdk.out*/*.template.json
	uv export --quiet --frozen --all-groups --no-emit-project --no-header --output-file .build/requirements.txt
	$(PIP_AUDIT) --requirement .build/requirements.txt

.PHONY: setup
setup: $(READY) ## Create .venv and node_modules (every other target does it too)

$(READY): pyproject.toml uv.lock package.json package-lock.json
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on PATH." >&2; exit 1; }
	@echo "Setting up: the locked Python packages, the CDK CLI, and what goes into the functions…"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@test -x $(VENV)/bin/uv || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		"$$(sed -n 's/^ *"\(uv==[^"]*\)".*/\1/p' pyproject.toml)"
	@uv sync --quiet --frozen $(NODE_FROM_PYPI)
	@npm ci --silent --no-audit --no-fund
	@python -m infra.package
	@touch $@

.PHONY: clean
clean: ## Remove all that was built and installed here
	rm -rf $(VENV) node_modules cdk.out .build .sandbox .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
