import assert from "node:assert/strict";
import { test } from "node:test";
import { ignoreRules } from "../../training/ignore.ts";
import { minutesOf, words } from "../../training/manifest.ts";
import { requirementProblems } from "../../training/requirements.ts";
import { secretIn } from "../../training/secrets.ts";

// What a package is judged by, each alone: command line, requirements, secrets, patterns.

const HASH = `--hash=sha256:${"ab".repeat(32)}`;

test("a command line is split as a shell would, and no further", () => {
  assert.deepEqual(words(`a 'b c' "d \\" e" f\\ g $HOME ''`), ["a", "b c", 'd " e', "f g", "$HOME", ""]);
  assert.equal(minutesOf("2h"), 120);
  assert.equal(minutesOf("2d"), undefined);
});

const LOCK =
  "lock it: `uv pip compile --generate-hashes requirements.in -o requirements.txt` (or pip-compile --generate-hashes)";
const REQUIREMENTS: [string, string[]][] = [
  [`a==1 ${HASH}\nb[x,y]==2.0 ; python_version < "3.12" ${HASH}\n--require-hashes\n\n# c\n`, []],
  ["numpy>=1\n", [`requirements.txt line 1: "numpy>=1" is not pinned to one version; ${LOCK}`]],
  ["a==1.*\n", [`requirements.txt line 1: "a==1.*" is not pinned to one version; ${LOCK}`]],
  [
    "# top\n\na==1 \\\n  # none\nb==2\n",
    [
      `requirements.txt line 3: "a==1" has no --hash=sha256:…; ${LOCK}`,
      `requirements.txt line 5: "b==2" has no --hash=sha256:…; ${LOCK}`,
    ],
  ],
  ["a==1 --hash=sha256:zz\r\n", [`requirements.txt line 1: "a==1" has no --hash=sha256:…; ${LOCK}`]],
  [
    "-r other.txt\n",
    [`requirements.txt line 1: "-r other.txt" points to another file; ${LOCK} puts everything in one`],
  ],
  ["-e .\n", ['requirements.txt line 1: "-e ." is editable and has no hash; put the code into the package itself']],
  [
    "--index-url https://me:secret@example.test/simple\n--trusted-host example.test\n--wat\n",
    [
      "requirements.txt line 1: an index address holds a user name or password; leave it out of the package",
      'requirements.txt line 2: "--trusted-host example.test" switches the check of certificates off; remove it',
      'requirements.txt line 3: unknown option "--wat"',
    ],
  ],
  [
    `# CUDA\nNumPy==1.26.4 ; python_version >= "3.9" ${HASH} # why\ntorch @ https://example.test/t.whl ${HASH}\n--extra-index-url=https://example.test/simple\n`,
    [],
  ],
  [
    "git+https://example.test/x.git@main\ny @ git+ssh://git@example.test/y.git\n",
    [
      'requirements.txt line 1: "git+https://example.test/x.git@main" comes out of a repository and has no hash; put the code into the package itself',
      'requirements.txt line 2: "y @ git+ssh://git@example.test/y.git" comes out of a repository and has no hash; put the code into the package itself',
    ],
  ],
  [
    "./x.whl\n../y.whl\n.\nz @ file:///tmp/z.whl\nC:\\\\w.whl\n",
    ["./x.whl", "../y.whl", ".", "z @ file:///tmp/z.whl", "C:\\\\w.whl"].map(
      (line, index) =>
        `requirements.txt line ${index + 1}: "${line}" is a file of this computer, which the machine does not have; put the code into the package itself`,
    ),
  ],
  [
    `numpy==$VERSION ${HASH}\nx @ http://example.test/x.whl ${HASH}\n`,
    [
      'requirements.txt line 1: "numpy==$VERSION" holds a variable, which the machine does not have; write its value',
      'requirements.txt line 2: "x @ http://example.test/x.whl" is fetched without encryption; use its https:// address',
    ],
  ],
  [
    Buffer.from("\ufeffnumpy==1\r\n", "utf16le").toString("utf8"),
    ["requirements.txt is no UTF-8 text (PowerShell's > writes UTF-16); save it as UTF-8"],
  ],
];
for (const [text, problems] of REQUIREMENTS) {
  test(`requirements.txt ${JSON.stringify(text.slice(0, 40))}: ${problems.length} problems`, () => {
    assert.deepEqual(requirementProblems(text), problems);
  });
}

