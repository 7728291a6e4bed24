import type { CrashRecord } from "./crashes.ts";
import type { MachineState } from "./metadataTree.ts";

/** What is known of a machine besides its instance. */
export interface MachineRecord extends MachineState, CrashRecord {
  /** Milliseconds since 1970 at which the cloud ends the machine; set while it runs. */
  terminateAt?: number;
  /** Its deletion was accepted. */
  deleting?: boolean;
  /** It ran a guest, which did not outlive the server if that is gone. */
  guest?: boolean;
}
