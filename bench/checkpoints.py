"""How fast a checkpoint reaches the bucket, and how fast the same bytes do without one. Prints JSON: MB per second.

Arguments: the bucket, the megabytes of a checkpoint, its files, and how often. The token is in the environment.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "startup-scripts"))

from supervisor.checkpoints import Checkpoints
from supervisor.folder import scan
from supervisor.metadata import Assignment
from supervisor.rest import Client, endpoint
from supervisor.snapshot import take
from supervisor.storage import Storage

TOKEN = os.environ["GOOGLE_OAUTH_ACCESS_TOKEN"]


def write(folder: str, files: int, size: int) -> None:
    for number in range(files):
        with open(os.path.join(folder, f"part-{number}"), "wb") as file:
            for _ in range(0, size, 1 << 20):
                file.write(os.urandom(1 << 20))


def plain(bucket: str, folder: str) -> float:
    """The service's own rate: the files one after the other, by the simplest upload there is, nothing compared."""
    parts = urllib.parse.urlsplit(endpoint("storage"))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, blocksize=1 << 20)
    began = time.monotonic()
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            headers = {"Authorization": f"Bearer {TOKEN}", "Content-Length": str(os.path.getsize(file.name))}
            url = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=bench/{name}"
            connection.request("POST", url, body=file, headers=headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise RuntimeError(f"HTTP {response.status}: {text[:200]!r}")
    return time.monotonic() - began


def checkpoint(checkpoints: Checkpoints, folder: str, size: int) -> tuple[float, float]:
    """Seconds for reading and hashing, and for the checkpoint.

    The supervisor reads in the second in which it waits to see whether the folder rests.
    """
    before = time.monotonic()
    checkpoints.read_ahead(folder, scan(folder).files)
    began = time.monotonic()
    with take(folder, None, checkpoints.known, 4096) as snapshot:
        _, sent = checkpoints.commit(snapshot)
    assert sent == size, f"{sent} of {size} bytes were sent"
    return began - before, time.monotonic() - began


def main() -> None:
    bucket, megabytes, files, runs = sys.argv[1], *map(int, sys.argv[2:])
    assignment = Assignment("bench-20261121080000-00ff", 1, bucket)
    storage = Storage(Client(lambda forget=False: TOKEN))
    checkpoints = Checkpoints(storage, bucket, assignment, "bench", ThreadPoolExecutor(8))
    checkpoints.latest()
    checkpoints.claim(None, None, first=True)
    found: dict[str, list[float]] = {"plain": [], "checkpoint": [], "ratio": [], "whole": []}
    with tempfile.TemporaryDirectory() as folder:
        # The first round warms both up.
        for run in range(runs + 1):
            write(folder, files, megabytes // files << 20)
            theirs = plain(bucket, folder)
            ahead, ours = checkpoint(checkpoints, folder, megabytes << 20)
            # Against the upload just before it: other work on the machine slows both.
            values = megabytes / theirs, megabytes / ours, theirs / ours, theirs / (ahead + ours)
            for name, value in zip(found, values):
                if run:
                    found[name].append(value)
    print(json.dumps({name: statistics.median(values) for name, values in found.items()}))


main()
