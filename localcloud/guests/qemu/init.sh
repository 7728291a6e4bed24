#!/bin/bash
# The first process of the namespaces in which QEMU runs: whatever ends it ends everything in them.
# Standard input is the power supply and the button: a line "power" presses it, the end of input cuts it off; "attach"
# and "detach" plug data disks in and out, "forward" opens a port of the machine to this namespace.
# File descriptor 3 says how far the boot has come, and answers the others. Arguments: QEMU with its own.
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

tell() { echo "$1" >"${GUEST_RUN}/monitor.in"; }

# The monitor tells of every event and answers every command. A reset is a kernel that stopped, since a machine is not
# restarted; a disk that is out gives its file back.
{
  while read -r event; do
    if [[ ${event} == *'"guest-reset"'* || ${event} == *'"guest-panic"'* ]]; then echo reset >&3; fi
    if [[ ${event} == *'"DEVICE_DELETED"'* && ${event} =~ \"device\":\ \"plug-([^\"]+)\" ]]; then
      tell "{\"execute\": \"blockdev-del\", \"arguments\": {\"node-name\": \"${BASH_REMATCH[1]}\"}}"
    fi
    if [[ ${event} =~ \"id\":\ \"(answer-[0-9]+)\" ]]; then
      answer=${BASH_REMATCH[1]}
      if [[ ${event} =~ \"desc\":\ \"([^\"]*) || ${event} =~ \"return\":\ \"([^\"]+)\" ]]; then
        echo "refused ${answer} ${BASH_REMATCH[1]}" >&3
      else
        echo "${answer}" >&3
      fi
    fi
  done
} <"${GUEST_RUN}/monitor.out" &

exec 4<&0
{
  exec 5>"${GUEST_RUN}/monitor.in"
  echo '{"execute": "qmp_capabilities"}' >&5
  while read -r command number name mode file; do
    case ${command} in
      power) echo '{"execute": "system_powerdown"}' >&5 ;;
      attach)
        node=n${number#answer-}
        # The device's name carries the node's, which is how the node is found when the device is out.
        nodes[${number#answer-}]=${name}
        file=${file//\\/\\\\}
        file=${file//\"/\\\"}
        options="\"node-name\": \"${node}\", \"read-only\": $([[ ${mode} == ro ]] && echo true || echo false)"
        echo "{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": \"raw\", ${options}, \"file\": {\"driver\": \"file\", \"filename\": \"${file}\"}}}" >&5
        device="\"driver\": \"virtio-blk-pci\", \"drive\": \"${node}\", \"id\": \"plug-${node}\", \"serial\": \"${name}\""
        echo "{\"execute\": \"device_add\", \"arguments\": {${device}}, \"id\": \"${number}\"}" >&5
        ;;
      detach)
        device=boot-${name}
        for index in "${!nodes[@]}"; do
          if [[ ${nodes[${index}]} == "${name}" ]]; then device=plug-n${index}; unset "nodes[${index}]"; fi
        done
        echo "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"${device}\"}, \"id\": \"${number}\"}" >&5
        ;;
      forward)
        line="hostfwd_add net tcp:127.0.0.1:${name}-:${name}"
        arguments="{\"command-line\": \"${line}\"}"
        echo "{\"execute\": \"human-monitor-command\", \"arguments\": ${arguments}, \"id\": \"${number}\"}" >&5
        ;;
      *) ;;
    esac
  done
  kill -KILL -1
} <&4 &

set +e
wait "${machine}"
status=$?
wait "${console}"
exit "${status}"
