"""Single duties of the supervisor, without a machine and without a network."""

import hashlib
import io
import json
import os
import signal
import tarfile
import tempfile
import unittest
from unittest import mock

from supervisor import compute, errors, lastwords, limits, metadata, outputs, package, pythonenv, rest, spec, systemd
from supervisor import trainer
from supervisor.crc32c import crc32c
from supervisor.errors import MachineUnusable, RunFailed
from supervisor.metadata import Assignment
from supervisor.paths import Paths

RUN = "demo-20261121080000-00ff"


def good_spec():
    sha = "a" * 64
    return {
        "schema": 1,
        "id": RUN,
        "environment": "mlt-test",
        "project": "p",
        "package": {"name": "demo", "object": f"code/{sha}.tar.gz", "sha256": sha},
        "command": ["python", "train.py"],
        "arguments": ["--n", "3"],
        "python": "3.11",
        "inputs": ["census/", "a/b.csv"],
        "buckets": {"data": "data-bucket", "scratch": "scratch-bucket"},
        "deadline": "2026-11-21T09:00:00.500Z",
        "createdAt": "2026-11-21T08:00:00+00:00",
        "maxRestarts": 3,
        "keepMinutes": 0,
        "machineType": "e2-standard-2",
        "spot": True,
    }


def parse(raw):
    return spec.parse(json.dumps(raw).encode(), Assignment(RUN, 1, "data-bucket"))


class SpecTest(unittest.TestCase):
    def test_good(self):
        found = parse(good_spec())
        self.assertEqual(found.command, ["python", "train.py", "--n", "3"])
        self.assertEqual(found.python, (3, 11))
        self.assertEqual(found.inputs, ["census", "a/b.csv"])
        self.assertEqual(found.deadline - found.created, 3600.5)

    def test_all_problems_at_once(self):
        raw = good_spec()
        raw.update(
            id="other-20261121080000-00ff", deadline="tomorrow", python="2.7", inputs=["../secrets"], command="x"
        )
        with self.assertRaises(RunFailed) as caught:
            parse(raw)
        for part in (
            "id is other",
            "deadline is no RFC 3339 time",
            "python has no",
            "'../secrets'",
            "command is no list",
        ):
            self.assertIn(part, str(caught.exception))

    def test_every_key_that_is_needed_is_needed(self):
        for key in good_spec():
            if key in ("python", "maxRestarts", "machineType", "spot"):
                continue  # read by the launcher, or with a default
            raw = good_spec()
            del raw[key]
            with self.assertRaises(RunFailed, msg=key):
                parse(raw)

    def test_another_schema(self):
        with self.assertRaisesRegex(RunFailed, "schema 2"):
            parse({**good_spec(), "schema": 2})
        with self.assertRaisesRegex(RunFailed, "no JSON"):
            spec.parse(b"<html>", Assignment(RUN, 1, "b"))

    def test_times_round_trip(self):
        self.assertEqual(spec.format_time(spec.parse_time("2026-11-21T08:00:00.120Z")), "2026-11-21T08:00:00.120Z")
        self.assertEqual(spec.parse_time("2026-11-21T09:00:00+01:00"), spec.parse_time("2026-11-21T08:00:00Z"))

    def test_the_reserve_before_the_deadline(self):
        self.assertEqual(limits.saving_reserve(0, 3600), 60)
        self.assertEqual(limits.saving_reserve(0, 100), 10)
        self.assertEqual(limits.saving_reserve(100, 0), 0)


