# Every target sets up what it needs: a fresh clone, Python 3.11 or newer and make are enough.

PYTHON ?= python3
# Neighbours stay together, so that what they share is made once; who is through first takes half of what the other has left.
PYTEST_ARGS ?= -n 2 --dist worksteal

BIN := .venv/bin
PEERS := .venv-peers/bin
OTHERS := .venv-backends/bin
RAY := .venv-ray/bin
S3 := .venv-s3/bin
KERAS2 := .venv-keras2/bin
GOLDEN := .venv-golden/bin
# `make test-backends BACKEND_TESTS=` runs all of them.
BACKEND_TESTS ?= tests/adapter/test_keras_models.py tests/adapter/test_gradients.py tests/adapter/test_rules.py tests/adapter/test_logits.py \
	tests/adapter/test_layers.py tests/adapter/test_taps.py tests/adapter/test_caching.py tests/adapter/test_changed_on_keras.py \
	tests/adapter/test_reinitialized.py
UV := $(shell command -v uv 2>/dev/null)

# pydoclint as a flake8 plugin: alone it can't leave out DOC105 (types in prose). Missing parameters are ruff's D417, which unlike
# pydoclint reads "vmin, vmax : float" as two.
# Raises: what a helper raises is documented too, so the section is not compared with the body.
PYDOCLINT := flake8 --select=DOC --extend-ignore=DOC101,DOC103,DOC105,DOC110 --style=numpy --check-return-types=False --check-yield-types=False \
	--check-class-attributes=False --skip-checking-raises=True --skip-checking-private-functions=True \
	--allow-init-docstring=True --omit-stars-when-documenting-varargs=True

# JAX compiles for longer than these tests run: what it compiles is kept, and not made fast.
QUICK_JAX := JAX_DISABLE_MOST_OPTIMIZATIONS=1 JAX_COMPILATION_CACHE_DIR=$(CURDIR)/build/jax \
	JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help setup test pytest test-slow test-backends test-core test-core-jax test-core-torch test-ray test-s3 test-keras2 lint format demo docs bench bench-peers bench-backends golden lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: .venv/.ready  ## Create .venv (done again only when pyproject.toml or requirements.lock changes)

test: lint pytest  ## Lint, types, then the tests (two at a time; PYTEST_ARGS="-k gradcam" reaches pytest)

pytest: .venv/.ready
	@echo "== pytest"
	@$(BIN)/python -m pytest -q -m "not slow" $(PYTEST_ARGS)

test-slow: .venv/.ready  ## The tests that take long (about 20 minutes of processor time): models of KerasHub and keras.applications, long gallery scripts, laws on more kinds of models, memory
	@$(BIN)/python -m pytest -q -m slow $(PYTEST_ARGS)

test-backends: test-core .venv/.ready  ## The core of the tests on JAX and PyTorch (BACKEND_TESTS= for all of them)
	@echo "== pytest, the backends compared"
	@$(BIN)/python -m pytest -q tests/test_backends.py

test-core: test-core-jax test-core-torch  # beside each other by `make -j 2`: JAX alone keeps one processor waiting at its end

test-core-jax test-core-torch: test-core-%: .venv-backends/.ready
	@echo "== pytest, Keras on $*"
	@KERAS_BACKEND=$* $(QUICK_JAX) $(OTHERS)/python -m pytest -q $(PYTEST_ARGS) $(BACKEND_TESTS)

test-ray: .venv-ray/.ready  ## Runs on a Ray cluster of two nodes on this machine, of which one is killed
	@RAY_USAGE_STATS_ENABLED=0 $(RAY)/python -m pytest -q tests/runs/test_ray.py

test-s3: .venv-s3/.ready  ## Runs in the object store of an S3 server on this machine, by processes of which one is killed
	@$(S3)/python -m pytest -q tests/runs/test_s3.py

test-keras2: .venv/.ready .venv-keras2/.ready  ## Models that Keras 2 writes now, in an environment of its own, are loaded and predict the same
	@mkdir -p build && $(KERAS2)/python tests/legacy/write_keras2.py build/keras2.tar.xz
	@$(KERAS2)/python tests/legacy/write_applications.py build/applications
	@VIZCNN_KERAS2=build/keras2.tar.xz VIZCNN_KERAS2_APPLICATIONS=build/applications $(BIN)/python -m pytest -q $(PYTEST_ARGS) tests/adapter/test_keras2.py

