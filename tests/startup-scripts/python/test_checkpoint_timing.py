"""When a checkpoint is taken: at rest, soon after a change, at the end."""

import os
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from checkpoint_case import RUN, Case
from supervisor import folder, limits
from supervisor.folder import Moving
from supervisor.snapshot import take
from supervisor.stop import Stop
from supervisor.sync import Sync


class AtRest(Case):
    def test_a_file_that_is_open_for_writing_is_not_taken(self):
        paths, checkpoints, _ = self.machine()
        path = os.path.join(paths.checkpoints, "a")
        program = "import sys, time\nf = open(sys.argv[1], 'w')\nprint('open', flush=True)\ntime.sleep(60)"
        with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            with self.assertRaisesRegex(Moving, rf"^a is being written \(process {process.pid}\)$"):
                take(paths.checkpoints, None, checkpoints.known, 100)
            with self.assertRaisesRegex(Moving, "a is being written"):
                take(paths.checkpoints, os.getuid(), checkpoints.known, 100)
            process.kill()
        take(paths.checkpoints, None, checkpoints.known, 100).__exit__()

    def test_a_file_that_is_mapped_for_writing_is_not_taken(self):
        paths, checkpoints, _ = self.machine()
        path = os.path.join(paths.checkpoints, "a")
        program = (
            "import mmap, sys, time\nf = open(sys.argv[1], 'w+b')\nf.truncate(4096)\nm = mmap.mmap(f.fileno(), 0)\n"
            "f.close()\nprint('open', flush=True)\ntime.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            # Python keeps the file open, too; a program that does not is seen by its mapping alone.
            with mock.patch("supervisor.folder._writable", return_value=False):
                with self.assertRaisesRegex(Moving, "a is mapped for writing"):
                    take(paths.checkpoints, None, checkpoints.known, 100)
            process.kill()

    def test_a_change_in_place_while_it_is_read_spoils_it_and_a_file_put_in_its_place_does_not(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.put(paths, "a", b"old")
        with take(paths.checkpoints, None, checkpoints.known, 100) as snapshot:
            time.sleep(0.02)
            self.put(paths, "a", b"new")
            with self.assertRaisesRegex(Moving, "a changes while it is read"):
                checkpoints.commit(snapshot)
        self.assertEqual(self.objects(), [], "nothing of it is in the bucket")
        with take(paths.checkpoints, None, checkpoints.known, 100) as snapshot:
            self.put(paths, "b", b"newer")
            os.replace(os.path.join(paths.checkpoints, "b"), os.path.join(paths.checkpoints, "a"))
            checkpoints.commit(snapshot)
        paths, _, restore = self.machine(2)
        restore.prepare(first=False)
        self.assertEqual(self.contents(paths), {"a": b"new"})

    def test_the_helpers_temporary_files_neither_count_nor_disturb(self):
        paths, checkpoints, _ = self.machine()
        with open(os.path.join(paths.checkpoints, ".ml-training-x"), "w"):
            self.assertEqual(folder.scan(paths.checkpoints).files, ())
            self.assertIsNone(folder.writing(paths.checkpoints, os.getuid()))


class Timing(Case):
    def sync(self, interval=0.1):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.reported = []
        sync = Sync(
            paths.checkpoints, checkpoints, interval, None, Stop(), self.said.append, lambda made: self.reported.append(made.n)
        )
        for name, value in (("SETTLE_SECONDS", 0.08), ("PATIENCE_SECONDS", 0.4)):
            patch = mock.patch.object(limits, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        sync.begin()
        self.addCleanup(sync.finish, False, False, 5)
        return paths, sync

    def wait(self, what, seconds=10):
        end = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), end, f"waited in vain; said {self.said}")
            time.sleep(0.01)

    def test_a_change_is_saved_soon_and_said(self):
        paths, _ = self.sync(interval=60)
        self.put(paths, "a", b"x" * 1_500_000)
        self.wait(lambda: self.reported == [1])
        self.wait(lambda: self.said)
        self.assertRegex(self.said[0], r"^checkpoint 1: 1 file, 1\.5 MB in \d+\.\d s$")
        self.put(paths, "b", b"y")
        time.sleep(0.5)
        self.assertEqual(self.reported, [1], "the next one comes after the interval")

    def test_a_folder_that_never_rests_is_said_with_who_moves(self):
        paths, sync = self.sync()
        with open(os.path.join(paths.checkpoints, "log"), "w"):
            with mock.patch("supervisor.sync.writing", return_value="log is being written (process 7)"), mock.patch(
                "supervisor.snapshot.writing", return_value="log is being written (process 7)"
            ):
                self.wait(lambda: self.said)
        self.assertRegex(
            self.said[0],
            r"^no checkpoint for \d+ s: CHECKPOINT_DIR does not come to rest \(log is being written \(process 7\)\)$",
        )

    def test_a_trainer_that_saves_all_the_time_gets_checkpoints_too(self):
        paths, sync = self.sync()
        done = threading.Event()

        def write():
            number = 0
            while not done.wait(0.07):
                number += 1
                self.put(paths, "new", b"%d" % number)
                os.replace(os.path.join(paths.checkpoints, "new"), os.path.join(paths.checkpoints, "a"))

        thread = threading.Thread(target=write)
        thread.start()
        try:
            self.wait(lambda: len(self.reported) >= 2)
        finally:
            done.set()
            thread.join()

    def test_the_last_one_after_an_end_of_its_own_and_not_after_a_kill_in_the_middle(self):
        paths, sync = self.sync(interval=60)
        self.put(paths, "a", b"1")
        self.wait(lambda: self.reported == [1])
        self.put(paths, "a", b"22")
        sync.finish(True, True, 10)
        self.assertEqual((self.reported, sync.at_rest), ([1, 2], True))

    def test_a_kill_in_the_middle(self):
        paths, sync = self.sync(interval=60)
        self.put(paths, "a", b"1")
        self.wait(lambda: self.reported == [1])
        self.put(paths, "a", b"22")
        sync.finish(False, True, 10)
        self.assertEqual((self.reported, sync.at_rest), ([1], False))
        self.assertIn("CHECKPOINT_DIR was being changed when the trainer was killed", self.said[-1])

    def test_a_kill_at_rest(self):
        paths, sync = self.sync(interval=60)
        self.put(paths, "a", b"1")
        self.wait(lambda: self.reported == [1])
        self.put(paths, "a", b"22")
        time.sleep(0.5)
        sync.finish(False, True, 10)
        self.assertEqual((self.reported, sync.at_rest), ([1, 2], True))

    def test_a_problem_is_said_once_and_that_it_is_over(self):
        paths, _ = self.sync()
        with mock.patch.object(self.bucket, "upload", side_effect=ConnectionError("away")):
            self.put(paths, "a", b"1")
            self.wait(lambda: self.said)
            time.sleep(0.3)
        self.wait(lambda: self.reported)
        self.wait(lambda: len(self.said) == 3)
        self.assertEqual(self.said[0], "checkpoints cannot be written, trying again: away")
        self.assertEqual(self.said[1], "checkpoints can be written again")


if __name__ == "__main__":
    unittest.main()
