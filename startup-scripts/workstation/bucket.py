"""The data bucket as a folder: gcsfuse from Google's apt suite, mounted by a unit that tries again."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Callable

from .disk import mounted
from .places import CACHE, MOUNT, SETTINGS, UID, root, write
from .tools import StepFailed, capture, install, run

UNIT = "mlt-bucket.service"
OLDEST = (3, 6)
KEY = "/usr/share/keyrings/cloud.google.asc"
KEY_URL = "https://packages.cloud.google.com/apt/doc/apt-key.gpg"
SOURCE = "/etc/apt/sources.list.d/gcsfuse.list"
SUITES = ("bookworm", "trixie", "jammy", "noble")
# Of a release that Google has no suite for yet the closest one works (gcsfuse, docs/troubleshooting.md).
CLOSEST = {"debian": "trixie", "ubuntu": "noble"}


def version() -> tuple[int, int] | None:
    found = re.search(r"gcsfuse version (\d+)\.(\d+)", capture(["gcsfuse", "--version"])[1])
    return (int(found.group(1)), int(found.group(2))) if found else None


def codename() -> str:
    facts: dict[str, str] = {}
    with open(root("/etc/os-release"), encoding="utf-8") as file:
        for line in file:
            key, _, value = line.strip().partition("=")
            facts[key] = value.strip('"')
    name = facts.get("VERSION_CODENAME", "")
    if name in SUITES:
        return name
    closest = next((CLOSEST[each] for each in (facts.get("ID", ""), *facts.get("ID_LIKE", "").split()) if each in CLOSEST), "")
    if not closest:
        raise StepFailed(f"Google has no gcsfuse for {facts.get('PRETTY_NAME', 'this system')}: choose a Debian or Ubuntu image")
    return closest


def ensure_gcsfuse(note: Callable[[str], None]) -> None:
    found = version()
    if found is None or found < OLDEST:
        fetch_key()
        line = f"deb [signed-by={KEY}] https://packages.cloud.google.com/apt gcsfuse-{codename()} main\n"
        write(root(SOURCE), line)
        note("installing gcsfuse")
        install(["gcsfuse", "fuse3"], note, SOURCE)
        note("")
        found = version()
    if found is None or found < OLDEST:
        have = "none" if found is None else f"{found[0]}.{found[1]}"
        raise StepFailed(f"gcsfuse {OLDEST[0]}.{OLDEST[1]} or newer is needed and this machine has {have}")


def fetch_key() -> None:
    """Google's key, as text: `apt-key` is gone, and `.asc` needs no conversion."""
    new = root(f"{KEY}.new")
    options = ["--silent", "--show-error", "--fail", "--location", "--retry", "5", "--retry-all-errors", "--max-time", "60"]
    run(["curl", *options, "--output", new, KEY_URL], "fetching Google's apt key")
    with open(new, "rb") as file:
        key = file.read()
    os.unlink(new)
    if b"PGP PUBLIC KEY BLOCK" not in key:
        raise StepFailed(f"{KEY_URL} is no key")
    write(root(KEY), key)


def settings(memory_mb: int, disk_mb: int) -> dict[str, object]:
    """gcsfuse's settings for a machine of this size. No profile: `aiml-training` keeps everything in memory for ever."""
    value: dict[str, object] = {
        "implicit-dirs": True,
        "file-system": {
            "uid": UID,
            "gid": UID,
            "dir-mode": "775",
            "file-mode": "664",
            # A flat bucket renames a folder by moving each object of it.
            "rename-dir-limit": 10_000,
            "temp-dir": os.path.join(CACHE, "unwritten"),
            "fuse-options": ["allow_other"],
        },
        "metadata-cache": {"ttl-secs": 60, "stat-cache-max-size-mb": max(32, min(1024, memory_mb // 64))},
        "logging": {"severity": "warning", "format": "text"},
    }
    # Files that are read again: a fifth of the disk, if that is worth it.
    share = disk_mb // 5
    if share >= 1024:
        value["cache-dir"] = os.path.join(CACHE, "files")
        value["file-cache"] = {"max-size-mb": min(share, 200 * 1024), "cache-file-for-range-read": False}
    return value


def memory_mb() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        found = re.search(r"^MemTotal:\s+(\d+) kB", file.read(), re.MULTILINE)
    return int(found.group(1)) // 1024 if found else 1024


def disk_mb(path: str) -> int:
    facts = os.statvfs(path)
    return facts.f_blocks * facts.f_frsize // (1024 * 1024)


def configure(bucket: str) -> bool:
    """Writes what the unit reads. Whether anything is new."""
    for folder in (CACHE, os.path.join(CACHE, "files"), os.path.join(CACHE, "unwritten")):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    # While nothing is mounted nobody can write here by mistake.
    if not os.path.isdir(MOUNT):
        os.makedirs(MOUNT)
        os.chmod(MOUNT, 0o555)
    changed = write(os.path.join(SETTINGS, "bucket.env"), f"BUCKET={bucket}\n")
    text = json.dumps(settings(memory_mb(), disk_mb(CACHE)), indent=1) + "\n"
    changed |= write(os.path.join(SETTINGS, "gcsfuse.yaml"), text)
    return changed


def start(changed: bool, wait_seconds: float) -> bool:
    """Starts the unit; it goes on trying by itself. Whether the bucket was mounted in time."""
    active = capture(["systemctl", "is-active", UNIT])[0] == 0
    run(["systemctl", "restart" if changed and active else "start", "--no-block", UNIT], f"starting {UNIT}")
    end = time.monotonic() + wait_seconds
    while not mounted(MOUNT):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
