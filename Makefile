# `make demo` and `make test` install what is missing, build, and run. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-torch build demo check test numerics schemathesis clients deny chaos fuzz load check-large check-stream test-bucket measure measure-ingest measure-csv bench bench-large openapi clean

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
	@scripts/deny.sh

# Each setting has libtorch round as it does on another processor.
numerics: setup-torch ## The tests of the arithmetic with libtorch's kernels for other processors (`make test` runs them without)
	for setting in MKL_CBWR=COMPATIBLE ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2; do \
		env $$setting cargo test --locked --quiet -p autodenoise-torch --test numerics --test vectors; \
	done

schemathesis: setup ## The running service against its OpenAPI document alone; EXAMPLES=n for more than 20 an operation
	cargo build --locked
	scripts/schemathesis.sh target/debug/autodenoise

clients: setup ## Validate the OpenAPI document, and run the main job through two clients made of it
	cargo build --locked
	scripts/clients.sh target/debug/autodenoise

chaos: setup ## Uploads and jobs while everything is killed at random; CHAOS_SECONDS=600 CHAOS_SEED=1
	CHAOS_SECONDS=$(or $(CHAOS_SECONDS),600) CHAOS_SEED=$(or $(CHAOS_SEED),1) cargo test --locked --test chaos -- --nocapture

fuzz: setup ## Fuzz every parser of outside bytes; SECONDS_EACH=60
	@SECONDS_EACH=$(or $(SECONDS_EACH),60) scripts/fuzz.sh

load: setup ## 200 clients polling, 20 uploading, 50 listening, beside two jobs (9 minutes on a release build)
	cargo test --release --locked --test load -- --ignored --nocapture

deny: ## Licences, sources and known vulnerabilities of the dependencies
	@scripts/deny.sh

openapi: setup ## Write openapi/openapi.json anew from the code
	mkdir -p openapi
	cargo run --quiet -- openapi > openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json

test-bucket: setup ## A job with its objects in a bucket, on an S3 server from PyPI (300 MB, into .bucket)
	test -x .bucket/bin/moto_server || { python3 -m venv .bucket && .bucket/bin/pip install --quiet 'moto[s3,server]'; }
	MOTO_SERVER="$(CURDIR)/.bucket/bin/moto_server" cargo test --locked --test bucket -- --ignored

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

bench-large: build ## Seconds and memory of one epoch on 1, 3 and 10 million rows of 39 fields
	scripts/bench-large.py

clean: ## Remove what was built; .torch stays
	cargo clean
