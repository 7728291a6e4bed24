"""Where things lie on the machine. `ML_TRAINING_ROOT` puts a folder in front, for a machine that is only a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass


def root(path: str) -> str:
    """`path` (absolute) below ML_TRAINING_ROOT."""
    return os.path.join(os.environ.get("ML_TRAINING_ROOT") or "/", path.lstrip("/"))


@dataclass(frozen=True)
class Paths:
    """The folders of one run. They stay on the disk, so a machine that starts again finds its checkpoints."""

    base: str

    @staticmethod
    def of(run: str) -> "Paths":
        return Paths(root(f"/var/lib/ml-training/runs/{run}"))

    @property
    def package(self) -> str:
        return os.path.join(self.base, "package")

    @property
    def archive(self) -> str:
        return os.path.join(self.base, "package.tar.gz")

    @property
    def venv(self) -> str:
        return os.path.join(self.base, "venv")

    @property
    def data(self) -> str:
        return os.path.join(self.base, "data")

    @property
    def output(self) -> str:
        return os.path.join(self.base, "output")

    @property
    def checkpoints(self) -> str:
        return os.path.join(self.base, "checkpoints")

    @property
    def marker(self) -> str:
        """What is in `checkpoints`: see restore.py."""
        return os.path.join(self.base, "checkpoints.json")

    @property
    def lock(self) -> str:
        """Held by the one supervisor that works in these folders."""
        return os.path.join(self.base, "supervisor.lock")

    @property
    def trainer(self) -> str:
        """The trainer's process, for a supervisor that comes after one that was killed."""
        return os.path.join(self.base, "trainer.pid")

    @property
    def home(self) -> str:
        return os.path.join(self.base, "home")

    @property
    def log(self) -> str:
        return os.path.join(self.base, "log.txt")

    def create(self, owner: tuple[int, int] | None) -> None:
        """Makes the folders; those that the trainer writes to belong to `owner` (user and group)."""
        for folder in (self.base, self.data):
            os.makedirs(folder, mode=0o755, exist_ok=True)
        for folder in (self.output, self.checkpoints, self.home):
            os.makedirs(folder, mode=0o755, exist_ok=True)
            if owner is not None:
                os.chown(folder, *owner)
