"""Clock, watchdog, preemption, names, streams: what keeps a run honest while it goes on."""

import email.utils
import os
import socket
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

from supervisor import alive, clock, names, trainer
from supervisor.metadata import Metadata
from supervisor.paths import Paths
from supervisor.preemption import Preemption
from supervisor.rest import Client, HttpError
from supervisor.stop import Stop
from supervisor.transfer import ChecksumError, Upload

HELPERS = trainer.HELPERS


def date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


class ClockTest(unittest.TestCase):
    def setUp(self):
        clock.forget()
        self.addCleanup(clock.forget)

    def near(self, expected):
        self.assertAlmostEqual(clock.now(), expected, delta=2)

    def test_google_s_clock_counts_when_the_machine_s_jumps(self):
        true = time.time()
        self.near(true)
        clock.observe(date(true))
        for jump in (-86400, 86400):
            with mock.patch("time.time", return_value=true + jump):
                self.near(true)

    def test_a_machine_whose_clock_is_wrong_from_the_beginning(self):
        clock.observe(date(1_000_000_000))
        self.near(1_000_000_000)

    def test_one_answer_that_is_far_off_is_not_believed_two_are(self):
        clock.observe(date(1_000_000_000))
        clock.observe(date(2_000_000_000))
        self.near(1_000_000_000)
        clock.observe(date(1_000_000_001))
        clock.observe(date(2_000_000_000))
        self.near(1_000_000_001)
        clock.observe(date(2_000_000_000))
        self.near(2_000_000_000)

    def test_nonsense_is_left_alone(self):
        for text in (None, "", "yesterday", "Sat, 99 Foo 2026"):
            clock.observe(text)
        self.near(time.time())


class AliveTest(unittest.TestCase):
    def test_who_stands_still_is_named_and_a_worker_counts_for_its_part(self):
        self.addCleanup(alive.end, "part")
        alive.begin("part", 0.05)
        self.assertEqual(alive.stuck(), [])
        time.sleep(0.08)
        self.assertEqual([name.split()[0] for name in alive.stuck()], ["part"])

        def work():
            alive.act_for("part")
            alive.beat()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(alive.stuck(), [])

    def test_the_watchdog_is_fed_only_while_all_move(self):
        fed, said = [], []
        self.addCleanup(alive.end, "part")
        with mock.patch("supervisor.systemd.notify", side_effect=fed.append), mock.patch(
            "supervisor.limits.WATCHDOG_SECONDS", 0.02
        ):
            alive.begin("part", 0.2)
            alive.Watchdog(said.append).start()
            time.sleep(0.1)
            self.assertIn("WATCHDOG=1", fed)
            time.sleep(0.3)
            del fed[:]
            time.sleep(0.2)
            self.assertEqual(fed, [])
        self.assertEqual(len(said), 1)
        self.assertRegex(said[0], r"^this supervisor hangs: part \(\d+ s\) stands still; systemd's watchdog will end it$")


class Server:
    """A server on this machine whose answers a test writes: (status, headers, body) or None for a cut connection."""

    def __init__(self, case, answer):
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if outer.reads else b""
                outer.requests.append((self.command, self.path, body))
                found = answer(self.path, len(outer.requests))
                if found is None:
                    self.close_connection = True
                    return
                status, headers, text = found
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)
                if not outer.reads:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = handle_one

            def log_message(self, *_):
                pass

        self.reads = True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        case.addCleanup(self.server.server_close)
        case.addCleanup(self.server.shutdown)
        self.host = f"127.0.0.1:{self.server.server_port}"


FLAVOR = {"Metadata-Flavor": "Google"}


class PreemptionTest(unittest.TestCase):
    def watch(self, answer):
        server = Server(self, answer)
        stop = Stop()
        thread = Preemption(Metadata(server.host, patience=1), stop, Client(lambda forget=False: "t"))
        with mock.patch("supervisor.preemption.LEAST_SECONDS", 0.01):
            thread.start()
            thread.join(5)
        return server, stop, thread

    def test_the_change_is_waited_for_and_asks_for_a_stop(self):
        def answer(path, number):
            if "wait_for_change" in path:
                time.sleep(0.2)
                return 200, {**FLAVOR, "ETag": "two"}, b"TRUE"
            return 200, {**FLAVOR, "ETag": "one"}, b"FALSE"

        server, stop, _ = self.watch(answer)
        self.assertEqual(
            [path for _, path, _ in server.requests],
            [
                "/computeMetadata/v1/instance/preempted",
                "/computeMetadata/v1/instance/preempted?wait_for_change=true&last_etag=one&timeout_sec=60",
            ],
        )
        self.assertEqual((stop.reason, stop.detail, stop.preempted), ("shutdown", "preempted", True))
        self.assertIsNotNone(stop.power_off)

    def test_a_server_that_is_away_slow_or_talks_nonsense_is_asked_on(self):
        answers = [
            None,
            (500, FLAVOR, b""),
            (404, FLAVOR, b"<html>"),
            (200, {}, b"TRUE"),
            (200, FLAVOR, b"<html>"),
            (200, FLAVOR, b"FALSE"),
            (200, FLAVOR, b"TRUE\n"),
        ]
        server, stop, thread = self.watch(lambda path, number: answers[number - 1])
        self.assertFalse(thread.is_alive())
        self.assertEqual((len(server.requests), stop.preempted), (len(answers), True))


