# The commands for people and build servers; `make help` lists them.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
# Where tests/setup/install.sh installs tools, for the later steps.
export PATH := $(HOME)/.cargo/bin:/usr/local/go/bin:$(PATH)
# One target folder for every step and every fetched peer.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# Each step builds the crate once or twice, so the files of incremental builds would never be used.
export CARGO_INCREMENTAL ?= 0
export CARGO_TERM_COLOR ?= auto

# In `make test` the program is there: `make fast` has built it. Without a test in the command, cargo would leave out
# what only tests want of the crates below, and compile much of them and the whole crate once more.
BUILD = $(CARGO) build --locked $(if $(CHECK),--bins --test fast)

# Built as it is shipped.
BENCH = $(CARGO) bench --locked --profile dist
RUNNER = runner=$$(nice -n 19 tests/bench/runner.sh $(CARGO_TARGET_DIR))
# With the system's OpenSSL where its headers are: no instruction is counted there, and building it takes minutes.
# The runner's path is compiled in, so every build has to have it.
INSTRUCTIONS = GUNGRAUN_RUNNER=$$runner $(if $(wildcard /usr/include/openssl/ssl.h),OPENSSL_NO_VENDOR=1) $(CARGO) bench --locked --profile instructions --bench instructions

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: test
test: setup fmt lint doc audit fast live instructions api dashboard streamproc ccx transfer-demo manifests delivery infra ## Install what is missing (Debian), then run every check and test except `make nix`

# The examples compare what they have written, and end.
test: export CHECK = 1

# The live tests wait more than they compute, so what the steps after them need is compiled meanwhile.
test: MEANWHILE = (nice -n 19 tests/flake/tools.sh kustomize nixfmt cosign && $(RUNNER) && nice -n 19 env $(INSTRUCTIONS) --no-run --quiet) >/dev/null

.PHONY: setup
setup: ## Install what the tests need and this machine lacks (Debian), or list it
	@tests/setup/install.sh

.PHONY: fmt
fmt: ## Check the formatting
	$(CARGO) fmt --check

.PHONY: lint
lint: ## Run clippy on every target; warnings are errors
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --test live -- -D warnings

.PHONY: doc
doc: ## Run rustdoc; warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

.PHONY: fast
fast: ## Run cargo test: needs Rust, a C compiler, make and perl
	@# Eight at a time: they wait for timeouts more than they compute.
	RUST_TEST_THREADS=8 $(CARGO) test --locked

.PHONY: live
live: peers ## Real peers: Apache Kafka, two BigQueries, PostgreSQL, InfluxDB, buckets, faults, Google's clients; 5 kills (CHAOS_KILLS, CHAOS_SEED)
	$(CARGO) test --locked --test live --no-run
	@# Four at a time: they wait for timeouts and processes more than they compute.
	@# Whatever the tests say, nothing is left running.
	@$(or $(MEANWHILE),true) & failed=0; $(CARGO) test --locked --test live -- --test-threads=4 || failed=$$?; wait $$! && exit $$failed

.PHONY: api
api: ## Run schemathesis against the event API, on the embedded broker (SCHEMATHESIS_SEED)
	$(BUILD)
	@tests/api/run.sh

.PHONY: dashboard
dashboard: ## Test the dashboard's page in headless Chromium: against a mock, then against the program (DASHBOARD_SHOTS: folder for screenshots)
	@tests/setup/install.sh browser
	$(BUILD)
	@tests/dashboard/run.sh $(CARGO_TARGET_DIR)/debug/generic-consumer

# Takes minutes the first time, so it is done before the tests, which have deadlines.
.PHONY: peers
peers:
	@tests/support/emulator/install.sh $(CARGO_TARGET_DIR)/tools >/dev/null
	@tests/support/collector/install.sh $(CARGO_TARGET_DIR)/tools >/dev/null
	@tests/support/stores/install.sh $(CARGO_TARGET_DIR)/tools >/dev/null
	@tests/support/timescale/install.sh $(CARGO_TARGET_DIR)/tools >/dev/null
	@tests/support/influx/install.sh $(CARGO_TARGET_DIR)/tools >/dev/null

.PHONY: manifests
manifests: ## Check the clusters' data, that kustomize/ is up to date, that every overlay is valid (CRD_SCHEMAS: folder of CRD schemas), alerts and dashboard
	@tests/setup/install.sh nix
	@tests/flake/manifests.sh

.PHONY: grafana
grafana: ## Draw the Grafana dashboard with the numbers of a running StreamProc into docs/grafana.png (MINUTES: 6)
	@tests/setup/install.sh
	$(BUILD)
	@tests/grafana/run.sh

.PHONY: delivery
delivery: ## Test the deployment tools and the runbook's commands; run and lint the Jenkinsfiles
	@tests/setup/install.sh delivery
	$(BUILD)
	@tests/delivery/run.sh
	@tests/delivery/lint.sh

