"""A training of three seconds: seeded, in whole numbers, with a checkpoint after every step; the same end however often
it is broken off. Standard library only."""

import json
import os
import signal
import sys
import time
import urllib.request

STEPS = 12 if "--slowly" not in sys.argv else 180
PAUSE = 0.25 if "--slowly" not in sys.argv else 0.5


def tell(word):
    """Asks the machine's metadata server for its id: whoever injects faults sees how far the training is."""
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    request = urllib.request.Request(
        f"http://{host}/computeMetadata/v1/instance/id?trainer={word}", headers={"Metadata-Flavor": "Google"}
    )
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).read()
    except OSError:
        pass  # the fault may be that very server


def main():
    path = os.path.join(os.environ["CHECKPOINT_DIR"], "state.json")
    asked = []
    if "--slowly" in sys.argv:
        # What docs/run-contract.md asks of a trainer: SIGTERM means save and end.
        signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    step, weight = 0, 1
    if os.path.exists(path):
        with open(path, encoding="ascii") as file:
            step, weight = json.load(file)
    print(f"begins at step {step} with weight {weight}", flush=True)
    tell(f"begins-{step}")
    while step < STEPS:
        tell(f"step-{step}")
        if "--eat-memory" in sys.argv and step == 6:
            hoard = []
            while True:
                hoard.append(bytes(16 * 1024 * 1024).replace(b"\0", b"x"))
        if "--ignore-sigterm" in sys.argv:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if "--never-end" in sys.argv and step == 6:
            time.sleep(3600)
        weight = (weight * 6364136223846793005 + step + 1442695040888963407) % 2**64
        step += 1
        with open(f"{path}.new", "w", encoding="ascii") as file:
            json.dump([step, weight], file)
        os.replace(f"{path}.new", path)
        print(f"step {step}", flush=True)
        if asked:
            sys.exit(f"asked to end: saved at step {step}")
        time.sleep(PAUSE)
    for name in ("model.txt", "metrics.json"):
        with open(os.path.join(os.environ["OUTPUT_DIR"], name), "w", encoding="ascii") as file:
            file.write(json.dumps({"weight": str(weight)}) if name.endswith("json") else str(weight))


main()
