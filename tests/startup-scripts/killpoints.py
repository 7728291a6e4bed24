"""`python3 tests/startup-scripts/killpoints.py points [--count 1000] [--seed 1]`
`python3 tests/startup-scripts/killpoints.py trainer [--kills 1,2,…,20] [--seed 1]`

Prints one JSON object of counts and ends with 1 if a promise was broken: a torn checkpoint loaded, a saved one lost, a
zombie not fenced out; or, for `trainer`, weights that differ from those of a training that was never killed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "startup-scripts")]
sys.dont_write_bytecode = True

# A folder that rests for this long is at rest: the machines here do nothing but write.
for name, value in (("SETTLE", "0.04"), ("PATIENCE", "5")):
    os.environ.setdefault(f"ML_TRAINING_{name}_SECONDS", value)

from killpoints import points, trainer  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kill = commands.add_parser("points")
    kill.add_argument("--count", type=int, default=1000)
    train = commands.add_parser("trainer")
    train.add_argument("--kills", default=",".join(str(k) for k in range(1, 21)))
    for command in (kill, train):
        command.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.command == "points":
        result = points.run(options.count, options.seed)
    else:
        result = trainer.run([int(k) for k in options.kills.split(",")], options.seed)
    print(json.dumps(result, indent=2))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