const PEM = `-----BEGIN RSA ${"PRIVATE"} KEY-----\n${"MIIE".repeat(12)}\n`;
const SECRETS: [string, string, string | undefined][] = [
  ["keys/sa.json", '{"type": "service_account", "private_key": "x"}', "a service account key"],
  ["adc.json", '{"type": "authorized_user", "refresh_token": "1//x"}', "a login (refresh token)"],
  ["client.json", '{"installed": {"client_secret": "x"}}', "an OAuth client secret"],
  ["kaggle.json", '{"username": "a", "key": "b"}', "a Kaggle key"],
  ["server.pem", PEM, "a private key"],
  ["train.py", `KEY = """${PEM}"""`, "a private key"],
  ["escaped.json", `{"key": ${JSON.stringify(PEM)}}`, "a private key"],
  [".ssh/id_rsa", "", "a private key, by its name"],
  ["id_ed25519", "", "a private key, by its name"],
  ["store.p12", "", "a private key, by its name"],
  [".env", "DEBUG=1\nexport API_KEY='abc'\n", "a secret (API_KEY)"],
  [".env.production", "DB_PASSWORD=x\n", "a secret (DB_PASSWORD)"],
  [".netrc", "machine x login y password z\n", "a password"],
  ["notes.md", `token ghp_${"a".repeat(36)}`, "a GitHub token"],
  ["gcloud/credentials.db", "SQLite format 3\0", "a gcloud login, by its name"],
  ["access_tokens.db", "SQLite format 3\0", "a gcloud login, by its name"],
  ["kubeconfig", "users:\n- name: a\n  user:\n    client-key-data: LS0t\n", "a Kubernetes login"],
  [".kube/config", "kind: Config\nusers:\n- user:\n    token: abc\n", "a Kubernetes login"],
  [".aws/credentials", `[default]\naws_secret_access_key = ${"wJalrXUtnFEMI/K7".repeat(3)}\n`, "an AWS key"],
  [".docker/config.json", '{"auths": {"example.test": {"auth": "dTpw"}}}', "a registry's password"],
  ["prod.env", "DB_PASSWORD=abc\n", "a secret (DB_PASSWORD)"],
  ["train.ipynb", `{"cells": [{"source": [${JSON.stringify(PEM)}]}]}`, "a private key"],
  ["settings.py", `KEY = "sk-proj-${"a1".repeat(20)}"`, "an API key"],
  ["bom.json", '\ufeff{"type": "service_account", "private_key": "x"}', "a service account key"],
  ["tokenizer.json", '{"added_tokens": [{"content": "<pad>"}], "model": {"type": "BPE"}}', undefined],
  ["vocab.json", '{"token": 1, "private_key": 2, "password": 3}', undefined],
  ["private/private.csv", "name,private,password\na,b,c\n", undefined],
  ["deploy.yaml", "kind: ConfigMap\ndata:\n  token: abc\n", undefined],
  [".env", "MAX_TOKENS=512\nTOKENS=5\n", undefined],
  ["task-list.md", "sk-learn-is-a-library-with-a-long-name-and-many-words-in-it", undefined],
  ["id_rsa.pub", "ssh-rsa AAAA", undefined],
  ["cert.pem", "-----BEGIN CERTIFICATE-----\nMIIE\n", undefined],
  ["check.py", `assert "-----BEGIN ${"PRIVATE"} KEY-----" in text`, undefined],
  [".env", "DEBUG=1\nAPI_KEY=\nSECRET=$SECRET\nTOKEN=<yours>\n", undefined],
  [".env.example", "API_KEY=abc\n", undefined],
  ["config.json", '{"type": "service_account"}', undefined],
];
for (const [path, text, secret] of SECRETS) {
  test(`${path} (${JSON.stringify(text.slice(0, 24))}) holds ${secret ?? "no secret"}`, () => {
    assert.equal(secretIn(path, Buffer.from(text)), secret);
  });
}

test(".mltignore follows .gitignore's patterns", () => {
  const ignored = ignoreRules("*.log\nlogs/**\n/only-top\nsub/dir\n**/deep/x?.[ab]\n\\#real\n");
  const cases: [string, boolean, boolean][] = [
    ["a.log", false, true],
    ["x/a.log", false, true],
    ["a.logs", false, false],
    ["logs/x/y", false, true],
    ["only-top", false, true],
    ["x/only-top", false, false],
    ["sub/dir", true, true],
    ["x/sub/dir", true, false],
    ["q/deep/x1.a", false, true],
    ["deep/x1.c", false, false],
    ["#real", false, true],
    ["__pycache__", true, true],
    ["x/node_modules", true, true],
    ["node_modules", false, false],
  ];
  for (const [path, isFolder, expected] of cases) assert.equal(ignored(path, isFolder), expected, path);
});
