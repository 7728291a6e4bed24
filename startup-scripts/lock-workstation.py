"""Writes workstation/requirements.txt from requirements.in: every version pinned, with the checksums of its wheels.

    python3 startup-scripts/lock-workstation.py        # needs uv on the path

Only wheels for Linux on x86-64 (and those for every machine) are listed: the checksums of all platforms would make the
startup script larger than Google takes.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import tomllib

OLDEST, NEWEST = 10, 14
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "workstation")
HEAD = f"""# Written by startup-scripts/lock-workstation.py from requirements.in; for Linux on x86-64, Python 3.{OLDEST} to 3.{NEWEST}.
"""


def fits(wheel: str) -> bool:
    """Whether a machine of ours could install this file."""
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    if platform != "any" and not re.search(r"(many)?linux\w*_x86_64", platform) or "musl" in platform:
        return False
    if abi.endswith("t"):
        return False
    if abi in ("abi3", "none") and re.search(r"(py3|cp3\d*)", python):
        return not re.fullmatch(r"cp3\d+", python) or abi == "abi3" or int(python[3:]) in range(OLDEST, NEWEST + 1)
    return any(python == f"cp3{minor}" for minor in range(OLDEST, NEWEST + 1))


def lines(package: dict[str, object]) -> list[str]:
    marker = str(package.get("marker", ""))
    marker = re.sub(rf"python_full_version >= '3\.{OLDEST}'( and )?", "", marker)
    if re.search(r"sys_platform == '(win32|darwin|emscripten)'|os_name == 'nt'", marker) and " or " not in marker:
        return []
    wheels = [wheel for wheel in package.get("wheels", []) if fits(wheel["url"].rsplit("/", 1)[1])]  # type: ignore
    if not wheels:
        raise SystemExit(f"{package['name']} {package['version']} has no wheel for these machines")
    hashes = sorted(wheel["hashes"]["sha256"] for wheel in wheels)
    head = f"{package['name']}=={package['version']}" + (f" ; {marker}" if marker else "")
    return [" \\\n    ".join([head, *(f"--hash=sha256:{value}" for value in hashes)])]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lock = os.path.join(folder, "pylock.toml")
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--format", "pylock.toml"]
        source = os.path.join(FOLDER, "requirements.in")
        subprocess.run([*command, "--python-version", f"3.{OLDEST}", source, "-o", lock], check=True)
        with open(lock, "rb") as file:
            packages = tomllib.load(file)["packages"]
    with open(os.path.join(FOLDER, "requirements.txt"), "w", encoding="ascii") as file:
        file.write(HEAD + "\n".join(line for package in packages for line in lines(package)) + "\n")


if __name__ == "__main__":
    main()
