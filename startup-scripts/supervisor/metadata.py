"""What the metadata server says about this machine. Every value is checked: a missing key never becomes a value."""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
import time
from dataclasses import dataclass
from typing import Callable

from .errors import MachineUnusable

RUN_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?-[0-9]{14}-[0-9a-f]{4}")
ATTEMPT = re.compile(r"[1-9][0-9]{0,3}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")
ZONE = re.compile(r"projects/[0-9]+/zones/([a-z]+-[a-z0-9]+-[a-z])")
TYPE = re.compile(r"projects/[^/]+/machineTypes/([a-z0-9-]+)")
FLAVOR = {"Metadata-Flavor": "Google"}


@dataclass(frozen=True)
class Assignment:
    """What this machine was started for."""

    run: str
    attempt: int
    bucket: str


@dataclass(frozen=True)
class Machine:
    """This machine, as Compute Engine knows it."""

    project: str
    zone: str
    name: str
    type: str
    spot: bool
    image: str


class Metadata:
    """Reads the metadata server, directly (never through a proxy)."""

    def __init__(self, host: str | None = None, patience: float = 120) -> None:
        self._host = host or os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        # At boot the network may come up after us.
        self._patience = patience
        self._lock = threading.Lock()
        self._token = ""
        self._expires = 0.0

    def get(self, path: str, patience: float | None = None) -> str | None:
        """The text under `computeMetadata/v1/`; `None` if there is no such key."""
        end = time.monotonic() + (self._patience if patience is None else patience)
        wait = 0.2
        while True:
            try:
                status, body, flavor = self._once(path)
                if flavor != "Google":
                    # A captive portal or a web server in the metadata server's place answers too.
                    raise MachineUnusable(f"{self._host} is no metadata server: its answer carries no Metadata-Flavor")
                if status == 200:
                    return body
                if status == 404:
                    return None
                problem: object = f"HTTP {status}"
            except (OSError, http.client.HTTPException) as error:
                problem = error
            if time.monotonic() + wait > end:
                raise MachineUnusable(f"the metadata server does not answer {path}: {problem}")
            time.sleep(wait)
            wait = min(wait * 2, 5)

    def _once(self, path: str) -> tuple[int, str, str | None]:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        try:
            connection.request("GET", f"/computeMetadata/v1/{path}", headers=FLAVOR)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace"), response.headers.get("Metadata-Flavor")
        finally:
            connection.close()

    def assignment(self) -> Assignment:
        values = {}
        problems = []
        for key, pattern in (("mlt-run", RUN_ID), ("mlt-attempt", ATTEMPT), ("mlt-bucket", BUCKET)):
            value = self.get(f"instance/attributes/{key}")
            if value is None:
                problems.append(f"metadata key {key} is missing")
            elif not pattern.fullmatch(value.strip()):
                problems.append(f"metadata key {key} has no legal value: {value.strip()[:80]!r}")
            else:
                values[key] = value.strip()
        if problems:
            raise MachineUnusable("; ".join(problems))
        return Assignment(values["mlt-run"], int(values["mlt-attempt"]), values["mlt-bucket"])

    def machine(self) -> Machine:
        return Machine(
            project=self._matching("project/project-id", PROJECT, 0),
            zone=self._matching("instance/zone", ZONE, 1),
            name=self._matching("instance/name", NAME, 0),
            type=self._matching("instance/machine-type", TYPE, 1),
            spot=(self.get("instance/scheduling/preemptible") or "").strip().upper() == "TRUE",
            image=(self.get("instance/image") or "").strip(),
        )

    def _matching(self, path: str, pattern: re.Pattern[str], group: int) -> str:
        value = self.get(path)
        match = pattern.fullmatch((value or "").strip())
        if match is None:
            raise MachineUnusable(f"the metadata server gives no legal {path}: {value!r}")
        return match.group(group)

    def preempted(self) -> bool:
        """Whether Google takes this machine back. Asked while it shuts down: short patience, and no answer means no."""
        try:
            return (self.get("instance/preempted", patience=2) or "").strip().upper() == "TRUE"
        except MachineUnusable:
            return False

    def token(self, forget: bool = False) -> str:
        """The service account's access token, kept until a few minutes before it ends."""
        with self._lock:
            if forget:
                self._expires = 0.0
                return ""
            if time.monotonic() >= self._expires:
                body = self.get("instance/service-accounts/default/token")
                if body is None:
                    raise MachineUnusable("the machine has no service account: the metadata server gives no token")
                answer = json.loads(body)
                self._token = str(answer["access_token"])
                lifetime = float(answer["expires_in"])
                self._expires = time.monotonic() + max(5.0, lifetime - min(300.0, lifetime / 2))
            return self._token


TokenSource = Callable[..., str]
