"""What the trainer left in OUTPUT_DIR: uploaded with checksums, and its metrics for status.json."""

from __future__ import annotations

import json
import mimetypes
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Callable, NoReturn

from . import limits
from .parallel import each
from .spec import Spec
from .storage import Storage


def _open(path: str) -> BinaryIO | None:
    """An ordinary file, opened without following a link: the trainer chose the names, and we may be root."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb")


def find(folder: str) -> list[tuple[str, int]]:
    """Relative paths and sizes of the files, small ones first: if time runs out, most of them are saved."""
    found = []
    for place, _, files in os.walk(folder, followlinks=False):
        for name in files:
            path = os.path.join(place, name)
            size = os.lstat(path).st_size
            found.append((os.path.relpath(path, folder).replace(os.sep, "/"), size))
    return sorted(found, key=lambda entry: (entry[1], entry[0]))


def upload(storage: Storage, spec: Spec, folder: str, say: Callable[[str], None]) -> None:
    """Uploads every file to `runs/<id>/output/`; raises the first error after all were tried."""
    files = find(folder)
    if not files:
        return
    say(f"saving {len(files)} output files ({sum(size for _, size in files) / 1e6:.1f} MB)")
    problems: list[Exception] = []

    def one(entry: tuple[str, int]) -> None:
        path = entry[0]
        file = _open(os.path.join(folder, path))
        if file is None:
            say(f"output {path} is not saved: it is no ordinary file (a link is not followed)")
            return
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        try:
            with file:
                storage.upload(spec.data_bucket, f"runs/{spec.id}/output/{path}", file, kind)
        except Exception as error:  # every file is tried; the first problem is the reason
            problems.append(error)

    with ThreadPoolExecutor(limits.PARALLEL // 2) as pool:
        each(pool, one, files)
    if problems:
        raise problems[0]


def metrics(folder: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """`metrics.json`, if it is a JSON object of at most 16 KiB."""
    file = _open(os.path.join(folder, "metrics.json"))
    if file is None:
        return None
    with file:
        text = file.read(limits.MAX_METRICS_BYTES + 1)
    if len(text) > limits.MAX_METRICS_BYTES:
        say(f"metrics.json is larger than {limits.MAX_METRICS_BYTES} bytes: not taken into status.json")
        return None
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        say(f"metrics.json is not taken into status.json: {error}")
        return None
    if not isinstance(found, dict):
        say("metrics.json is no JSON object: not taken into status.json")
        return None
    return found


def _no_constant(name: str) -> NoReturn:
    # Python writes NaN and Infinity; JSON has neither, and other readers would refuse the whole status.
    raise ValueError(f"{name} is not JSON")
