"""The log of a build or a test: a file here, its new bytes as segments in the scratch bucket, the whole at the end."""

from __future__ import annotations

import hashlib
import os
import threading
import time

from supervisor import limits
from supervisor.storage import Storage

from .assignment import Assignment

MAX_SEGMENT_BYTES = 4 * 1024 * 1024
# More than that is a loop; the beginning and the end are what is read.
MAX_LOG_BYTES = 64 * 1024 * 1024


class JobLog:
    def __init__(self, path: str, storage: Storage, assignment: Assignment) -> None:
        self._path = path
        self._storage = storage
        self._assignment = assignment
        self._scratch = ""
        self._sent = 0
        self._next = 1
        self._lock = threading.Lock()
        self._over = threading.Event()
        # Append mode: commands write to the same file by themselves.
        self.file = open(path, "ab", buffering=0)

    def say(self, text: str) -> None:
        line = f"[ml-training {time.strftime('%H:%M:%S', time.gmtime())}] {text}"
        print(line, flush=True)
        self.file.write(f"{line}\n".encode("utf-8", "replace"))

    def follow(self, scratch: str) -> None:
        """From now on what is new is sent every few seconds."""
        self._scratch = scratch
        threading.Thread(target=self._send, name="log", daemon=True).start()

    def _send(self) -> None:
        while not self._over.wait(limits.LOG_SECONDS):
            try:
                self.flush()
            except Exception as error:  # the log is not worth the build
                print(f"[ml-training] the log could not be sent: {error}", flush=True)

    def flush(self) -> None:
        mark = hashlib.sha256(self._assignment.nonce.encode()).hexdigest()[:8]
        with self._lock:
            while self._scratch and self._sent < MAX_LOG_BYTES:
                with open(self._path, "rb") as file:
                    file.seek(self._sent)
                    data = file.read(MAX_SEGMENT_BYTES)
                if not data:
                    return
                name = self._assignment.object(f"log/{self._assignment.role}-{mark}-{self._next:06d}.txt")
                self._storage.write(self._scratch, name, data, "text/plain; charset=utf-8", retry_seconds=30)
                self._next += 1
                self._sent += len(data)

    def finish(self) -> None:
        """The whole log into the data bucket."""
        self._over.set()
        try:
            self.flush()
            with open(self._path, "rb") as file:
                data = file.read(MAX_LOG_BYTES)
            name = "log.txt" if self._assignment.role == "build" else "test-log.txt"
            self._storage.write(
                self._assignment.bucket,
                self._assignment.object(name),
                data,
                "text/plain; charset=utf-8",
                retry_seconds=120,
            )
        except Exception as error:
            print(f"[ml-training] the log could not be saved: {error}", flush=True)

    def last_line(self) -> str:
        """The last line that says something."""
        with open(self._path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
