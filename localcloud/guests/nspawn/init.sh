#!/bin/bash
# The first process of a guest's own process, mount and network namespaces: whatever ends it ends everything in them.
# Standard input is the power supply and the button: a line "power" presses it, the end of input cuts it off; "attach"
# and "detach" plug data disks in and out. File descriptor 3 says how far the boot has come, and answers the plugs.
# Arguments: the program to run as the machine.
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

# A data disk is a file behind a loop device that goes with its last user: this one holds it while the disk is plugged
# in. The node is the guest's, and lies in a folder that the guest can only read.
disks=/run/systemd/nspawn/disks
holders=/run/systemd/nspawn/holders
mkdir "${disks}" "${holders}"

attach() {
  local name=$1 mode=$2 file=$3 device number holder options=()
  if [[ ${mode} == ro ]]; then options=(--read-only); fi
  if ! device=$(losetup "${options[@]}" --find --show "${file}" 2>&1); then
    printf '%s\n' "this host has no loop device for a data disk: ${device//$'\n'/ }"
    return 1
  fi
  (
    exec <"${device}" >/dev/null 2>&1 3>&-
    exec sleep infinity
  ) &
  holder=$!
  # Until the holder has it open, nobody does, and it would be gone.
  until [[ $(readlink "/proc/${holder}/fd/0") == "${device}" && $(<"/proc/${holder}/comm") == sleep ]]; do sleep 0.01; done
  losetup --detach "${device}"
  number=${device#/dev/loop}
  mknod --mode="$([[ ${mode} == ro ]] && echo 440 || echo 660)" "${disks}/google-${name}" b 7 "${number}"
  # Group 6 is `disk`.
  chown "${GUEST_OWNER}:$((GUEST_OWNER + 6))" "${disks}/google-${name}"
  echo "${holder}" >"${holders}/${name}"
}

detach() {
  rm -f "${disks}/google-$1"
  if [[ -e ${holders}/$1 ]]; then kill "$(<"${holders}/$1")"; fi
  rm -f "${holders}/$1"
}

plug() {
  local answer=$2 problem
  if problem=$(if [[ $1 == attach ]]; then attach "${@:3}"; else detach "$3"; fi 2>&1); then
    echo "${answer}" >&3
  else
    echo "refused ${answer} ${problem:-it said nothing}" >&3
  fi
}

while read -r command number name mode file; do
  if [[ ${command} == boot ]]; then break; fi
  if [[ ${command} == attach ]]; then plug attach "${number}" "${name}" "${mode}" "${file}"; fi
done

# Only a terminal shows the guest's console. The program's number is kept to press its button.
program=$(printf '%q ' "$@")
script --quiet --flush --return --command "echo \$\$ >/run/systemd/nspawn/pid; exec ${program}" /dev/null </dev/null &
machine=$!

exec 4<&0
{
  while read -r command number name mode file; do
    case ${command} in
      power) kill -TERM "$(</run/systemd/nspawn/pid)" ;;
      attach) plug attach "${number}" "${name}" "${mode}" "${file}" ;;
      detach) plug detach "${number}" "${name}" ;;
      *) ;;
    esac
  done
  kill -KILL -1
} <&4 &

set +e
wait "${machine}"
exit $?
