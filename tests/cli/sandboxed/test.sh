# Checks: all hold, some do not, there is nothing to check.
netwright test topologies/02-pair.json | sed "s/ in [0-9.]* ms/ in N ms/"
netwright apply topologies/02-pair.json -auto-approve | tail -n 1
netwright test topologies/02-pair.json | sed "s/ in [0-9.]* ms/ in N ms/"
ip -n blue link set eth0 down
netwright test pair > /run/out; echo "exit $?"; sed "s/ in [0-9.]* ms/ in N ms/" /run/out
