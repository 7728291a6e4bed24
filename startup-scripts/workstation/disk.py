"""The data disk: formatted only if it is blank, mounted at /home, so that notebooks and people's files outlive the VM."""

from __future__ import annotations

import os
import time

from .places import root
from .state import log_line
from .tools import StepFailed, capture, run

FOLDER = "/home"
WAIT_SECONDS = 60.0


def device_of(name: str) -> str:
    """Where Google's udev rules put a disk by its device name."""
    return root(f"/dev/disk/by-id/google-{name}")


def prepare(name: str) -> None:
    device = device_of(name)
    end = time.monotonic() + WAIT_SECONDS
    while not os.path.exists(device):
        if time.monotonic() > end:
            raise StepFailed(f"the data disk {name} is not attached: there is no {device}; {FOLDER} is on the boot disk")
        time.sleep(0.5)
    blank = is_blank(device, name)
    if blank:
        log_line(f"the data disk {name} is blank: making an ext4 file system")
        run(["mkfs.ext4", "-q", "-m", "0", "-L", "mlt-home", device], f"formatting the data disk {name}")
    add_to_fstab(device)
    if mounted(FOLDER):
        return
    if blank:
        move_in(device)
    run(["mount", FOLDER], f"mounting the data disk {name} at {FOLDER}")
    # A disk that was made larger: the file system follows, while it is mounted. ext4 that has its size already is left.
    if not blank and capture(["findmnt", "-no", "FSTYPE", FOLDER])[1] == "ext4":
        capture(["resize2fs", device], 600)


def is_blank(device: str, name: str) -> bool:
    """Whether nothing at all is known to lie on it. What is not understood is never formatted."""
    code, said = capture(["blkid", "--probe", "--output", "export", device])
    if code == 2 and not said:
        return True
    facts = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if code == 0 and facts.get("TYPE") in ("ext4", "ext3", "ext2", "xfs", "btrfs"):
        return False
    if "PTTYPE" in facts:
        found = f"a partition table ({facts['PTTYPE']})"
    elif "TYPE" in facts:
        found = facts["TYPE"]
    else:
        found = f"something unknown (blkid: exit {code} {said})"
    raise StepFailed(
        f"the data disk {name} holds {found} and no file system of its own; it is left as it is. "
        "Attach an empty disk, or copy its data away and wipe it: sudo wipefs --all " + device
    )


def add_to_fstab(device: str) -> None:
    path = root("/etc/fstab")
    line = f"{device} {FOLDER} auto defaults,nofail,x-systemd.device-timeout=30s 0 2\n"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        text = ""
    if line in text:
        return
    kept = [each for each in text.splitlines(keepends=True) if each.split()[1:2] != [FOLDER]]
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write("".join(kept) + line)
    os.replace(path + ".new", path)
    # systemd makes its mount units from fstab.
    capture(["systemctl", "daemon-reload"])


def move_in(device: str) -> None:
    """Homes that the boot disk has already go along to a new disk."""
    place = root("/run/ml-workstation/new-home")
    os.makedirs(place, exist_ok=True)
    run(["mount", device, place], "mounting the new data disk")
    try:
        run(["cp", "-a", root(FOLDER) + "/.", place], "copying homes to the data disk")
    finally:
        run(["umount", place], "unmounting the new data disk")
        os.rmdir(place)


def mounted(folder: str) -> bool:
    try:
        with open(root("/proc/mounts"), encoding="utf-8", errors="replace") as file:
            return any(line.split(" ")[1] == folder for line in file if line.count(" ") > 1)
    except OSError:
        return False
