import assert from "node:assert/strict";
import { test } from "node:test";
import { gcloudFailed, isConnectionLost, wordsFor } from "../../workstation/words.ts";

const TARGET = { project: "my-project", zone: "europe-west1-b", name: "mlt-dev-ws" };
const PEOPLE =
  "Whoever keeps the environment adds you: `people` in mltraining:workstation (user:YOUR-ADDRESS), then pulumi up.";

const CASES: [name: string, said: string, words: string][] = [
  [
    "Identity-Aware Proxy refuses",
    "ERROR: (gcloud.compute.start-iap-tunnel) Error while connecting [4033: 'not authorized'].\nkex_exchange_identification: Connection closed by remote host",
    `Identity-Aware Proxy does not let you in to mlt-dev-ws: you need roles/iap.tunnelResourceAccessor on it. ${PEOPLE}`,
  ],
  [
    "nothing listens, or the firewall",
    "ERROR: (gcloud.compute.start-iap-tunnel) Error while connecting [4003: 'failed to connect to backend']. (Failed to connect to port 22)",
    "mlt-dev-ws does not answer on its SSH port: it still boots, is being switched off, or its firewall lets Identity-Aware Proxy (35.235.240.0/20) no longer in. See `mlt status` and `mlt serial`; `pulumi up` puts the firewall right.",
  ],
  [
    "not running",
    "Error while connecting [4047: 'Failed to lookup instance'].",
    "Identity-Aware Proxy finds no running machine mlt-dev-ws in europe-west1-b. See `mlt status`; `mlt start` starts it.",
  ],
  [
    "OS Login refuses",
    "ann_example_com@compute.123: Permission denied (publickey).",
    `mlt-dev-ws refuses your login. It needs roles/compute.osAdminLogin (or osLogin) on the machine and roles/iam.serviceAccountUser on its service account, and, for an account outside the organisation of my-project, roles/compute.osLoginExternalUser on the organisation. ${PEOPLE} \`mlt doctor\` says which account gcloud uses.`,
  ],
  [
    "no login",
    "ERROR: (gcloud.compute.ssh) You do not currently have an active account selected.\nPlease run:\n\n  $ gcloud auth login",
    "gcloud has no login that Google accepts; it has one of its own, besides that of mlt. Log in with: gcloud auth login",
  ],
  [
    "an API is off",
    "API [iap.googleapis.com] not enabled on project [my-project].",
    "An API that this needs is off in my-project. Switch it on: gcloud services enable iap.googleapis.com compute.googleapis.com oslogin.googleapis.com --project my-project",
  ],
  [
    "a permission is missing",
    "ERROR: (gcloud.compute.ssh) Could not fetch resource:\n - Required 'compute.projects.get' permission for 'projects/my-project'",
    `You lack compute.projects.get, which connecting to mlt-dev-ws needs (project my-project). ${PEOPLE}`,
  ],
  [
    "the machine is gone",
    "ERROR: (gcloud.compute.ssh) Could not fetch resource:\n - The resource 'projects/my-project/zones/europe-west1-b/instances/mlt-dev-ws' was not found",
    "There is no machine mlt-dev-ws in europe-west1-b (project my-project). If it should be there, `pulumi up --refresh` makes it anew.",
  ],
  [
    "the port was taken meanwhile",
    "bind [127.0.0.1]:8888: Address already in use\nchannel_setup_fwd_listener_tcpip: cannot listen to port: 8888\nCould not request local forwarding.",
    "Another program took the port meanwhile. Try again, or name another with --port.",
  ],
  [
    "the set-up has not come so far",
    "bash: line 1: mlt-exec: command not found",
    "mlt-dev-ws has no mlt-exec yet: its set-up has not come so far, or it was made by an older version (`pulumi up`, then `mlt stop` and `mlt start`). See: mlt status",
  ],
];

for (const [name, said, words] of CASES) {
  test(name, () => {
    assert.equal(wordsFor(said, TARGET), words);
    const error = gcloudFailed("The tunnel", 255, said, TARGET);
    assert.deepEqual([error.message, error.exitCode], [words, 64]);
  });
}

test("what is not known is told as gcloud told it, with Google's own search for the cause if it was the connection", () => {
  const said =
    "some weather\nERROR: (gcloud.compute.ssh) [/usr/bin/ssh] exited with return code [255].\nRecommendation: To check for…\n";
  assert.equal(wordsFor(said, TARGET), undefined);
  const connection = gcloudFailed("The tunnel to mlt-dev-ws", 255, said, TARGET);
  assert.equal(
    connection.message,
    "The tunnel to mlt-dev-ws failed (gcloud ended with 255: ERROR: (gcloud.compute.ssh) [/usr/bin/ssh] exited with return code [255].). What stands in the way, Google can look for: gcloud compute ssh mlt-dev-ws --project my-project --zone europe-west1-b --tunnel-through-iap --troubleshoot",
  );
  assert.equal(connection.exitCode, 70);
  assert.equal(gcloudFailed("Ending it", 3, "", TARGET).message, "Ending it failed (gcloud ended with 3).");
});

test("255 is ssh's own; on Windows plink's is 1", () => {
  assert.deepEqual(
    [
      isConnectionLost(255, "linux"),
      isConnectionLost(1, "linux"),
      isConnectionLost(1, "win32"),
      isConnectionLost(3, "win32"),
    ],
    [true, false, true, false],
  );
});