class NamesTest(unittest.TestCase):
    def test_a_name_server_that_goes_away_is_survived(self):
        answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 443))]]
        with mock.patch("socket.getaddrinfo", side_effect=[*answers, socket.gaierror("away"), socket.gaierror("away")]):
            self.assertEqual(names.resolve("storage.example", 443), [("192.0.2.7", 443)])
            self.assertEqual(names.resolve("storage.example", 443, again=True), [("192.0.2.7", 443)])
            with self.assertRaises(socket.gaierror):
                names.resolve("other.example", 443)

    def test_the_metadata_server_is_found_without_one(self):
        seen = []

        def connect(address, timeout=None, source_address=None):
            seen.append(address)
            raise ConnectionRefusedError

        with mock.patch("socket.getaddrinfo", side_effect=socket.gaierror("away")), mock.patch(
            "supervisor.names.resolve", side_effect=lambda host, port, again=False: _resolve(host, port)
        ), mock.patch("socket.create_connection", side_effect=connect):
            with self.assertRaises(OSError):
                Metadata("metadata.google.internal", patience=0)._once("instance/name")
        self.assertEqual(seen[0], ("169.254.169.254", 80))


def _resolve(host, port):
    if host == "169.254.169.254":
        return [(host, port)]
    raise socket.gaierror("away")


class Uploads(unittest.TestCase):
    def upload(self, answer, data, reads=True, md5=None):
        server = Server(self, answer)
        server.reads = reads
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            client = Client(lambda forget=False: "t")
            upload = Upload(client, f"http://{server.host}", "b", "n", file, "x/y", "0", 3, md5)
            return server, upload.run()

    def test_what_arrives_otherwise_is_sent_again_and_then_refused(self):
        def wrong(path, number):
            return 200, {}, b'{"generation": "5", "md5Hash": "AAAAAAAAAAAAAAAAAAAAAA==", "size": "4"}'

        with self.assertRaisesRegex(ChecksumError, "^gs://b/n arrived damaged$"):
            self.upload(wrong, b"data")

    def test_a_refusal_before_the_body_is_read_is_understood(self):
        with self.assertRaises(HttpError) as caught:
            self.upload(lambda path, number: (412, {"Connection": "close"}, b"{}"), b"x" * 16_000_000, reads=False)
        self.assertEqual(caught.exception.status, 412)

    def test_the_precondition_and_the_length_are_sent(self):
        server, done = self.upload(lambda path, number: (200, {}, b'{"generation": "5"}'), b"data")
        self.assertEqual(server.requests[0][1:], ("/upload/storage/v1/b/b/o?uploadType=media&name=n&ifGenerationMatch=0", b"data"))
        self.assertEqual(done, "5")

    def test_the_service_must_hold_what_was_hashed_before(self):
        def answer(path, number):
            return 200, {}, b'{"generation": "5", "md5Hash": "jXd/OF09/siBXSD3SWAm3A==", "size": "4"}'

        self.assertEqual(self.upload(answer, b"data", md5="jXd/OF09/siBXSD3SWAm3A==")[1], "5")
        with self.assertRaisesRegex(ChecksumError, "arrived damaged"):
            self.upload(answer, b"data", md5="AAAAAAAAAAAAAAAAAAAAAA==")


class Helper(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        patch = mock.patch.dict(os.environ, {"CHECKPOINT_DIR": os.path.join(self.folder.name, "c")})
        patch.start()
        self.addCleanup(patch.stop)
        sys.path.insert(0, HELPERS)
        self.addCleanup(sys.path.remove, HELPERS)
        import ml_training_checkpoint

        self.helper = ml_training_checkpoint

    def test_save_and_latest(self):
        self.assertIsNone(self.helper.latest())
        self.helper.save("a.txt", b"1")
        path = self.helper.save("deep/b.txt", lambda file: file.write(b"2"))
        self.assertEqual(path.read_bytes(), b"2")
        os.utime(path, (2_000_000_000, 2_000_000_000))
        self.assertEqual(self.helper.latest(), path)
        self.assertEqual(self.helper.latest("*.txt").name, "a.txt")
        self.assertEqual(oct(path.stat().st_mode & 0o777), "0o644")

    def test_a_save_that_fails_leaves_the_old_one_and_nothing_beside_it(self):
        self.helper.save("a", b"old")

        def fail(file):
            file.write(b"half")
            raise KeyError("no")

        with self.assertRaises(KeyError):
            self.helper.save("a", fail)
        self.assertEqual([path.name for path in self.helper.folder().iterdir()], ["a"])
        self.assertEqual((self.helper.folder() / "a").read_bytes(), b"old")

    def test_names_stay_in_the_folder(self):
        for name in ("", "..", "../x", "/etc/x", "a/../../x", ".ml-training-x"):
            with self.assertRaises(ValueError, msg=name):
                self.helper.save(name, b"")

    def test_off_the_machine_it_is_a_folder_here(self):
        with mock.patch.dict(os.environ):
            del os.environ["CHECKPOINT_DIR"]
            before = os.getcwd()
            os.chdir(self.folder.name)
            try:
                self.assertEqual(self.helper.save("a", b"1").as_posix(), "checkpoints/a")
            finally:
                os.chdir(before)


class Leftover(unittest.TestCase):
    def test_a_trainer_without_a_supervisor_is_ended_and_no_other_process(self):
        import subprocess

        with tempfile.TemporaryDirectory() as base:
            paths = Paths(base)
            self.assertFalse(trainer.end_leftover(paths))
            with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
                with open(paths.trainer, "w", encoding="ascii") as file:
                    file.write(f"{process.pid} 1")
                self.assertFalse(trainer.end_leftover(paths), "another process with that number")
                with open(paths.trainer, "w", encoding="ascii") as file:
                    file.write(f"{process.pid} {trainer._start_time(process.pid)}")
                self.assertTrue(trainer.end_leftover(paths))
                self.assertEqual(process.wait(5), -9)


if __name__ == "__main__":
    unittest.main()
