# A lab from nothing to nothing.
netwright plan topologies/03-bridge.yaml
netwright apply topologies/03-bridge.yaml -auto-approve | tail -n 3
netwright plan topologies/03-bridge.yaml
netwright apply topologies/03-bridge.yaml
netwright list | sed "s: /.*/: :"
netwright show | sed "s: /.*/: :" | head -n 29
netwright destroy bridge -auto-approve | tail -n 3
netwright destroy bridge
netwright destroy -all
netwright list
netwright show
netwright test bridge
