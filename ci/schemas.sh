#!/bin/sh
# The schemas under schemas/ are made from the types.
#
#   schemas.sh write   writes them
#   schemas.sh check   fails where a file there is not what the types say
set -eu

verb=${1:?write or check}
cd "$(dirname "$0")/.."
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
stale=0

cargo build --locked --quiet
for name in topology plan; do
    file=schemas/$name.schema.json
    target/debug/netwright schema $name >"$fresh"
    if [ "$verb" = write ]; then
        mkdir -p schemas
        cat "$fresh" >$file
    elif ! diff -u $file "$fresh"; then
        echo "$file is stale: make schemas" >&2
        stale=1
    fi
done
exit $stale
