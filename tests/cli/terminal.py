"""Runs a program in a pseudo terminal, as a person would: waits for what it prints, types, resizes.

Reads one JSON object from its first argument: {"argv": [...], "columns": 80, "steps": [{"wait": REGEX, "type": TEXT}],
"seconds": 60}. Prints {"code": ..., "output": ...}.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time


def main() -> None:
    order = json.loads(sys.argv[1])
    child, terminal = pty.fork()
    if child == 0:
        # The size is set before the program asks for it.
        size = struct.pack("HHHH", 24, order.get("columns", 80), 0, 0)
        fcntl.ioctl(1, termios.TIOCSWINSZ, size)
        os.execvp(order["argv"][0], order["argv"])
    output = b""
    steps = list(order.get("steps", []))
    searched = 0
    end = time.monotonic() + order.get("seconds", 60)
    while time.monotonic() < end:
        readable, _, _ = select.select([terminal], [], [], 0.1)
        if readable:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # The program has ended.
                break
            if not chunk:
                break
            output += chunk
        if steps:
            found = re.search(steps[0]["wait"].encode(), output[searched:])
            if found:
                searched += found.end()
                os.write(terminal, steps.pop(0)["type"].encode())
    else:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    left = [step["wait"] for step in steps]
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "output": output.decode("utf8", "replace"), "left": left}))


main()
