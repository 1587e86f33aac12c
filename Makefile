# What a person or a build server calls. `make help` lists it.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
# What tests/setup/install.sh puts there is found by the steps behind it.
export PATH := $(HOME)/.cargo/bin:/usr/local/go/bin:$(PATH)
# One target folder for every step and every fetched peer.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# The crate is built once or twice here, so nothing reads what an incremental build would keep.
export CARGO_INCREMENTAL ?= 0
export CARGO_TERM_COLOR ?= auto

# Built as it is shipped.
BENCH = $(CARGO) bench --locked --profile dist

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: test
test: setup fmt lint doc fast instructions live manifests delivery ## What is missing is installed (Debian), then every check and test but `make nix`

.PHONY: setup
setup: ## Install what the tests need and this machine lacks (Debian), or say what it is
	@tests/setup/install.sh

.PHONY: fmt
fmt: ## Formatting, checked
	$(CARGO) fmt --check

.PHONY: lint
lint: ## clippy over every target, warnings are errors
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --test live -- -D warnings

.PHONY: doc
doc: ## rustdoc, warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

.PHONY: fast
fast: ## cargo test: needs Rust, a C compiler, make and perl
	$(CARGO) test --locked

.PHONY: live
live: peers ## Real peers: Apache Kafka, two BigQueries, faults, Google's clients; 5 kills (CHAOS_KILLS, CHAOS_SEED)
	$(CARGO) test --locked --test live

# Minutes of both cores, once: not while tests wait for each other.
.PHONY: peers
peers:
	@tests/support/emulator/install.sh $(CARGO_TARGET_DIR)/tools >/dev/null

.PHONY: manifests
manifests: ## Clusters' data, kustomize/ in step, every overlay built and validated (CRD_SCHEMAS: folder of CRD schemas)
	@tests/setup/install.sh nix
	@tests/flake/manifests.sh

.PHONY: delivery
delivery: ## Deployments: the tool that edits the clusters' data, the Jenkinsfiles run and linted
	@tests/setup/install.sh delivery
	$(CARGO) build --locked
	cd tests/delivery && python3 -B -m unittest
	@tests/delivery/lint.sh

.PHONY: deploy-demo
deploy-demo: ## From a commit to a container that runs by digest: the jobs, two local registries, a bare git remote
	@tests/setup/install.sh delivery
	@tests/setup/install.sh image
	$(CARGO) build --locked
	@tests/flake/nix.sh demo

.PHONY: nix
nix: ## The flake without internet: every check, the image, the image at work in podman (NIXPKGS=locked: with internet)
	@tests/setup/install.sh image
	@tests/flake/nix.sh

.PHONY: chaos
chaos: ## The exactly-once and at-least-once tests with 50 kills each (CHAOS_KILLS, CHAOS_SEED)
	export CHAOS_KILLS=$${CHAOS_KILLS:-50} && \
	  $(CARGO) test --locked --test live -- --nocapture --test-threads=1 chaos::

.PHONY: bench
bench: setup bench-setup ## Against kcat and Python consumers: about fifteen minutes, QUICK=1 in three (after the build)
	$(BENCH) --bench bench -- $(ARGS)

.PHONY: bench-curves
bench-curves: setup bench-setup ## Cost curves, and memory with a stalled sink; pictures for docs/performance.md
	$(BENCH) --bench bench -- curves
	$(BENCH) --bench bench -- stalled
	$$(tests/bench/python/venv.sh $(CARGO_TARGET_DIR)) tests/bench/python/plot.py $(CARGO_TARGET_DIR)/bench docs/performance

.PHONY: instructions
instructions: setup ## Instructions of the hot path under valgrind; beyond a limit it fails
	runner=$$(tests/bench/runner.sh $(CARGO_TARGET_DIR)) && \
	  GUNGRAUN_RUNNER=$$runner $(BENCH) --bench instructions

.PHONY: fuzz
fuzz: ## The transcoder against its plain twin, by coverage, for FUZZ_SECONDS (600); the corpus is kept
	tests/fuzz/run.sh $(CARGO_TARGET_DIR)

.PHONY: bench-setup
bench-setup:
	@tests/bench/setup.sh

.PHONY: model
model: ## The exactly-once protocol under many faults at once: minutes and gigabytes
	$(CARGO) test --locked --test model -- --ignored --nocapture

.PHONY: audit
audit: ## cargo-deny: licences, bans, sources; advisories where they can be reached
	@tests/setup/audit.sh
