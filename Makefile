# What one does with this repository. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo needs test lint fmt unit quick e2e console compat compose-test bench drills bare clean-servers
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO_TERM_PROGRESS_WHEN ?= never

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Real servers, an agent's masked report, its evidence, a tampered store. ONCE=1 exits at the end.
	@testdata/toolchain demo
	@testdata/cargo build --profile demo --bins --locked -p affidavit -p affidavit-evidence
	@AFFIDAVIT_BIN=target/demo testdata/demo $(if $(filter 1,$(ONCE)),--once)

test: needs lint unit e2e console compose-test ## Everything that CI runs.

needs: # of all of it, before anything is built
	@testdata/toolchain lint unit e2e console compose-test

lint: ## Formatting, clippy, ruff and shellcheck, warnings denied.
	@testdata/toolchain lint
	cargo fmt --all --check
	testdata/cargo clippy --workspace --all-targets --locked -- -D warnings
	@testdata/lint

fmt: ## Format the Rust code.
	cargo fmt --all

# The attacks that the evidence crate injects stay there for verify.py to judge, see evidence/tests/test_attacks.py.
unit: export EVIDENCE_ATTACKS = $(CURDIR)/target/attacks
unit: ## The tests of the crates.
	@testdata/toolchain unit
	@if command -v cargo-nextest >/dev/null 2>&1; then \
		set -ex; testdata/cargo nextest run --no-run --workspace --locked; cargo nextest run --workspace --locked; \
	else \
		set -ex; testdata/cargo test --no-run --workspace --locked; cargo test --workspace --locked; \
	fi

quick: ## What needs no server: formatting and the tests inside the crates. Under a minute once the rest is compiled.
	@testdata/toolchain lint
	cargo fmt --all --check
	cargo test --workspace --lib --bins --locked --quiet

e2e: build-e2e ## Real clients against real servers through the built proxy.
	@testdata/run-tests

console: build-console ## The console in Debian's Chromium: hold, decide, replay. SHOTS=DIR keeps screenshots.
	@testdata/console/run $(if $(SHOTS),--shots $(SHOTS))

compat: build-compat ## The drivers' own suites, directly and through the proxy; writes testdata/COMPATIBILITY.md. SUITE=… SERVER=… narrow it.
	@testdata/compat $(if $(SUITE),--suite '$(SUITE)') $(if $(SERVER),--server '$(SERVER)')

drills: build-e2e ## The worst week at length: lost stores, full disks, strangers, stops; what it survived is in the README.
	@SUITE=drills DRILL=long testdata/run-tests --timeout 3600 -s

compose-test: build-compose-test ## The demo of compose/ in containers, by its README's commands; the Kubernetes manifests. FULL=1 compiles inside.
	@testdata/compose-test $(if $(filter 1,$(FULL)),--full)

bench: ## Direct, HAProxy, PgBouncer and Affidavit, interleaved: ratios and CPU per query; what masks cost; lineage, detectors, the record. JSON=FILE keeps the figures.
	@testdata/toolchain bench
	@testdata/cargo build --release --locked -p affidavit -p affidavit-evidence
	@testdata/bench $(if $(JSON),--json $(JSON))

bare: ## Debian 12 and 13 from nothing: demo and test as root, the demo as a user. WHAT=demo SUITE=trixie WHO=user narrow it.
	@testdata/bare $(foreach suite,$(SUITE),--suite $(suite)) $(foreach what,$(WHAT),--what $(what)) $(foreach who,$(WHO),--who $(who))

build-%: # once what the target after the dash needs is there
	@testdata/toolchain $*
	@testdata/cargo build --workspace --bins --locked

clean-servers: ## Stop the servers of demo and tests and remove what they wrote.
	@testdata/servers clean
