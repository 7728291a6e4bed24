#!/usr/bin/env bash
#
# File: trainer.sh
# Desc: Startup script of a training machine. Unpacks the supervisor that travels with it and starts it as a systemd
#       unit; where there is no init system (MLT_INIT=none) the supervisor runs in the foreground. Runs at every boot,
#       as root, without HOME. Needs bash, curl, tar, base64 and python3. Joined with lib/common.sh, which comes first,
#       and MLT_FILES_BASE64 (python/, supervisor/ and units/ as tar.gz).
set -euo pipefail

INSTALL_ROOT="${ML_TRAINING_ROOT:-}"
readonly INSTALL_ROOT
readonly INSTALL_DIR="${INSTALL_ROOT}/opt/ml-training"
readonly UNIT_DIR="${INSTALL_ROOT}/etc/systemd/system"

# What this machine was started for. The supervisor checks the same again; here it decides whether to begin at all.
check_metadata() {
  local problems=0
  metadata_value instance/attributes/mlt-run '[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?-[0-9]{14}-[0-9a-f]{4}' || problems=1
  metadata_value instance/attributes/mlt-attempt '[1-9][0-9]{0,3}' || problems=1
  metadata_value instance/attributes/mlt-bucket '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]' || problems=1
  return "$problems"
}

# Unpacks beside the old files and changes over in one step, so that a boot cut short leaves no half of them.
unpack_files() {
  rm -rf "${INSTALL_DIR}.new"
  mkdir -p "${INSTALL_DIR}.new"
  base64 -d <<<"${MLT_FILES_BASE64:?the supervisor is missing: trainer.sh is not joined}" |
    tar -xz --no-same-owner -C "${INSTALL_DIR}.new"
  rm -rf "$INSTALL_DIR"
  mv "${INSTALL_DIR}.new" "$INSTALL_DIR"
}

# The user that the trainer runs as: no password, no shell, no rights.
ensure_user() {
  if ! id ml >/dev/null 2>&1; then
    useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ml
  fi
}

start_unit() {
  mkdir -p "$UNIT_DIR"
  cp "${INSTALL_DIR}"/units/*.service "${UNIT_DIR}/"
  systemctl daemon-reload
  # --no-block: the unit outlives this script, and its start must not wait for the boot that waits for this script.
  systemctl start --no-block ml-training.service
  log "ml-training.service started: journalctl -u ml-training"
}

begin() {
  command -v python3 >/dev/null 2>&1 || apt_install python3
  check_metadata >/dev/null
  unpack_files
  if [[ "${MLT_INIT:-systemd}" == none ]]; then
    cd "$INSTALL_DIR"
    # From here on the supervisor answers for the machine; it takes this process's place and its signals.
    exec python3 -m supervisor run
  fi
  ensure_user
  start_unit
}

# A machine whose supervisor was not started would wait for its time limit, at its full price.
leave() {
  local status=$?
  if ((status == 0)); then
    return
  fi
  log "this machine cannot train (exit ${status}); it deletes itself"
  delete_machine || die "this machine could not delete itself; its time limit (maxRunDuration) will"
}

main() {
  if [[ "${MLT_INIT:-systemd}" != none ]] && systemctl is-active --quiet ml-training.service; then
    log "ml-training.service runs already"
    return 0
  fi
  # A trap, and not `begin || leave`: a function in a condition would go on after its failed commands.
  trap leave EXIT
  begin
}

if [[ "${BASH_SOURCE[0]:-$0}" == "$0" ]]; then
  main "$@"
fi
