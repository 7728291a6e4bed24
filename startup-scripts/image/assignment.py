"""What this machine was made for, and what the bucket says about its build."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from supervisor.errors import MachineUnusable, RunFailed
from supervisor.metadata import Metadata
from supervisor.storage import Storage

BUILD = re.compile(r"[a-z][a-z0-9-]{0,19}-[0-9]{14}-[0-9a-f]{4}")
ROLE = re.compile(r"build|test")
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
NONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Assignment:
    build: str
    role: str
    bucket: str
    # Known to this machine alone: it proves that a marker is this machine's.
    nonce: str

    def object(self, name: str) -> str:
        return f"images/{self.build}/{name}"


@dataclass(frozen=True)
class Step:
    file: str
    sha256: str


@dataclass(frozen=True)
class Build:
    """The parts of `state.json` that a machine needs."""

    recipe_sha256: str
    scratch: str
    image: str
    base: str
    apt: list[str]
    python: tuple[int, int] | None
    steps: list[Step]
    smoke_test: list[str]
    smoke_test_minutes: float
    # What the builder was known by; what must be another on every machine that boots the image.
    traces: dict[str, str]


def read(metadata: Metadata) -> Assignment:
    values = {}
    problems = []
    for key, pattern in (("mlt-build", BUILD), ("mlt-role", ROLE), ("mlt-bucket", BUCKET), ("mlt-nonce", NONCE)):
        value = (metadata.get(f"instance/attributes/{key}") or "").strip()
        if not pattern.fullmatch(value):
            shown = "" if key == "mlt-nonce" else f": {value[:80]!r}"
            problems.append(f"metadata key {key} is missing or has no legal value{shown}")
        values[key] = value
    if problems:
        raise MachineUnusable("; ".join(problems))
    return Assignment(values["mlt-build"], values["mlt-role"], values["mlt-bucket"], values["mlt-nonce"])


def fetch(storage: Storage, assignment: Assignment) -> Build:
    name = assignment.object("state.json")
    found = storage.read(assignment.bucket, name)
    if found is None:
        raise RunFailed(f"the build's state is missing: gs://{assignment.bucket}/{name} does not exist")
    try:
        return _parse(json.loads(found[0]))
    except (ValueError, KeyError, TypeError) as error:
        raise RunFailed(f"gs://{assignment.bucket}/{name} cannot be read: {type(error).__name__} {error}") from error


def _parse(state: dict[str, Any]) -> Build:
    recipe = state["recipe"]
    manifest = recipe["manifest"]
    python = manifest.get("python")
    major, minor = python.split(".") if python else (0, 0)
    return Build(
        recipe_sha256=recipe["sha256"],
        scratch=state["buckets"]["scratch"],
        image=state["image"],
        base=f"projects/{state['base']['project']}/global/images/{state['base']['name']}",
        apt=[str(package) for package in manifest["apt"]],
        python=(int(major), int(minor)) if python else None,
        steps=[Step(step["file"], step["sha256"]) for step in manifest["steps"]],
        smoke_test=[str(word) for word in manifest["smokeTest"]],
        smoke_test_minutes=float(manifest["smokeTestMinutes"]),
        traces=dict(state.get("built", {}).get("traces", {})),
    )
