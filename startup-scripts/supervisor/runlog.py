"""The run's log: one file on the machine, its new bytes as segments in the scratch bucket, the whole at the end."""

from __future__ import annotations

import os
import re
import sys
import threading
import time

from . import limits
from .metadata import Assignment
from .storage import Storage

SEGMENT = re.compile(r"/attempt-([0-9]+)/log/([0-9]{6})\.txt$")
MAX_SEGMENT_BYTES = 8 * 1024 * 1024


class RunLog:
    """Lines of the supervisor and of the trainer, in the order in which they were written."""

    def __init__(self, path: str, assignment: Assignment) -> None:
        self._assignment = assignment
        self._path = path
        self._lock = threading.Lock()
        self._sent = 0
        self._next = 1
        self._full = False
        # Append mode: the trainer writes to the same file by itself, also while the supervisor is busy.
        self.file = open(path, "ab", buffering=0)

    def say(self, text: str) -> None:
        """One line of the supervisor, in the run's log and on the machine's console."""
        line = f"[ml-training {time.strftime('%H:%M:%S', time.gmtime())}] {text}"
        print(line, file=sys.stdout, flush=True)
        try:
            self.file.write(f"{line}\n".encode("utf-8", "replace"))
        except OSError:
            pass  # the disk is full: the console has the line

    def resume(self, storage: Storage, bucket: str) -> None:
        """After a restart of the machine: goes on after the segments that were sent."""
        prefix = f"runs/{self._assignment.run}/attempt-{self._assignment.attempt}/log/"
        with self._lock:
            for item in storage.list(bucket, prefix):
                match = SEGMENT.search(item.name)
                if match:
                    self._sent += item.size
                    self._next = max(self._next, int(match.group(2)) + 1)

    def flush(self, storage: Storage, bucket: str, last: bool = False) -> None:
        """Sends what is new, to the last whole line (`last`: to the last byte)."""
        with self._lock:
            while not self._full:
                segment = self._new_bytes(last)
                if not segment:
                    return
                name = f"runs/{self._assignment.run}/attempt-{self._assignment.attempt}/log/{self._next:06d}.txt"
                storage.write(bucket, name, segment, "text/plain; charset=utf-8", retry_seconds=None if last else 5)
                self._next += 1
                self._sent += len(segment)

    def _new_bytes(self, last: bool) -> bytes:
        if self._sent >= limits.MAX_LOG_BYTES:
            self._full = True
            return b""
        with open(self._path, "rb") as file:
            file.seek(self._sent)
            data = file.read(MAX_SEGMENT_BYTES)
        if last or len(data) == MAX_SEGMENT_BYTES:
            return data
        # Progress bars end their lines with a carriage return.
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        return data[:end]

    def compose(self, storage: Storage, data_bucket: str, scratch_bucket: str) -> None:
        """Writes `log.txt`: earlier attempts' segments, then this machine's file."""
        own = self._assignment.attempt
        earlier = []
        if own > 1:
            for item in storage.list(scratch_bucket, f"runs/{self._assignment.run}/attempt-"):
                match = SEGMENT.search(item.name)
                if match and int(match.group(1)) < own:
                    earlier.append((int(match.group(1)), int(match.group(2)), item))
        name, kind = f"runs/{self._assignment.run}/log.txt", "text/plain; charset=utf-8"
        if not earlier and os.path.getsize(self._path) <= limits.MAX_LOG_BYTES:
            # No second copy: the disk may be full.
            with open(self._path, "rb") as mine:
                storage.upload(data_bucket, name, mine, kind)
            return
        whole = f"{self._path}.whole"
        with open(whole, "w+b") as file:
            for _, _, item in sorted(earlier, key=lambda entry: entry[:2]):
                segment = storage.read(scratch_bucket, item.name)
                if segment is not None:
                    file.write(segment[0])
            with open(self._path, "rb") as mine:
                left = limits.MAX_LOG_BYTES
                while left > 0:
                    block = mine.read(min(1024 * 1024, left))
                    if not block:
                        break
                    file.write(block)
                    left -= len(block)
            if left == 0:
                file.write(f"\n[ml-training] the log is longer than {limits.MAX_LOG_BYTES} bytes; cut here\n".encode())
            file.flush()
            storage.upload(data_bucket, name, file, kind)
        os.unlink(whole)

    def last_line(self) -> str:
        """The trainer's last line that says something, for `reason`."""
        with open(self._path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
        said = (line.strip() for line in reversed(lines))
        return next((line for line in said if line and not line.startswith("[ml-training ")), "")
