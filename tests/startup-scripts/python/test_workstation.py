"""Single duties of the workstation, without a machine and without a network: settings, idleness, the minute's look, state."""

import json
import os
import subprocess
import unittest
from unittest import mock

from workstation import activity, config, idle, places, state, status, tick
from workstation.activity import Sign
from workstation.cloud import CloudError
from workstation.login import login_text
from workstation_machine import Machine, Values

REPOSITORY = os.path.join(os.path.dirname(__file__), "..", "..", "..")
NOON = 1_790_000_000.0


class ConfigTest(unittest.TestCase):
    def test_all_keys(self):
        given = config.read(
            Values(
                mlt_bucket="data-bucket",
                mlt_environment="mlt-dev",
                mlt_region="us-central1",
                mlt_idle_minutes="15",
                mlt_data_disk="data",
                mlt_requirements="gs://other-bucket/a/requirements.txt",
            )
        )
        self.assertEqual((given.bucket, given.environment, given.region), ("data-bucket", "mlt-dev", "us-central1"))
        self.assertEqual((given.idle_seconds, given.data_disk), (900, "data"))
        self.assertEqual(given.requirements_object(), ("other-bucket", "a/requirements.txt"))
        self.assertEqual(given.problems, [])

    def test_defaults(self):
        given = config.read(Values(mlt_bucket="data-bucket"))
        self.assertEqual((given.idle_minutes, given.data_disk, given.requirements_object()), (60, "", None))

    def test_an_object_of_the_data_bucket(self):
        given = config.read(Values(mlt_bucket="data-bucket", mlt_requirements="workstation/requirements.txt"))
        self.assertEqual(given.requirements_object(), ("data-bucket", "workstation/requirements.txt"))

    def test_zero_minutes_is_never(self):
        self.assertEqual(config.read(Values(mlt_bucket="data-bucket", mlt_idle_minutes="0")).idle_seconds, 0)

    def test_bad_values_are_named_and_left_out(self):
        given = config.read(Values(mlt_bucket="data-bucket", mlt_idle_minutes="soon", mlt_data_disk="../x"))
        self.assertEqual((given.idle_minutes, given.data_disk), (60, ""))
        self.assertEqual(
            given.problems,
            [
                "metadata key mlt-idle-minutes has no legal value: 'soon'; 60 is taken",
                "metadata key mlt-data-disk has no legal value: '../x'; it is left out",
            ],
        )

    def test_without_a_bucket_there_is_nobody_to_tell(self):
        for values, message in (
            (Values(), "metadata key mlt-bucket is missing"),
            (Values(mlt_bucket="<html>"), "metadata key mlt-bucket has no legal value: '<html>'"),
        ):
            with self.assertRaises(CloudError) as caught:
                config.read(values)
            self.assertEqual(str(caught.exception), message)


class IdleTest(unittest.TestCase):
    def decide(self, signs, limit=3600.0, installing=False):
        return idle.decide(NOON, signs, limit, installing)

    def test_the_last_sign_counts(self):
        decision = self.decide([Sign("a", NOON - 4000), Sign("b", NOON - 3599), Sign("c", NOON - 9000)])
        self.assertEqual((decision.last.what, decision.stops_at, decision.stop), ("b", NOON + 1, False))

    def test_it_stops_when_the_time_is_over(self):
        self.assertTrue(self.decide([Sign("a", NOON - 3600)]).stop)
        self.assertFalse(self.decide([Sign("a", NOON)]).stop)

    def test_never(self):
        decision = self.decide([Sign("a", 0.0)], limit=0)
        self.assertEqual((decision.stops_at, decision.stop), (None, False))

    def test_the_set_up_is_work(self):
        decision = self.decide([Sign("a", 0.0)], installing=True)
        self.assertEqual((decision.last.what, decision.stop), ("the set-up runs", False))


