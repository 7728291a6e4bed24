import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { notModelled, rpcError } from "../../core/errors.ts";
import { Router } from "../../core/http.ts";

interface WriteRequest {
  logName?: string;
  resource?: unknown;
  labels?: unknown;
  entries?: { logName?: string; textPayload?: string; jsonPayload?: unknown }[];
  dryRun?: boolean;
  partialSuccess?: boolean;
}

/** Cloud Logging v2: entries are checked and taken; nothing reads them again. */
export function loggingService({ access }: Cloud): Router {
  return new Router().on("POST", "/logging/v2/entries:write", async (call) => {
    const { logName, entries = [] } = await readMembers<WriteRequest>(call, {
      logName: "text",
      entries: "objects",
      resource: "object",
      labels: "object",
      partialSuccess: "truth",
      dryRun: "truth",
    });
    if (entries.length === 0) throw rpcError(400, "The request has no log entries.");
    for (const entry of entries) {
      const name = entry.logName ?? logName ?? "";
      const project = /^projects\/([^/]+)\/logs\/[^/]+$/.exec(name)?.[1];
      if (!project) throw notModelled(`the log name ${JSON.stringify(name)}: a log is named projects/P/logs/L`);
      access.require(call.principal, "logging.logEntries.create", {
        service: "logging.googleapis.com",
        type: "logging.googleapis.com/LogEntry",
        name: "",
        project,
      });
    }
    return { json: {} };
  });
}