def archive(folder, *members):
    """A tar.gz of (name, contents), or of (name, kind) with the number of a tar type."""
    path = os.path.join(folder, "package.tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        for name, contents in members:
            member = tarfile.TarInfo(name)
            if isinstance(contents, bytes):
                member.size = len(contents)
                tar.addfile(member, io.BytesIO(contents))
            else:
                member.type = str(contents).encode()
                member.linkname = "../../etc/passwd"
                tar.addfile(member)
    return path


class Unpack(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(__import__("shutil").rmtree, self.folder)
        self.target = os.path.join(self.folder, "package")

    def test_files_and_folders(self):
        path = archive(self.folder, ("./a.py", b"1"), ("sub", int(tarfile.DIRTYPE)), ("sub/b.txt", b"2"))
        self.assertEqual(package.unpack(path, self.target, None), 2)
        with open(os.path.join(self.target, "sub/b.txt"), "rb") as file:
            self.assertEqual(file.read(), b"2")

    def test_what_is_refused(self):
        for name, contents in (
            ("/etc/cron.d/x", b"1"),
            ("../x", b"1"),
            ("a/../../x", b"1"),
            ("a\\..\\x", b"1"),
            ("link", int(tarfile.SYMTYPE)),
            ("hard", int(tarfile.LNKTYPE)),
            ("pipe", int(tarfile.FIFOTYPE)),
            ("device", int(tarfile.CHRTYPE)),
        ):
            with self.assertRaisesRegex(RunFailed, "illegal path|link or device", msg=name):
                package.unpack(archive(self.folder, (name, contents)), self.target, None)
            self.assertFalse(os.path.exists(os.path.join(self.folder, "x")))

    def test_twice_the_same_file(self):
        with self.assertRaisesRegex(RunFailed, "twice"):
            package.unpack(archive(self.folder, ("a", b"1"), ("a", b"2")), self.target, None)

    def test_too_much(self):
        with mock.patch.object(limits, "MAX_UNPACKED_BYTES", 10), self.assertRaisesRegex(RunFailed, "too much"):
            package.unpack(archive(self.folder, ("a", b"x" * 11)), self.target, None)

    def test_no_archive(self):
        path = os.path.join(self.folder, "bad")
        with open(path, "wb") as file:
            file.write(b"not a tar")
        with self.assertRaisesRegex(RunFailed, "cannot be unpacked"):
            package.unpack(path, self.target, None)

    def test_a_torn_archive(self):
        path = archive(self.folder, ("a", os.urandom(100_000)))
        with open(path, "r+b") as file:
            file.truncate(50_000)
        with self.assertRaisesRegex(RunFailed, "cannot be unpacked"):
            package.unpack(path, self.target, None)


class Pip(unittest.TestCase):
    REQUIREMENTS = (
        "# locked\nnumpy==2.4.6 \\\n    --hash=sha256:00\n# via\nScikit_Learn==9.9 \\\n    --hash=sha256:00\n"
    )

    def line(self, said):
        return pythonenv.line_of_failure(said, self.REQUIREMENTS)

    def test_pips_own_words(self):
        self.assertEqual(self.line("ERROR: x (from -r requirements.txt (line 14))"), 14)
        self.assertEqual(self.line("ERROR: Invalid requirement: 'a b' (from line 3 of requirements.txt)"), 3)

    def test_by_name(self):
        self.assertEqual(self.line("ERROR: No matching distribution found for scikit_learn==9.9"), 5)
        wrong = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    numpy==2.4.6 from x:\n"
        self.assertEqual(self.line(wrong), 2)

    def test_not_said(self):
        self.assertIsNone(self.line("Killed"))
        self.assertIsNone(
            self.line("Collecting numpy==2.4.6\nERROR: Could not install packages due to an OSError: no space")
        )


class MetadataTest(unittest.TestCase):
    def server(self, values):
        source = metadata.Metadata("unused", patience=0)
        source.get = lambda path, patience=None: values.get(path.rsplit("/", 1)[-1])
        return source

    def test_values_are_checked(self):
        good = {"mlt-run": RUN, "mlt-attempt": "2", "mlt-bucket": "my-bucket"}
        self.assertEqual(self.server(good).assignment(), Assignment(RUN, 2, "my-bucket"))
        for key, value in (
            ("mlt-run", "x; rm -rf /"),
            ("mlt-run", f"../{RUN}"),
            ("mlt-attempt", "0"),
            ("mlt-attempt", "1 1"),
            ("mlt-bucket", "<!DOCTYPE html>"),
            ("mlt-bucket", ""),
            ("mlt-bucket", None),
        ):
            with self.assertRaisesRegex(MachineUnusable, key):
                self.server({**good, key: value}).assignment()


class OutputsTest(unittest.TestCase):
    def metrics(self, text):
        said = []
        with tempfile.TemporaryDirectory() as folder:
            if text is not None:
                with open(os.path.join(folder, "metrics.json"), "w", encoding="utf-8") as file:
                    file.write(text)
            return outputs.metrics(folder, said.append), said

    def test_metrics(self):
        self.assertEqual(self.metrics('{"a": 1}'), ({"a": 1}, []))
        self.assertEqual(self.metrics(None), (None, []))
        for text, word in (
            ("[1]", "no JSON object"),
            ('{"a": NaN}', "NaN"),
            ("{", "metrics.json"),
            ("x" * 17_000, "larger"),
        ):
            found, said = self.metrics(text)
            self.assertIsNone(found)
            self.assertIn(word, said[0])

    def test_links_are_not_followed(self):
        with tempfile.TemporaryDirectory() as folder:
            os.symlink("/etc/passwd", os.path.join(folder, "metrics.json"))
            self.assertIsNone(outputs.metrics(folder, lambda text: None))
            os.symlink("/etc", os.path.join(folder, "folder"))
            self.assertEqual([name for name, _ in outputs.find(folder)], ["metrics.json"])


class Small(unittest.TestCase):
    def test_crc32c(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(crc32c(b"6789", crc32c(b"12345")), 0xE3069283)

    def test_one_line(self):
        self.assertEqual(errors.one_line("a\n\tb\x1b[0m"), "a b [0m")
        self.assertEqual(len(errors.one_line("x" * 1000)), 300)

    def test_the_trainers_environment_hides_the_supervisors(self):
        with mock.patch.dict(os.environ, {"NOTIFY_SOCKET": "/run/x", "ML_TRAINING_ROOT": "/x", "KEPT": "1"}):
            found = trainer.environment(parse(good_spec()), Assignment(RUN, 4, "data-bucket"), Paths("/base"))
        self.assertNotIn("NOTIFY_SOCKET", found)
        self.assertNotIn("ML_TRAINING_ROOT", found)
        self.assertEqual((found["KEPT"], found["ML_TRAINING_ATTEMPT"], found["OUTPUT_DIR"]), ("1", "4", "/base/output"))
        self.assertTrue(found["PATH"].startswith("/base/venv/bin:"))

    def test_notify_reaches_the_socket(self):
        import socket

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
                server.bind(path)
                with mock.patch.dict(os.environ, {"NOTIFY_SOCKET": path}):
                    systemd.notify("READY=1")
                self.assertEqual(server.recv(100), b"READY=1")

    def test_endpoints(self):
        with mock.patch.dict(os.environ, {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "http://127.0.0.1:9/storage/v1/"}):
            self.assertEqual(rest.endpoint("storage"), "http://127.0.0.1:9")
        self.assertEqual(rest.endpoint("compute"), "https://compute.googleapis.com")

    def test_the_checksum_of_a_package(self):
        class Stored:
            def read(self, bucket, name):
                return b"changed", "1"

        with self.assertRaisesRegex(RunFailed, hashlib.sha256(b"changed").hexdigest()[:12]):
            package.fetch(Stored(), parse(good_spec()), "/nonexistent")


class Deletion(unittest.TestCase):
    def test_a_power_button_that_comes_before_the_answer_is_not_waited_out(self):
        class Gone(Exception):
            pass

        class Cloud:
            def send(self, method, url, **options):
                assert method == "DELETE", "nobody asks for the operation of a machine that goes down"
                os.kill(os.getpid(), signal.SIGTERM)
                return 200, {"name": "operation-1"}, None

        heard = []
        old = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
        try:
            machine = metadata.Machine("p", "us-central1-a", "m", "e2-standard-2", True, "")
            with mock.patch.object(compute, "_go", side_effect=Gone), self.assertRaises(Gone):
                compute.delete_machine(Cloud(), machine, lambda line: None)
        finally:
            signal.signal(signal.SIGTERM, old)
        self.assertEqual(heard, [signal.SIGTERM])


class LastWords(unittest.TestCase):
    def test_verdicts(self):
        def verdict(result="watchdog", **given):
            known = {"preempted": False, "shutting_down": False, "past_deadline": False, **given}
            end = lastwords.verdict(result, "9", **known)
            return end and end[0]

        self.assertEqual(verdict(), "failed")
        self.assertEqual(verdict("timeout", past_deadline=True), "timedOut")
        self.assertEqual(verdict("timeout", shutting_down=True), None)
        self.assertEqual(verdict("timeout", shutting_down=True, preempted=True), "preempted")
        self.assertIn(
            "signal, 9", lastwords.verdict("signal", "9", preempted=False, shutting_down=False, past_deadline=False)[1]
        )


if __name__ == "__main__":
    unittest.main()
