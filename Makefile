# `make demo` and `make test` install what is missing, build, and run. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: .python-environment help setup setup-torch build demo check test numerics aarch64 schemathesis clients deny chaos fuzz load hostile scale check-large test-bucket measure measure-ingest measure-csv bench bench-large openapi image image-test compose-test kubernetes-test observability-test bench-backbones gpu wheel wheel-test action-test python python-example python-large python-integrations check-stream clean
comma := ,

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 24

setup: ## Install PostgreSQL where there is none
	@scripts/setup.sh

setup-torch: ## The same, and libtorch into .torch
	@scripts/setup.sh --torch

build: setup-torch ## Build both programs: target/release/autodenoise and target/release/autodenoise-torch
	cargo build --release --locked --workspace

demo: setup ## Denoise a table with planted noise through the real service (about a minute once built)
	cargo build --release --locked
	@scripts/demo.sh

check: setup-torch ## Between two edits: format, clippy, and the quick tests of the rooms that changed and of those above; SINCE=main
	@scripts/check.py --since $(or $(SINCE),HEAD)

test: setup-torch ## Every check: lints, all tests on a real PostgreSQL, the OpenAPI document against the service, dependencies
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --locked --quiet
	cargo test --workspace --locked
	@$(MAKE) --no-print-directory numerics
	@scripts/schemathesis.sh target/debug/autodenoise
	@scripts/clients.sh target/debug/autodenoise
	@$(MAKE) --no-print-directory python AUTODENOISE_PROGRAM="$(CURDIR)/target/debug/autodenoise"
	@scripts/deny.sh

# Each setting has libtorch round as it does on another processor. The whole workspace is named, as `test` does: one package by
# itself is built with fewer features of its dependencies, so that most of them would be compiled anew.
numerics: setup-torch ## The tests of the arithmetic with libtorch's kernels for other processors (`make test` runs them without)
	for setting in MKL_CBWR=COMPATIBLE ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2; do \
		env $$setting cargo test --workspace --locked --quiet --test numerics --test vectors; \
	done

aarch64: ## Compile for 64-bit ARM and run the library's tests under emulation (half an hour; a cross compiler and qemu)
	@scripts/aarch64.sh

schemathesis: setup ## The running service against its OpenAPI document alone; EXAMPLES=n for more than 20 an operation
	cargo build --locked
	scripts/schemathesis.sh target/debug/autodenoise

clients: setup ## Validate the OpenAPI document, and run the main job through three clients made of it
	cargo build --locked
	scripts/clients.sh target/debug/autodenoise

# What the package is tested with.
.python-environment:
	test -x .python/bin/python || python3 -m venv .python
	.python/bin/pip install --quiet --editable 'python[test]'

python: .python-environment ## Lint, type-check and test the Python package, in an environment of its own in .python
	test -n "$(AUTODENOISE_PROGRAM)" || cargo build --locked
	.python/bin/ruff check python
	.python/bin/pyright --project python --pythonpath .python/bin/python
	AUTODENOISE_PROGRAM="$(or $(AUTODENOISE_PROGRAM),$(CURDIR)/target/debug/autodenoise)" .python/bin/pytest --quiet python

python-example: .python-environment ## Run the example notebook, with a program that is optimised (a minute once built)
	test -n "$(AUTODENOISE_PROGRAM)" || cargo build --release --locked
	AUTODENOISE_PROGRAM="$(or $(AUTODENOISE_PROGRAM),$(CURDIR)/target/release/autodenoise)" .python/bin/pytest python/tests/test_example.py

python-large: .python-environment ## Frames of a million rows in and out, and the memory of ROWS=10000000 (minutes, 5 GB of memory)
	test -n "$(AUTODENOISE_PROGRAM)" || cargo build --release --locked
	export AUTODENOISE_PROGRAM="$(or $(AUTODENOISE_PROGRAM),$(CURDIR)/target/release/autodenoise)"; \
	.python/bin/pytest python/tests/test_frames.py --rows 1000000 --durations 0; \
	.python/bin/python scripts/python-memory.py --rows $(or $(ROWS),10000000)

python-integrations: setup ## The Python layers for MLflow, Dagster and Airflow on the real libraries (minutes, 700 MB from PyPI)
	cargo build --locked
	scripts/python-integrations.sh target/debug/autodenoise

# Optimised, as users run it: in the same time it does many times as many jobs.
chaos: setup ## Uploads and jobs while everything is killed at random, on a release build; CHAOS_SECONDS=600 CHAOS_SEED=1
	CHAOS_SECONDS=$(or $(CHAOS_SECONDS),600) CHAOS_SEED=$(or $(CHAOS_SEED),1) cargo test --release --locked --test chaos -- --nocapture

fuzz: setup ## Fuzz every parser of outside bytes; SECONDS_EACH=60
	@SECONDS_EACH=$(or $(SECONDS_EACH),60) scripts/fuzz.sh

load: setup ## 200 clients polling, 20 uploading, 50 listening, beside two jobs (9 minutes on a release build)
	cargo test --release --locked --test load -- --ignored --nocapture answers_are_quick

hostile: setup ## 50 clients of a hostile tenant at its limits, and what another tenant sees of it (3 minutes on a release build)
	cargo test --release --locked --test load -- --ignored --nocapture a_hostile_tenant

deny: ## Licences, sources and known vulnerabilities of the dependencies; ADVISORIES=required fails where their list is out of reach
	@scripts/deny.sh

