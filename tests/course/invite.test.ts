import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { writeInvitations } from "../../course/invite.ts";
import type { Environment } from "../../training/contract.ts";
import { type Lectern, openLectern } from "./lectern.ts";

let room: Lectern;
const WORKSTATION: Environment["workstation"] = {
  name: "ml26-s001-ws",
  zone: "us-central1-a",
  machineType: "e2-standard-2",
  spot: false,
  bootDiskGb: 50,
  idleMinutes: 45,
};
before(async () => {
  room = await openLectern([
    ["s001", "Ann Bern"],
    ["s002", "<script>alert(1)</script> \u202eevil"],
    ["s003", "Not Up"],
  ]);
  await room.bringUp("s001", { workstation: WORKSTATION, course: { dataBucketUrl: "gs://ml26-base-course-0123abc" } });
  await room.bringUp("s002");
});
after(() => room.close());

const TEXT = `Machine Learning 2026
=====================

  For          Ann Bern (s001)
  Log in with  s001@example.com
  Project      local-project
  Environment  ml26-s001
  Bucket       gs://ml26-s001-data-0123abc
  Ends on      2027-02-28: fetch what you want to keep before that day
  Ask          Prof. Ann <ann@example.com>

Once
You need Node 22.13 or newer, gcloud, and the folder of ml-training as your instructor gave it to you. Log in with the account that is named above.
    npm ci
    gcloud auth application-default login
    npx mlt use gs://ml26-s001-data-0123abc

Train
Price and limit come first, then a machine that runs once, saves and goes. A run takes 3 hours at most. What the course gives to everybody is named course://NAME in a package's training.yaml.
    npx mlt put data/census input/census
    npx mlt train examples/census
    npx mlt runs

Work in notebooks
Your workstation starts when you ask for it and stops by itself after 45 minutes without work.
    npx mlt jupyter
    npx mlt stop

Take home what you made
    npx mlt fetch latest model/

Your limits
  Machine types         e2-standard-4
  GPUs at once          0
  Machine hours a week  20, all your machines together
  One run               3 hours and about 5 US dollars at most
A training machine that breaks these limits is deleted within minutes, a workstation is stopped.

In the browser
  Your files
    https://console.cloud.google.com/storage/browser/ml26-s001-data-0123abc?project=local-project
  Your workstation
    https://console.cloud.google.com/compute/instancesDetail/zones/us-central1-a/instances/ml26-s001-ws?project=local-project
  Cloud Shell: a computer in the browser, if yours has no Node
    https://shell.cloud.google.com/
`;

test("a page and a text for each who is up; who is not is named; the folder is nobody else's and not git's", async () => {
  const { code, stdout, stderr } = await room.mlt("course", "invite");
  const folder = join(room.course.folder, "invitations");
  assert.deepEqual(
    [code, stdout, stderr],
    [
      70,
      `${folder}: 2 invitations, each as ID.html and ID.txt. Nothing in them is secret.\n`,
      "s003: is not up yet: mlt course up\n",
    ],
  );
  assert.deepEqual(readdirSync(folder).sort(), [".gitignore", "s001.html", "s001.txt", "s002.html", "s002.txt"]);
  assert.equal(readFileSync(join(folder, "s001.txt"), "utf8"), TEXT);
  if (process.platform !== "win32") {
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, "s001.html")).mode & 0o777, 0o600);
  }
});

test("the page says the same, loads nothing, and shows a name as text whatever it holds", async () => {
  const to = join(room.folder, "pages");
  const report = await writeInvitations(await room.open(), { to, only: ["s001", "s002"] });
  assert.deepEqual(report, { folder: to, invited: ["s001", "s002"], without: [] });
  const page = readFileSync(join(to, "s001.html"), "utf8");
  assert.match(
    page,
    /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'"/,
  );
  assert.ok(!/<(script|img|link|iframe)\b/.test(page));
  for (const said of [
    "npx mlt use gs://ml26-s001-data-0123abc",
    "npx mlt jupyter",
    "Prof. Ann &lt;ann@example.com&gt;",
    "20, all your machines together",
  ]) {
    assert.ok(page.includes(said), said);
  }
  const other = readFileSync(join(to, "s002.html"), "utf8");
  assert.ok(other.includes("&lt;script&gt;alert(1)&lt;/script&gt;"));
  assert.ok(!other.includes("mlt jupyter") && !other.includes("course://"), "no workstation, no shared data");
  assert.match(
    readFileSync(join(to, "s002.txt"), "utf8"),
    /^ {2}For {10}<script>alert\(1\)<\/script> {2}evil \(s002\)$/m,
  );
});
