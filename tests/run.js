// `npm test [-- PATTERN…]`: runs every tests/**/*.test.ts (or those whose path holds a PATTERN) with Node's own runner
// and ends with the line `N passed, N failed, N skipped`. Exits 1 if a test failed or none ran.
import { globSync } from "node:fs";
import { relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const patterns = process.argv.slice(2);
const files = globSync("tests/**/*.test.ts", { cwd: root })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
  .sort();

// A real guest or a real engine takes a while; nothing takes this long unless it hangs.
const FILE_TIMEOUT_MS = 15 * 60 * 1000;

const count = { passed: 0, failed: 0, skipped: 0 };
/** Milliseconds of each file's tests. */
const took = new Map();
const note = ({ nesting, file, details }) => {
  if (nesting === 0 && file) took.set(file, (took.get(file) ?? 0) + details.duration_ms);
};
const stream = run({
  cwd: root,
  files,
  concurrency: 2,
  timeout: FILE_TIMEOUT_MS,
  execArgv: ["--import", new URL("../cli/typescript.js", import.meta.url).href],
});
stream.on("test:pass", (test) => {
  note(test);
  if (test.details.type === "suite") return;
  if (test.skip === undefined) count.passed += 1;
  else count.skipped += 1;
});
stream.on("test:fail", (test) => {
  note(test);
  if (test.details.type !== "suite") count.failed += 1;
});
const reporter = stream.compose(spec);
reporter.pipe(process.stdout, { end: false });
reporter.on("end", () => {
  if (files.length === 0) console.error(`No test file matches ${patterns.join(", ")}.`);
  if (files.length > 1) console.log(slowest(10));
  process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
  console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
});

/** So that whoever makes the suite slower sees where. */
function slowest(most) {
  const rows = [...took].sort(([, a], [, b]) => b - a).slice(0, most);
  return rows.map(([file, ms]) => `${(ms / 1000).toFixed(0).padStart(5)} s  ${relative(root, file)}`).join("\n");
}
