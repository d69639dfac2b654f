# What is somebody else's is left alone, and named.
ip netns add web; touch /run/netns/db; ip link add br0 type bridge
netwright plan topologies/03-bridge.yaml > /dev/null; echo "exit $?"
netwright apply topologies/03-bridge.yaml -auto-approve > /dev/null; echo "exit $?"
netwright plan topologies/07-docker.yaml > /dev/null; echo "exit $?"
ip netns delete web; ip netns delete db; ip link delete br0
netwright apply topologies/03-bridge.yaml -auto-approve | tail -n 1
netwright plan topologies/04-gateway.yaml > /dev/null; echo "exit $?"
ip link add foreign type veth peer name other; ip link set foreign master br0
netwright destroy bridge -auto-approve > /dev/null; echo "exit $?"
