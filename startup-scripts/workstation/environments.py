"""Two Pythons: JupyterLab and TensorBoard at pinned versions, and the user's own, which sees the first and hides nothing.

The user's environment lies over Jupyter's: `pip install` there can neither break the servers nor be refused by their
versions, and notebooks still find their kernel.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from typing import Callable

from . import places
from .cloud import Cloud
from .places import INSTALLED, JUPYTER, STATE, UID, VENV, write
from .state import log_line
from .tools import StepFailed, capture, install, last_line, run, said_since

LOCK = os.path.join(INSTALLED, "workstation", "requirements.txt")
PIP = ["--no-input", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
MARKER = "installed.sha256"


def prepare(note: Callable[[str], None]) -> None:
    """Both environments; finished ones of the same lock are used again."""
    with open(LOCK, "rb") as file:
        wanted = digest(file.read(), sys.version.encode())
    if marker(JUPYTER) != wanted:
        ensure_venv_module(note)
        note(f"installing JupyterLab and TensorBoard for Python {VERSION}")
        shutil.rmtree(JUPYTER, ignore_errors=True)
        run([sys.executable, "-I", "-m", "venv", JUPYTER], "python -m venv", seconds=600)
        hashed = ["--require-hashes", "--only-binary", ":all:", "--root-user-action", "ignore", "-r", LOCK]
        run([f"{JUPYTER}/bin/python", "-m", "pip", "install", *PIP, *hashed], "installing JupyterLab and TensorBoard")
        mark(JUPYTER, wanted)
        note("")
    if not os.path.exists(os.path.join(VENV, "pyvenv.cfg")):
        make_user_environment()
    kernel = os.path.join(JUPYTER, "share", "jupyter", "kernels", "python3", "kernel.json")
    arguments = [f"{VENV}/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    write(kernel, json.dumps({"argv": arguments, "display_name": f"Python {VERSION}", "language": "python"}) + "\n")


def make_user_environment() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-I", "-m", "venv", "--without-pip", VENV], "python -m venv", seconds=600)
    packages = os.path.join("lib", f"python{VERSION}", "site-packages")
    write(os.path.join(VENV, packages, "_jupyter.pth"), os.path.join(JUPYTER, packages) + "\n")
    pip = f"#!{VENV}/bin/python\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
    for name in ("pip", "pip3"):
        write(os.path.join(VENV, "bin", name), pip, 0o755)
    run(["chown", "-R", f"{UID}:{UID}", VENV], "making the user's environment")


def ensure_venv_module(note: Callable[[str], None]) -> None:
    if capture([sys.executable, "-I", "-c", "import ensurepip, venv"])[0] == 0:
        return
    note("this image lacks python3-venv: installing it with apt")
    log_line("this image lacks python3-venv: installing it with apt")
    install(["python3-venv"], note)


def install_user_requirements(cloud: Cloud, where: tuple[str, str], note: Callable[[str], None]) -> None:
    """The user's requirements.txt from the bucket, as the user. A file that is installed already is left alone."""
    bucket, name = where
    found = cloud.read(bucket, name)
    if found is None:
        raise StepFailed(f"there is no gs://{bucket}/{name}: upload it (mlt put) or change mltraining:workstation.requirements")
    wanted = digest(found, sys.version.encode())
    if marker(VENV) == wanted:
        return
    path = os.path.join(STATE, "requirements.txt")
    write(path, found)
    note(f"installing gs://{bucket}/{name}")
    began = os.path.getsize(places.LOG)
    try:
        pip = [f"{VENV}/bin/python", "-m", "pip", "install", *PIP, "-r", "requirements.txt"]
        run(pip, "pip install", user=(UID, UID), cwd=STATE)
    except StepFailed as failure:
        said = said_since(began)
        line = line_of_failure(said, found.decode("utf-8", "replace"))
        at = f", line {line}" if line else ""
        raise StepFailed(f"pip install of gs://{bucket}/{name} failed{at}: {last_line(said)}") from failure
    mark(VENV, wanted)
    note("")


def line_of_failure(said: str, requirements: str) -> int | None:
    """The line of the file that pip's output blames, as far as it says."""
    errors = "\n".join(line for line in said.splitlines() if line.startswith(("ERROR", "    ", "  ")))
    found = re.search(r"(?:\(line |from line |at line )(\d+)", errors)
    if found:
        return int(found.group(1))
    lines = requirements.splitlines()
    for name in re.findall(r"(?:found for|requirement) ([A-Za-z0-9][A-Za-z0-9._-]*)", said):
        for number, line in enumerate(lines, 1):
            if re.match(rf"{re.escape(name)}\s*(\[|[=<>~!]|;|@|$)", line.strip(), re.IGNORECASE):
                return number
    return None


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def marker(folder: str) -> str:
    try:
        with open(os.path.join(folder, MARKER), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def mark(folder: str, value: str) -> None:
    write(os.path.join(folder, MARKER), value + "\n")
