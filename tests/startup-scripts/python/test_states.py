"""The state table: every phase against every phase, every boot, every end."""

import json
import os
import unittest

from supervisor import states

PHASES = (
    "submitted queued provisioning booting installing running saving succeeded failed timedOut cancelled preempted lost"
).split()


class Table(unittest.TestCase):
    def test_is_the_launchers_table(self):
        """training/status.ts says what a guest may write; the test's starter hands its table over."""
        table = json.loads(os.environ["GUEST_TRANSITIONS"])
        for found in PHASES:
            for phase in PHASES:
                launcher = phase in table.get(found, []) or (
                    phase == found and found in table and found not in states.BEFORE_GUEST
                )
                self.assertEqual(
                    states.may_write(found, phase) and phase not in states.BEFORE_GUEST, launcher, f"{found} -> {phase}"
                )

    def test_nothing_follows_a_final_phase(self):
        for found in (*states.TERMINAL, "preempted"):
            for phase in PHASES:
                self.assertFalse(states.may_write(found, phase), f"{found} -> {phase}")


class Boot(unittest.TestCase):
    def test_every_phase(self):
        expected = {
            **dict.fromkeys(("submitted", "queued", "provisioning", "booting", "installing"), "start"),
            **dict.fromkeys(("running", "saving"), "resume"),
            **dict.fromkeys(("succeeded", "failed", "timedOut", "cancelled", "preempted", "lost"), "leave"),
        }
        self.assertEqual(set(expected), set(PHASES))
        for phase, decision in expected.items():
            self.assertEqual(states.boot({"phase": phase, "attempt": 2}, 2), decision, phase)
            self.assertEqual(states.boot({"phase": phase, "attempt": 3}, 2), "leave", phase)

    def test_a_trainer_that_had_ended_is_only_saved(self):
        self.assertEqual(states.boot({"phase": "saving", "attempt": 1, "exitCode": 0}, 1), "save")

    def test_a_phase_of_another_release_is_left_alone(self):
        self.assertEqual(states.boot({"phase": "dreaming", "attempt": 1}, 1), "leave")


class Outcome(unittest.TestCase):
    def check(self, expected, **given):
        end = states.outcome(**{"stop": None, "exit_code": None, "failure": None, **given})
        self.assertEqual(end[0] if end else None, expected, given)

    def test_the_trainers_own_end_decides(self):
        self.check("succeeded", exit_code=0)
        self.check("failed", exit_code=3)
        self.check("failed", failure="package is missing")
        self.check("failed", exit_code=0, failure="outputs could not be saved")

    def test_a_stop_while_saving_changes_nothing(self):
        for stop in ("shutdown", "deadline", "cancel"):
            self.check("succeeded", exit_code=0, stop=stop)
            self.check("failed", exit_code=1, stop=stop)

    def test_stops(self):
        self.check("timedOut", stop="deadline")
        self.check("cancelled", stop="cancel")
        self.check(None, stop="notOurs", exit_code=0)

    def test_a_shutdown_is_final_only_if_it_is_known_why(self):
        self.check(None, stop="shutdown")
        self.check("preempted", stop="shutdown", preempted=True)
        self.check("timedOut", stop="shutdown", preempted=True, past_deadline=True)
        self.check("cancelled", stop="shutdown", cancel_requested=True)

    def test_reasons(self):
        self.assertEqual(states.exit_reason(3), "trainer failed: exit 3")
        self.assertIn("memory", states.exit_reason(137))
        self.assertEqual(states.exit_reason(139), "trainer was killed by signal 11 (exit 139)")


if __name__ == "__main__":
    unittest.main()
