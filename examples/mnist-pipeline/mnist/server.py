"""What the two servers share: Python's own HTTP server, with limits, and answers that a browser cannot misread."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LARGEST = 16_384
SECONDS = 15
AT_ONCE = 32


class Refused(Exception):
    """A request that is answered with this status and sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Subclasses name what they answer: `get` and `post`, each a path with a function."""

    protocol_version = "HTTP/1.1"
    server_version = "mnist"
    sys_version = ""
    timeout = SECONDS
    get: dict = {}
    post: dict = {}

    def do_GET(self) -> None:
        self.respond(self.get, b"")

    def do_POST(self) -> None:
        try:
            body = self.body()
        except Refused as refused:
            # What is left of the request is not read: the connection cannot be used again.
            self.close_connection = True
            self.send_json(refused.status, {"error": str(refused)})
            return
        self.respond(self.post, body)

    def body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit() or "transfer-encoding" in self.headers:
            raise Refused(411, "the request says no length")
        if int(length) > LARGEST:
            raise Refused(413, f"the request is longer than {LARGEST} bytes")
        if self.headers.get_content_type() != "application/json":
            # A form of another site cannot send this type without asking first.
            raise Refused(415, "the request is no application/json")
        return self.rfile.read(int(length))

    def respond(self, routes: dict, body: bytes) -> None:
        path = urlsplit(self.path).path
        try:
            self.check()
            if path not in routes:
                known = path in self.get or path in self.post
                raise Refused(405 if known else 404, "no such method here" if known else "there is nothing here")
            routes[path](self, body)
        except Refused as refused:
            self.send_json(refused.status, {"error": str(refused)})
        except Exception as error:
            print(f"{self.command} {path}: {error!r}", file=sys.stderr, flush=True)
            self.send_json(500, {"error": "the server made a mistake; its log says more"})

    def check(self) -> None:
        """Refuses who may not ask; everybody may."""

    def send_json(self, status: int, value: object) -> None:
        self.send(status, "application/json", json.dumps(value).encode())

    def send(self, status: int, kind: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        always = {
            "content-type": kind,
            "content-length": str(len(data)),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        for name, value in (always | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, form: str, *parts: object) -> None:
        """Requests are not logged: probes would drown the rest."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[Handler]):
        super().__init__(address, handler)
        self.places = threading.BoundedSemaphore(AT_ONCE)

    def process_request(self, request, client_address) -> None:
        """More at once than there are places wait in line, instead of taking a thread each."""
        self.places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request, client_address) -> None:
        """A browser that goes away in the middle is no news."""


def serve(handler: type[Handler], port: int) -> None:
    """Answers until it is ended. On one machine: on its loopback only, and not longer than what it was started for."""
    parent = int(os.environ.get("MNIST_PARENT", "0"))
    server = Server(("127.0.0.1" if parent else "0.0.0.0", port), handler)
    print(f"listening on port {server.server_port}", flush=True)
    if parent:
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    server.serve_forever()


def end_with(parent: int) -> None:
    while True:
        time.sleep(1)
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(0)
