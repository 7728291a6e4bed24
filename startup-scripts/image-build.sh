#!/usr/bin/env bash
#
# File: image-build.sh
# Desc: Startup script of a machine that builds or tests an image. Unpacks what travels with it and runs it in the
#       foreground; it says in the bucket how it went and leaves the machine to whoever asked for it. Google deletes
#       the machine at its time limit, so it never switches itself off: a stop would end that limit. Runs as root,
#       without HOME. Needs bash, curl, tar, base64 and python3. Joined with lib/common.sh, which comes first, and
#       MLT_FILES_BASE64 (image/ and what it uses of supervisor/ as tar.gz).
set -euo pipefail

INSTALL_ROOT="${ML_TRAINING_ROOT:-}"
readonly INSTALL_ROOT
readonly INSTALL_DIR="${INSTALL_ROOT}/opt/ml-training-build"

# Unpacks beside the old files and changes over in one step, so that a boot cut short leaves no half of them.
unpack_files() {
  rm -rf "${INSTALL_DIR}.new"
  mkdir -p "${INSTALL_DIR}.new"
  base64 -d <<<"${MLT_FILES_BASE64:?the builder is missing: image-build.sh is not joined}" |
    tar -xz --no-same-owner -C "${INSTALL_DIR}.new"
  rm -rf "$INSTALL_DIR"
  mv "${INSTALL_DIR}.new" "$INSTALL_DIR"
}

main() {
  command -v python3 >/dev/null 2>&1 || apt_install python3
  unpack_files
  cd "$INSTALL_DIR"
  MLT_INSTALL_DIR="$INSTALL_DIR" exec python3 -B -m image
}

if [[ "${BASH_SOURCE[0]:-$0}" == "$0" ]]; then
  main "$@"
fi
