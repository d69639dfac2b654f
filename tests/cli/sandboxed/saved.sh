# A saved plan is what runs, or nothing is.
cd /run
netwright plan "$OLDPWD/topologies/02-pair.json" -out pair.plan | tail -n 7
netwright show pair.plan | tail -n 1
netwright apply pair.plan -replace link.red:eth0; echo "exit $?"
netwright apply pair.plan | tail -n 1
netwright apply pair.plan; echo "exit $?"
netwright plan "$OLDPWD/topologies/02-pair.json" -destroy -out gone.plan | tail -n 1
ip -n red link set eth0 mtu 1400
netwright apply gone.plan; echo "exit $?"
ip -n red link set eth0 mtu 1500
netwright apply gone.plan | tail -n 1
echo '{ "format_version": "9.0" }' > next.plan; netwright apply next.plan; echo "exit $?"