openapi: setup ## Write openapi/openapi.json anew from the code, and what of the Python client follows from it
	mkdir -p openapi
	cargo run --quiet -- openapi > openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json
	scripts/python-client.py

test-bucket: setup ## Jobs with their objects in a bucket, one done by four workers, on an S3 server from PyPI (300 MB, into .bucket)
	test -x .bucket/bin/moto_server || { python3 -m venv .bucket && .bucket/bin/pip install --quiet 'moto[s3,server]'; }
	MOTO_SERVER="$(CURDIR)/.bucket/bin/moto_server" cargo test --locked --test bucket --test spread -- --ignored a_job

scale: setup ## Seconds of a verdict with one, two and four workers of a thread each, over an S3 server (minutes on a release build)
	test -x .bucket/bin/moto_server || { python3 -m venv .bucket && .bucket/bin/pip install --quiet 'moto[s3,server]'; }
	MOTO_SERVER="$(CURDIR)/.bucket/bin/moto_server" cargo test --release --locked --test spread -- --ignored --nocapture a_verdict

image: ## Build the image by docker, podman or buildah; TARGET=service, service-torch or standalone
	@docker/build.sh $(or $(TARGET),standalone)

image-test: ## Build the image and run it as it stands: read-only, as its own user, through the main job (root, buildah)
	@scripts/containers.sh image

compose-test: setup ## Run every role of docker/compose.yaml, through the main job and a preemption (root, buildah)
	@scripts/containers.sh compose

kubernetes-test: ## Lint the Helm chart, and hold what it renders to the schemas of Kubernetes and KEDA
	@scripts/containers.sh kubernetes

observability-test: setup ## Ask every expression of dashboard, alerts and autoscaler of a real Prometheus
	@test -n "$(PROGRAMS)" || cargo build --locked
	@scripts/containers.sh observability

check-stream: build ## Read a 5 GB CSV at an address under a 1 GB memory limit, without a copy (minutes, 6 GB of disk, s3rver from npm in .s3)
	scripts/check-stream.sh

check-large: build ## Read a 5 GB CSV under a 1 GB memory limit (minutes, 12 GB of disk)
	scripts/check-large.sh

measure-ingest: setup ## Reading 10 million rows (ROWS=n for others): seconds and memory
	ROWS=$(or $(ROWS),10000000) cargo test --release --locked --test ingest -- --ignored --nocapture scale

measure-csv: setup ## Reading a CSV beside the csv crate's bare reading; FILE=table.csv SPEC='{"label": …}' for yours
	cargo bench --locked --bench ingest -- $(if $(FILE),"$(abspath $(FILE))") $(if $(SPEC),'$(SPEC)')

measure: build ## MovieLens-1M with every backbone over REST; FILE=interactions.csv.zst
	scripts/measure.sh "$(FILE)"

# The PyTorch program needs all of PyTorch, which the build does not: a Python environment of its own.
bench: build ## Ratios to a PyTorch program with the same work, into docs/performance.md; FILE=interactions.csv.zst adds a job
	@command -v "$(PYTHON)" >/dev/null || { python3 -m venv .bench && .bench/bin/pip install --quiet torch==2.11.0 numpy; }
	scripts/bench.py --python "$(PYTHON)" --write docs/performance.md $(if $(FILE),--table "$(FILE)")

PYTHON ?= .bench/bin/python

bench-backbones: build ## Each further backbone beside the same network in plain PyTorch, into docs/performance.md (an hour)
	@command -v "$(PYTHON)" >/dev/null || { python3 -m venv .bench && .bench/bin/pip install --quiet torch==2.11.0 numpy; }
	scripts/bench-backbones.py --python "$(PYTHON)" --write docs/performance.md

# Where there is no GPU nothing is built for it.
gpu: ## The trainer on a GPU beside compiled PyTorch and with CUDA graphs, into docs/performance.md (minutes once built)
	@if [ -e /dev/nvidiactl ] || [ -e /dev/dxg ]; then \
		$(MAKE) --no-print-directory build; \
		command -v "$(PYTHON)" >/dev/null || { python3 -m venv .bench && .bench/bin/pip install --quiet torch==2.11.0 numpy; }; \
		scripts/gpu.py --python "$(PYTHON)" --write docs/performance.md; \
	else python3 scripts/gpu.py; fi

bench-large: build ## Seconds and memory of one epoch on 1, 3 and 10 million rows of 39 fields; ROWS=100000000 FIELDS=6 for others
	scripts/bench-large.py --rows $(or $(ROWS),1000000$(comma)3000000$(comma)10000000) --fields $(or $(FIELDS),39)

wheel: $(if $(filter autodenoise,$(ONLY)),,setup-torch) ## Build the wheels autodenoise and autodenoise-torch, with their SBOMs, into dist; ONLY=autodenoise
	@scripts/wheel.py $(ONLY)

wheel-test: ## The wheels in fresh environments, up to a verdict; ROOT=folder: in a bare system (docs/python.md)
	@scripts/wheel-test.py $(if $(ROOT),--root "$(ROOT)") \
		$(if $(and $(wildcard dist/autodenoise_torch-*.whl),$(wildcard .torch/site)),--torch .torch/site)

action-test: .python-environment ## The steps of action.yml and of the GitLab template with the wheel of dist, in a bare system: ROOT=folder (root)
	.python/bin/pytest python/tests/client/test_ci_files.py --root "$(ROOT)" --wheel dist/autodenoise-[0-9]*.whl

clean: ## Remove what was built; .torch stays
	cargo clean
