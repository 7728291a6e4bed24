"""HTTPS with kept-alive connections, a proxy if the environment names one, and retries with back-off."""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import threading
import time
import urllib.parse
import urllib.request
from base64 import b64encode
from typing import Any, Callable, Iterable, Iterator, Union

from . import alive, clock, limits, names
from .errors import MachineUnusable

RETRIED = frozenset({403, 408, 429, 500, 502, 503, 504})
BLOCK = 1024 * 1024
TIMEOUT = 60.0
# Bytes, or what gives them block by block (`Content-Length` then stands in the headers): called again for each try.
Body = Union[bytes, Callable[[], Iterable[bytes]], None]


class HttpError(Exception):
    """An answer outside 2xx."""

    def __init__(self, status: int, method: str, url: str, body: bytes) -> None:
        self.status = status
        self.method = method
        self.url = url.split("?")[0]
        try:
            self.message = str(json.loads(body)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            self.message = body[:200].decode("utf-8", "replace")
        super().__init__(f"HTTP {status} from {method} {self.url}: {self.message}")


class Response:
    """An answer whose body is read whole, or block by block when it was asked for as a stream."""

    def __init__(self, raw: http.client.HTTPResponse) -> None:
        self.status = raw.status
        self.headers = raw.headers
        self._raw = raw

    def read(self) -> bytes:
        return self._raw.read()

    def json(self) -> Any:
        return json.loads(self._raw.read() or b"{}")

    def blocks(self) -> Iterator[bytes]:
        while True:
            block = self._raw.read(BLOCK)
            alive.beat()
            if not block:
                if self._raw.length:
                    raise http.client.IncompleteRead(b"", self._raw.length)
                return
            yield block


def _proxy_for(scheme: str, host: str) -> urllib.parse.SplitResult | None:
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return urllib.parse.urlsplit(proxy if "//" in proxy else f"http://{proxy}")


class Client:
    """Sends requests; `token` gives the bearer token and forgets it when the server refuses it."""

    def __init__(self, token: Callable[..., str]) -> None:
        self._token = token
        self._local = threading.local()
        self._context = ssl.create_default_context()
        # Every wait ends here (monotonic seconds): soon after the deadline, sooner when the machine is switched off.
        self.end: float | None = None
        self._hurry = threading.Event()

    def limit(self, end: float) -> None:
        """Nothing is tried after `end` (monotonic seconds)."""
        self.end = end if self.end is None else min(self.end, end)

    def hurry(self, end: float) -> None:
        """The same, and who waits to try again is woken."""
        self.limit(end)
        self._hurry.set()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        body: Body = None,
        accept: tuple[int, ...] = (),
        retry_seconds: float | None = None,
        consume: Callable[[Response], Any] = Response.read,
        retried: frozenset[int] = RETRIED,
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        """Status, what `consume` made of the body, and headers; raises `HttpError` outside 2xx and `accept`.

        A failure inside `consume` (a torn connection) is retried like one before it, and so is a metadata server that
        gives no token for a while.
        """
        started = time.monotonic()
        limit = limits.RETRY_SECONDS if retry_seconds is None else retry_seconds
        attempt = 0
        refused = False
        while True:
            alive.beat()
            try:
                response = self._once(method, url, headers or {}, body)
                clock.observe(response.headers.get("Date"))
                if 200 <= response.status < 300 or response.status in accept:
                    return response.status, consume(response), response.headers
                error: Exception = HttpError(response.status, method, url, response.read())
                if response.status == 401 and not refused:
                    refused = True
                    self._token(forget=True)
                    continue
                if response.status not in retried:
                    raise error
                wait = _retry_after(response.headers)
            except (OSError, http.client.HTTPException, MachineUnusable) as problem:
                self._drop(url)
                error, wait = problem, 0.0
            attempt += 1
            wait = max(wait, min(16.0, 0.25 * 2**attempt) * random.uniform(0.5, 1.0))
            end = started + limit
            if self.end is not None:
                end = min(end, self.end)
            if time.monotonic() + wait > end:
                raise error
            if self._hurry.is_set():
                time.sleep(min(wait, 1.0))
            else:
                self._hurry.wait(wait)

    def _once(self, method: str, url: str, headers: dict[str, str], body: Body) -> Response:
        parts = urllib.parse.urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        sent = {"Authorization": f"Bearer {self._token()}", "User-Agent": "ml-training-supervisor/1", **headers}
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        for fresh in (False, True):
            alive.beat()
            connection, reused = self._connection(parts, fresh)
            connection.timeout = TIMEOUT if self.end is None else max(1.0, min(TIMEOUT, self.end - time.monotonic()))
            if connection.sock is not None:
                connection.sock.settimeout(connection.timeout)
            try:
                try:
                    connection.request(method, path, body=self._blocks(body), headers=sent)
                except (BrokenPipeError, ConnectionResetError):
                    # A server that refuses answers before it has taken all of it. If it did not, this fails, too.
                    if connection.sock is None or not callable(body):
                        raise
                    self._forget(url)
                return Response(connection.getresponse())
            except (OSError, http.client.HTTPException):
                self._drop(url)
                # The server may close a connection that was kept alive too long: once more on a new one.
                if not reused:
                    raise
        raise AssertionError("unreachable")

    def _blocks(self, body: Body) -> bytes | Iterator[bytes] | None:
        return self._checked(body()) if callable(body) else body

    def _checked(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            alive.beat()
            if self.end is not None and time.monotonic() > self.end:
                raise TimeoutError("there is no time left to send the rest")
            yield block

    def _connection(self, parts: urllib.parse.SplitResult, fresh: bool) -> tuple[http.client.HTTPConnection, bool]:
        pool = self._pool()
        key = f"{parts.scheme}://{parts.netloc}"
        found = pool.get(key)
        if found is not None and found.sock is not None and not fresh:
            return found, True
        host, port = parts.hostname or "", parts.port
        proxy = _proxy_for(parts.scheme, host)
        target = (proxy.hostname or "", proxy.port) if proxy else (host, port)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(*target, timeout=TIMEOUT, context=self._context, blocksize=BLOCK)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT, blocksize=BLOCK)
        if proxy and parts.scheme == "https":
            login = {}
            if proxy.username:
                user = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
                login = {"Proxy-Authorization": "Basic " + b64encode(user.encode()).decode()}
            connection.set_tunnel(host, port or 443, headers=login)
        # Private, but as old as http.client's tunnels: the one place where a name becomes an address.
        connection._create_connection = names.connect  # type: ignore[attr-defined]
        pool[key] = connection
        return connection, False

    def _drop(self, url: str) -> None:
        found = self._forget(url)
        if found is not None:
            found.close()

    def _forget(self, url: str) -> http.client.HTTPConnection | None:
        parts = urllib.parse.urlsplit(url)
        return self._pool().pop(f"{parts.scheme}://{parts.netloc}", None)

    def _pool(self) -> dict[str, http.client.HTTPConnection]:
        if not hasattr(self._local, "pool"):
            self._local.pool = {}
        return self._local.pool


def _retry_after(headers: http.client.HTTPMessage) -> float:
    text = headers.get("Retry-After", "")
    return min(60.0, float(text)) if text.isdigit() else 0.0


def endpoint(service: str) -> str:
    """`https://storage.googleapis.com` and the like; Google's own variables name another one (`…_STORAGE`)."""
    default = f"https://{service}.googleapis.com"
    given = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}", default)
    parts = urllib.parse.urlsplit(given)
    return f"{parts.scheme}://{parts.netloc}"
