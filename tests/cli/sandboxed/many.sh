# Many from one, with what was set and included remembered.
netwright apply tests/cli/many/fabric.yaml -var leaves=3 -auto-approve | tail -n 1
netwright plan tests/cli/many/fabric.yaml -var leaves=3 | head -n 1
NETWRIGHT_VAR_leaves=3 netwright plan tests/cli/many/fabric.yaml -detailed-exitcode > /dev/null; echo "exit $?"
netwright list | sed "s: /.*/: :"
cd / && netwright test fabric | sed "s/ in [0-9.]* ms/ in N ms/" && cd - > /dev/null
netwright plan tests/cli/many/fabric.yaml -out /run/fabric.plan | tail -n 1
netwright plan tests/cli/many/fabric.yaml | grep Plan:
cd / && netwright apply /run/fabric.plan | tail -n 1 && cd - > /dev/null
netwright destroy fabric -auto-approve | tail -n 1
