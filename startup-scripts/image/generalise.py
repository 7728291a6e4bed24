"""Takes from the disk what belongs to this one machine, or to who built it: no machine of the image may have it."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess

from supervisor.paths import root

# Keys by which a machine is known. Google's agent makes new ones where it finds a new machine.
HOST_KEYS = ("/etc/ssh/ssh_host_*",)
MACHINE_ID = "/etc/machine-id"

HOMES = ("/root", "/home/*")
# In every home: what was typed, and what opens doors.
IN_HOMES = (
    ".bash_history",
    ".python_history",
    ".node_repl_history",
    ".lesshst",
    ".viminfo",
    ".wget-hsts",
    ".sudo_as_admin_successful",
    ".ssh",
    ".gnupg",
    ".netrc",
    ".pypirc",
    ".boto",
    ".gsutil",
    ".git-credentials",
    ".aws",
    ".azure",
    ".kaggle",
    ".kube",
    ".docker/config.json",
    ".config/gcloud",
    ".config/pip",
    ".config/gh",
    ".config/rclone",
    ".cache",
    ".local/share/recently-used.xbel",
)
REMOVED = (
    "/etc/boto.cfg",
    "/etc/pip.conf",
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/dhcp/*",
    "/var/lib/apt/lists/*",
    "/var/cache/apt/archives/*.deb",
    "/var/cache/apt/*.bin",
    "/var/log/journal/*",
    "/var/tmp/*",
    "/tmp/*",
    "/var/crash/*",
    "/var/lib/ml-training",
    "/var/lib/sudo/*",
    "/var/mail/*",
)
# Programs keep these open; they are made empty, not removed.
EMPTIED = ("/var/log/**",)


def traces() -> dict[str, str]:
    """Hashes of what this machine is known by, to be compared with those of a machine that boots the image."""
    found = {}
    for path in [*glob.glob(root("/etc/ssh/ssh_host_*.pub")), root(MACHINE_ID)]:
        try:
            with open(path, "rb") as file:
                content = file.read().strip()
        except OSError:
            continue
        if content and content != b"uninitialized":
            found[os.path.basename(path)] = hashlib.sha256(content).hexdigest()
    return found


def run() -> int:
    """How many files and folders were taken away."""
    count = 0
    if shutil.which("cloud-init") and not os.environ.get("ML_TRAINING_ROOT"):
        subprocess.run(["cloud-init", "clean", "--logs"], capture_output=True, timeout=120, check=False)
    homes = [os.path.join(home, name) for home in HOMES for name in IN_HOMES]
    for pattern in [*HOST_KEYS, *homes, *REMOVED]:
        for path in _matching(root(pattern)):
            count += _remove(path)
    for pattern in EMPTIED:
        for path in glob.glob(root(pattern), recursive=True):
            if os.path.isfile(path) and not os.path.islink(path):
                os.truncate(path, 0)
    # An empty file and not none: systemd then makes the machine's own at its first boot.
    if os.path.exists(root(MACHINE_ID)):
        with open(root(MACHINE_ID), "w", encoding="ascii"):
            pass
    return count


def remaining() -> list[str]:
    """What should be gone and is there."""
    homes = [os.path.join(home, name) for home in HOMES for name in IN_HOMES if name != ".cache"]
    found = [path for pattern in [*HOST_KEYS, *homes] for path in glob.glob(root(pattern))]
    if os.path.exists(root(MACHINE_ID)) and os.path.getsize(root(MACHINE_ID)) > 0:
        found.append(root(MACHINE_ID))
    return sorted(found)


def _matching(pattern: str) -> list[str]:
    """Like glob, with hidden files where a whole folder is meant."""
    if not pattern.endswith("/*"):
        return glob.glob(pattern)
    return [os.path.join(place, name) for place in glob.glob(pattern[:-2]) for name in os.listdir(place)]


def _remove(path: str) -> int:
    if not os.path.lexists(path) or os.path.ismount(path):
        return 0
    if os.path.isdir(path) and not os.path.islink(path):
        # A folder with a mount below it is left to whoever mounts there.
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)
    return 1
