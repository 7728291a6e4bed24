"""`python3 -m image`: does what this machine was made for, and says in the bucket how it went."""

from __future__ import annotations

import os
import sys

from . import job

if __name__ == "__main__":
    status = job.main()
    sys.stdout.flush()
    # Not sys.exit: it would wait for threads that still try to reach a service that is away.
    os._exit(status)
