#!/bin/sh
# What lab 10 finds on its host: a NIC, eth1, on a wire where a router answers. The router is 192.168.50.1; behind it
# lies 203.0.113.1. To be run inside a sandbox, as root of its user namespace.
set -eu

ip netns add wire
# Odd settings on purpose: the NIC has to come back from the lab with each of them.
ip link add eth1 address 02:00:00:00:50:0a mtu 1480 type veth peer name eth0 netns wire
ip link set eth1 alias "uplink to the office" up

ip -n wire link set lo up
ip -n wire link set eth0 mtu 1480 up
ip -n wire address add 192.168.50.1/24 dev eth0
ip -n wire address add 203.0.113.1/32 dev lo