.PHONY: infra
infra: ## Check what is under infra/: the CloudFormation templates and the scripts, without a cloud account
	@tests/setup/install.sh infra
	@tests/infra/run.sh

.PHONY: deploy-demo
deploy-demo: ## Run the whole chain on this machine, from a commit to a container that runs by digest
	@tests/setup/install.sh delivery
	@tests/setup/install.sh image
	$(BUILD)
	@tests/flake/nix.sh demo

.PHONY: nix
nix: ## Check the flake, test the image and run it in podman, without internet (NIXPKGS=locked: with internet)
	@tests/setup/install.sh image
	@tests/flake/nix.sh

.PHONY: chaos
chaos: ## The exactly-once and at-least-once tests with 50 kills each (CHAOS_KILLS, CHAOS_SEED)
	export CHAOS_KILLS=$${CHAOS_KILLS:-50} && \
	  $(CARGO) test --locked --test live -- --nocapture --test-threads=1 chaos::

.PHONY: drill
drill: ## Bring about the incidents of docs/drills.md and end them as it says (DRILL=lost-offsets: only one)
	@tests/setup/install.sh
	export DRILL=$(DRILL) && \
	  $(CARGO) test --locked --test live -- --nocapture --include-ignored --test-threads=1 drill::$(subst -,_,$(DRILL))

.PHONY: schemas
schemas: ## Write schemas/ anew, after a key of the configuration or a keyword of contracts has changed
	$(BUILD)
	for of in dotenv config transfers contract; do $(CARGO_TARGET_DIR)/debug/generic-consumer schema $$of >schemas/$$of.schema.json; done

.PHONY: soak
soak: ## Half an hour of steady load with faults: what a process holds must not grow (SOAK_MINUTES, CHAOS_SEED)
	$(CARGO) test --locked --test live -- --nocapture --ignored soak::

.PHONY: bench
bench: setup bench-setup ## Against kcat and Python consumers: about fifteen minutes, QUICK=1 in three (after the build)
	$(BENCH) --bench bench -- $(ARGS)

.PHONY: bench-curves
bench-curves: setup bench-setup ## Cost curves, and memory with a stalled sink; pictures for docs/performance.md
	$(BENCH) --bench bench -- curves
	$(BENCH) --bench bench -- stalled
	$$(tests/bench/python/venv.sh $(CARGO_TARGET_DIR)) tests/bench/python/plot.py $(CARGO_TARGET_DIR)/bench docs/performance

.PHONY: bench-postgres
bench-postgres: setup bench-setup ## The PostgreSQL sink against psql and Python consumers: about ten minutes, QUICK=1 in three
	$(BENCH) --bench bench -- postgres

.PHONY: bench-transfer
bench-transfer: setup ## Transfers next to `bq load`, Google's client and pandas: a million rows three times, ten minutes (ARGS="--rows N --rounds N")
	$(CARGO) build --locked --release
	$$(tests/setup/venv.sh $(CARGO_TARGET_DIR)/python-bench-transfer tests/bench/transfer/requirements.txt) -B \
	  tests/bench/transfer/run.py $(CARGO_TARGET_DIR)/release/generic-consumer $(CARGO_TARGET_DIR) $(ARGS)

.PHONY: instructions
instructions: setup ## Count the hot path's instructions under valgrind; fails beyond a limit
	$(RUNNER) && $(INSTRUCTIONS)

.PHONY: fuzz
fuzz: ## Fuzz the transcoder against its reference implementation for FUZZ_SECONDS (600); keeps the corpus
	tests/fuzz/run.sh $(CARGO_TARGET_DIR)

.PHONY: bench-setup
bench-setup:
	@tests/bench/setup.sh

.PHONY: streamproc
streamproc: ## Run StreamProc on this machine: Kafka, both stores, API, producer, consumers, dashboard (CHECK=1: compare, then end)
	@tests/setup/install.sh $(if $(CHECK),browser)
	$(BUILD)
	@examples/streamproc/run.sh

.PHONY: ccx
ccx: ## Run the pipeline CCX on this machine: Kafka, S3, uploads, pipeline, results API (CHECK=1: test, compare, then end)
	@tests/setup/install.sh ccx
	$(BUILD)
	@$(if $(CHECK),tests/ccx/run.sh $(CARGO_TARGET_DIR)/debug/generic-consumer)
	@examples/ccx/run.sh

.PHONY: transfer-demo
transfer-demo: ## Tell what a transfer is, command by command, in half a minute: PostgreSQL, Kafka, BigQuery, kills (CHECK=1: compare, then end)
	@tests/setup/install.sh
	$(BUILD)
	@examples/transfer/run.sh

.PHONY: model
model: ## Check the model of the exactly-once protocol with many faults at once: takes minutes and gigabytes
	$(CARGO) test --locked --test model -- --ignored --nocapture

.PHONY: audit
audit: ## Run cargo-deny: licences, bans, sources, and advisories if their database can be reached
	@tests/setup/audit.sh
