# The door: `make run` starts everything, `make test` checks everything. Both work on a fresh clone.

# What `make run` builds: release, or dev, which builds faster and loads slower.
PROFILE ?= release

TARGET := $(or $(CARGO_TARGET_DIR),target)
RUNNER := $(if $(shell cargo nextest --version 2>/dev/null),cargo nextest run,cargo test)
TESTER := $(RUNNER) --workspace

# Vite needs Node.js 20.19. Without it everything else works.
HAS_NODE := $(shell npm --version >/dev/null 2>&1 && node -p '(([a, b]) => a > 20 || (a == 20 && b >= 19) ? "yes" : "")(process.versions.node.split("."))')
NO_NODE := Node.js 20.19 or newer is not here

.DEFAULT_GOAL := help
.PHONY: help run test torture fuzz lint fmt engines web schema bench-ask bench-load bench-watch clean

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

run: engines web ## Build and start everything on http://127.0.0.1:8080, with a demo data set; Ctrl-C stops it
	cargo build --profile $(PROFILE) -p paystats-standalone
	@exec env PAYSTATS_DIE_WITH_PARENT=1 $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/paystats run

test: lint engines web ## Check everything: lint, then all tests against real engines
	$(TESTER) --no-run
	exec env PAYSTATS_DIE_WITH_PARENT=1 $(TARGET)/debug/paystats engines exec -- $(TESTER)
ifdef HAS_NODE
	cd web && PAYSTATS_BIN=$(abspath $(TARGET))/debug/paystats npm test
else
	@echo "test: $(NO_NODE): the pages are not tested"
endif

# Rounds of each story, the seed of the first one, and where the table goes.
ROUNDS ?= 20
SEED ?= $(shell date +%s)
REPORT := $(abspath $(TARGET))/torture.md

torture: export PAYSTATS_TORTURE_ROUNDS = $(ROUNDS)
torture: export PAYSTATS_TORTURE_SEED := $(SEED)
torture: export PAYSTATS_TORTURE_REPORT = $(REPORT)
torture: engines ## Break things while loads run, hundreds of times; ROUNDS=20, SEED=1 to repeat a failure
	cargo build --package paystats-standalone
	@printf '| story | faults | rounds | checked | failures |\n|---|---|---|---|---|\n' > $(REPORT)
	@echo "torture: seeds from $$PAYSTATS_TORTURE_SEED"
	@env PAYSTATS_DIE_WITH_PARENT=1 $(TARGET)/debug/paystats engines exec -- $(RUNNER) --package paystats-tests --test faults --no-fail-fast; \
	status=$$?; cat $(REPORT); exit $$status

# Seconds for each target.
FUZZ_SECONDS ?= 300

# Without a sanitizer, so the stable compiler does: there is no unsafe code of ours.
fuzz: ## Look for inputs that break a promise, target by target; FUZZ_SECONDS=300
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
	for target in $(notdir $(wildcard fuzz/corpus/*)); do \
	  cargo fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 || exit 1; \
	done

lint: $(if $(HAS_NODE),web/node_modules/.installed) ## Formatting, clippy, dependencies, schema drift, pages, deploy/, scripts
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check bans licenses sources; \
	else echo "lint: cargo-deny is not installed: the tests check licences and sources"; fi
	@cargo run --quiet -p paystats-server --bin schema | diff -u schema.graphql - \
	|| { echo "lint: schema.graphql is not what the server has: run \`make schema\`"; exit 1; }
	deploy/lint
ifdef HAS_NODE
	cd web && npm run lint
else
	@echo "lint: $(NO_NODE): web/ is not checked"
endif

fmt: ## Format the code
	cargo fmt --all
ifdef HAS_NODE
	if [ -d web/node_modules ]; then cd web && npm run format; fi
endif

engines: ## Install mongod and nats-server into .engines/, unless they are on PATH
	@engines/install

web: $(if $(HAS_NODE),web/dist/.built) ## Build the dashboard and GraphiQL
ifndef HAS_NODE
	@echo "web: $(NO_NODE): the pages are not built"
endif

schema: ## Write schema.graphql
	cargo run --quiet -p paystats-server --bin schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

bench-ask: engines ## Measure questions about totals; ROWS=10000000 for more data
	cargo build --release -p paystats-bench
	cargo run --release -p paystats-bench --bin bench-ask -- --rows $(or $(ROWS),2000000)

bench-load: engines ## Measure loads beside insert_many; ROWS=10000000 for a larger file
	cargo build --release -p paystats-bench
	cargo run --release -p paystats-bench --bin bench-load -- --rows $(or $(ROWS),2000000)

bench-watch: engines ## Measure how loads are watched; WATCHERS=10000 ROWS=2000000
	cargo build --release -p paystats-bench
	cargo run --release -p paystats-bench --bin bench-watch -- --watchers $(or $(WATCHERS),10000) --rows $(or $(ROWS),2000000)

clean: ## Remove all that was built or installed; data in .paystats/ stays
	cargo clean
	rm -rf .engines web/dist web/node_modules

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci
	@touch $@

web/dist/.built: web/node_modules/.installed schema.graphql $(shell find web -name tests -prune -o -name gql -prune -o -name 'node_modules' -prune -o -name dist -prune -o -path 'web/.*' -prune -o -name test-results -prune -o -type f -print)
	cd web && npm run build
	@touch $@
