"""The ways in which a run ends early."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import Iterator


class RunFailed(Exception):
    """The run cannot go on. The text becomes `reason` in status.json: one line in the user's words."""


class NotOurs(Exception):
    """Another attempt or a final phase stands in status.json: this machine has nothing left to do but go."""


class Stopped(Exception):
    """Work was given up because a stop was asked for; the reason is with whoever asked.

    `by_itself`: a child that was ended ended in its own way (it was not killed by the signal).
    """

    def __init__(self, reason: object = None, by_itself: bool = False) -> None:
        super().__init__(reason)
        self.by_itself = by_itself


class MachineUnusable(Exception):
    """Too little is known to report anything anywhere but on the console (a metadata key is missing or malformed)."""


def one_line(text: object, limit: int = 300) -> str:
    """`text` as one printable line of at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


# What only a mistake in this program raises: its own words are what helps then.
MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)


@contextmanager
def told_as(what: str) -> Iterator[None]:
    """What a service or the machine refuses in here ends the run with `what` and the reason, in the user's words."""
    try:
        yield
    except (RunFailed, NotOurs, Stopped, MachineUnusable, *MISTAKES):
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise  # a full disk has words of its own
        raise RunFailed(one_line(f"{what}: {error.strerror or error}")) from error
    except Exception as error:
        raise RunFailed(one_line(f"{what}: {error}")) from error
