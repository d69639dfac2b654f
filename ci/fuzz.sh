#!/bin/sh
# Fuzzes the reader of topologies on one core: every way from bytes to a topology, a plan and what is said of bad files.
#
#   fuzz.sh [SECONDS [TARGET…]]     3600 seconds if not said, over all targets; a target named gets all of them
#
# It takes a nightly toolchain and `cargo install cargo-fuzz`. What is found lies in fuzz/artifacts/TARGET/, and
# `cargo +nightly fuzz run --sanitizer none TARGET FILE` runs it again. The corpus in fuzz/corpus/ is kept for the next time.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-3600}
[ $# -eq 0 ] || shift

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzz: a nightly toolchain or cargo-fuzz is missing: rustup toolchain install nightly && cargo install cargo-fuzz" >&2
    exit 1
fi

# Of the shipped topologies and those of the tests.
seeds() {
    find topologies tests -name "*.$1" -type f
}

# Copies each file of a format, with a byte in front that says which it is where there is one.
plant() {
    folder=fuzz/corpus/$1
    mkdir -p "$folder"
    seeds "$2" | while read -r file; do
        { printf '%s' "$3" && cat "$file"; } >"$folder/$(echo "$file" | tr / _)"
    done
}

corpus() {
    for format in yaml toml json; do
        plant $format $format ''
    done
    for target in topology format; do
        plant $target yaml y
        plant $target toml t
        plant $target json j
    done
    mkdir -p fuzz/corpus/expression
    cp fuzz/seeds/topology/* fuzz/corpus/topology/
    cp fuzz/seeds/expression/* fuzz/corpus/expression/
}

# The keys of the language are those of its schema.
dictionary() {
    cat fuzz/pieces.dict
    grep -oE '^ +"[a-z_]+": \{$' schemas/topology.schema.json | grep -oE '"[a-z_]+"' | sort -u
}

# An input that takes ten seconds or two GiB counts as one that panics. Nothing here is unsafe, so no sanitizer slows it down.
fuzz() {
    echo "fuzz: $1 for $2 seconds" >&2
    cargo +nightly fuzz run --sanitizer none "$1" -- -max_total_time="$2" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
        -malloc_limit_mb=1024 -dict=fuzz/corpus/pieces.dict -print_final_stats=1
}

[ -e fuzz/Cargo.lock ] || cp Cargo.lock fuzz/
corpus
dictionary >fuzz/corpus/pieces.dict

if [ $# -gt 0 ]; then
    for target; do fuzz "$target" "$seconds"; done
else
    for target in yaml toml json expression format; do fuzz $target $((seconds / 12)); done
    fuzz topology $((seconds * 7 / 12))
fi
