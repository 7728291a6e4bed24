"""What the metadata server says about this machine. Every value is checked: a missing key never becomes a value."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Callable
from urllib.parse import quote

from . import alive, names
from .errors import MachineUnusable

RUN_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?-[0-9]{14}-[0-9a-f]{4}")
ATTEMPT = re.compile(r"[1-9][0-9]{0,3}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")
ZONE = re.compile(r"projects/[0-9]+/zones/([a-z]+-[a-z0-9]+-[a-z])")
TYPE = re.compile(r"projects/[^/]+/machineTypes/([a-z0-9-]+)")
FLAVOR = {"Metadata-Flavor": "Google"}
HOST = "metadata.google.internal"
ADDRESS = "169.254.169.254"
# A key that was there a moment ago and is not now: asked for again as long as this before it counts as missing.
MISSING_SECONDS = 5.0


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
        self._host = host or os.environ.get("GCE_METADATA_HOST") or HOST
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
            alive.beat()
            try:
                status, body, flavor, _ = self._once(path)
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

    def watch(self, path: str, etag: str | None, seconds: int = 60) -> tuple[int, str, str]:
        """Status, text and ETag, at once or, when `etag` is what the server has, when it changes or after `seconds`."""
        query = "" if etag is None else f"?wait_for_change=true&last_etag={quote(etag)}&timeout_sec={seconds}"
        status, body, flavor, now = self._once(f"{path}{query}", timeout=seconds + 10.0)
        if flavor != "Google":
            raise OSError(f"{self._host} is no metadata server")
        return status, body, now

    def _once(self, path: str, timeout: float = 10) -> tuple[int, str, str | None, str]:
        connection = http.client.HTTPConnection(self._host, timeout=timeout)
        connection._create_connection = self._connect  # type: ignore[attr-defined]
        try:
            connection.request("GET", f"/computeMetadata/v1/{path}", headers=FLAVOR)
            response = connection.getresponse()
            body = response.read().decode("utf-8", "replace")
            return response.status, body, response.headers.get("Metadata-Flavor"), response.headers.get("ETag") or ""
        finally:
            connection.close()

    def _connect(self, address: tuple[str, int], timeout: object = None, source: object = None) -> socket.socket:
        try:
            return names.connect(address, timeout, source)
        except socket.gaierror:
            # Its address is the same on every machine; a name server that is away must not hide it.
            if self._host != HOST:
                raise
            return names.connect((ADDRESS, address[1]), timeout, source)

    def assignment(self) -> Assignment:
        values = {}
        problems = []
        for key, pattern in (("mlt-run", RUN_ID), ("mlt-attempt", ATTEMPT), ("mlt-bucket", BUCKET)):
            value = self._patiently(f"instance/attributes/{key}")
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

    def _patiently(self, path: str) -> str | None:
        """Believes that a key is missing only after a while."""
        end = time.monotonic() + min(MISSING_SECONDS, self._patience)
        while True:
            value = self.get(path)
            if value is not None or time.monotonic() > end:
                return value
            time.sleep(0.5)

    def _matching(self, path: str, pattern: re.Pattern[str], group: int) -> str:
        value = self._patiently(path)
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
                # Whoever asks tries again: no long wait here, or a request would outlast its own limit.
                body = self.get("instance/service-accounts/default/token", patience=min(10.0, self._patience))
                if body is None:
                    raise MachineUnusable("the machine has no service account: the metadata server gives no token")
                try:
                    answer = json.loads(body)
                    self._token = str(answer["access_token"])
                    lifetime = float(answer["expires_in"])
                except (ValueError, KeyError, TypeError):
                    raise MachineUnusable("the metadata server's token is none") from None
                self._expires = time.monotonic() + max(5.0, lifetime - min(300.0, lifetime / 2))
            return self._token


TokenSource = Callable[..., str]
