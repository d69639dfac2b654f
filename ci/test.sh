#!/bin/sh
# Every test, with nextest where it is there. The runner's closing lines come last.
set -eu

# The same random cases each time, so that a red run can be had again; `cargo test` alone draws new ones, and fewer.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261120}"
export PROPTEST_CASES="${PROPTEST_CASES:-300}"

if cargo nextest --version >/dev/null 2>&1; then
    # All at once, so that no processor waits for the others.
    cargo test --locked --no-run
    cargo test --locked --doc
    cargo nextest run --locked --no-fail-fast --test-threads "$(($(nproc) * 3))"
else
    cargo test --locked --no-fail-fast
fi