class ActivityTest(Machine):
    def test_kernels(self):
        listed = [
            {"execution_state": "busy", "last_activity": "2020-01-01T00:00:00.000000Z"},
            {"execution_state": "idle", "last_activity": "2026-09-21T13:33:20.000000Z", "connections": 3},
            # Never connected to: it has done nothing since.
            {"execution_state": "starting", "last_activity": "2026-09-21T13:33:20Z"},
            {"execution_state": "idle", "last_activity": "nonsense"},
        ]
        signs = activity.of_kernels(NOON, listed)
        self.assertEqual([sign.at for sign in signs], [NOON, 1789997600.0, 1789997600.0])
        self.assertEqual(activity.of_kernels(NOON, None), [])

    def test_terminals_by_the_time_at_which_they_were_read(self):
        for number, (read, written) in enumerate(((NOON - 50, NOON), (NOON + 9, NOON))):
            os.utime(self.path(f"dev/pts/{number}", ""), (read, written))
        self.path("dev/pts/ptmx", "")
        signs = activity.of_terminals(NOON)
        self.assertEqual(sorted(sign.at for sign in signs), [NOON - 50, NOON])

    def test_cpu_of_people_since_the_last_look(self):
        memory = {}
        with mock.patch.object(activity, "people_seconds", side_effect=[10.0, 28.0, 45.9, 1.0]):
            self.assertEqual(activity.of_cpu(NOON, memory), [])
            self.assertEqual([sign.what for sign in activity.of_cpu(NOON + 60, memory)], ["processes use 30 % of a core"])
            self.assertEqual(activity.of_cpu(NOON + 120, memory), [])
            # A process that took its time with it when it ended.
            self.assertEqual(activity.of_cpu(NOON + 180, memory), [])
        self.assertEqual(memory["cpuPercent"], 0.0)

    def test_cpu_time_of_ended_children_is_counted_once(self):
        if os.geteuid() != 0:
            self.skipTest("only root runs processes as other users")
        burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
        # Others' processes come and go meanwhile: only those that are new are looked at.
        everything = os.listdir
        known = set(everything("/proc"))
        fresh = lambda path: [each for each in everything(path) if each not in known]  # noqa: E731
        command = ["/bin/sh", "-c", f"/bin/sh -c '{burn}; true'; echo done; read line"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=61234, cwd="/")
        try:
            self.assertEqual(process.stdout.readline(), b"done\n")
            with mock.patch.object(activity.os, "listdir", fresh):
                self.assertGreaterEqual(activity.people_seconds(), 0.1)
        finally:
            process.communicate(b"\n")

    def test_commands(self):
        self.program("systemctl", "echo 'mlt-exec-1.service loaded active running x'")
        self.assertEqual([sign.what for sign in activity.of_commands(NOON)], ["a background command runs"])
        self.program("systemctl", "exit 0")
        self.assertEqual(activity.of_commands(NOON), [])

    def test_gpu(self):
        for said, expected in (("0\n7", ["the GPU is used by 7 %"]), ("0\n4", []), ("[N/A]", [])):
            self.program("fake-smi", f"printf '{said}\\n'")
            with mock.patch.dict(os.environ, {"ML_TRAINING_NVIDIA_SMI": self.path("programs/fake-smi")}):
                self.assertEqual([sign.what for sign in activity.of_gpu(NOON)], expected)
        self.assertIn("--query-gpu=utilization.gpu", self.calls()[0])


class TickTest(Machine):
    """One heartbeat against a cloud that only remembers."""

    def setUp(self):
        super().setUp()
        for name, path in (
            ("STATE_FILE", "state.json"),
            ("ACTIVITY_FILE", "activity.json"),
            ("LOGIN_TEXT", "login.txt"),
            ("STATE", "state"),
            ("RUNTIME", "runtime"),
        ):
            self.enterContext(mock.patch.object(places, name, self.path(path)))
        self.program("systemctl", 'if [ "$1" = poweroff ]; then exit 0; fi; exit 3')
        self.written = []
        self.enterContext(mock.patch.object(tick, "publish", lambda cloud, value: self.written.append(value)))
        self.enterContext(mock.patch.object(tick, "publish_log", lambda cloud, bucket: None))
        self.enterContext(mock.patch.object(tick.servers, "kernels", lambda: []))
        self.enterContext(mock.patch.object(tick.activity, "of_terminals", lambda now: []))
        self.enterContext(mock.patch.object(tick.activity, "people_seconds", lambda: 0.0))
        self.metadata = Values(mlt_bucket="data-bucket", mlt_idle_minutes="1")
        self.enterContext(mock.patch.object(tick, "Metadata", lambda patience: self.metadata))
        self.enterContext(mock.patch.object(tick, "Cloud", lambda metadata, patience: None))
        made = state.State.begin("ws", "data-bucket", 1)
        made.end()

    def switched_off(self):
        return [call for call in self.calls() if call.startswith("systemctl poweroff")]

    def at(self, seconds):
        with mock.patch.object(tick.time, "time", lambda: NOON + seconds):
            tick.main()
        return self.written[-1]

    def test_the_machine_is_given_its_whole_time_then_says_why_and_stops(self):
        first = self.at(0)
        self.assertEqual((first["phase"], first["activity"]), ("ready", "the machine started"))
        self.assertEqual(first["stopsAt"], places.now_text(NOON + 60))
        self.assertIn("stops by itself at", self.read("login.txt"))
        self.assertEqual(self.at(59)["phase"], "ready")
        self.assertEqual(self.switched_off(), [])
        last = self.at(61)
        self.assertEqual(
            (last["phase"], last["reason"]),
            ("stopping", "nobody has worked here for 61 seconds (the last: the machine started)"),
        )
        self.assertEqual(self.switched_off(), ["systemctl poweroff"])
        self.assertEqual(
            self.read("login.txt"),
            "This workstation is stopping: nobody has worked here for 61 seconds (the last: the machine started).\n",
        )

    def test_a_machine_that_does_not_go_is_cut_short_after_two_minutes(self):
        for seconds in (0, 61, 100, 181):
            self.at(seconds)
        self.assertEqual(self.switched_off(), ["systemctl poweroff"])
        self.at(61 + 121)
        self.assertEqual(self.switched_off(), ["systemctl poweroff", "systemctl poweroff --force"])

    def test_a_shutdown_that_systemd_refuses_is_told_and_tried_again(self):
        self.program("systemctl", 'if [ "$1" = poweroff ]; then echo "Call to PowerOff failed" >&2; exit 1; fi; exit 3')
        self.at(0)
        self.at(61)
        self.at(121)
        self.assertEqual(self.switched_off(), ["systemctl poweroff"] * 2)
        self.assertIn("could not be switched off (exit 1, Call to PowerOff failed)", self.read("log.txt"))

    def test_somebody_who_comes_back_in_time_keeps_it(self):
        self.program("systemctl", "exit 3")
        self.at(0)
        self.at(61)
        with mock.patch.object(tick.servers, "kernels", lambda: [{"execution_state": "busy"}]):
            self.assertEqual(self.at(90)["phase"], "ready")
        self.assertEqual(self.at(140)["phase"], "ready")
        self.assertEqual(self.switched_off(), ["systemctl poweroff"])

    def test_a_change_of_the_limit_counts_at_once_and_zero_is_never(self):
        self.at(0)
        self.metadata = Values(mlt_bucket="data-bucket", mlt_idle_minutes="0")
        status_ = self.at(9000)
        self.assertEqual((status_["phase"], status_["idleMinutes"], "stopsAt" in status_), ("ready", 0, False))
        self.assertEqual(self.switched_off(), [])

    def test_a_status_has_only_what_its_schema_knows(self):
        with open(os.path.join(REPOSITORY, "schemas", "workstation.json"), encoding="utf-8") as file:
            schema = json.load(file)
        for seconds in (0, 61):
            value = self.at(seconds)
            self.assertEqual(set(value) - set(schema["properties"]), set())
            self.assertEqual(set(schema["required"]) - set(value), set())


