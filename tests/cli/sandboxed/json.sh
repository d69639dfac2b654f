# For programs: one object a line.
lines() { sed 's/,"@timestamp":"[^"]*"//; s/"elapsed_seconds":[0-9.]*/"elapsed_seconds":0/'; }
netwright plan topologies/02-pair.json -json | lines
netwright apply topologies/02-pair.json -json -auto-approve | lines
netwright list -json | sed 's:"/.*/:":'
