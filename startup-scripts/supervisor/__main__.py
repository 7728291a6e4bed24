"""`python3 -m supervisor run | last-words | delete`: the three things that the machine's units call."""

from __future__ import annotations

import os
import sys

from . import lastwords, lifecycle
from .errors import MachineUnusable
from .metadata import Metadata


def delete() -> int:
    metadata = Metadata()
    try:
        return 0 if lifecycle.delete_self(metadata, metadata.machine()) else 1
    except MachineUnusable as error:
        print(f"[ml-training] this machine cannot delete itself: {error}", flush=True)
        return 1


COMMANDS = {"run": lifecycle.main, "last-words": lastwords.main, "delete": delete}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: python3 -m supervisor {' | '.join(COMMANDS)}")
    status = COMMANDS[sys.argv[1]]()
    sys.stdout.flush()
    # Not sys.exit: it would wait for threads that still try to reach a service that is away.
    os._exit(status)
