"""The trainer's Python: an interpreter that is new enough, a virtual environment, the locked requirements."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from typing import IO, Callable

from . import apt, limits
from .child import run_child
from .errors import RunFailed
from .paths import root
from .stop import Stop

NAMES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9")
MARKER = "requirements.sha256"
# Where a prepared image has its environments, each under the fingerprint of its lock and Python.
PREPARED = "/opt/ml-training-image"
# The lock that an image's environment was made from, in its folder.
LOCK = "requirements.txt"


def find(bound: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
    """An interpreter of at least `bound`, the machine's own `python3` before others."""
    seen = []
    for name in NAMES:
        path = shutil.which(name)
        version = _version(path) if path else None
        if path is None or version is None:
            continue
        if bound is None or version >= bound:
            return path, version
        seen.append(f"{version[0]}.{version[1]}")
    if bound is None:
        raise RunFailed("this machine has no python3")
    raise RunFailed(
        f"the package asks for Python {bound[0]}.{bound[1]} or newer; this machine has {', '.join(seen) or 'none'}: "
        "choose a newer image or lower `python` in training.yaml"
    )


def _version(path: str) -> tuple[int, int] | None:
    code = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([path, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
        major, minor = answer.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _has_venv(python: str) -> bool:
    answer = subprocess.run(
        [python, "-I", "-c", "import ensurepip, venv"], capture_output=True, timeout=60, check=False
    )
    return answer.returncode == 0


def prepare(
    *,
    package: str,
    venv: str,
    bound: tuple[int, int] | None,
    stop: Stop,
    output: IO[bytes],
    say: Callable[[str], None],
    note: Callable[[str], None],
) -> None:
    """Makes `venv` with what `package`/requirements.txt locks; a finished one of the same lock is used again."""
    python, version = find(bound)
    requirements = os.path.join(package, "requirements.txt")
    wanted = _fingerprint(requirements, version)
    if _is_finished(venv, wanted):
        say("requirements are installed already")
        return
    ready = _ready_made(requirements, version, venv)
    if ready is not None:
        # A link and no copy: the image's environment is root's, and a trainer cannot change it.
        _clear(venv)
        os.symlink(ready, venv)
        say(f"requirements are in the image already ({ready})")
        return
    if not _has_venv(python):

        def tell(text: str) -> None:
            say(text)
            note(text)

        tell("this image lacks python3-venv: installing it with apt")
        apt.install([_venv_package(python, version)], stop, output, tell)
        note("")
    say(f"making a virtual environment with Python {version[0]}.{version[1]} ({python})")
    env = _pip_env()
    _clear(venv)
    code = run_child([python, "-I", "-m", "venv", venv], stop, output=output, env=env, cwd=package, seconds=600)
    if code != 0:
        raise RunFailed(f"python -m venv failed: exit {code}")
    if os.path.exists(requirements):
        say("installing requirements.txt")
        _pip(venv, package, env, stop, output)
    with open(os.path.join(venv, MARKER), "w", encoding="ascii") as file:
        file.write(wanted)


def prepared_folder(requirements: str, version: tuple[int, int]) -> str:
    """Where an image has, or is to have, the environment of this lock for this Python."""
    return os.path.join(root(PREPARED), "envs", _fingerprint(requirements, version))


def _ready_made(requirements: str, version: tuple[int, int], venv: str) -> str | None:
    """An environment of the image that holds all that `requirements` locks, for this Python."""
    exact = prepared_folder(requirements, version)
    if exact == venv:
        return None  # it is being made
    if _is_finished(exact, os.path.basename(exact)):
        return exact
    try:
        with open(requirements, encoding="utf-8") as file:
            wanted = locked(file.read())
        names = sorted(os.listdir(os.path.dirname(exact)))
    except (OSError, ValueError):
        return None
    for name in names:
        folder = os.path.join(os.path.dirname(exact), name)
        try:
            with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8") as file:
                same = re.search(rf"^version\s*=\s*{version[0]}\.{version[1]}\.", file.read(), re.MULTILINE) is not None
            with open(os.path.join(folder, LOCK), encoding="utf-8") as file:
                held = locked(file.read())
        except (OSError, ValueError):
            continue
        if same and _is_finished(folder, name) and _holds(held, wanted):
            return folder
    return None


def locked(text: str) -> dict[str, frozenset[str]]:
    """What a lock asks for: each requirement, spaces left out, with the hashes of which a file may have one."""
    found: dict[str, frozenset[str]] = {}
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        if bare:
            hashes = frozenset(re.findall(r"--hash=(\S+)", bare))
            found["".join(re.sub(r"--hash=\S+", "", bare).split()).lower()] = hashes
    return found


def _holds(held: dict[str, frozenset[str]], wanted: dict[str, frozenset[str]]) -> bool:
    """Whether each file that `held` let in is one that `wanted` would let in, too; more than is wanted does no harm."""
    return bool(wanted) and all(name in held and held[name] and held[name] <= hashes for name, hashes in wanted.items())


def _is_finished(venv: str, wanted: str) -> bool:
    """Whether `venv` was made to its end, of exactly what is wanted."""
    try:
        with open(os.path.join(venv, MARKER), encoding="ascii") as file:
            return file.read() == wanted
    except (FileNotFoundError, NotADirectoryError):
        return False


def _clear(venv: str) -> None:
    if os.path.islink(venv):
        os.unlink(venv)
    elif os.path.lexists(venv):
        shutil.rmtree(venv)


def _venv_package(python: str, version: tuple[int, int]) -> str:
    return "python3-venv" if os.path.basename(python) == "python3" else f"python{version[0]}.{version[1]}-venv"


def _fingerprint(requirements: str, version: tuple[int, int]) -> str:
    digest = hashlib.sha256(f"{version}".encode())
    if os.path.exists(requirements):
        with open(requirements, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _pip_env() -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NOTIFY_", "WATCHDOG_"))}
    env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    # The startup script's HOME is unset; pip wants one for its settings.
    env.setdefault("HOME", "/root" if os.geteuid() == 0 else "/tmp")
    return env


def _pip(venv: str, package: str, env: dict[str, str], stop: Stop, output: IO[bytes]) -> None:
    command = [
        os.path.join(venv, "bin", "python"),
        *("-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"),
        *("--no-input", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"),
        *("--root-user-action", "ignore", "-r", "requirements.txt"),
    ]
    began = os.fstat(output.fileno()).st_size
    code = run_child(
        command, stop, output=output, env=env, cwd=package, seconds=limits.INSTALL_SECONDS, what="pip install"
    )
    if code == 0:
        return
    with open(output.name, "rb") as file:
        file.seek(began)
        said = file.read(1024 * 1024).decode("utf-8", "replace")
    with open(os.path.join(package, "requirements.txt"), encoding="utf-8", errors="replace") as file:
        line = line_of_failure(said, file.read())
    where = f", requirements.txt line {line}" if line else ""
    raise RunFailed(f"pip install failed: exit {code}{where}")


def line_of_failure(said: str, requirements: str) -> int | None:
    """The line of requirements.txt that pip's output blames, as far as it says."""
    errors = [line for line in said.splitlines() if re.match(r"\s*(ERROR|    )", line)]
    for pattern in (r"\(from -r requirements\.txt \(line (\d+)\)\)", r"(?:from|at) line (\d+) of \S*requirements\.txt"):
        found = re.search(pattern, "\n".join(errors))
        if found:
            return int(found.group(1))
    lines = requirements.splitlines()
    for error in errors:
        for name in re.findall(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*==", error) + re.findall(
            r"found for ([A-Za-z0-9._-]+)", error
        ):
            for number, line in enumerate(lines, 1):
                if re.match(rf"{re.escape(name)}\s*(\[|==|;|@|$)", line.strip(), re.IGNORECASE):
                    return number
    return None
