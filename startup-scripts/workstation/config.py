"""What this machine is told by its metadata. Every value is checked; a bad one is named and its default taken."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from .cloud import CloudError, Metadata

BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
IDLE_MINUTES = 60
ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{2,18}[a-z0-9]")
MINUTES = re.compile(r"[0-9]{1,5}")
DISK = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
# An object of the data bucket, or gs://BUCKET/OBJECT.
REQUIREMENTS = re.compile(r"(gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]/)?[^\s/][^\r\n]{0,900}")
REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")


@dataclass(frozen=True)
class Config:
    bucket: str
    environment: str = ""
    region: str = ""
    # 0: never.
    idle_minutes: int = IDLE_MINUTES
    data_disk: str = ""
    requirements: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def idle_seconds(self) -> float:
        """How long nobody may work before the machine stops; 0: it never does. Tests shorten it."""
        given = os.environ.get("ML_TRAINING_IDLE_SECONDS", "")
        return float(given) if re.fullmatch(r"[0-9.]+", given) else self.idle_minutes * 60.0

    def requirements_object(self) -> tuple[str, str] | None:
        """Bucket and object of the user's requirements; `None`: there are none."""
        if not self.requirements:
            return None
        if self.requirements.startswith("gs://"):
            bucket, _, name = self.requirements[len("gs://") :].partition("/")
            return bucket, name
        return self.bucket, self.requirements


def read(metadata: Metadata) -> Config:
    """Raises `CloudError` if it is not even known where to report."""
    problems: list[str] = []

    def value(key: str, pattern: re.Pattern[str], default: str) -> str:
        text = (metadata.get(f"instance/attributes/{key}") or "").strip()
        if text and not pattern.fullmatch(text):
            taken = f"{default} is taken" if default else "it is left out"
            problems.append(f"metadata key {key} has no legal value: {text[:80]!r}; {taken}")
            return default
        return text or default

    bucket = (metadata.get("instance/attributes/mlt-bucket") or "").strip()
    if not bucket:
        raise CloudError(0, "metadata key mlt-bucket is missing")
    if not BUCKET.fullmatch(bucket):
        raise CloudError(0, f"metadata key mlt-bucket has no legal value: {bucket[:80]!r}")
    return Config(
        bucket=bucket,
        environment=value("mlt-environment", ENVIRONMENT, ""),
        region=value("mlt-region", REGION, ""),
        idle_minutes=int(value("mlt-idle-minutes", MINUTES, str(IDLE_MINUTES))),
        data_disk=value("mlt-data-disk", DISK, ""),
        requirements=value("mlt-requirements", REQUIREMENTS, ""),
        problems=problems,
    )
