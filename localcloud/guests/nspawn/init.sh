#!/bin/bash
# The first process of a guest's own process, mount and network namespaces: whatever ends it ends everything in them.
# Standard input is the power supply and the button: a line "power" presses it, the end of input cuts it off.
# File descriptor 3 says how far the boot has come. Arguments: the program to run as the machine.
set -euo pipefail

for group in ${GUEST_CGROUPS}; do echo 0 >"${group}/cgroup.procs"; done

# Only this namespace can reach these addresses: nothing of the guest's calls leaves over a real network.
ip link set lo up
ip address add 169.254.169.254/32 dev lo
ip address add 169.254.169.253/32 dev lo
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
echo network >&3

mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
cd "${GUEST_DISK}"
mount -t overlay overlay -o "lowerdir=${GUEST_LOWER},upperdir=upper,workdir=work" merged
echo disk >&3

read -r command
[[ ${command} == boot ]]

# Only a terminal shows the guest's console. The program's number is kept to press its button.
program=$(printf '%q ' "$@")
script --quiet --flush --return --command "echo \$\$ >/run/systemd/nspawn/pid; exec ${program}" /dev/null </dev/null &
machine=$!

exec 4<&0
{
  while read -r command; do
    if [[ ${command} == power ]]; then kill -TERM "$(</run/systemd/nspawn/pid)"; fi
  done
  kill -KILL -1
} <&4 &

set +e
wait "${machine}"
exit $?
