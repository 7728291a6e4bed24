// The report as a browser shows it. Chromium is a part of this machine, not of the project: without it tests are skipped.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "puppeteer-core";

const PLACES = [
  process.env.CHROME_PATH ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

export const CHROMIUM = PLACES.find((path) => path !== "" && existsSync(path));
/** Why tests that need one are skipped; `false`: they run. */
export const NO_BROWSER = CHROMIUM ? false : "there is no Chromium on this machine (CHROME_PATH names one)";

export interface OpenBrowser {
  browser: Browser;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<OpenBrowser> {
  const { launch } = await import("puppeteer-core");
  const userDataDir = await mkdtemp(join(tmpdir(), "mlt-browser-"));
  const browser = await launch({
    executablePath: CHROMIUM,
    headless: true,
    userDataDir,
    // A machine on which much else is tested is no reason to fail.
    timeout: 180_000,
    protocolTimeout: 180_000,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
  });
  return {
    browser,
    async close() {
      await browser.close();
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
