"""Checkpoints that are whole or not there: for any training, on the machine and off it. Standard library only.

    import ml_training_checkpoint as checkpoint

    state = json.loads(found.read_bytes()) if (found := checkpoint.latest("state.json")) else fresh()
    ...
    checkpoint.save("state.json", json.dumps(state).encode())

On a training machine `$CHECKPOINT_DIR` is copied to the bucket while the training goes on, and is back when it starts
again. Elsewhere it is a folder `checkpoints` in the working folder.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Callable, Optional, Union

__all__ = ["folder", "latest", "save"]

# Names that begin like this are never part of a checkpoint.
_TEMPORARY = ".ml-training-"


def folder() -> Path:
    """`$CHECKPOINT_DIR`, or `checkpoints` where there is none; it exists."""
    path = Path(os.environ.get("CHECKPOINT_DIR") or "checkpoints")
    path.mkdir(parents=True, exist_ok=True)
    return path


def save(name: str, contents: Union[bytes, Callable[[BinaryIO], object]]) -> Path:
    """Writes a file below `folder()`, whole or not at all: beside its place, to the disk, then renamed.

    `contents` are the bytes, or a function that writes them: `save("model.pt", lambda file: torch.save(model, file))`.
    Raises ValueError for a name that leaves the folder, OSError if it cannot be written; the old file then stays.
    """
    target = _place(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(contents):
                contents(file)
            else:
                file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
    _sync_folder(target.parent)
    return target


def latest(pattern: str = "**/*") -> Optional[Path]:
    """The newest file below `folder()` whose name fits `pattern` (`"epoch-*.pt"`); None if there is none."""
    found = [
        path
        for path in folder().glob(pattern)
        if path.is_file() and not any(part.startswith(_TEMPORARY) for part in path.relative_to(folder()).parts)
    ]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.as_posix()), default=None)


def _place(name: str) -> Path:
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or parts[-1].startswith(_TEMPORARY):
        raise ValueError(f"{name!r} is no name of a file below CHECKPOINT_DIR")
    return folder().joinpath(*parts)


def _sync_folder(path: Path) -> None:
    # The new name must be on the disk, too. Windows opens no folders, and needs it less.
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
