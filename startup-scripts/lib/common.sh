#!/usr/bin/env bash
#
# File: common.sh
# Desc: Functions that every startup script shares. It only defines; nothing runs when it is read.
#       A machine's startup-script is this file, the packed files of the supervisor and one main script, joined.
set -euo pipefail

# The metadata server; tests put files in its place (METADATA_BASE=file:///…).
METADATA_BASE="${METADATA_BASE:-http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1}"
COMPUTE_BASE="${COMPUTE_BASE:-https://compute.googleapis.com}"

# log TEXT...: one line on the console (the startup script's output reaches the serial port).
log() {
  printf '[ml-training %s] %s\n' "$(date -u +%H:%M:%S)" "$*" >&2
}

# die TEXT...: says why and ends.
die() {
  log "error: $*"
  exit 1
}

# retry SECONDS COMMAND...: repeats COMMAND with growing pauses until it succeeds or SECONDS have passed.
# Its status is COMMAND's last one: a failure never looks like a success.
retry() {
  local seconds=$1 pause=1 status=0
  shift
  local end=$((SECONDS + seconds))
  while true; do
    status=0
    "$@" || status=$?
    if ((status == 0)); then
      return 0
    fi
    if ((SECONDS + pause > end)); then
      return "$status"
    fi
    log "trying again in ${pause} s (exit ${status}): $1"
    sleep "$pause"
    pause=$((pause < 16 ? pause * 2 : 16))
  done
}

# metadata_get KEY: the value below computeMetadata/v1/; fails, and prints nothing, if there is no such key (status 22).
# -f turns an HTTP error into a failure: an error page must not become a value. A server that cannot be reached or breaks
# off is asked again for half a minute: curl's own retries leave broken connections out.
metadata_get() {
  local value status pause
  for pause in 1 2 4 8 16 0; do
    status=0
    value=$(curl -sf --noproxy '*' --retry 5 --retry-connrefused --connect-timeout 5 --max-time 30 \
      -H 'Metadata-Flavor: Google' "${METADATA_BASE}/$1") || status=$?
    if ((status == 0)); then
      printf '%s\n' "$value"
      return 0
    fi
    # 37: the same of a fixture made of files.
    if ((status == 22 || status == 37)); then
      return 22
    fi
    if ((pause > 0)); then
      sleep "$pause"
    fi
  done
  return "$status"
}

# metadata_value KEY PATTERN: the value if the whole of it matches the extended regular expression PATTERN.
metadata_value() {
  local value status=0
  value=$(metadata_get "$1") || status=$?
  if ((status == 22)); then
    log "metadata key ${1##*/} is missing"
    return 1
  fi
  if ((status != 0)); then
    log "the metadata server does not answer ${1##*/} (curl: exit ${status})"
    return 1
  fi
  if [[ ! "$value" =~ ^($2)$ ]]; then
    log "metadata key ${1##*/} has no legal value: ${value:0:80}"
    return 1
  fi
  printf '%s\n' "$value"
}

# apt_install PACKAGE...: waits while another apt holds the locks, as unattended upgrades do at first boot.
apt_install() {
  log "installing: $*"
  retry 300 env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=60 update -q >&2 || return
  retry 300 env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=60 \
    install -q -y --no-install-recommends "$@" >&2
}

# access_token: the machine's own token.
access_token() {
  local answer
  answer=$(metadata_get instance/service-accounts/default/token) || return
  if [[ ! "$answer" =~ \"access_token\":[[:space:]]*\"([^\"]+)\" ]]; then
    return 1
  fi
  printf '%s\n' "${BASH_REMATCH[1]}"
}

# delete_machine: asks Compute Engine to delete this machine. 403 is retried for ten minutes: the right to do so may
# still be on its way. The machine never just powers off: a stopped machine's disk is billed.
delete_machine() {
  retry "${ML_TRAINING_RETRY_SECONDS:-600}" _delete_machine_once
}

_delete_machine_once() {
  local project zone name token status
  project=$(metadata_value project/project-id '[a-z0-9.:-]+') || return
  zone=$(metadata_value instance/zone 'projects/[0-9]+/zones/[a-z0-9-]+') || return
  name=$(metadata_value instance/name '[a-z]([-a-z0-9]{0,61}[a-z0-9])?') || return
  token=$(access_token) || return
  # The token goes through standard input: a command line can be read by every process.
  status=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl -sS -K - -X DELETE --connect-timeout 10 --max-time 60 -o /dev/null -w '%{http_code}' \
      "${COMPUTE_BASE}/compute/v1/projects/${project}/zones/${zone##*/}/instances/${name}") || return
  if [[ "$status" =~ ^(2[0-9][0-9]|404)$ ]]; then
    return 0
  fi
  log "deleting this machine: HTTP ${status}"
  return 1
}
