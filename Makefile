# What one does with this repository. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo test lint fmt unit e2e console bench build clean-servers
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO_TERM_PROGRESS_WHEN ?= never

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Real servers, an agent's masked report, its evidence, a tampered store. ONCE=1 exits at the end.
	@testdata/demo $(if $(filter 1,$(ONCE)),--once)

test: lint unit e2e console ## Everything that CI runs.

lint: ## Formatting and clippy, warnings denied.
	@testdata/toolchain
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fmt: ## Format the Rust code.
	cargo fmt --all

# The attacks that the evidence crate injects stay there for verify.py to judge, see evidence/tests/test_attacks.py.
unit: export EVIDENCE_ATTACKS = $(CURDIR)/target/attacks
unit: ## The tests of the crates.
	@testdata/toolchain
	@if command -v cargo-nextest >/dev/null 2>&1; then \
		set -x; cargo nextest run --workspace --locked; \
	else \
		set -x; cargo test --workspace --locked; \
	fi

e2e: build ## Real clients against real servers through the built proxy.
	@testdata/run-tests

console: build ## The console in Debian's Chromium: hold, decide, replay. SHOTS=DIR keeps screenshots.
	@testdata/console/run $(if $(SHOTS),--shots $(SHOTS))

bench: ## Direct, HAProxy, PgBouncer and Affidavit, interleaved: ratios and CPU per query; lineage, detectors, the record. JSON=FILE keeps the figures.
	@testdata/toolchain
	cargo build --release --locked -p affidavit -p affidavit-evidence
	@testdata/bench $(if $(JSON),--json $(JSON))

build:
	@testdata/toolchain
	cargo build --workspace --bins --locked

clean-servers: ## Stop the servers of demo and tests and remove what they wrote.
	@testdata/servers clean
