"""Tests the image on this machine, which booted from it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import tempfile

from supervisor import pythonenv
from supervisor.child import run_child
from supervisor.errors import RunFailed, one_line
from supervisor.paths import root
from supervisor.stop import Stop

from . import generalise
from .assignment import Assignment, Build
from .build import RECORD, environment, venv_of_image
from .joblog import JobLog


def run(folder: str, assignment: Assignment, build: Build, log: JobLog, stop: Stop) -> None:
    """`RunFailed` with what is wrong with the image."""
    _is_the_image(assignment)
    _is_anonymous(build)
    venv = venv_of_image()
    home = tempfile.mkdtemp(prefix="smoke-test-")
    env = {**environment(venv), "HOME": home, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    user = _nobody()
    if user is not None:
        os.chown(home, *user)
    name = build.smoke_test[0]
    program = shutil.which(name, path=env["PATH"])
    if program is None and "/" in name:
        program = shutil.which(os.path.join(folder, name))
    if program is None:
        raise RunFailed(f"smoke test failed: command not found: {name}")
    log.say(f"smoke test: {' '.join(build.smoke_test)}")
    try:
        code = run_child(
            [program, *build.smoke_test[1:]],
            stop,
            output=log.file,
            env=env,
            cwd=folder,
            user=user,
            seconds=build.smoke_test_minutes * 60,
            what="the smoke test",
        )
    except OSError as error:
        raise RunFailed(f"smoke test failed: {name}: {error.strerror}") from error
    if code != 0:
        raise RunFailed(one_line(f"smoke test failed: exit {code} ({log.last_line()})"))
    log.say("the smoke test has passed")


def _is_the_image(assignment: Assignment) -> None:
    path = os.path.join(root(pythonenv.PREPARED), RECORD)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file).get("build")
    except (OSError, ValueError) as error:
        raise RunFailed(f"this machine did not boot from an image of ours: {path}: {error}") from error
    if found != assignment.build:
        raise RunFailed(f"this machine booted from the image of another build: {found}")


def _is_anonymous(build: Build) -> None:
    """A machine that has the builder's keys or number was not booted from a clean disk."""
    here = generalise.traces()
    same = sorted(name for name, value in build.traces.items() if here.get(name) == value)
    if same:
        raise RunFailed(f"the image has the builder's own {', '.join(same)}: every machine of it would be the same one")


def _nobody() -> tuple[int, int] | None:
    """As little rights as a trainer has."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid
