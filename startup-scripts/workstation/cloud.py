"""The metadata server, Cloud Storage and Compute Engine, as little of them as a workstation needs.

Small on purpose: the heartbeat loads this once a minute.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from typing import Any
from urllib.parse import quote, urlsplit

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
TIMEOUT = 30.0


class CloudError(Exception):
    """No answer, or one outside 2xx; `status` is 0 without an answer."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


class Metadata:
    """Reads the metadata server, directly (never through a proxy)."""

    def __init__(self, host: str | None = None, patience: float = 120) -> None:
        self._host = host or os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        # At boot the network may come up after us.
        self._patience = patience

    def get(self, path: str) -> str | None:
        """The text under `computeMetadata/v1/`; `None` if there is no such key."""
        end = time.monotonic() + self._patience
        wait = 0.2
        while True:
            try:
                status, body, flavor = self._once(path)
                if flavor != "Google":
                    # A captive portal or a web server in the metadata server's place answers too.
                    problem = f"{self._host} is no metadata server: its answer carries no Metadata-Flavor"
                elif status == 200:
                    return body
                elif status == 404:
                    return None
                else:
                    problem = f"HTTP {status}"
            except (OSError, http.client.HTTPException) as error:
                problem = str(error)
            if time.monotonic() + wait > end:
                raise CloudError(0, f"the metadata server does not answer {path}: {problem}")
            time.sleep(wait)
            wait = min(wait * 2, 5)

    def _once(self, path: str) -> tuple[int, str, str | None]:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        try:
            connection.request("GET", f"/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"})
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace"), response.headers.get("Metadata-Flavor")
        finally:
            connection.close()


class Cloud:
    """Calls in the machine's own name. Each tries again until `patience` seconds have passed."""

    def __init__(self, metadata: Metadata, patience: float = 60) -> None:
        self.metadata = metadata
        self._patience = patience
        self._token = ""
        self._fresh_until = 0.0

    def read(self, bucket: str, name: str) -> bytes | None:
        """The object; `None` if there is none."""
        try:
            return self._call("GET", "storage", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")
        except CloudError as error:
            if error.status == 404:
                return None
            raise

    def write(self, bucket: str, name: str, data: bytes, content_type: str) -> None:
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        self._call("POST", "storage", path, data, content_type)

    def _call(self, method: str, service: str, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        base = urlsplit(os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}") or f"https://{service}.googleapis.com")
        end = time.monotonic() + self._patience
        wait = 0.5
        refused = False
        while True:
            try:
                status, answer = self._once(base.scheme, base.netloc, method, path, body, content_type)
                if 200 <= status < 300:
                    return answer
                error = CloudError(status, f"HTTP {status} from {method} {base.netloc}{path.split('?')[0]}: {message(answer)}")
            except (OSError, http.client.HTTPException) as problem:
                error = CloudError(0, f"{base.netloc} does not answer: {problem}")
            if error.status == 401 and not refused:
                # The account or its rights changed since the token was given.
                refused = True
                self._fresh_until = 0.0
                continue
            if error.status not in RETRIED and error.status != 0 or time.monotonic() + wait > end:
                raise error
            time.sleep(wait)
            wait = min(wait * 2, 10)

    def _once(
        self, scheme: str, host: str, method: str, path: str, body: bytes | None, content_type: str
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.token()}", "User-Agent": "ml-training-workstation/1"}
        if content_type:
            headers["Content-Type"] = content_type
        connection: http.client.HTTPConnection
        if scheme == "https":
            connection = http.client.HTTPSConnection(host, timeout=TIMEOUT, context=ssl.create_default_context())
        else:
            connection = http.client.HTTPConnection(host, timeout=TIMEOUT)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def token(self) -> str:
        if time.monotonic() >= self._fresh_until:
            body = self.metadata.get("instance/service-accounts/default/token")
            if body is None:
                raise CloudError(404, "the machine has no service account: the metadata server gives no token")
            answer: dict[str, Any] = json.loads(body)
            self._token = str(answer["access_token"])
            self._fresh_until = time.monotonic() + max(5.0, float(answer["expires_in"]) - 300)
        return self._token


def message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace").strip()
