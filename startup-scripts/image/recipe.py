"""The recipe: fetched by its SHA-256 and unpacked without trusting what it says about paths."""

from __future__ import annotations

import hashlib
import os

from supervisor import package
from supervisor.errors import RunFailed
from supervisor.storage import Storage

from .assignment import Assignment, Build, Step


def fetch(storage: Storage, assignment: Assignment, build: Build, work: str) -> str:
    """The recipe's folder."""
    name = assignment.object("recipe.tar.gz")
    found = storage.read(assignment.bucket, name)
    if found is None:
        raise RunFailed(f"recipe is missing: gs://{assignment.bucket}/{name} does not exist")
    actual = hashlib.sha256(found[0]).hexdigest()
    if actual != build.recipe_sha256:
        raise RunFailed(f"recipe has the wrong checksum: SHA-256 {actual[:12]}…, expected {build.recipe_sha256[:12]}…")
    archive = os.path.join(work, "recipe.tar.gz")
    with open(archive, "wb") as file:
        file.write(found[0])
    folder = os.path.join(work, "recipe")
    package.unpack(archive, folder, None)
    return folder


def script(folder: str, step: Step) -> str:
    """A step's script, if it is what the recipe says."""
    path = os.path.join(folder, *step.file.split("/"))
    with open(path, "rb") as file:
        actual = hashlib.sha256(file.read()).hexdigest()
    if actual != step.sha256:
        raise RunFailed(f"{step.file} has the wrong checksum: SHA-256 {actual[:12]}…, expected {step.sha256[:12]}…")
    return path
