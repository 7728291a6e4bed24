#!/usr/bin/env bash
#
# File: workstation.sh
# Desc: Startup script of a workstation. Unpacks the programs that travel with it and starts their unit, which does the
#       rest. Runs at every boot, as root, without HOME; the second time it changes nothing. Needs bash, curl, tar,
#       base64, python3 and systemd. Joined with lib/common.sh, which comes first, and MLT_FILES_BASE64 (workstation/ as
#       tar.gz).
set -euo pipefail

readonly INSTALL_DIR="${ML_TRAINING_ROOT:-}/opt/ml-training"
readonly UNIT_DIR="${ML_TRAINING_ROOT:-}/etc/systemd/system"

# What this machine cannot do without. The set-up checks all keys; without a bucket it could not even report.
check_metadata() {
  metadata_value instance/attributes/mlt-bucket '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]' >/dev/null
}

# Unpacks beside the old files and changes over in one step, so that a boot cut short leaves no half of them. The same
# files are left as they are.
unpack_files() {
  local sum
  sum=$(sha256sum <<<"${MLT_FILES_BASE64:?the programs are missing: workstation.sh is not joined}")
  if [[ -f "${INSTALL_DIR}/.sum" && "$(<"${INSTALL_DIR}/.sum")" == "$sum" ]]; then
    return
  fi
  rm -rf "${INSTALL_DIR}.new"
  mkdir -p "${INSTALL_DIR}.new"
  base64 -d <<<"$MLT_FILES_BASE64" | tar -xz --no-same-owner -C "${INSTALL_DIR}.new"
  printf '%s\n' "$sum" >"${INSTALL_DIR}.new/.sum"
  rm -rf "$INSTALL_DIR"
  mv "${INSTALL_DIR}.new" "$INSTALL_DIR"
}

# Copies units that differ, and tells systemd if any did.
install_units() {
  local unit changed=false
  mkdir -p "$UNIT_DIR"
  for unit in "${INSTALL_DIR}"/workstation/units/*; do
    if ! cmp -s "$unit" "${UNIT_DIR}/${unit##*/}"; then
      cp "$unit" "${UNIT_DIR}/${unit##*/}"
      changed=true
    fi
  done
  if "$changed"; then
    systemctl daemon-reload
  fi
}

main() {
  if [[ ! -d /run/systemd/system ]]; then
    die "a workstation needs systemd, which does not run here"
  fi
  check_metadata || die "this machine has no metadata key mlt-bucket: it is no workstation of ours"
  command -v python3 >/dev/null 2>&1 || apt_install python3
  unpack_files
  install_units
  # --no-block: the unit outlives this script, and its start must not wait for the boot that waits for this script.
  systemctl start --no-block mlt-workstation.service
  log "mlt-workstation.service started: journalctl -u mlt-workstation"
}

if [[ "${BASH_SOURCE[0]:-$0}" == "$0" ]]; then
  main "$@"
fi
