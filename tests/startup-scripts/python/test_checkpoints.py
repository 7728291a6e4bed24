"""Checkpoints, piece by piece: what is stored, what is loaded, and what never is."""

import json
import os
import shutil
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from checkpoint_case import PREFIX, RUN, Case
from supervisor import folder, limits, manifest
from supervisor.errors import NotOurs
from supervisor.manifest import Damaged


class Layout(Case):
    def test_the_objects_are_those_of_the_contract(self):
        paths, checkpoints, restore = self.machine()
        self.assertIsNone(restore.prepare(first=True))
        self.put(paths, "a", b"one")
        self.put(paths, "b/c", b"one")
        made, sent = self.commit(paths, checkpoints)
        self.assertEqual((made.n, made.bytes, sent), (1, 6, 3), "the same bytes are sent once")
        sha256 = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
        self.assertEqual(self.objects(), ["00000001.json", "LATEST.json", f"files/{sha256}"])
        document, generation = self.bucket.read("scratch", f"{PREFIX}00000001.json")
        listed = json.loads(document)
        self.assertEqual((listed["schema"], listed["run"], listed["n"], listed["attempt"]), (1, RUN, 1, 1))
        self.assertEqual([entry["path"] for entry in listed["files"]], ["a", "b/c"])
        self.assertEqual(set(listed["files"][0]), {"path", "size", "mode", "mtime", "sha256", "generation"})
        latest = json.loads(self.bucket.read("scratch", f"{PREFIX}LATEST.json")[0])
        self.assertEqual((latest["n"], latest["attempt"], latest["generation"]), (1, 1, generation))
        self.assertEqual(latest["sha256"], manifest.digest(document))

    def test_only_what_changed_is_sent_and_only_two_are_kept(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.put(paths, "constant", b"c" * 100)
        for step in range(5):
            self.put(paths, "step", b"%d" % step)
            made, sent = self.commit(paths, checkpoints)
            self.assertEqual(sent, 1 if step else 101)
        names = self.objects()
        self.assertEqual(names[:3], ["00000004.json", "00000005.json", "LATEST.json"])
        self.assertEqual(len(names), 3 + 3, "the constant file, and two steps")
        del self.calls[:]
        self.commit(paths, checkpoints)
        self.assertFalse([call for call in self.calls if "files/" in call and "write" in call])

    def test_an_empty_folder_costs_nothing(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.assertEqual(self.calls, [f"read {PREFIX}LATEST.json: before"])

    def test_links_odd_names_modes_times_and_empty_folders_come_back(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        odd = os.fsdecode(b"a\n\xff \xc3\xbc\\\"")
        self.put(paths, f"x/{odd}", b"1")
        self.put(paths, "run.sh", b"2")
        os.chmod(os.path.join(paths.checkpoints, "run.sh"), 0o750)
        os.utime(os.path.join(paths.checkpoints, "run.sh"), ns=(1, 1_234_567_890_123_456_789))
        os.symlink("x", os.path.join(paths.checkpoints, "last"))
        os.symlink("/etc/passwd", os.path.join(paths.checkpoints, "out"))
        os.symlink("../../up", os.path.join(paths.checkpoints, "x", "up"))
        os.mkfifo(os.path.join(paths.checkpoints, "pipe"))
        os.makedirs(os.path.join(paths.checkpoints, "empty/er"))
        self.commit(paths, checkpoints)
        before = folder.scan(paths.checkpoints)
        self.assertEqual([path for path, _ in before.skipped], ["out", "pipe", "x/up"])
        paths, checkpoints, restore = self.machine(2)
        restore.prepare(first=False)
        after = folder.scan(paths.checkpoints)
        facts = [(file.path, file.size, file.mode, file.mtime) for file in before.files]
        self.assertEqual([(file.path, file.size, file.mode, file.mtime) for file in after.files], facts)
        self.assertEqual((after.links, after.folders), ((("last", "x"),), ("empty/er",)))
        self.assertEqual(self.contents(paths)[f"x/{odd}"], b"1")
        self.assertEqual(after.skipped, ())

    def test_a_deleted_file_stays_deleted(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.put(paths, "a")
        self.put(paths, "b")
        self.commit(paths, checkpoints)
        os.unlink(os.path.join(paths.checkpoints, "a"))
        self.commit(paths, checkpoints)
        paths, _, restore = self.machine(2)
        restore.prepare(first=False)
        self.assertEqual(list(self.contents(paths)), ["b"])

    def test_the_unchanged_is_not_read_again_after_a_restore(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.put(paths, "a")
        self.commit(paths, checkpoints)
        paths, checkpoints, restore = self.machine(2)
        restore.prepare(first=False)
        self.assertTrue(all(checkpoints.known(file) for file in folder.scan(paths.checkpoints).files))

    def test_what_is_old_is_stored_again_before_the_bucket_deletes_it(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.put(paths, "a")
        first, _ = self.commit(paths, checkpoints)
        with mock.patch.object(limits, "REFRESH_SECONDS", -1):
            second, sent = self.commit(paths, checkpoints)
        self.assertEqual(sent, 4)
        self.assertNotEqual(first.files[0].generation, second.files[0].generation)
        paths, checkpoints, restore = self.machine(2)
        self.break_object("00000002.json", b"{")
        self.assertEqual(restore.prepare(first=False)[1].n, 1, "an older manifest still finds the bytes")


class Loading(Case):
    def setUp(self):
        super().setUp()
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        for step in (1, 2):
            self.put(paths, "step", b"step %d" % step)
            self.put(paths, "model", b"model %d" % step)
            self.commit(paths, checkpoints)
        self.names = {
            path: f"files/{entry.sha256}" for entry in checkpoints.head[1].files for path in [entry.path]
        }

    def load(self):
        paths, checkpoints, restore = self.machine(2)
        loaded = restore.prepare(first=False)
        return loaded[1].n if loaded else None, self.contents(paths)

    STEP1 = {"step": b"step 1", "model": b"model 1"}
    STEP2 = {"step": b"step 2", "model": b"model 2"}

    def test_the_newest(self):
        self.assertEqual(self.load(), (2, self.STEP2))
        self.assertRegex(self.said[-1], r"^resumed from checkpoint 2 of attempt 1: 2 files, 0\.0 MB, saved 20")

    def test_a_damaged_file_a_missing_file_a_torn_manifest_each_falls_back(self):
        for break_it, word in (
            (lambda: self.break_object(self.names["model"], b"model X"), "model is damaged"),
            (lambda: self.break_object(self.names["model"], b"mod"), "model is damaged"),
            (lambda: os.unlink(self.bucket._path(PREFIX + self.names["step"])), "step is missing in the bucket"),
            (lambda: self.break_object("00000002.json", b"{"), "has another SHA-256"),
            (lambda: os.unlink(self.bucket._path(f"{PREFIX}00000002.json")), "its manifest is missing"),
        ):
            with self.subTest(word):
                self.doCleanups()
                self.setUp()
                break_it()
                self.assertEqual(self.load(), (1, self.STEP1))
                self.assertRegex(self.said[0], f"^checkpoint 2 is not used: .*{word}")

    def test_a_damaged_or_missing_pointer_costs_nothing(self):
        self.break_object("LATEST.json", b"\0\0")
        self.assertEqual(self.load(), (2, self.STEP2))
        os.unlink(self.bucket._path(f"{PREFIX}LATEST.json"))
        shutil.rmtree(os.path.join(self.base, "machine-2"))
        self.assertEqual(self.load(), (2, self.STEP2))

    def test_nothing_whole_begins_anew(self):
        self.break_object("00000002.json", b"{")
        self.break_object("00000001.json", b"{")
        self.assertEqual(self.load(), (None, {}))
        self.assertEqual(self.said[-1], "no checkpoint is whole: the training begins anew")

    def test_another_runs_checkpoint_is_never_loaded(self):
        other = "other-20261121080000-00ff"
        for name in os.listdir(self.bucket._folder):
            shutil.copy(
                os.path.join(self.bucket._folder, name),
                os.path.join(self.bucket._folder, name.replace("demo-2026", "other-2026")),
            )
        paths, _, restore = self.machine(2, "other", run=other)
        self.assertIsNone(restore.prepare(first=False))
        self.assertEqual(self.contents(paths), {})
        self.assertIn(f"checkpoint 2 is not used: 00000002.json is of run '{RUN}'", self.said)

    def test_a_bucket_that_is_away_is_no_reason_to_begin_anew(self):
        paths, _, restore = self.machine(2)
        with mock.patch.object(self.bucket, "download", side_effect=ConnectionError("away")):
            with self.assertRaisesRegex(ConnectionError, "away"):
                restore.prepare(first=False)

    def test_numbers_go_on_after_what_was_not_used(self):
        self.break_object("00000002.json", b"{")
        paths, checkpoints, restore = self.machine(2)
        restore.prepare(first=False)
        self.put(paths, "step", b"step 3")
        made, _ = self.commit(paths, checkpoints)
        self.assertEqual((made.n, made.previous.n), (3, 1))


class Fences(Case):
    def test_a_zombie_is_told_and_changes_nothing(self):
        paths, checkpoints, restore = self.machine(1)
        restore.prepare(first=True)
        new_paths, new, new_restore = self.machine(2)
        new_restore.prepare(first=False)
        self.put(paths, "a", b"zombie")
        with self.assertRaisesRegex(NotOurs, "the checkpoints belong to attempt 2 on another machine"):
            self.commit(paths, checkpoints)
        self.put(new_paths, "a", b"new")
        made, _ = self.commit(new_paths, new)
        self.assertEqual((made.n, made.previous), (2, None), "the zombie's manifest has number 1, and no successor")
        paths, _, restore = self.machine(3)
        restore.prepare(first=False)
        self.assertEqual(self.contents(paths), {"a": b"new"})

    def test_an_earlier_attempt_that_boots_late_leaves(self):
        self.machine(2)[2].prepare(first=False)
        with self.assertRaisesRegex(NotOurs, "the checkpoints belong to attempt 2; this machine is attempt 1"):
            self.machine(1)[2].prepare(first=False)

    def test_two_machines_with_one_attempt_the_later_one_owns_the_pointer(self):
        paths, checkpoints, restore = self.machine(1, "one")
        restore.prepare(first=False)
        self.machine(1, "two")[2].prepare(first=False)
        self.put(paths, "a")
        with self.assertRaises(NotOurs):
            self.commit(paths, checkpoints)

    def test_a_lost_answer_is_no_stranger(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        real = self.bucket.write

        def lost(bucket, name, *rest, **more):
            generation = real(bucket, name, *rest, **more)
            if name.endswith("LATEST.json"):
                raise ConnectionError("the answer is lost")
            return generation

        self.put(paths, "a", b"1")
        with mock.patch.object(self.bucket, "write", side_effect=lost), self.assertRaises(ConnectionError):
            self.commit(paths, checkpoints)
        self.put(paths, "a", b"2")
        made, _ = self.commit(paths, checkpoints)
        self.assertEqual(made.n, 2)


class OwnFolder(Case):
    def train(self):
        paths, checkpoints, restore = self.machine()
        restore.prepare(first=True)
        self.put(paths, "a", b"saved")
        self.commit(paths, checkpoints)
        self.put(paths, "a", b"newer")
        return paths, restore

    def test_after_a_power_cut_the_bucket_counts(self):
        paths, _ = self.train()
        self.machine()[2].prepare(first=False)
        self.assertEqual(self.contents(paths), {"a": b"saved"})

    def test_after_an_orderly_end_the_own_folder_counts(self):
        paths, restore = self.train()
        restore.close(at_rest=True)
        loaded = self.machine()[2].prepare(first=False)
        self.assertEqual((self.contents(paths), loaded[1].n), ({"a": b"newer"}, 1))
        self.assertIn("going on with this machine's own CHECKPOINT_DIR", self.said[-1])

    def test_not_if_it_changed_since_or_the_trainer_was_killed(self):
        paths, restore = self.train()
        restore.close(at_rest=False)
        self.machine()[2].prepare(first=False)
        self.assertEqual(self.contents(paths), {"a": b"saved"})
        self.put(paths, "a", b"newer")
        self.machine()[2].close(at_rest=True)
        self.put(paths, "b", b"after the end")
        self.machine()[2].prepare(first=False)
        self.assertEqual(self.contents(paths), {"a": b"saved"})

    def test_nothing_saved_and_no_orderly_end_begins_anew(self):
        paths, _, restore = self.machine()
        restore.prepare(first=True)
        self.put(paths, "a", b"half")
        self.machine()[2].prepare(first=False)
        self.assertEqual(self.contents(paths), {})
        self.assertIn("1 file in CHECKPOINT_DIR is not used", self.said[-1])


class Manifests(unittest.TestCase):
    def read(self, **change):
        document = {
            "schema": 1,
            "run": RUN,
            "n": 3,
            "attempt": 1,
            "at": "2026-11-21T08:00:00.000Z",
            "previous": None,
            "files": [
                {"path": "a/b", "size": 1, "mode": 0o644, "mtime": "5", "sha256": "0" * 64, "generation": "7"},
            ],
            "links": [{"path": "l", "target": "a"}],
            "folders": ["e"],
        }
        for key, value in change.items():
            if key in document["files"][0] and key not in document:
                document["files"][0][key] = value
            else:
                document[key] = value
        return manifest.read_manifest(json.dumps(document).encode(), RUN, 3)

    def test_what_is_refused(self):
        self.assertEqual(self.read().files[0].path, "a/b")
        for change in (
            {"run": "other"},
            {"n": 4},
            {"schema": 2},
            {"attempt": "1"},
            {"files": 3},
            {"path": "../x"},
            {"path": "/x"},
            {"path": "a//b"},
            {"path": "a\0b"},
            {"path": ""},
            {"size": -1},
            {"mode": 0o4755},
            {"sha256": "x"},
            {"sha256": "../../../../../etc/passwd"},
            {"generation": 7},
            {"mtime": None},
            {"links": [{"path": "l", "target": "/etc"}]},
            {"links": [{"path": "l", "target": "../.."}]},
            {"links": [{"path": "a", "target": "e"}]},
            {"links": [{"path": "a/b", "target": "e"}]},
            {"folders": ["a/b"]},
            {"folders": ["a/b/c"]},
            {"folders": ["l/x"]},
            {"previous": {"n": 1}},
        ):
            with self.assertRaises(Damaged, msg=str(change)):
                self.read(**change)


if __name__ == "__main__":
    unittest.main()