class StateTest(Machine):
    def setUp(self):
        super().setUp()
        for name in ("STATE_FILE", "LOGIN_TEXT"):
            self.enterContext(mock.patch.object(places, name, self.path(name)))

    def test_a_problem_that_ended_is_forgotten(self):
        made = state.State.begin("ws", "b", 3)
        made.problem("bucket", "not mounted yet")
        made.problem("your requirements", "broken")
        made.end()
        self.assertEqual((made.value["phase"], made.value["reason"]), ("failed", "bucket: not mounted yet"))
        self.assertFalse(made.heal({"mount": "waiting"}))
        self.assertTrue(made.heal({"mount": "mounted"}))
        self.assertEqual((made.value["phase"], made.value["reason"]), ("failed", "your requirements: broken"))

    def test_without_problems_it_is_ready(self):
        made = state.State.begin("ws", "b", 3)
        made.problem("TensorBoard", "port 6006 is taken")
        made.end()
        made.heal({"tensorboard": "running"})
        self.assertEqual((made.value["phase"], made.value.get("reason")), ("ready", None))
        self.assertEqual(state.State.load().value, made.value)

    def test_login_messages(self):
        made = state.State.begin("ws", "data-bucket", 6)
        made.step(2, "Python")
        made.note("installing JupyterLab")
        self.assertEqual(
            self.read("LOGIN_TEXT"),
            "This workstation is still being installed: step 2 of 6, Python (installing JupyterLab).\n"
            "The log is /var/lib/ml-workstation/log.txt.\n".replace("/var/lib/ml-workstation/log.txt", places.LOG),
        )
        made.note("")
        made.end()
        where = "gs://data-bucket is /mnt/bucket; `ml` opens a shell of the user who owns it and the notebooks.\n"
        where = where.replace("/mnt/bucket", places.MOUNT)
        log = f"The log is {places.LOG}.\n"
        ends = "It stops by itself at 14:13 UTC unless somebody works: a kernel, a terminal, mlt exec, CPU or GPU.\n"
        self.assertEqual(login_text(made.value), f"This workstation is ready.\n{where}")
        self.assertEqual(login_text(made.value, NOON), f"This workstation is ready.\n{where}{ends}")
        made.problem("bucket", "gs://data-bucket is not mounted yet")
        made.end()
        failed = "This workstation runs, but not all of it works:\n  bucket failed: gs://data-bucket is not mounted yet\n"
        self.assertEqual(login_text(made.value, NOON), f"{failed}{log}{where}{ends}")
        made.stopping("nobody has worked here for 60 minutes")
        self.assertEqual(
            login_text(made.value),
            "This workstation is stopping: nobody has worked here for 60 minutes.\n"
            "  bucket failed: gs://data-bucket is not mounted yet\n",
        )


class StatusTest(Machine):
    def test_parts(self):
        self.program("systemctl", "printf 'active\\nactive\\nactivating\\n'; exit 3")
        with mock.patch.object(status, "answers", lambda port: port == 8888), mock.patch.object(
            status, "mounted", lambda folder: False
        ):
            self.assertEqual(
                status.parts(), {"jupyter": "running", "tensorboard": "starting", "mount": "waiting"}
            )
            self.assertEqual(status.parts(jupyter=False)["jupyter"], "starting")


if __name__ == "__main__":
    unittest.main()
