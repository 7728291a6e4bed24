import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { UserError } from "../../training/errors.ts";
import { actFor, actingAs, computeHeaders } from "../../training/impersonate.ts";

const ACCOUNT = "ml26-s001-machines@course-one.iam.gserviceaccount.com";
const environment = { environment: "ml26-s001", serviceAccount: ACCOUNT, student: { impersonate: ACCOUNT } };

/** What the stand-in of the IAM Credentials API answers. */
let answer: { status: number; body: unknown };
const asked: { url: string; authorization: string; body: unknown }[] = [];
const server = createServer((request, response) => {
  let text = "";
  request.on("data", (chunk) => {
    text += chunk;
  });
  request.on("end", () => {
    asked.push({
      url: String(request.url),
      authorization: String(request.headers.authorization),
      body: JSON.parse(text),
    });
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.body));
  });
});

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
after(() => server.close());
let login = 0;
afterEach(() => {
  asked.splice(0);
  process.env.MLT_IMPERSONATE = "";
});

/** Another login for each test, so that nothing of the last is known. */
function act(): void {
  login += 1;
  process.env.GOOGLE_OAUTH_ACCESS_TOKEN = `person-${login}`;
  assert.equal(actFor(environment), ACCOUNT);
}

const refused = (status: number, message: string, word = "PERMISSION_DENIED") => ({
  status,
  body: { error: { code: status, message, status: word } },
});

test("Compute Engine is asked with a token of the account, had with the person's own, once", async () => {
  act();
  answer = {
    status: 200,
    body: { accessToken: "of-the-account", expireTime: new Date(Date.now() + 3_600_000).toISOString() },
  };
  const [first, second] = [
    await computeHeaders("https://compute.googleapis.com/"),
    await computeHeaders("https://compute.googleapis.com/"),
  ];
  assert.equal(first.get("authorization"), "Bearer of-the-account");
  assert.equal(second.get("authorization"), "Bearer of-the-account");
  assert.deepEqual(asked, [
    {
      url: `/v1/projects/-/serviceAccounts/${ACCOUNT}:generateAccessToken`,
      authorization: `Bearer person-${login}`,
      body: { delegates: [], scope: ["https://www.googleapis.com/auth/cloud-platform"], lifetime: "3600s" },
    },
  ]);
});

test("without the right to tokens the student is told what to do, and the next try asks again", async () => {
  act();
  answer = refused(403, "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).");
  await assert.rejects(
    () => computeHeaders("https://compute.googleapis.com/"),
    new UserError(
      [
        `Acting as ${ACCOUNT} was refused (403): PERMISSION_DENIED: unable to impersonate: Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).`,
        "Your Google account needs roles/iam.serviceAccountTokenCreator on that service account, which the instructor's `mlt course up` grants; a new grant takes some minutes. Is it the account that the instructor has in the roster? Log in as another: gcloud auth application-default login",
        "Whoever has rights of their own in the project (an instructor) sets MLT_IMPERSONATE=none.",
      ].join("\n"),
    ),
  );
  answer = { status: 200, body: { accessToken: "later", expireTime: new Date(Date.now() + 3_600_000).toISOString() } };
  assert.equal((await computeHeaders("https://compute.googleapis.com/")).get("authorization"), "Bearer later");
});

test("an API that is off is told with the command that turns it on", async () => {
  act();
  answer = refused(
    403,
    "IAM Service Account Credentials API has not been used in project 123 before or it is disabled. Enable it by visiting https://console.developers.google.com/…",
  );
  await assert.rejects(
    () => computeHeaders("https://compute.googleapis.com/"),
    new UserError(
      `Acting as ${ACCOUNT} is not possible: the IAM Service Account Credentials API is off. The instructor turns it on: gcloud services enable iamcredentials.googleapis.com --project course-one`,
    ),
  );
});

test("an account that is gone is told", async () => {
  act();
  answer = refused(404, "Unknown service account", "NOT_FOUND");
  await assert.rejects(
    () => computeHeaders("https://compute.googleapis.com/"),
    new UserError(
      `Acting as ${ACCOUNT} is not possible: there is no such service account (any more). Ask the instructor whether this environment is still up.`,
    ),
  );
});

test("an environment of one's own, and an instructor, ask with their own login", async () => {
  process.env.GOOGLE_OAUTH_ACCESS_TOKEN = "own";
  assert.equal(actFor({ environment: "mlt-dev", serviceAccount: ACCOUNT }), undefined);
  assert.equal((await computeHeaders("https://compute.googleapis.com/")).get("authorization"), "Bearer own");
  process.env.MLT_IMPERSONATE = "none";
  assert.equal(actFor(environment), undefined);
  assert.equal(actingAs(), undefined);
  assert.equal((await computeHeaders("https://compute.googleapis.com/")).get("authorization"), "Bearer own");
  assert.deepEqual(asked, []);
});

test("environment.json names its own account or none, and MLT_IMPERSONATE is none or nothing", () => {
  const other = "ml26-s002-machines@course-one.iam.gserviceaccount.com";
  assert.throws(
    () => actFor({ ...environment, student: { impersonate: other } }),
    new UserError(
      `environment.json of ml26-s001 names "${other}" to act as, which is not its own service account ${ACCOUNT}. Nothing was asked in its name; the instructor's \`mlt course up\` writes the file anew.`,
    ),
  );
  const odd = "x@evil.example";
  assert.throws(
    () => actFor({ environment: "e", serviceAccount: odd, student: { impersonate: odd } }),
    /is not its own/,
  );
  process.env.MLT_IMPERSONATE = other;
  assert.throws(
    () => actFor(environment),
    new UserError(
      `MLT_IMPERSONATE must be none, which keeps your own rights; got "${other}". Whom to act as is the environment's to say.`,
    ),
  );
});
