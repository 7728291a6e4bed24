"""What tests of checkpoints stand on: machines with folders of their own, and a bucket that is a folder."""

import json
import os
import shutil
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from killpoints.bucket import FolderBucket
from supervisor import folder
from supervisor.checkpoints import Checkpoints
from supervisor.metadata import Assignment
from supervisor.paths import Paths
from supervisor.restore import Restore
from supervisor.snapshot import take
from supervisor.stop import Stop

RUN = "demo-20261121080000-00ff"
PREFIX = f"runs/{RUN}/checkpoints/"


class Case(unittest.TestCase):
    def setUp(self):
        self.base = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.base)
        self.calls = []
        self.bucket = FolderBucket(os.path.join(self.base, "bucket"), self.calls.append)
        self.workers = ThreadPoolExecutor(4)
        self.addCleanup(self.workers.shutdown)
        self.said = []

    def machine(self, attempt=1, name=None, run=RUN):
        root = os.path.join(self.base, name or f"machine-{attempt}")
        with mock.patch.dict(os.environ, {"ML_TRAINING_ROOT": root}):
            paths = Paths.of(run)
        paths.create(None)
        assignment = Assignment(run, attempt, "data")
        owner = f"owner-{len(self.said)}-{time.monotonic_ns()}"
        checkpoints = Checkpoints(self.bucket, "scratch", assignment, owner, self.workers)
        restore = Restore(paths, checkpoints, assignment, None, self.workers, Stop(), self.said.append)
        return paths, checkpoints, restore

    def put(self, paths, name, data=b"data"):
        path = os.path.join(paths.checkpoints, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def commit(self, paths, checkpoints):
        with take(paths.checkpoints, None, checkpoints.known, 100) as snapshot:
            return checkpoints.commit(snapshot)

    def contents(self, paths):
        found = {}
        for file in folder.scan(paths.checkpoints).files:
            with open(os.path.join(paths.checkpoints, file.path), "rb") as stream:
                found[file.path] = stream.read()
        return found

    def objects(self):
        return sorted(item.name[len(PREFIX) :] for item in self.bucket.list("scratch", PREFIX))

    def break_object(self, name, data):
        found = self.bucket._load(PREFIX + name)
        with open(self.bucket._path(PREFIX + name), "wb") as file:
            file.write(json.dumps(found[0]).encode() + b"\n" + data)
