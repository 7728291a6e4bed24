"""When a machine on which nobody works stops: a decision by the last sign of work, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from .activity import Sign


@dataclass(frozen=True)
class Decision:
    # The last work: what and when (seconds since 1970).
    last: Sign
    # When the machine stops unless somebody works; None: it does not by itself.
    stops_at: float | None
    stop: bool


def decide(now: float, signs: list[Sign], limit: float, installing: bool) -> Decision:
    """`limit`: seconds; 0: never. An installation is work, however long it takes."""
    if installing:
        signs = [*signs, Sign("the set-up runs", now)]
    last = max(signs, key=lambda sign: sign.at)
    if limit <= 0:
        return Decision(last, None, False)
    stops_at = last.at + limit
    return Decision(last, stops_at, now >= stops_at)