lint: .venv/.ready  ## ruff, import-linter, pydoclint, mypy
	@echo "== ruff check"
	@$(BIN)/ruff check
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-logo
	@echo "== pydoclint"
	@$(BIN)/$(PYDOCLINT) vizcnn
	@echo "== mypy"
	@$(BIN)/mypy

format: .venv/.ready  ## Format the code, mend what ruff can mend, write the methods' signatures into the stub
	@$(BIN)/python -m tests.stub
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

fuzz: .venv/.ready  ## Read 40,000 files changed at random (FUZZ_ARGS="--models 2000 --others 2000 --seed 1")
	@$(BIN)/python -m tests.fuzz.run $(FUZZ_ARGS)

demo: .venv/.ready  ## Look into the small bundled CNN and explain its digits, offline
	@$(BIN)/vizcnn demo

docs: .venv/.ready  ## Build the docs with their gallery into docs/_build; warnings are errors
	@cd docs && ../$(BIN)/python -m sphinx -q -W --keep-going -b html $(DOCS_ARGS) . _build
	@echo "wrote docs/_build/index.html"

bench: .venv/.ready  ## Time our methods (BENCH_ARGS="--markdown docs/benchmarks.md" keeps the tables)
	@$(BIN)/python -m tests.benchmarks.bench $(BENCH_ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_methods $(BENCH_ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_changed $(BENCH_ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_attribution $(BENCH_ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_start $(BENCH_ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_from_scratch $(BENCH_ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_run $(BENCH_ARGS)

bench-peers: .venv-peers/.ready  ## Time them beside other libraries, in an environment of their own
	@$(PEERS)/python -m tests.benchmarks.peers $(BENCH_ARGS)
	@$(PEERS)/python -m tests.benchmarks.peers_attribution $(BENCH_ARGS)
	@KERAS_BACKEND=torch $(PEERS)/python -m tests.benchmarks.peers_captum $(BENCH_ARGS)
	@$(PEERS)/python -m tests.benchmarks.zoo $(ZOO_ARGS)

bench-backends: .venv-backends/.ready  ## Time methods on JAX and PyTorch beside their bare runs; on a GPU where they find one
	@for backend in jax torch; do KERAS_BACKEND=$$backend $(OTHERS)/python -m tests.benchmarks.bench_backends $(BENCH_ARGS) || exit 1; done

golden: .venv/.ready .venv-golden/.ready  ## Ask the reference implementations anew, in an environment of their own, and write docs/golden.md
	@for library in captum saliency grad_cam xplique lime shap quantus; do $(GOLDEN)/python -m tests.golden.of_$$library || exit 1; done
	@$(BIN)/python -m tests.golden.table --write

lock: check-python  ## Write requirements.lock anew from the newest versions that pyproject.toml accepts
	@echo "== a fresh environment for requirements.lock"
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --upgrade pip setuptools '.[dev]'
	@{ sed -n '/^#/p' requirements.lock; build/lock/bin/python -m pip freeze --all --exclude pip --exclude vizcnn; } > build/requirements.lock
	@mv build/requirements.lock requirements.lock && rm -rf build/lock

clean:  ## Remove environments, caches and builds
	@rm -rf .venv .venv-peers .venv-backends .venv-ray .venv-s3 .venv-keras2 .venv-golden build dist docs/_build docs/gallery docs/generated .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: check-python
check-python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed. Name another one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "vizcnn needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another one: make PYTHON=python3.11"; exit 1; }

.venv/.ready: pyproject.toml requirements.lock | check-python
	@echo "== setting up .venv (a few minutes the first time)"
ifdef UV
	@test -x $(BIN)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" .venv
	@uv pip install --quiet --python $(BIN)/python -c requirements.lock -e '.[dev]'
else
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
endif
	@touch $@

.venv-backends/.ready: pyproject.toml requirements.lock tests/requirements-backends.txt | check-python
	@echo "== setting up .venv-backends (a few minutes the first time)"
ifdef UV
	@test -x $(OTHERS)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" .venv-backends
	@uv pip install --quiet --python $(OTHERS)/python -c requirements.lock -r tests/requirements-backends.txt
	@uv pip install --quiet --python $(OTHERS)/python --no-deps -e .
else
	@test -x $(OTHERS)/pip || $(PYTHON) -m venv .venv-backends
	@$(OTHERS)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r tests/requirements-backends.txt
	@$(OTHERS)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
endif
	@touch $@

.venv-ray/.ready: pyproject.toml requirements.lock tests/runs/requirements-ray.txt | check-python
	@echo "== setting up .venv-ray (a few minutes the first time)"
ifdef UV
	@test -x $(RAY)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" .venv-ray
	@uv pip install --quiet --python $(RAY)/python -c requirements.lock -r tests/runs/requirements-ray.txt -e '.[ray]'
else
	@test -x $(RAY)/pip || $(PYTHON) -m venv .venv-ray
	@$(RAY)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r tests/runs/requirements-ray.txt -e '.[ray]'
endif
	@touch $@

.venv-s3/.ready: pyproject.toml requirements.lock tests/runs/requirements-s3.txt | check-python
	@echo "== setting up .venv-s3 (a few minutes the first time)"
ifdef UV
	@test -x $(S3)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" .venv-s3
	@grep -v '^python-dateutil==' requirements.lock > .venv-s3/constraints.txt
	@uv pip install --quiet --python $(S3)/python -c .venv-s3/constraints.txt -r tests/runs/requirements-s3.txt -e '.[remote]'
else
	@test -x $(S3)/pip || $(PYTHON) -m venv .venv-s3
	@grep -v '^python-dateutil==' requirements.lock > .venv-s3/constraints.txt
	@$(S3)/python -m pip install --quiet --disable-pip-version-check -c .venv-s3/constraints.txt -r tests/runs/requirements-s3.txt -e '.[remote]'
endif
	@touch $@

.venv-keras2/.ready: tests/legacy/requirements-keras2.txt | check-python
	@echo "== setting up .venv-keras2 (a few minutes the first time)"
ifdef UV
	@test -x $(KERAS2)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" .venv-keras2
	@uv pip install --quiet --python $(KERAS2)/python -r tests/legacy/requirements-keras2.txt
else
	@test -x $(KERAS2)/pip || $(PYTHON) -m venv .venv-keras2
	@$(KERAS2)/python -m pip install --quiet --disable-pip-version-check -r tests/legacy/requirements-keras2.txt
endif
	@touch $@

.venv-peers/.ready: pyproject.toml tests/benchmarks/requirements-peers.txt | check-python
	@echo "== setting up .venv-peers (a few minutes the first time)"
ifdef UV
	@test -x $(PEERS)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" .venv-peers
	@uv pip install --quiet --python $(PEERS)/python -c tests/benchmarks/requirements-peers.txt torch
	@uv pip install --quiet --python $(PEERS)/python --no-deps -r tests/benchmarks/requirements-peers.txt -e .
else
	@test -x $(PEERS)/pip || $(PYTHON) -m venv .venv-peers
	@$(PEERS)/python -m pip install --quiet --disable-pip-version-check -c tests/benchmarks/requirements-peers.txt torch
	@$(PEERS)/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/benchmarks/requirements-peers.txt -e .
endif
	@touch $@

.venv-golden/.ready: tests/golden/requirements.txt tests/benchmarks/requirements-peers.txt | check-python
	@echo "== setting up .venv-golden (a few minutes the first time)"
ifdef UV
	@test -x $(GOLDEN)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" .venv-golden
	@uv pip install --quiet --python $(GOLDEN)/python -c tests/benchmarks/requirements-peers.txt torch
	@uv pip install --quiet --python $(GOLDEN)/python --no-deps -r tests/golden/requirements.txt
else
	@test -x $(GOLDEN)/pip || $(PYTHON) -m venv .venv-golden
	@$(GOLDEN)/python -m pip install --quiet --disable-pip-version-check -c tests/benchmarks/requirements-peers.txt torch
	@$(GOLDEN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/golden/requirements.txt
endif
	@touch $@
