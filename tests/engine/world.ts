import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PulumiFn } from "@pulumi/pulumi/automation/index.js";
import { type OpenStack, openStack, type StackOptions } from "../../engine/automation.ts";
import { providerEnvironment } from "../../engine/endpoints.ts";
import program from "../../index.ts";
import { type LocalCloud, type LocalCloudOptions, startLocalCloud } from "../../localcloud/server.ts";

/** A local cloud without machines that run, and stacks of the real engine on it. */
export interface World {
  readonly cloud: LocalCloud;
  /** The folder below which everything lies. */
  readonly folder: string;
  open(stack: string, options?: OpenOptions): Promise<OpenStack>;
  /** What the cloud holds, by kind; kinds of which there is nothing are left out. */
  left(): Promise<Record<string, string[]>>;
  close(): Promise<void>;
}

export interface OpenOptions {
  config?: Record<string, unknown>;
  program?: PulumiFn;
  project?: { name: string };
  environment?: Record<string, string>;
  commands?: StackOptions["commands"];
  onOutput?: (text: string) => void;
}

export async function createWorld(options: Partial<LocalCloudOptions> = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-engine-"));
  const cloud = await startLocalCloud({ stateFolder: join(folder, "cloud"), ...options });
  const opened: OpenStack[] = [];
  return {
    cloud,
    folder,
    async open(stack, own = {}) {
      const made = await openStack({
        stack,
        config: { "gcp:project": cloud.project, ...own.config },
        program: own.program ?? program,
        project: own.project,
        folder: join(folder, "stacks"),
        environment: { ...providerEnvironment({ url: cloud.operatorUrl }), ...own.environment },
        commands: own.commands,
        onOutput: process.env.MLT_TEST_OUTPUT === "1" ? (text) => process.stderr.write(text) : own.onOutput,
      });
      opened.push(made);
      return made;
    },
    async left() {
      const response = await fetch(`${cloud.operatorUrl}/local/v1/leftovers`);
      if (!response.ok) throw new Error(await response.text());
      const { resources } = (await response.json()) as { resources: Record<string, string[]> };
      return Object.fromEntries(Object.entries(resources).filter(([, names]) => names.length > 0));
    },
    async close() {
      for (const stack of opened) await stack.close();
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * The error with which a run ends that must fail. A failing program leaves promises behind that nobody waits for; Pulumi
 * has reported them, and the test runner is not to count them as failures of its own.
 */
export async function failure(run: Promise<unknown>): Promise<Error> {
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", ignore);
  try {
    await run;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  } finally {
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.off("unhandledRejection", ignore);
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
  return assert.fail("the run should have failed");
}

function ignore(): void {}
