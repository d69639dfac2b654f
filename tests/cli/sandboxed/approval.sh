# Nothing is done without a yes.
echo no | netwright apply topologies/01-isolated.yaml | tail -n 6; netwright list
netwright apply topologies/01-isolated.yaml < /dev/null | tail -n 4
netwright apply topologies/01-isolated.yaml -json < /dev/null > /dev/null; echo "exit $?"
echo yes | netwright apply topologies/01-isolated.yaml | tail -n 6
echo y | netwright destroy isolated | tail -n 6
echo yes | netwright destroy isolated | tail -n 6
