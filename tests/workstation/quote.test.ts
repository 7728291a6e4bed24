import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { quoted, shellLine, shownLine, wrapped } from "../../workstation/quote.ts";

/** Prints its arguments, each with a NUL behind it. */
const PRINT = `printf '%s\\0'`;

function printed(shell: string, line: string): string[] {
  const { stdout, status, stderr } = spawnSync(shell, ["-c", line], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.split("\0").slice(0, -1);
}

const word = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(..."'\"\\$`!*?~#&|;<>(){}[] \t\n\r%^=-äß€"), maxLength: 20 }),
);
const words = fc.array(
  word.filter((text) => !text.includes("\0")),
  { minLength: 1, maxLength: 6 },
);

test("any arguments arrive as they are: by sh, by bash, and the way gcloud hands them to ssh", () => {
  fc.assert(
    fc.property(words, (args) => {
      const line = `${PRINT} ${shellLine(args)}`;
      assert.deepEqual(printed("sh", line), args);
      // gcloud splits at spaces, ssh joins with them.
      assert.deepEqual(printed("bash", line.split(" ").join(" ")), args);
    }),
    { numRuns: 150 },
  );
});

test("on Windows a line has no character that cmd.exe or plink would act on but those of the envelope", () => {
  fc.assert(
    fc.property(words, (args) => {
      const line = wrapped(`${PRINT} ${shellLine(args)}`, "win32");
      assert.match(line, /^eval "\$\(echo [A-Za-z0-9+/=]+ \| base64 -d\)"$/);
      assert.deepEqual(printed("sh", line), args);
    }),
    { numRuns: 100 },
  );
});

test("what is plain stays readable everywhere", () => {
  const plain = ["python", "train.py", "--epochs=3", "gs://bucket/a,b", "1+1"];
  assert.equal(shellLine(plain), "python train.py --epochs=3 gs://bucket/a,b 1+1");
  assert.equal(wrapped(shellLine(plain), "win32"), "python train.py --epochs=3 gs://bucket/a,b 1+1");
  assert.equal(wrapped("echo 'a b'", "linux"), "echo 'a b'");
  assert.equal(wrapped("echo 'a b'", "darwin"), "echo 'a b'");
  assert.equal(quoted(""), "''");
  assert.equal(quoted("it's"), `'it'\\''s'`);
  assert.equal(quoted("100%"), "'100%'");
});

test("what is shown is on one line, and a shell makes the same arguments of it", () => {
  fc.assert(
    fc.property(words, (args) => {
      const line = shownLine(args);
      assert.doesNotMatch(line, /\p{Cc}/u);
      assert.deepEqual(printed("bash", `${PRINT} ${line}`), args);
    }),
    { numRuns: 100 },
  );
  assert.equal(shownLine(["python", "-c", "print(1)\nprint('a')"]), `python -c $'print(1)\\nprint(\\'a\\')'`);
});
