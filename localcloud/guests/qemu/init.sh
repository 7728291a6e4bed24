#!/bin/bash
# The first process of the namespaces in which QEMU runs: whatever ends it ends everything in them.
# Standard input is the power supply and the button: a line "power" presses it, the end of input cuts it off.
# File descriptor 3 says how far the boot has come. Arguments: QEMU with its own.
set -euo pipefail

# The machine's calls to these addresses leave QEMU here, inside the namespace, and go no further.
ip link set lo up
ip address add 169.254.169.254/32 dev lo
ip address add 169.254.169.253/32 dev lo
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
echo network >&3

# QEMU passes the machine's questions for names on to the server that this file names.
mount -t tmpfs -o mode=700 tmpfs "${GUEST_RUN}"
echo "nameserver ${GUEST_NAME_SERVER}" >"${GUEST_RUN}/resolv.conf"
mount --bind "${GUEST_RUN}/resolv.conf" "$(realpath /etc/resolv.conf)"
mkfifo "${GUEST_RUN}/console" "${GUEST_RUN}/monitor.in" "${GUEST_RUN}/monitor.out"
echo disk >&3

read -r command
[[ ${command} == boot ]]

"$@" </dev/null &
machine=$!
cat "${GUEST_RUN}/console" &
console=$!

# The monitor tells of every event; only one matters: a reset is a kernel that stopped, since a machine is not restarted.
{
  while read -r event; do
    if [[ ${event} == *'"guest-reset"'* || ${event} == *'"guest-panic"'* ]]; then echo reset >&3; fi
  done
} <"${GUEST_RUN}/monitor.out" &

exec 4<&0
{
  exec 5>"${GUEST_RUN}/monitor.in"
  echo '{"execute":"qmp_capabilities"}' >&5
  while read -r command; do
    if [[ ${command} == power ]]; then echo '{"execute":"system_powerdown"}' >&5; fi
  done
  kill -KILL -1
} <&4 &

set +e
wait "${machine}"
status=$?
wait "${console}"
exit "${status}"
