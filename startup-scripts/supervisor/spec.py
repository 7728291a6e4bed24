"""spec.json: what to run. Written by the launcher, checked again here before anything is done with it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import limits
from .errors import RunFailed
from .metadata import BUCKET, RUN_ID, Assignment

SCHEMA = 1
SHA256 = re.compile(r"[0-9a-f]{64}")
PYTHON = re.compile(r"3\.[0-9]{1,2}")
# With a bucket: a course's shared one.
INPUT = re.compile(r"(gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/)?[A-Za-z0-9._=+@ -]+(/[A-Za-z0-9._=+@ -]+)*/?")


@dataclass(frozen=True)
class Spec:
    """The checked contents of spec.json that the machine needs."""

    id: str
    environment: str
    project: str
    package_name: str
    package_object: str
    package_sha256: str
    command: list[str]
    python: tuple[int, int] | None
    inputs: list[str]
    data_bucket: str
    scratch_bucket: str
    deadline: float
    created: float
    keep_minutes: float
    checkpoint_seconds: float


def parse(text: bytes, assignment: Assignment) -> Spec:
    """The spec, or `RunFailed` with every problem."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise RunFailed(f"spec.json is no JSON: {error}") from None
    if not isinstance(raw, dict):
        raise RunFailed("spec.json is no JSON object")
    if raw.get("schema") != SCHEMA:
        raise RunFailed(f"spec.json has schema {raw.get('schema')!r}; this machine's supervisor reads {SCHEMA}")
    check = _Check(raw)
    spec = Spec(
        id=check.text("id", RUN_ID),
        environment=check.text("environment"),
        project=check.text("project"),
        package_name=check.text("package.name"),
        package_object=check.text("package.object"),
        package_sha256=check.text("package.sha256", SHA256),
        command=[*check.texts("command"), *check.texts("arguments")],
        python=_python(check),
        inputs=[_input(check, item) for item in check.texts("inputs")],
        data_bucket=check.text("buckets.data", BUCKET),
        scratch_bucket=check.text("buckets.scratch", BUCKET),
        deadline=check.time("deadline"),
        created=check.time("createdAt"),
        keep_minutes=check.number("keepMinutes"),
        checkpoint_seconds=_checkpoint_seconds(check),
    )
    if not check.texts("command"):
        check.problem("command is empty")
    if spec.id != assignment.run:
        check.problem(f"id is {spec.id}, but this machine was started for {assignment.run}")
    if spec.data_bucket != assignment.bucket:
        check.problem(f"buckets.data is {spec.data_bucket}, but this machine was started with {assignment.bucket}")
    if spec.package_object != f"code/{spec.package_sha256}.tar.gz":
        check.problem("package.object is not code/<sha256>.tar.gz")
    check.end()
    return spec


class _Check:
    """Takes values out of `raw` and remembers every problem."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self._problems: list[str] = []

    def problem(self, text: str) -> None:
        if text not in self._problems:
            self._problems.append(text)

    def end(self) -> None:
        if self._problems:
            raise RunFailed("spec.json: " + "; ".join(self._problems))

    def value(self, path: str) -> Any:
        found: Any = self._raw
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def text(self, path: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self.value(path)
        if not isinstance(value, str) or value == "" or (pattern and not pattern.fullmatch(value)):
            self.problem(f"{path} has no legal value: {value!r}")
            return ""
        return value

    def texts(self, path: str) -> list[str]:
        value = self.value(path)
        if not isinstance(value, list) or any(not isinstance(item, str) or "\0" in item for item in value):
            self.problem(f"{path} is no list of texts: {value!r}")
            return []
        return value

    def number(self, path: str) -> float:
        value = self.value(path)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            self.problem(f"{path} is no number from 0: {value!r}")
            return 0.0
        return float(value)

    def time(self, path: str) -> float:
        value = self.value(path)
        try:
            return parse_time(value)
        except (TypeError, ValueError):
            self.problem(f"{path} is no RFC 3339 time: {value!r}")
            return 0.0


def _checkpoint_seconds(check: _Check) -> float:
    if check.value("checkpointSeconds") is None:
        return limits.CHECKPOINT_SECONDS
    seconds = check.number("checkpointSeconds")
    if seconds == 0:
        check.problem("checkpointSeconds is 0")
    return seconds


def _python(check: _Check) -> tuple[int, int] | None:
    if check.value("python") is None:
        return None
    text = check.text("python", PYTHON)
    return (3, int(text.split(".")[1])) if text else None


def _input(check: _Check, item: str) -> str:
    if not INPUT.fullmatch(item) or any(part in (".", "..") for part in item.split("/")):
        check.problem(f"inputs holds no legal prefix: {item!r}")
    return item.rstrip("/")


def parse_time(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time (`2026-11-21T08:00:00.123Z`)."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        raise ValueError(text)
    zone = "+00:00" if match.group(3) == "Z" else match.group(3)
    return datetime.fromisoformat(match.group(1) + zone).timestamp() + float(match.group(2) or 0)


def format_time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
