# What is changed by hand shows, and is repaired.
netwright apply topologies/03-bridge.yaml -auto-approve | tail -n 1
ip -n web link set eth0 down
ip -n db address add 192.168.0.9/24 dev eth0
ip link delete cache-eth0
netwright plan topologies/03-bridge.yaml -detailed-exitcode; echo "exit $?"
netwright plan topologies/03-bridge.yaml -refresh-only
netwright list | cut -d / -f 1
netwright apply topologies/03-bridge.yaml -auto-approve -target link.db:eth0
netwright apply topologies/03-bridge.yaml -auto-approve | tail -n 1
netwright plan topologies/03-bridge.yaml -detailed-exitcode; echo "exit $?"
netwright plan topologies/03-bridge.yaml -replace link.web:eth0
netwright plan topologies/03-bridge.yaml -target link.nobody:eth0; echo "exit $?"
