"""The image's builder: what it takes from the disk, and how a run finds what an image has prepared."""

import hashlib
import hmac
import json
import os
import shutil
import tempfile
import unittest
from unittest import mock

from image import assignment, generalise, job, recipe
from image.assignment import Assignment, Step
from supervisor import pythonenv
from supervisor.errors import MachineUnusable, RunFailed
from supervisor.stop import Stop

BUILD = "census-20261121080000-00ff"


def write(folder, path, text="x"):
    place = os.path.join(folder, path.lstrip("/"))
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "w", encoding="utf-8") as file:
        file.write(text)
    return place


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        patch = mock.patch.dict(os.environ, {"ML_TRAINING_ROOT": self.root, "MLT_INIT": "none"})
        patch.start()
        self.addCleanup(patch.stop)


class GeneraliseTest(InFolder):
    def test_what_belongs_to_one_machine_goes_and_the_rest_stays(self):
        gone = [
            "/etc/ssh/ssh_host_rsa_key",
            "/etc/ssh/ssh_host_rsa_key.pub",
            "/root/.bash_history",
            "/root/.config/gcloud/credentials.db",
            "/root/.cache/pip/wheel",
            "/home/kim/.python_history",
            "/home/kim/.ssh/authorized_keys",
            "/home/kim/.netrc",
            "/var/lib/apt/lists/index",
            "/var/cache/apt/archives/a.deb",
            "/tmp/.hidden",
            "/tmp/file",
            "/var/lib/ml-training/runs/x/log.txt",
        ]
        stays = ["/etc/ssh/sshd_config", "/home/kim/notes.txt", "/root/.bashrc", "/opt/ml-training-image/image.json"]
        for path in [*gone, *stays]:
            write(self.root, path)
        write(self.root, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        log = write(self.root, "/var/log/apt/term.log", "installed")
        self.assertIn(os.path.join(self.root, "etc/ssh/ssh_host_rsa_key"), generalise.remaining())
        self.assertGreater(generalise.run(), 8)
        for path in gone:
            self.assertFalse(os.path.lexists(self.root + path), path)
        for path in stays:
            self.assertTrue(os.path.exists(self.root + path), path)
        self.assertEqual(os.path.getsize(log), 0)
        self.assertEqual(os.path.getsize(self.root + "/etc/machine-id"), 0)
        self.assertEqual(generalise.remaining(), [])

    def test_traces_are_hashes_of_what_is_there(self):
        self.assertEqual(generalise.traces(), {})
        write(self.root, "/etc/machine-id", "abc\n")
        write(self.root, "/etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AAAA")
        hashed = hashlib.sha256(b"abc").hexdigest()
        self.assertEqual(generalise.traces()["machine-id"], hashed)
        self.assertEqual(sorted(generalise.traces()), ["machine-id", "ssh_host_rsa_key.pub"])
        write(self.root, "/etc/machine-id", "uninitialized\n")
        self.assertEqual(list(generalise.traces()), ["ssh_host_rsa_key.pub"])


class RecipeTest(InFolder):
    def test_a_step_is_run_only_as_it_was_written_down(self):
        write(self.root, "steps/a.sh", "#!/bin/sh\n")
        good = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
        self.assertTrue(recipe.script(self.root, Step("steps/a.sh", good)).endswith("/steps/a.sh"))
        with self.assertRaisesRegex(RunFailed, r"steps/a\.sh has the wrong checksum: SHA-256 \w{12}…, expected 0{12}…"):
            recipe.script(self.root, Step("steps/a.sh", "0" * 64))


class AssignmentTest(unittest.TestCase):
    GOOD = {"mlt-build": BUILD, "mlt-role": "test", "mlt-bucket": "a-bucket", "mlt-nonce": "0" * 32}

    def read(self, **changes):
        values = {**self.GOOD, **{key.replace("_", "-"): value for key, value in changes.items()}}
        metadata = mock.Mock()
        metadata.get = lambda path: values.get(path.rsplit("/", 1)[-1])
        return assignment.read(metadata)

    def test_every_value_is_checked(self):
        self.assertEqual(self.read(), Assignment(BUILD, "test", "a-bucket", "0" * 32))
        for key, value in (("mlt_build", "../x"), ("mlt_role", "train"), ("mlt_bucket", "<html>"), ("mlt_nonce", "")):
            with self.assertRaises(MachineUnusable):
                self.read(**{key: value})

    def test_a_nonce_is_never_told(self):
        with self.assertRaisesRegex(MachineUnusable, "mlt-nonce is missing or has no legal value$"):
            self.read(mlt_nonce="secret")


class MarkerTest(unittest.TestCase):
    def test_the_marker_carries_a_proof_and_not_the_nonce(self):
        written = []
        storage = mock.Mock()
        storage.write = lambda *args: written.append(args)
        job._mark(storage, Assignment(BUILD, "build", "a-bucket", "5" * 32), {"ok": False, "reason": "ä"})
        bucket, name, data, _kind = written[0]
        self.assertEqual((bucket, name), ("a-bucket", f"images/{BUILD}/marker.json"))
        document = json.loads(data)
        right = hmac.new(b"5" * 32, document["payload"].encode(), hashlib.sha256).hexdigest()
        self.assertEqual(document["proof"], right)
        self.assertEqual(
            json.loads(document["payload"]), {"build": BUILD, "role": "build", "ok": False, "reason": "ä"}
        )
        self.assertNotIn("5" * 32, data.decode())


class PreparedEnvironmentTest(InFolder):
    LOCK = "six==1.17.0 --hash=sha256:" + "0" * 64 + "\n"

    def prepare(self, lock):
        package = os.path.join(self.root, "package")
        write(package, "requirements.txt", lock)
        said = []
        with open(os.path.join(self.root, "log"), "ab") as output:
            pythonenv.prepare(
                package=package,
                venv=os.path.join(self.root, "venv"),
                bound=None,
                stop=Stop(),
                output=output,
                say=said.append,
                note=said.append,
            )
        return said

    def image_of(self, lock):
        """What an image has that was built with this lock."""
        requirements = write(self.root, "recipe/requirements.txt", lock)
        _, version = pythonenv.find(None)
        folder = pythonenv.prepared_folder(requirements, version)
        write(folder, pythonenv.MARKER, os.path.basename(folder))
        return folder

    def test_the_image_s_environment_is_linked_and_found_again(self):
        folder = self.image_of(self.LOCK)
        write(self.root, "venv/half", "of an earlier boot")
        self.assertEqual(self.prepare(self.LOCK), [f"requirements are in the image already ({folder})"])
        self.assertEqual(os.readlink(os.path.join(self.root, "venv")), folder)
        self.assertEqual(self.prepare(self.LOCK), ["requirements are installed already"])

    def superset(self, more, version=None):
        """An image whose environment has the lock's packages and another one."""
        folder = self.image_of(more)
        _, own = pythonenv.find(None)
        write(folder, "requirements.txt", more)
        write(folder, "pyvenv.cfg", f"home = /usr/bin\nversion = {version or '.'.join(map(str, own))}.2\n")
        return folder

    def test_an_environment_that_holds_more_will_do(self):
        more = "pandas==3.0.0 ; python_version >= '3.11' \\\n    --hash=sha256:" + "1" * 64 + "\n    # via x\n"
        folder = self.superset(more + self.LOCK.replace("six", "SIX"))
        self.assertEqual(self.prepare(self.LOCK), [f"requirements are in the image already ({folder})"])

    def test_an_environment_with_another_file_of_the_release_or_another_python_will_not(self):
        for more, version in (
            (self.LOCK.replace("0" * 64, "2" * 64), None),
            (self.LOCK.replace("1.17.0", "1.16.0"), None),
            (self.LOCK.replace("\n", " --hash=sha256:" + "3" * 64 + "\n"), None),
            ("a==1 --hash=sha256:" + "4" * 64 + "\n" + self.LOCK, "3.4"),
        ):
            folder = self.superset(more, version)
            self.prepare_is_made_anew(folder, self.LOCK)
            shutil.rmtree(os.path.join(self.root, "venv"))

    def test_another_lock_takes_nothing_of_it(self):
        self.prepare_is_made_anew(self.image_of(self.LOCK), self.LOCK.replace("six", "sixty"))

    def test_an_environment_that_is_not_finished_is_not_used(self):
        folder = self.image_of(self.LOCK)
        os.unlink(os.path.join(folder, pythonenv.MARKER))
        self.prepare_is_made_anew(folder, self.LOCK)

    def prepare_is_made_anew(self, folder, lock):
        # An earlier boot's link must not lead what is installed now into the image.
        os.symlink(folder, os.path.join(self.root, "venv"))
        ran = []

        def run(command, stop, **options):
            ran.append(command[1:4])
            os.makedirs(os.path.join(self.root, "venv"), exist_ok=True)
            return 0

        with mock.patch.object(pythonenv, "run_child", run), mock.patch.object(pythonenv, "_has_venv", lambda _p: True):
            self.prepare(lock)
        self.assertEqual(ran, [["-I", "-m", "venv"], ["-m", "pip", "install"]])
        self.assertFalse(os.path.islink(os.path.join(self.root, "venv")))


if __name__ == "__main__":
    unittest.main()
