"""Single duties of the workstation, without a machine and without a network."""

import contextlib
import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from unittest import mock

from workstation import activity, bucket, config, disk, environments, gpu, idle, places, ports, servers, setup, state, status
from workstation import tick, tools
from workstation.activity import Sign
from workstation.cloud import CloudError, Metadata
from workstation.login import login_text
from workstation.tools import StepFailed

REPOSITORY = os.path.join(os.path.dirname(__file__), "..", "..", "..")
NOON = 1_790_000_000.0


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


class DiskTest(Machine):
    def image(self):
        self.path("etc/fstab", "")
        path = self.path("dev/disk/by-id/google-data", "")
        with open(path, "wb") as file:
            file.truncate(16 * 1024 * 1024)
        return path

    def need(self, *programs):
        for program in programs:
            if not shutil.which(program) and not os.path.exists(f"/usr/sbin/{program}"):
                self.skipTest(f"this machine has no {program}")
        os.environ["PATH"] += ":/usr/sbin:/sbin"

    def test_a_blank_disk_is_formatted_and_an_old_one_is_not(self):
        self.need("blkid", "mkfs.ext4")
        path = self.image()
        for name in ("mount", "umount", "cp", "systemctl", "resize2fs", "findmnt"):
            self.program(name, "exit 0")
        self.assertTrue(disk.is_blank(path, "data"))
        disk.prepare("data")
        self.assertFalse(disk.is_blank(path, "data"))
        self.assertEqual(
            self.read("etc/fstab"), f"{path} /home auto defaults,nofail,x-systemd.device-timeout=30s 0 2\n"
        )
        self.assertIn("mount /home", self.calls())
        with open(path, "rb") as file:
            before = file.read()
        disk.prepare("data")
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(self.read("etc/fstab").count("/home"), 1)

    def test_what_is_not_understood_is_never_formatted(self):
        self.need("blkid")
        path = self.image()
        # A partition table of the old kind with one partition.
        with open(path, "r+b") as file:
            file.seek(446)
            file.write(bytes([0, 1, 1, 0, 0x83, 1, 1, 0, 63, 0, 0, 0, 0, 64, 0, 0]))
            file.seek(510)
            file.write(b"\x55\xaa")
        with self.assertRaisesRegex(StepFailed, r"^the data disk data holds a partition table \(dos\) and no file system"):
            disk.prepare("data")
        self.program("blkid", "echo 'blkid: error: I/O'; exit 4")
        with self.assertRaisesRegex(StepFailed, r"holds something unknown \(blkid: exit 4 "):
            disk.prepare("data")

    def test_a_disk_that_is_not_there_is_named(self):
        with mock.patch.object(disk, "WAIT_SECONDS", 0), self.assertRaisesRegex(
            StepFailed, r"^the data disk data is not attached: there is no .*google-data; /home is on the boot disk$"
        ):
            disk.prepare("data")


