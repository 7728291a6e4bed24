"""What the workstation's set-up is made of, without a machine and without a network: disk, GPU, bucket, servers, tools."""

import http.server
import os
import shutil
import socket
import threading
import unittest
from unittest import mock

from workstation import bucket, config, disk, environments, gpu, places, ports, servers, setup, tools
from workstation.cloud import CloudError, Metadata
from workstation.tools import StepFailed
from workstation_machine import Machine


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


if __name__ == "__main__":
    unittest.main()
