#!/bin/sh
# A lab for the time of a CI job: provisions it, proves it, runs the job's own command against it, and cleans up,
# whatever came of it. Copy this into your project.
#
#   lab.sh lab.yaml [COMMAND…]      such as: lab.sh lab.yaml ip netns exec client ./integration-tests
#
# As root the lab stands on the machine itself; as anyone else in a private sandbox, where COMMAND then runs too.
#   NETWRIGHT   the binary (default: netwright)
#   JUNIT       where to write the results of the lab's checks for the CI system (default: nowhere)
set -eu

lab=${1:?a topology file}
netwright=${NETWRIGHT:-netwright}

if [ "$(id -u)" -ne 0 ]; then
    exec "$netwright" sandbox -- "$0" "$@"
fi
shift

# Armed before the apply, for one that is stopped half-way.
trap '"$netwright" destroy "$lab" -auto-approve' EXIT
trap 'exit 130' INT TERM

"$netwright" validate "$lab"
"$netwright" apply "$lab" -auto-approve
"$netwright" test "$lab" ${JUNIT:+-junit "$JUNIT"}
[ $# -eq 0 ] || "$@"
