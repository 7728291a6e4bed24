import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CDPSession } from "puppeteer-core";
import { reportOf } from "../course/report/data.ts";
import { reportPage } from "../course/report/page.ts";
import { CHROMIUM, openBrowser } from "../tests/course/browser.ts";
import { sampleStatus } from "../tests/course/sample.ts";
import { median, type Row } from "./measure.ts";

const STUDENTS = 500;
const ROUNDS = 7;
const TARGET_MS = 200;

/** A report of 500 students in headless Chromium: from the navigation to the page's load, and a sort until it is laid out. */
export async function reportRows(progress: (line: string) => void): Promise<Row[]> {
  const measure = `report of ${STUDENTS} students opens and sorts`;
  const target = `< ${TARGET_MS} ms`;
  if (!CHROMIUM)
    return [{ measure, value: "-", target, note: "not measured: no Chromium here (CHROME_PATH names one)" }];
  const started = performance.now();
  const page = reportPage(reportOf(sampleStatus(STUDENTS)));
  const made = performance.now() - started;
  const folder = await mkdtemp(join(tmpdir(), "mlt-bench-report-"));
  const file = join(folder, "report.html");
  await writeFile(file, page);
  const blank = join(folder, "blank.html");
  await writeFile(blank, "<!doctype html><title>blank</title><p>Nothing.");
  const opened = await openBrowser();
  const rounds: { open: number; sort: number; cpu: number }[] = [];
  try {
    for (let round = 0; round <= ROUNDS; round += 1) {
      const found = await look(opened, [blank, file]);
      // The first one starts the browser's own parts.
      if (round > 0) rounds.push(found);
    }
  } finally {
    await opened.close();
    await rm(folder, { recursive: true, force: true });
  }
  const [open, sort, cpu] = (["open", "sort", "cpu"] as const).map((name) => median(rounds.map((each) => each[name])));
  progress(`opened in ${rounds.map((each) => each.open.toFixed(0)).join(", ")} ms`);
  return [
    {
      measure,
      value: `${(open! + sort!).toFixed(0)} ms`,
      target,
      met: open! + sort! < TARGET_MS,
      note: `opens ${open!.toFixed(0)} ms, sorts ${sort!.toFixed(0)} ms (median of ${ROUNDS}; ${cpu!.toFixed(0)} ms of one processor); ${(page.length / 1024).toFixed(0)} KiB, made in ${made.toFixed(0)} ms`,
    },
  ];
}

async function look({ browser }: Awaited<ReturnType<typeof openBrowser>>, [blank, file]: [string, string]) {
  const page = await browser.newPage();
  // A tab that is there: to start a process for it is the browser's matter.
  await page.goto(`file://${blank}`);
  const session = await page.createCDPSession();
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const before = await busy(session);
  await page.goto(`file://${file}`);
  // Text, so that no type of the browser's has to be known here.
  const open = (await page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")) as number;
  const sort = (await page.evaluate(
    "(() => { const begun = performance.now(); document.querySelectorAll('#students th button')[9].click(); document.body.offsetHeight; return performance.now() - begun; })()",
  )) as number;
  const cpu = (await busy(session)) - before;
  await page.close();
  return { open, sort, cpu };
}

/** Milliseconds that the page's own thread has worked. */
async function busy(session: CDPSession): Promise<number> {
  const { metrics } = await session.send("Performance.getMetrics");
  return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0) * 1000;
}
