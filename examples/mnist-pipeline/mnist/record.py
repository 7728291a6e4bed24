"""Figures as files beside the other artefacts: KFP by itself keeps them in its own database only."""

from __future__ import annotations

import json
from pathlib import Path


def keep(*artefacts) -> None:
    for artefact in artefacts:
        path = Path(artefact.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(artefact.metadata, indent=2) + "\n")
