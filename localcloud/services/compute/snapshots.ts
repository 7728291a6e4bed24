import type { Router } from "../../core/http.ts";
import { addReading } from "./collection.ts";
import type { Compute } from "./context.ts";

/** Snapshots cannot be made here, so that their list is truly empty; who looks for what is left over asks for it. */
export function addSnapshots(router: Router, compute: Compute): void {
  addReading(router, compute, { plural: "snapshots", singular: "snapshot", scope: "global" });
}
