#!/bin/sh
# Every test, with nextest where it is there. The runner's closing lines come last.
set -eu

if cargo nextest --version >/dev/null 2>&1; then
    cargo test --locked --doc
    cargo nextest run --locked --no-fail-fast
else
    cargo test --locked --no-fail-fast
fi
