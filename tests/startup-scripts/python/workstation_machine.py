"""What tests of the workstation stand on: a folder in place of a machine, a dictionary in place of the metadata server."""

import contextlib
import io
import os
import shutil
import tempfile
import unittest
from unittest import mock

from workstation import places


class Values:
    """The metadata server, as a dictionary."""

    def __init__(self, **attributes):
        self.attributes = {f"instance/attributes/{key.replace('_', '-')}": value for key, value in attributes.items()}

    def get(self, path):
        return self.attributes.get(path)


class Machine(unittest.TestCase):
    """A folder in place of the machine's root, and programs that are only scripts."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        programs = os.path.join(self.folder, "programs")
        os.mkdir(programs)
        environment = {"ML_TRAINING_ROOT": self.folder, "PATH": f"{programs}:{os.environ['PATH']}"}
        self.enterContext(mock.patch.dict(os.environ, environment))
        self.enterContext(mock.patch.object(places, "LOG", self.path("log.txt")))
        self.enterContext(contextlib.redirect_stdout(io.StringIO()))

    def enterContext(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def path(self, name, content=None):
        path = os.path.join(self.folder, name.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if content is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
        return path

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def program(self, name, script):
        """What it is called with goes to `calls`."""
        path = self.path(f"programs/{name}", f'#!/bin/sh\necho "{name} $*" >>"{self.path("calls")}"\n{script}\n')
        os.chmod(path, 0o755)

    def calls(self):
        return self.read("calls").splitlines() if os.path.exists(self.path("calls")) else []
