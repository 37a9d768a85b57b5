#!/usr/bin/env bash
# fuzz.sh SECONDS
# Runs each fuzz target for so many seconds, from its committed corpus. Findings land in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../stratum-client"

seconds=${1:-60}
cargo +nightly --version >/dev/null 2>&1 || { echo "Fuzzing needs a nightly compiler: rustup toolchain install nightly" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || { echo "Fuzzing needs cargo-fuzz: cargo install cargo-fuzz" >&2; exit 1; }

for target in $(cargo +nightly fuzz list); do
    # What is found on the way goes to a scratch folder; the committed corpus stays small and chosen.
    scratch=$(mktemp -d)
    echo "== $target, $seconds s"
    cargo +nightly fuzz run "$target" "$scratch" "fuzz/corpus/$target" -- -max_total_time="$seconds" -print_final_stats=1
    rm -rf "$scratch"
done
