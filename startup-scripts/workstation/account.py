"""The local user who owns the notebooks, the environments and the mount; and who may become that user."""

from __future__ import annotations

import os
import pwd

from .places import HOME, UID, USER, root, write
from .tools import StepFailed, capture, run

# People log in under their own names (OS Login). One workstation is one person's: whoever may log in may work as `ml`
# and start background commands, with or without the right to become root.
SUDOERS = f"""# Written by the workstation's startup script.
ALL ALL=({USER}) NOPASSWD: ALL
ALL ALL=(root) NOPASSWD: /usr/local/bin/mlt-exec
"""
PROFILE = "/opt/ml-training/workstation/profile.sh"


def prepare() -> None:
    ensure_user()
    write(root("/etc/sudoers.d/ml-workstation"), SUDOERS, 0o440)
    for name, target in (("bucket", "/mnt/bucket"),):
        link = os.path.join(HOME, name)
        if not os.path.lexists(link):
            os.symlink(target, link)


def ensure_user() -> None:
    """The user under its fixed number. Another image's `ml` with another number is moved; a stranger's number is named."""
    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        found = None
    if found is not None and found.pw_uid == UID and found.pw_dir == "/home/ml":
        return ensure_home()
    try:
        other = pwd.getpwuid(UID).pw_name
    except KeyError:
        other = USER
    if other != USER:
        raise StepFailed(f"the user number {UID} belongs to {other} on this image; {USER} needs it: choose another image")
    if found is not None:
        run(["userdel", USER], f"userdel {USER}")
    if capture(["getent", "group", USER])[0] != 0:
        run(["groupadd", "--gid", str(UID), USER], f"groupadd {USER}")
    home = ["--no-create-home", "--home-dir", "/home/ml", "--shell", "/bin/bash"]
    run(["useradd", "--uid", str(UID), "--gid", USER, *home, USER], f"useradd {USER}")
    ensure_home()


def ensure_home() -> None:
    """With the files that every new user gets. On a data disk it may be there from an earlier machine."""
    if os.path.isdir(HOME):
        return
    run(["cp", "-RT", "/etc/skel", HOME] if os.path.isdir("/etc/skel") else ["mkdir", HOME], "making /home/ml")
    run(["chown", "-R", f"{UID}:{UID}", HOME], "making /home/ml")
    run(["chmod", "0750", HOME], "making /home/ml")
