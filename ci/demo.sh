#!/bin/sh
# Runs a lab for real, on a private host that vanishes afterwards: what would be done, doing it, proving it with
# packets, and removing it.
set -eu

lab=${1:?a topology file}
netwright=${NETWRIGHT:-target/debug/netwright}

if [ "${2:-}" != inside ]; then
    echo "A private host for this: $netwright sandbox"
    exec "$netwright" sandbox -- "$0" "$lab" inside
fi

show() {
    printf '\n$ netwright %s\n' "$*"
    "$netwright" "$@"
}

show apply "$lab" -auto-approve
show test "$lab"
show plan "$lab"
show list
show destroy "$lab" -auto-approve
