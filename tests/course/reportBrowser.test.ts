// The report as people meet it: read aloud, by keyboard, in light and dark, printed, without a network or a script.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Page } from "puppeteer-core";
import { type Invitation, invitationPage } from "../../course/invite.ts";
import { reportOf } from "../../course/report/data.ts";
import { reportPage } from "../../course/report/page.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { NO_BROWSER, type OpenBrowser, openBrowser } from "./browser.ts";
import { sampleStatus } from "./sample.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ARTEFACTS = join(REPOSITORY, "tests", "artefacts");

interface Violation {
  id: string;
  help: string;
  nodes: { html: string; failureSummary?: string }[];
}

describe("the report in Chromium", { skip: NO_BROWSER }, () => {
  let opened: OpenBrowser;
  let folder: string;
  let page: Page;
  const asked: string[] = [];
  const said: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "mlt-report-"));
    mkdirSync(ARTEFACTS, { recursive: true });
    writeFileSync(join(folder, "report.html"), reportPage(reportOf(sampleStatus(60))));
    writeFileSync(join(folder, "invitation.html"), invitationPage(INVITATION));
    opened = await openBrowser();
    page = await opened.browser.newPage();
    page.setDefaultTimeout(180_000);
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("dialog", (dialog) => {
      said.push(dialog.message());
      void dialog.dismiss();
    });
    await page.setViewport({ width: 1280, height: 1000 });
    await open("report.html");
  });
  after(async () => {
    await opened?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (name: string) => page.goto(`file://${join(folder, name)}`);
  /** Texts in the browser: its types are not those of this program. */
  const evaluate = <T>(script: string) => page.evaluate(script) as Promise<T>;
  const ids = () =>
    evaluate<string[]>(
      "[...document.querySelectorAll('#students tbody tr:not([hidden]) th')].map((cell) => cell.textContent)",
    );
  const hits = () => evaluate<string>("document.getElementById('hits').textContent");
  const sortOf = () =>
    evaluate<string[]>("[...document.querySelectorAll('#students thead th')].map((head) => head.ariaSort)");
  const press = (column: number) => evaluate(`document.querySelectorAll('#students thead button')[${column}].click()`);
  const column = (index: number) =>
    evaluate<string[]>(
      `[...document.querySelectorAll('#students tbody tr')].map((row) => row.cells[${index}].dataset.v ?? row.cells[${index}].textContent)`,
    );

  async function violations(): Promise<string[]> {
    // The page's policy lets no script in; the debugger's own is not the page's.
    await page.evaluate(AXE);
    const found = await evaluate<Violation[]>(
      "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
    );
    return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
  }

  for (const theme of ["light", "dark"]) {
    test(`axe finds nothing in the report in ${theme}, and a picture of it is kept`, async () => {
      await page.select("#theme", theme);
      assert.equal(await evaluate("getComputedStyle(document.documentElement).colorScheme"), theme);
      // Closed tables are looked at, too.
      await evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })");
      assert.deepEqual(await violations(), []);
      await evaluate("document.querySelectorAll('details').forEach((each) => { each.open = false; })");
      await page.screenshot({ path: join(ARTEFACTS, `course-report-${theme}.png`) });
    });
  }

  test("axe finds nothing in an invitation, in light and dark", async () => {
    await open("invitation.html");
    for (const value of ["light", "dark"]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
      assert.deepEqual(await violations(), []);
    }
    await page.screenshot({ path: join(ARTEFACTS, "course-invitation.png") });
    await page.emulateMediaFeatures([]);
    await open("report.html");
  });

  test("a header sorts, says so, and turns round; what has no value stays last", async () => {
    const NAMES_OF = ["Id", "Name", "State", "Runs", "Good", "Last run", "Outcome", "Hours", "Week", "Cost", "Active"];
    assert.deepEqual(
      await evaluate("[...document.querySelectorAll('#students thead th')].map((head) => head.textContent)"),
      NAMES_OF,
    );
    assert.deepEqual(await sortOf(), ["ascending", ...Array(10).fill("none")]);
    await press(9);
    assert.equal((await sortOf())[9], "descending");
    assert.equal(await hits(), "Sorted by Cost, descending. 60 of 60 students");
    const costs = await column(9);
    const known = costs.filter((value) => value !== "").map((value) => Number(value.replace("$", "")));
    assert.deepEqual(
      known,
      [...known].sort((one, other) => other - one),
    );
    assert.equal(costs.at(-1), "", "a student who could not be read");
    await press(9);
    assert.equal(await hits(), "Sorted by Cost, ascending. 60 of 60 students");
    assert.equal((await column(9)).at(-1), "");
    await press(1);
    assert.deepEqual((await sortOf()).slice(0, 2), ["none", "ascending"]);
    await press(0);
    assert.deepEqual((await ids()).slice(0, 3), ["s001", "s002", "s003"]);
  });

  test("by keyboard alone: to the table, to a header, sorted by Enter", async () => {
    await open("report.html");
    await page.keyboard.press("Tab");
    assert.equal(await evaluate("document.activeElement.textContent"), "Skip to the table of students");
    await page.keyboard.press("Enter");
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press("Tab");
      if (await evaluate("document.activeElement.textContent === 'Runs'")) break;
    }
    await page.keyboard.press("Enter");
    assert.equal((await sortOf())[3], "descending");
    assert.ok(
      await evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'"),
      "one sees where one is",
    );
    await page.keyboard.press("Space");
    assert.equal((await sortOf())[3], "ascending");
  });

  test("searching forgives case and accents, takes several words, and says how many are left", async () => {
    await open("report.html");
    const type = async (text: string) => {
      await evaluate("document.getElementById('search').value = ''");
      await page.type("#search", text);
    };
    await type("zoe muller");
    assert.deepEqual([await ids(), await hits()], [["s002"], "1 of 60 students"]);
    await type("<script>");
    assert.deepEqual(await ids(), ["s003"]);
    await type("الخالدي");
    assert.deepEqual(await ids(), ["s005"]);
    await type("nobody at all");
    assert.deepEqual([await ids(), await hits()], [[], "0 of 60 students"]);
    assert.ok(!(await evaluate("document.querySelector('#students tbody tr').checkVisibility()")));
    await evaluate(
      "{ const box = document.getElementById('search'); box.value = ''; box.dispatchEvent(new Event('input')); }",
    );
    assert.equal(await hits(), "60 of 60 students");
  });

  test("the theme follows the system until one is chosen, and the choice is kept", async () => {
    const background = () => evaluate<string>("getComputedStyle(document.body).backgroundColor");
    await page.select("#theme", "auto");
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
    assert.equal(await background(), "rgb(20, 23, 28)");
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
    assert.equal(await background(), "rgb(255, 255, 255)");
    await page.select("#theme", "dark");
    assert.equal(await background(), "rgb(20, 23, 28)");
    await open("report.html");
    assert.equal(await evaluate("document.getElementById('theme').value"), "dark");
    await page.select("#theme", "auto");
    await page.emulateMediaFeatures([]);
  });

  test("on paper: every row, no controls, light whatever the screen is", async () => {
    await page.select("#theme", "dark");
    await page.emulateMediaType("print");
    assert.equal(await evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    assert.equal(await evaluate("document.getElementById('search').checkVisibility()"), false);
    const pdf = await page.pdf({ format: "A4", landscape: true });
    assert.ok(pdf.length > 20_000 && Buffer.from(pdf.subarray(0, 5)).toString() === "%PDF-");
    await page.emulateMediaType("screen");
    await page.select("#theme", "auto");
  });

  test("nothing was loaded but the files themselves, nothing tried to run, nothing was said", () => {
    assert.deepEqual([...new Set(asked.map((url) => url.replace(folder, "")))].sort(), [
      "file:///invitation.html",
      "file:///report.html",
    ]);
    assert.deepEqual(said, []);
  });

  test("without a script everything is there", async () => {
    const bare = await opened.browser.newPage();
    await bare.setJavaScriptEnabled(false);
    await bare.goto(`file://${join(folder, "report.html")}`);
    const rows = await bare.$$eval("#students tbody tr", (found) => found.length);
    assert.equal(rows, 60);
    await bare.close();
  });
});

const INVITATION: Invitation = {
  course: { title: "Machine Learning 2026/27", expires: "2027-02-28", contact: "Prof. Ann <ann@example.com>" },
  student: { id: "s005", name: "نورة الخالدي", member: "user:noura@example.com" },
  project: "ml26-a",
  environment: "ml26-s005",
  bucket: "gs://ml26-s005-data-0123abc",
  links: [{ name: "Your files", url: "https://console.cloud.google.com/storage/browser/ml26-s005-data-0123abc" }],
  limits: { machineTypes: ["e2-standard-4"], gpus: 0, hoursPerWeek: 20, costPerRun: 5, maxHours: 3 },
  workstation: { idleMinutes: 45 },
  shared: true,
};
