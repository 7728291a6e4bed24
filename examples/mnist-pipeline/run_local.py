"""Runs the pipeline's steps on this machine, one after the other, and keeps model and page open until Ctrl-C.

python run_local.py --train-steps 300
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

from kfp import local

import pipeline

HERE = Path(__file__).resolve().parent
SERVERS = ("web-ui", "serving")


def main() -> None:
    parser = argparse.ArgumentParser(description="The MNIST pipeline on this machine")
    parser.add_argument("--train-steps", type=int, default=pipeline.STEPS)
    parser.add_argument("--learning-rate", type=float, default=pipeline.RATE)
    parser.add_argument("--batch-size", type=int, default=pipeline.BATCH)
    parser.add_argument("--bucket-path", default="", help="folder or gs://BUCKET/PATH of MNIST's files (else a stand-in)")
    parser.add_argument("--folder", type=Path, default=Path("local"), help="where artefacts and logs are kept")
    parser.add_argument("--port", type=int, default=0, help="the page's port on this machine (else a free one)")
    options = parser.parse_args()

    folder = options.folder.resolve()
    servers = folder / "servers"
    servers.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        MNIST_LOCAL=str(servers),
        MNIST_PARENT=str(os.getpid()),
        MNIST_PAGE_PORT=str(options.port),
        PYTHONPATH=os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
        # The steps print as they go.
        PYTHONUNBUFFERED="1",
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    end(servers)
    # Limits of CPU and memory are the cluster's.
    warnings.filterwarnings("ignore", message=".*have no effect in the current local runner.*")
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder / "artefacts"),
        enable_caching=True,
        cache_root=str(folder / "cache"),
    )
    try:
        # The names of images that nothing here runs.
        ran = pipeline.pipeline("localhost/python:none", "localhost/python:none")(
            train_steps=options.train_steps,
            learning_rate=options.learning_rate,
            batch_size=options.batch_size,
            bucket_path=str(Path(options.bucket_path).resolve()) if is_folder(options.bucket_path) else options.bucket_path,
        )
        print(json.dumps({name: ran.outputs[name] for name in ("accuracy", "address")}), flush=True)
        print(f"Open {ran.outputs['address']} — Ctrl-C ends model and page.", flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        sys.exit(f"run_local.py: {error}")
    finally:
        end(servers)


def is_folder(path: str) -> bool:
    return path != "" and not path.startswith("gs://")


def end(servers: Path) -> None:
    """Ends what this or an earlier call has started; a number that belongs to another program by now is let be."""
    for name in SERVERS:
        kept = servers / f"{name}.pid"
        if not kept.exists():
            continue
        pid = int(kept.read_text() or 0)
        kept.unlink()
        if pid and owns(pid, name):
            os.kill(pid, signal.SIGTERM)


def owns(pid: int, name: str) -> bool:
    try:
        return f"mnist.{name.replace('-', '_')}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        # No /proc (macOS): what was started ends by itself when this program does.
        return False


if __name__ == "__main__":
    main()