class GpuTest(Machine):
    def test_a_gpu_is_found_by_its_maker(self):
        self.assertFalse(gpu.present())
        self.path("sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n")
        self.assertFalse(gpu.present())
        self.path("sys/bus/pci/devices/0000:00:05.0/vendor", "0x10de\n")
        self.assertTrue(gpu.present())

    def test_the_driver_is_waited_for(self):
        ready = self.path("ready")
        self.program("nvidia-smi", f'[ -e "{ready}" ] && echo "GPU 0: Tesla T4" && exit 0; touch "{ready}"; echo none; exit 9')
        notes = []
        with mock.patch.object(gpu, "WAIT_SECONDS", 20):
            self.assertEqual(gpu.wait(notes.append), "GPU 0: Tesla T4")
        self.assertEqual(notes, ["waiting for the NVIDIA driver", ""])
        self.assertEqual(self.calls(), ["nvidia-smi -L", "nvidia-smi -L"])

    def test_it_is_not_waited_for_for_ever(self):
        self.program("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
        with mock.patch.object(gpu, "WAIT_SECONDS", 0), self.assertRaisesRegex(
            StepFailed, r"^the NVIDIA driver did not come up within 0 s \(nvidia-smi: exit 9, NVIDIA-SMI has failed\)"
        ):
            gpu.wait(lambda _: None)

    def test_upgrades_are_off_from_the_first_step_until_the_driver_works(self):
        self.path("sys/bus/pci/devices/0000:00:05.0/vendor", "0x10de\n")
        self.program("systemctl", "exit 0")
        self.program("nvidia-smi", "echo 'GPU 0'")
        steps = dict(setup.plan(config.Config(bucket="b"), None))
        self.assertEqual(list(steps)[-1], "GPU driver")
        with mock.patch.object(setup.account, "prepare", lambda: None):
            steps["user ml"](lambda _: None)
        steps["GPU driver"](lambda _: None)
        self.assertEqual([call.split()[:2] for call in self.calls()], [
            ["systemctl", "mask"], ["nvidia-smi", "-L"], ["systemctl", "unmask"], ["systemctl", "start"],
        ])
        self.assertIn("--runtime", self.calls()[0])

    def test_without_a_gpu_nothing_waits(self):
        self.assertEqual(
            [name for name, _ in setup.plan(config.Config(bucket="b"), None)],
            ["user ml", "Python", "JupyterLab", "TensorBoard", "gcsfuse", "bucket"],
        )

    def test_all_steps(self):
        self.path("sys/bus/pci/devices/0000:00:05.0/vendor", "0x10de\n")
        given = config.Config(bucket="b", data_disk="data", requirements="workstation/requirements.txt")
        self.assertEqual(
            [name for name, _ in setup.plan(given, None)],
            [
                "data disk", "user ml", "Python", "JupyterLab", "TensorBoard", "gcsfuse", "bucket",
                "your requirements", "GPU driver",
            ],
        )


class BucketTest(Machine):
    def test_caches_follow_the_machine(self):
        small = bucket.settings(memory_mb=1024, disk_mb=4096)
        self.assertEqual(small["metadata-cache"]["stat-cache-max-size-mb"], 32)
        self.assertNotIn("cache-dir", small)
        large = bucket.settings(memory_mb=1_000_000, disk_mb=10_000_000)
        self.assertEqual(large["metadata-cache"]["stat-cache-max-size-mb"], 1024)
        self.assertEqual(large["file-cache"]["max-size-mb"], 200 * 1024)
        middle = bucket.settings(memory_mb=16_000, disk_mb=50_000)
        self.assertEqual((middle["metadata-cache"]["stat-cache-max-size-mb"], middle["file-cache"]["max-size-mb"]), (250, 10_000))
        for each in (small, large, middle):
            self.assertNotIn("profile", each)
            self.assertTrue(each["implicit-dirs"])
            self.assertEqual(each["file-system"]["fuse-options"], ["allow_other"])

    def test_the_suite_of_this_release_or_the_closest(self):
        for release, expected in (
            ('ID=debian\nVERSION_CODENAME=bookworm\n', "bookworm"),
            ('ID=ubuntu\nVERSION_CODENAME="noble"\n', "noble"),
            ("ID=ubuntu\nVERSION_CODENAME=stonking\n", "noble"),
            ("ID=neon\nID_LIKE=\"ubuntu debian\"\n", "noble"),
            ("ID=debian\nVERSION_CODENAME=forky\n", "trixie"),
        ):
            self.path("etc/os-release", release)
            self.assertEqual(bucket.codename(), expected)
        self.path("etc/os-release", 'ID=rhel\nPRETTY_NAME="Red Hat"\n')
        with self.assertRaisesRegex(StepFailed, "^Google has no gcsfuse for Red Hat: choose a Debian or Ubuntu image$"):
            bucket.codename()

    def test_an_old_gcsfuse_is_not_good_enough(self):
        self.path("etc/os-release", "VERSION_CODENAME=noble\n")
        self.program("gcsfuse", "echo 'gcsfuse version 3.5.6 (Go version go1.24)'")
        self.program("apt-get", "exit 0")
        self.program("curl", f'echo "-----BEGIN PGP PUBLIC KEY BLOCK-----" >"{self.folder}/usr/share/keyrings/cloud.google.asc.new"')
        os.makedirs(self.path("usr/share/keyrings"))
        with self.assertRaisesRegex(StepFailed, r"^gcsfuse 3\.6 or newer is needed and this machine has 3\.5$"):
            bucket.ensure_gcsfuse(lambda _: None)
        self.assertEqual(
            self.read("etc/apt/sources.list.d/gcsfuse.list"),
            "deb [signed-by=/usr/share/keyrings/cloud.google.asc] https://packages.cloud.google.com/apt gcsfuse-noble main\n",
        )

    def test_one_that_is_there_needs_no_apt(self):
        self.program("gcsfuse", "echo 'gcsfuse version 3.11.4 (Go version go1.26)'")
        bucket.ensure_gcsfuse(lambda _: None)
        self.assertEqual(self.calls(), ["gcsfuse --version"])


class EnvironmentsTest(unittest.TestCase):
    def test_the_line_that_pip_blames(self):
        requirements = "numpy\n# comment\nno-such-thing==1.0\nbad line here\n"
        for said, line in (
            ("ERROR: Invalid requirement: 'bad line here': ... (from line 4 of requirements.txt)", 4),
            ("ERROR: Could not find a version that satisfies the requirement no-such-thing==1.0 (from versions: none)\n"
             "ERROR: No matching distribution found for no-such-thing==1.0", 3),
            ("something else", None),
        ):
            self.assertEqual(environments.line_of_failure(said, requirements), line, said)


class PortsTest(unittest.TestCase):
    def test_who_holds_a_port(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            port = server.getsockname()[1]
            self.assertFalse(ports.answers(port))
            self.assertEqual(ports.holder(port), "")
            server.listen()
            self.assertTrue(ports.answers(port))
            self.assertRegex(ports.holder(port), rf"^\S.* \(pid {os.getpid()}\)$")


class ServersTest(Machine):
    def test_a_port_that_is_taken_is_named(self):
        self.program("systemctl", '[ "$1" = is-active ] && exit 3; exit 0')
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            port = server.getsockname()[1]
            with self.assertRaisesRegex(
                StepFailed, rf"^port {port} is taken by \S+ \(pid {os.getpid()}\); JupyterLab starts by itself once it is free$"
            ):
                servers.start("mlt-jupyter.service", port, "JupyterLab")
        # It is started all the same: its unit tries until the port is free.
        self.assertIn("systemctl start --no-block mlt-jupyter.service", self.calls())

    def test_a_server_that_does_not_come_up_says_its_last_line(self):
        self.program("systemctl", 'case "$1" in is-active) exit 3;; show) echo 4;; esac')
        self.program("journalctl", "echo 'ModuleNotFoundError: No module named x'")
        with self.assertRaisesRegex(
            StepFailed,
            r"^JupyterLab does not answer on port 1: ModuleNotFoundError: No module named x; see journalctl -u mlt-jupyter\.service$",
        ):
            servers.start("mlt-jupyter.service", 1, "JupyterLab")

    def test_the_token_is_made_once_and_is_its_owners(self):
        with mock.patch.object(places, "TOKEN", self.path("state/token")), mock.patch.object(
            servers, "UID", os.getuid()
        ), mock.patch.object(os, "fchown", lambda *_: None):
            token = servers.ensure_token()
            self.assertGreaterEqual(len(token), 43)
            self.assertEqual(servers.ensure_token(), token)
            self.assertEqual(os.stat(places.TOKEN).st_mode & 0o777, 0o400)


class ToolsTest(Machine):
    def test_a_command_that_fails_is_one_line(self):
        self.program("apt-get", "echo talk; echo 'E: Unable to locate package x'; echo more; exit 100")
        with self.assertRaisesRegex(StepFailed, r"^apt failed: exit 100 \(E: Unable to locate package x\)$"):
            tools.run(["apt-get"], "apt")
        with self.assertRaisesRegex(StepFailed, r"^x failed: this machine has no no-such-program$"):
            tools.run(["no-such-program"], "x")
        with self.assertRaisesRegex(StepFailed, r"^sleep did not end within 0 s$"):
            tools.run(["sleep", "30"], "sleep", seconds=0.2)

    def test_all_lists_are_read_when_one_is_not_enough(self):
        self.program("apt-get", 'case "$*" in *sourceparts*) exit 1;; *) exit 0;; esac')
        tools.install(["gcsfuse"], lambda _: None, "/etc/apt/sources.list.d/gcsfuse.list")
        self.assertEqual(["sourceparts" in call for call in self.calls()], [True, False, False])

    def test_writing_what_is_there_already_touches_nothing(self):
        path = self.path("x/y")
        self.assertTrue(places.write(path, "one", 0o640))
        os.utime(path, (1, 1))
        self.assertFalse(places.write(path, "one", 0o640))
        self.assertEqual(os.stat(path).st_mtime, 1)
        self.assertTrue(places.write(path, "one", 0o600))


class CloudTest(unittest.TestCase):
    """The metadata server and the storage service in one small server."""

    def test_calls_are_tried_again_and_errors_are_told(self):
        answers = {
            "/computeMetadata/v1/instance/service-accounts/default/token": [(200, b'{"access_token":"t","expires_in":3600}')],
            "/storage/v1/b/b/o/there": [(503, b""), (200, b"content")],
            "/storage/v1/b/b/o/missing": [(404, b"")],
            "/storage/v1/b/b/o/forbidden": [(403, b'{"error":{"message":"no right"}}')],
        }
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0]
                seen.append((path, self.headers.get("Authorization")))
                known = answers.get(path, [(404, b"")])
                code, body = known.pop(0) if len(known) > 1 else known[0]
                self.send_response(code)
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        host = f"127.0.0.1:{server.server_port}"
        from workstation.cloud import Cloud

        with mock.patch.dict(os.environ, {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"http://{host}/storage/v1/"}):
            cloud = Cloud(Metadata(host, patience=1), patience=5)
            self.assertEqual(cloud.read("b", "there"), b"content")
            self.assertIsNone(cloud.read("b", "missing"))
            with self.assertRaises(CloudError) as caught:
                cloud.read("b", "forbidden")
        self.assertEqual((caught.exception.status, str(caught.exception)), (
            403, f"HTTP 403 from GET {host}/storage/v1/b/b/o/forbidden: no right",
        ))
        self.assertIn(("/storage/v1/b/b/o/there", "Bearer t"), seen)
        self.assertEqual([path for path, _ in seen].count("/computeMetadata/v1/instance/service-accounts/default/token"), 1)


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
