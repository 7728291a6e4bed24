"""The workstation's commands: `setup`, `tick`, `farewell` for systemd; `exec` for people (`mlt-exec`)."""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    # Each loads only its own: the heartbeat is to cost nothing.
    if command == "setup":
        from . import setup

        return setup.main()
    if command == "tick":
        from . import tick

        return tick.main()
    if command == "farewell":
        from . import setup

        return setup.farewell()
    if command in ("exec", "exec-run", "exec-ended"):
        from . import execs

        if command == "exec":
            return execs.main(rest)
        return (execs.run if command == "exec-run" else execs.ended)(rest[0])
    print("workstation: setup, tick, farewell or exec", file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
