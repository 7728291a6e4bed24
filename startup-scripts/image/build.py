"""Carries out the recipe on this machine and leaves a disk that can become an image."""

from __future__ import annotations

import json
import os
import shutil

from supervisor import apt, limits, pythonenv
from supervisor.child import run_child
from supervisor.errors import RunFailed
from supervisor.paths import root
from supervisor.stop import Stop

from . import generalise, recipe
from .assignment import Assignment, Build
from .joblog import JobLog

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RECORD = "image.json"


def without_system() -> bool:
    """A machine that is only a folder of another computer: nothing may be installed or changed outside of it."""
    return os.environ.get("MLT_INIT") == "none"


def environment(venv: str | None) -> dict[str, str]:
    """What steps and smoke tests see."""
    private = ("NOTIFY_", "WATCHDOG_", "PYTHON", "ML_TRAINING_", "SYSTEMD_", "INVOCATION_ID", "JOURNAL_STREAM")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(private) and key != "MLT_INIT"}
    path = inherited.get("PATH", PATH)
    return {
        "LANG": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        **inherited,
        "HOME": "/root" if os.geteuid() == 0 else inherited.get("HOME", "/tmp"),
        "PATH": f"{venv}/bin:{path}" if venv else path,
        **({"VIRTUAL_ENV": venv} if venv else {}),
    }


class Builder:
    def __init__(self, folder: str, assignment: Assignment, build: Build, log: JobLog, stop: Stop) -> None:
        self._folder = folder
        self._assignment = assignment
        self._build = build
        self._log = log
        self._stop = stop
        self._skipped: list[str] = []

    def run(self) -> dict[str, object]:
        """What the marker says beside success."""
        self._log.say(f"building {self._build.image} on {self._build.base}")
        self._packages()
        python = self._environment()
        self._steps()
        self._record(python)
        traces = generalise.traces()
        self._log.say("taking away what belongs to this machine alone")
        count = generalise.run()
        left = generalise.remaining()
        if left:
            raise RunFailed(f"the disk could not be made anonymous: {', '.join(left[:5])} is still there")
        self._log.say(f"{count} files and folders taken away; the disk is ready")
        return {
            **({"python": python} if python else {}),
            **({"skipped": self._skipped} if self._skipped else {}),
            "traces": traces,
        }

    def _packages(self) -> None:
        packages = self._build.apt
        if not packages:
            return
        if without_system():
            self._skip(f"apt-get install {' '.join(packages)}")
            return
        self._log.say(f"apt: {' '.join(packages)}")
        apt.install(packages, self._stop, self._log.file, self._log.say)

    def _environment(self) -> str | None:
        """The version of the Python that the image's environment has."""
        if not os.path.exists(os.path.join(self._folder, "requirements.txt")):
            if self._build.python:
                # The recipe asks for a Python without packages for it: at least it must be there.
                return ".".join(map(str, pythonenv.find(self._build.python)[1]))
            return None
        _, version = pythonenv.find(self._build.python)
        venv = pythonenv.prepared_folder(os.path.join(self._folder, "requirements.txt"), version)
        os.makedirs(os.path.dirname(venv), mode=0o755, exist_ok=True)
        pythonenv.prepare(
            package=self._folder,
            venv=venv,
            bound=self._build.python,
            stop=self._stop,
            output=self._log.file,
            say=self._log.say,
            note=lambda _text: None,
        )
        shutil.copyfile(os.path.join(self._folder, "requirements.txt"), os.path.join(venv, pythonenv.LOCK))
        link = os.path.join(os.path.dirname(os.path.dirname(venv)), "venv")
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.relpath(venv, os.path.dirname(link)), link)
        return ".".join(map(str, version))

    def _steps(self) -> None:
        for step in self._build.steps:
            self._stop.check()
            path = recipe.script(self._folder, step)
            if without_system():
                self._skip(step.file)
                continue
            self._log.say(f"step {step.file}")
            code = run_child(
                [path],
                self._stop,
                output=self._log.file,
                env=environment(venv_of_image()),
                cwd=self._folder,
                seconds=limits.INSTALL_SECONDS,
                what=step.file,
            )
            if code != 0:
                raise RunFailed(f"{step.file} failed: exit {code} ({self._log.last_line()})")

    def _skip(self, what: str) -> None:
        self._log.say(f"not done here, where there is no system to change: {what}")
        self._skipped.append(what)

    def _record(self, python: str | None) -> None:
        folder = root(pythonenv.PREPARED)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        with open(os.path.join(folder, RECORD), "w", encoding="utf-8") as file:
            json.dump(
                {
                    "build": self._assignment.build,
                    "image": self._build.image,
                    "recipe": self._build.recipe_sha256,
                    "base": self._build.base,
                    "python": python,
                },
                file,
            )


def venv_of_image() -> str | None:
    """The image's own environment, if its recipe made one."""
    link = os.path.join(root(pythonenv.PREPARED), "venv")
    return link if os.path.exists(link) else None
