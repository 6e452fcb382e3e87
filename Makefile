# make install   .venv with hts in it (and, on Debian, the codes by apt)
# make demo      the example campaign from nothing to its table, under .demo/
# make test      the tests, with the real codes
# make test-full what needs services besides: a real SLURM (on Debian installed by apt)
# make lint      ruff and mypy
# make bench     benchmarks: medians and plots, under .bench/; the last one runs the real codes for 25 minutes

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install system test test-full demo lint bench clean

BIN := $(CURDIR)/.venv/bin
DEMO := $(CURDIR)/.demo
CAMPAIGN := examples/al-h-perovskites.yaml
PACKAGES := quantum-espresso quantum-espresso-data libopenblas0-pthread openmpi-bin

help:
	@sed -n 's/^# //p' Makefile

# Nothing is asked of apt when the packages are there; root needs no sudo.
system:
	@missing=""
	for package in $(PACKAGES); do
	  dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"
	done
	if [ ! -x .venv/bin/python ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
	  missing="$$missing python3-venv"
	fi
	if [ -n "$$missing" ]; then
	  command -v apt-get >/dev/null || { echo "Error: no apt-get here; install by hand:$$missing" >&2; exit 2; }
	  as_root=""
	  if [ "$$(id -u)" -ne 0 ]; then
	    command -v sudo >/dev/null || { echo "Error: no sudo; as root: apt-get install$$missing" >&2; exit 2; }
	    as_root=sudo
	  fi
	  echo "installing:$$missing"
	  $$as_root apt-get update -q
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing
	fi

.venv/bin/python: | system
	@for python in "$${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
	  if [ -n "$$python" ] && "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	    echo "using $$("$$python" --version) ($$(command -v "$$python"))"
	    "$$python" -m venv .venv
	    exit 0
	  fi
	done
	found="$$(python3 --version 2>&1 || true)"
	echo "Error: $$found found, Python 3.11 or newer was wanted; install it and type make PYTHON=/path/to/python3.11" >&2
	exit 2

.venv/installed: pyproject.toml .venv/bin/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	touch $@

.venv/installed-dev: pyproject.toml .venv/installed
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@

install: system .venv/installed
	@echo "installed: $$($(BIN)/hts --version); type .venv/bin/hts doctor"

test: system .venv/installed-dev
	@$(BIN)/python -m pytest -n 2 --dist worksteal --durations 15

test-full: PACKAGES += slurm-wlm munge
test-full: system .venv/installed-dev
	@$(BIN)/python -m pytest -m full -n 2 --dist loadfile --durations 5

lint: .venv/installed-dev
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	@$(BIN)/python tests/benchmarks/enumeration.py --out .bench
	@$(BIN)/python tests/benchmarks/hull.py
	@$(BIN)/python tests/benchmarks/tc_solver.py --out .bench
	@$(BIN)/python tests/benchmarks/decision_cost.py --out .bench 2> .bench/decision_cost.log

# Everything lives under .demo/, AiiDA's folder too: the user's own ~/.aiida is neither read nor written. Typed again,
# it goes on where it was. The daemon ends with the demo, however that ends.
demo: install
	@export AIIDA_PATH="$(DEMO)/aiida" PATH="$(BIN):$$PATH"
	mkdir -p "$$AIIDA_PATH"
	stop() { python -c 'from hts.store import daemon, profile; profile.load("hts"); daemon.stop()' || true; }
	trap stop EXIT
	trap 'exit 130' INT TERM
	started=$$(date +%s)
	hts setup
	decided=0
	hts run $(CAMPAIGN) || decided=$$?
	[ "$$decided" -le 1 ] || exit "$$decided"
	hts candidates
	hts candidates --json > "$(DEMO)/candidates.json.part"
	mv "$(DEMO)/candidates.json.part" "$(DEMO)/candidates.json"
	hts status
	echo "demo: $$(( $$(date +%s) - started )) s wall time; table in .demo/candidates.json"
	exit "$$decided"

clean:
	@if [ -d .demo/aiida ] && [ -x $(BIN)/python ]; then
	  AIIDA_PATH="$(DEMO)/aiida" $(BIN)/python -c 'from hts.store import daemon, profile; profile.load("hts"); daemon.stop()' || true
	fi
	rm -rf .venv .demo .bench .test dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
