# Every target installs what it needs, once; a second call starts at once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: docs docs-tables image image-tag testbed testbed-down test-kubernetes run test test-all mutants test-newest check format bench bench-answers test-gpu faults lock clean

run: .venv/run.stamp            ## tune Keras networks on MNIST: the study mnist-asha
	$(BIN)/tunepipe run mnist-asha --resume

# The tests start hundreds of processes, which would all compile tunepipe again where Python is told to keep no bytecode.
test test-all: export PYTHONDONTWRITEBYTECODE =
PROCESSES ?= 2
test: .venv/dev.stamp           ## every test but the long ones, and the slowest 25; PROCESSES=1 for one after the other
	$(BIN)/pytest -m "not long" --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations 25

# Long tests wait for processes that end, more than they compute.
test-all: PROCESSES = 3
test-all: .venv/dev.stamp       ## every test, the long ones too, and the fuzzers with more examples
	TUNEPIPE_FUZZ=$${TUNEPIPE_FUZZ:-10} $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations 25

mutants: .venv/dev.stamp        ## changes of the kernel's code that its tests do not notice: tens of minutes; MUTANTS='--only engine --number 0'
	$(BIN)/python -m tests.mutants $(MUTANTS)

test-newest: .venv/dev.stamp    ## the tests that use libraries, with the newest versions of these, in .venv-newest
	$(BIN)/python requirements/newest.py

check: .venv/dev.stamp          ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.stamp         ## put the sources into the project's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: docs-tables               ## write the outputs that the documentation shows, from real studies: minutes
	$(BIN)/python -m scripts.documentation

docs-tables: .venv/dev.stamp    ## write the tables of the documentation: fields and columns
	$(BIN)/python scripts/document.py

bench: .venv/bench.stamp        ## speed, as ratios against peers in one run; BENCH='--only scale'
	$(BIN)/python -m tests.benchmarks $(BENCH)

bench-answers: .venv/run.stamp  ## what studies find for the same compute, over recorded learning curves; ANSWERS='--seeds 5 --workers 1'
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.answers $(ANSWERS)

test-gpu: .venv/dev.stamp       ## the tests that need a GPU
	$(BIN)/pytest tests/gpu

CONTAINERS ?= $(shell command -v podman || command -v docker)
BASE ?= python:3.11-slim-bookworm
KINDS ?= cpu gpu
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
COMMIT ?= $(shell git describe --always --dirty --exclude '*' 2>/dev/null)
TAG := $(VERSION)$(if $(COMMIT),-$(COMMIT))
BUILD ?=
# A tag of the base is resolved once: both images have the same base, named with its digest in their labels.
image:                          ## the images tunepipe-cpu and tunepipe-gpu, tagged VERSION and VERSION-COMMIT, with podman or docker; BUILD: more of its options
	@test -n "$(CONTAINERS)" || { echo "make image needs podman or docker; neither is there." >&2; exit 2; }
	@base="$(BASE)"; \
	case "$$base" in *@sha256:*) ;; *) \
	    $(CONTAINERS) pull --quiet "$$base" >&2 || echo "The base image $$base could not be pulled; an older one of this machine is used, if there is one." >&2; \
	    base=$$($(CONTAINERS) image inspect --format '{{index .RepoDigests 0}}' "$$base") || exit 2;; \
	esac; \
	echo "Base image: $$base" >&2; \
	for kind in $(KINDS); do \
	    $(CONTAINERS) build $(BUILD) --build-arg BASE="$$base" --label org.opencontainers.image.base.name="$(BASE)" --label org.opencontainers.image.base.digest="$${base#*@}" \
	        --label org.opencontainers.image.version="$(VERSION)" --label org.opencontainers.image.revision="$(COMMIT)" \
	        --target $$kind --tag tunepipe-$$kind:$(VERSION) $(if $(COMMIT),--tag tunepipe-$$kind:$(TAG)) . || exit; \
	done
	@echo "Tag for a registry: $(TAG). In the chart's values, images: {cpu: REGISTRY/tunepipe-cpu:$(TAG), …}; for submit, --image REGISTRY/tunepipe-cpu:$(TAG)"

image-tag:                      ## print the tag VERSION-COMMIT that make image gives
	@echo $(TAG)

testbed: .venv/dev.stamp        ## a real Kubernetes on this machine, as root; prints its KUBECONFIG
	$(BIN)/python -m tests.kubernetes.testbed up

testbed-down: .venv/dev.stamp   ## end it: nothing of it is left but what was built
	$(BIN)/python -m tests.kubernetes.testbed down

ONLY ?=
test-kubernetes: .venv/dev.stamp ## studies in a real Kubernetes, as root on Debian with Go; ends with a table; ONLY='-m core'
	$(BIN)/python -m tests.kubernetes.testbed $(if $(filter core,$(ONLY)),build,build-all)
	$(BIN)/pytest tests/kubernetes --timeout=1200 $(ONLY)

TRIALS ?=
KILLS ?= $(if $(TRIALS),2,30)
SEED ?= 1
SCHEDULER ?= fifo
faults: .venv/dev.stamp         ## kill workers and drivers of a study, and compare: make faults KILLS=30 SEED=1 SCHEDULER=fifo, or the driver of many light trials: make faults TRIALS=10000 KILLS=2
	$(BIN)/python -m tests.faults --kills $(KILLS) --seed $(SEED) --scheduler $(SCHEDULER) $(if $(TRIALS),--light $(TRIALS))

lock: .venv/run.stamp           ## resolve pyproject.toml again into requirements/
	$(BIN)/pip install -q uv
	cd requirements && ../.venv/bin/python lock.py

clean:                          ## remove the environment
	rm -rf .venv .venv-newest

.venv/run.stamp: requirements/run.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else f"tunepipe needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v.major}.{v.minor}. Name another: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the libraries into .venv, 3 GB: this takes some minutes."
	$(BIN)/pip install -q --disable-pip-version-check -r requirements/run.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/dev.stamp: requirements/dev.txt .venv/run.stamp
	$(BIN)/pip install -q --disable-pip-version-check -r requirements/dev.txt
	touch $@

.venv/bench.stamp: requirements/bench.txt .venv/dev.stamp
	$(BIN)/pip install -q --disable-pip-version-check -r requirements/bench.txt
	touch $@
