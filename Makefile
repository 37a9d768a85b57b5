# `make run` mines in a pool of its own on this machine; `make test` checks everything.
# Both install the system packages that are missing.

.PHONY: run build test page-check e2e-sv1 e2e-kaspa oracle-kaspa lint bench bench-gpu fuzz api-fuzz setup setup-test clean

# Start the demo; pass arguments with ARGS, such as `make run ARGS="--threads 2"`.
run: build
	./target/release/rminer demo $(ARGS)

build: setup
	cargo build --release --locked --package rminer

# Format, lints, and all tests. Tests that drive real nodes and proxies must find them.
test: setup-test lint
	RMINER_REQUIRE_FIXTURES=1 cargo test --workspace --locked

# A real stratum V1 server before a real Stratum V2 pool; builds both once, which takes a quarter of an hour.
e2e-sv1: setup-test
	fixtures/sv2.sh install
	RMINER_REQUIRE_FIXTURES=1 cargo test --package rminer --test sv2 --locked -- --ignored --nocapture

# A real Kaspa node with its stratum bridge, on a devnet; builds both and a miner once, which takes half an hour.
e2e-kaspa: setup-test oracle-kaspa
	fixtures/kaspa.sh install
	RMINER_REQUIRE_FIXTURES=1 cargo test --package rminer --test kaspa_node --locked -- --ignored --nocapture

# Kaspa's own crate for proof of work beside ours; it brings three hundred more, which take ten minutes once.
oracle-kaspa: setup
	cargo run --release --locked --manifest-path fixtures/kaspa-oracle/Cargo.toml --target-dir target/kaspa-oracle -- compare

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Comparisons with peers; XMRIG=path of an xmrig binary, for those that need one.
bench: build
	cargo bench --package rminer-benches --locked

# What to run first on a new graphics card; pass arguments with ARGS, such as `ARGS="--out results"`.
bench-gpu: setup
	cargo run --release --locked --package rminer-benches --bin gpu-first-run -- $(ARGS)

# Each fuzz target for SECONDS; needs a nightly compiler and `cargo install cargo-fuzz`.
SECONDS ?= 60
fuzz: setup
	scripts/fuzz.sh $(SECONDS)

# The interface against requests made from its own document, good and bad ones; needs Python.
api-fuzz: setup
	cargo build --package rminer --locked
	fixtures/schemathesis.sh install
	fixtures/schemathesis.sh run $${CARGO_TARGET_DIR:-target}/debug/rminer

# The page in a headless browser, at three sizes, light and dark; needs Chromium and Node.js. SHOTS=folder keeps the pictures.
page-check: setup
	cargo build --package rminer --locked
	fixtures/page.sh install
	fixtures/page.sh run $${CARGO_TARGET_DIR:-target}/debug/rminer

setup:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh build test

clean:
	cargo clean
