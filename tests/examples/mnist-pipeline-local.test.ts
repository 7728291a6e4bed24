// The whole pipeline on this machine, by KFP's own local runner; the served model; the page in a real browser.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { REPOSITORY } from "../helpers/shell.ts";
import { EXAMPLE, mnistPython } from "./mnist.ts";

const CHROMIUM = "/usr/bin/chromium";
const folder = mkdtempSync(join(tmpdir(), "mlt-mnist-"));
let python = "";
let running: { child: ChildProcess; said: () => string };
let told: { accuracy: number; address: string };
let browser: Browser | undefined;

function start(...args: string[]): typeof running {
  const child = spawn(python, ["-B", join(EXAMPLE, "run_local.py"), "--folder", folder, ...args], {
    env: { PATH: process.env.PATH!, HOME: folder, PYTHONUNBUFFERED: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  return { child, said: () => said };
}

async function opened({ child, said }: typeof running): Promise<typeof told> {
  for (let round = 0; round < 900; round += 1) {
    const [, json] = /^(\{"accuracy".*\})$/m.exec(said()) ?? [];
    if (json) return JSON.parse(json) as typeof told;
    assert.equal(child.exitCode, null, said().slice(-3000));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(said().slice(-3000));
}

const ended = (child: ChildProcess) =>
  child.exitCode === null
    ? new Promise<number | null>((resolve) => child.once("close", resolve))
    : Promise.resolve(child.exitCode);

const pid = (name: string) => Number(readFileSync(join(folder, "servers", `${name}.pid`), "utf8"));
const isAlive = (number: number) => existsSync(`/proc/${number}`);
const serving = () => {
  const port = /listening on port (\d+)/.exec(readFileSync(join(folder, "servers/serving/log"), "utf8"))?.[1];
  return `http://127.0.0.1:${port}`;
};

before(async () => {
  python = await mnistPython();
  running = start();
  told = await opened(running);
});
after(async () => {
  await browser?.close();
  running?.child.kill("SIGTERM");
  if (running) await ended(running.child);
  rmSync(folder, { recursive: true, force: true });
});

test("trained on the bundled digits, which is said, to an accuracy of 0.95 at least", () => {
  assert.ok(told.accuracy >= 0.95, String(told.accuracy));
  assert.match(running.said(), /1347 images from scikit-learn's bundled digits, a stand-in for MNIST/);
  const runs = readdirSync(join(folder, "artefacts"));
  assert.equal(runs.length, 1);
  const at = (path: string) => readFileSync(join(folder, "artefacts", runs[0]!, path), "utf8");
  assert.equal(JSON.parse(at("evaluate/metrics")).images, 450);
  assert.equal(JSON.parse(at("evaluate/confusion")).confusionMatrix.rows.length, 10);
});

test("the served model answers over HTTP, says what it is, and refuses what is no image", async () => {
  const post = (body: string, headers: Record<string, string> = { "content-type": "application/json" }) =>
    fetch(`${serving()}/v1/predict`, { method: "POST", body, headers });
  const { pixels, label } = (await (await fetch(`${told.address}/api/example`)).json()) as {
    pixels: number[];
    label: number;
  };
  assert.equal(pixels.length, 784);
  const answer = (await (await post(JSON.stringify({ pixels }))).json()) as { digit: number; probabilities: number[] };
  assert.equal(answer.probabilities.length, 10);
  assert.ok(Math.abs(answer.probabilities.reduce((sum, chance) => sum + chance, 0) - 1) < 1e-4);
  assert.equal(answer.probabilities[answer.digit], Math.max(...answer.probabilities));
  assert.ok(label >= 0 && label <= 9);
  assert.deepEqual(await (await fetch(`${serving()}/v1/model`)).json(), {
    origin: "scikit-learn's bundled digits, a stand-in for MNIST",
    stand_in: true,
    train_steps: 300,
    learning_rate: 0.002,
    batch_size: 64,
    accuracy: told.accuracy,
  });
  const wanted = "pixels must be 784 whole numbers from 0 (paper) to 255 (ink), line by line";
  const zeros = Array(784).fill(0);
  const cases: [Promise<Response>, number, string][] = [
    [post("{"), 400, "the request is no JSON"],
    [post("[]"), 400, wanted],
    [post(JSON.stringify({ pixels: zeros.slice(1) })), 400, wanted],
    [post(JSON.stringify({ pixels: [...zeros.slice(1), 256] })), 400, wanted],
    [post(JSON.stringify({ pixels: [...zeros.slice(1), 0.5] })), 400, wanted],
    [post(JSON.stringify({ pixels: [...zeros.slice(1), true] })), 400, wanted],
    [post("x".repeat(16_385)), 413, "the request is longer than 16384 bytes"],
    [post("pixels=1", { "content-type": "text/plain" }), 415, "the request is no application/json"],
    [fetch(`${serving()}/v1/predict`), 405, "no such method here"],
    [fetch(`${serving()}/../../etc/passwd`), 404, "there is nothing here"],
  ];
  for (const [asked, status, error] of cases) {
    const response = await asked;
    assert.deepEqual([response.status, await response.json()], [status, { error }]);
  }
});

test("the page's server sends only its own files, and only to who reaches it as this computer", async () => {
  const page = await fetch(told.address);
  assert.deepEqual(
    ["content-type", "content-security-policy", "x-content-type-options", "cache-control", "referrer-policy"].map(
      (name) => page.headers.get(name),
    ),
    [
      "text/html; charset=utf-8",
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      "nosniff",
      "no-store",
      "no-referrer",
    ],
  );
  assert.equal((await fetch(`${told.address}/index.html`)).status, 404);
  assert.equal((await fetch(`${told.address}/%2e%2e/web_ui.py`)).status, 404);
  const { get } = await import("node:http");
  const status = await new Promise((resolve) => {
    get(`${told.address}/`, { headers: { host: "elsewhere.example" } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
  });
  assert.equal(status, 403);
  // Another site's form can neither ask nor read.
  const foreign = await fetch(`${told.address}/api/predict`, { method: "POST", body: new URLSearchParams("pixels=1") });
  assert.equal(foreign.status, 415);
});

interface Seen {
  answer: string;
  source: string;
  bars: { digit: string; value: number; percent: string; best: boolean }[];
}

/** What the page shows, when its answer is there. */
async function seen(page: Page, source: RegExp): Promise<Seen> {
  // Written out: the page's own context runs it.
  await page.waitForFunction(
    `/looks like/.test(document.getElementById("answer").textContent) && ${source}.test(document.getElementById("source").textContent)`,
    { timeout: 10_000 },
  );
  return (await page.evaluate(`({
    answer: document.getElementById("answer").textContent,
    source: document.getElementById("source").textContent,
    bars: [...document.querySelectorAll("#bars tr")].map((row) => ({
      digit: row.cells[0].textContent,
      value: row.querySelector("progress").value,
      percent: row.cells[2].textContent,
      best: row.className === "best",
    })),
  })`)) as Seen;
}

async function openPage(): Promise<{ page: Page; requests: string[]; complaints: string[] }> {
  browser ??= await puppeteer.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  const page = await browser.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.setViewport({ width: 1000, height: 800 });
  await page.goto(told.address);
  return { page, requests, complaints };
}

const noBrowser = existsSync(CHROMIUM) ? false : `no ${CHROMIUM}`;

test("the page: a test image at each refresh; a digit that is drawn is recognised, with bars for all ten", {
  skip: noBrowser,
}, async () => {
  const { page, requests, complaints } = await openPage();
  const first = await seen(page, /^Test image \d+, an? \d\.$/);
  assert.deepEqual(
    first.bars.map(({ digit }) => digit),
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
  );
  const sources = new Set([first.source]);
  for (let round = 0; round < 4; round += 1) {
    await page.reload();
    sources.add((await seen(page, /^Test image/)).source);
  }
  assert.ok(sources.size > 1, "five times the same image out of 450");

  // A nought, small and in a corner: it is brought to the form that the model knows.
  await page.click("#clear");
  await page.waitForFunction('document.getElementById("answer").textContent === "Nothing yet."');
  const box = (await (await page.$("#paper"))!.boundingBox())!;
  const at = (angle: number): [number, number] => [
    box.x + 60 + 28 * Math.sin(angle),
    box.y + 70 - 44 * Math.cos(angle),
  ];
  await page.mouse.move(...at(0));
  await page.mouse.down();
  for (let step = 1; step <= 24; step += 1) await page.mouse.move(...at((step * 2 * Math.PI) / 24));
  await page.mouse.up();
  const drawn = await seen(page, /^Drawn here\.$/);
  assert.match(drawn.answer, /^This looks like 0, \d+\.\d %\.$/);
  assert.deepEqual(
    drawn.bars.filter(({ best }) => best).map(({ digit }) => digit),
    ["0"],
  );
  assert.ok(drawn.bars[0]!.value > 0.5);
  assert.equal(drawn.bars[0]!.percent, `${(drawn.bars[0]!.value * 100).toFixed(1)} %`);
  assert.ok(Math.abs(drawn.bars.reduce((sum, { value }) => sum + value, 0) - 1) < 1e-3);
  const artefacts = join(REPOSITORY, "tests/artefacts");
  mkdirSync(artefacts, { recursive: true });
  const picture = join(artefacts, "mnist-page.png");
  await page.screenshot({ path: picture });
  // The picture in the README is an earlier one of these: as large, and where it is shown. After a change of the page it
  // is replaced by hand.
  const size = (file: string) => [readFileSync(file).readUInt32BE(16), readFileSync(file).readUInt32BE(20)];
  assert.deepEqual(size(picture), [1000, 800]);
  assert.deepEqual(size(join(EXAMPLE, "page.png")), size(picture));
  assert.match(readFileSync(join(EXAMPLE, "README.md"), "utf8"), /\n!\[The page .+\]\(page\.png\)\n/);

  assert.deepEqual(complaints, []);
  assert.deepEqual(
    requests.filter((url) => !url.startsWith(told.address) && !url.startsWith("data:")),
    [],
  );
  await page.close();
});

test("the page works by keyboard and is readable to a screen reader", { skip: noBrowser }, async () => {
  const { page, complaints } = await openPage();
  await seen(page, /^Test image/);
  for (let round = 0; round < 5; round += 1) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate("document.activeElement.id")) === "desk") break;
  }
  assert.equal(await page.evaluate("document.activeElement.id"), "desk");
  const press = async (key: "ArrowUp" | "ArrowDown" | "Space" | "Delete", times = 1) => {
    for (let round = 0; round < times; round += 1) await page.keyboard.press(key);
  };
  // A one: straight down.
  await press("Delete");
  await press("ArrowUp", 9);
  await press("Space");
  assert.equal(await page.$eval("#source", (element) => element.textContent), "Pen down at column 14, row 5.");
  await press("ArrowDown", 17);
  await press("Space");
  const { answer } = await seen(page, /^Pen up at column 14, row 22\.$/);
  assert.match(answer, /^This looks like 1, /);

  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  const found = (await page.evaluate("axe.run()")) as {
    violations: { id: string; nodes: unknown[] }[];
    passes: unknown[];
  };
  assert.deepEqual(
    found.violations.map(({ id, nodes }) => `${id} ${JSON.stringify(nodes).slice(0, 300)}`),
    [],
  );
  assert.ok(found.passes.length > 15);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("a model that does not answer is said so on the page", { skip: noBrowser }, async () => {
  process.kill(pid("serving"), "SIGKILL");
  const { page } = await openPage();
  await page.waitForFunction('/^No answer/.test(document.getElementById("answer").textContent)');
  assert.equal(
    await page.$eval("#answer", (element) => element.textContent),
    "No answer: the model's server does not answer",
  );
  assert.equal(await page.$eval("#about", (element) => element.textContent), "The model's server does not answer.");
  await page.close();
});

test("Ctrl-C ends what was started; the next time only what changed is computed", async () => {
  const page = pid("web-ui");
  assert.ok(isAlive(page));
  running.child.kill("SIGINT");
  assert.equal(await ended(running.child), 130);
  for (let round = 0; round < 50 && isAlive(page); round += 1) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(!isAlive(page));

  running = start();
  const again = await opened(running);
  assert.deepEqual(
    [...running.said().matchAll(/Executing task .*?'([\w-]+)'/g)].map(([, name]) => name),
    ["serve", "web-ui"],
  );
  assert.equal(again.accuracy, told.accuracy);
  // The servers end with the program, even where it had no time for it.
  const servers = [pid("serving"), pid("web-ui")];
  running.child.kill("SIGKILL");
  for (let round = 0; round < 100 && servers.some(isAlive); round += 1)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(servers.filter(isAlive), []);
});

test("a mistake in a parameter ends the run and starts nothing", async () => {
  running = start("--batch-size", "0");
  assert.equal(await ended(running.child), 1);
  assert.match(running.said(), /ValueError: batch-size must be 1 to 4,096; got 0\n/);
  assert.match(running.said(), /\nrun_local\.py: .*train/);
  assert.ok(!existsSync(join(folder, "servers/serving.pid")));
});
