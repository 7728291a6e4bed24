import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Guest, GuestDriver, GuestSpec } from "../../../localcloud/guests/guest.ts";
import { type InstanceFacts, instanceTree } from "../../../localcloud/metadata/instance.ts";
import { createMetadataServer } from "../../../localcloud/metadata/server.ts";
import { testCertificate } from "./certificate.ts";

let certificate: GuestSpec["certificate"] | undefined;
let next = 0;

/** One machine for a test: its disk, what its console said and what it asked of Google's API hosts. */
export class TestMachine {
  readonly disk = mkdtempSync(join(tmpdir(), "guest-test-"));
  readonly console: string[] = [];
  readonly calls: string[] = [];
  readonly id = `${process.pid}${String(next++).padStart(3, "0")}`;
  #guest: Guest | undefined;
  readonly #driver: GuestDriver;

  constructor(t: TestContext, driver: GuestDriver) {
    this.#driver = driver;
    t.after(async () => {
      await this.#guest?.cut();
      rmSync(this.disk, { recursive: true, force: true });
    });
  }

  async boot(startupScript: string, options: Partial<GuestSpec> & { shutdownScript?: string } = {}): Promise<Guest> {
    const { shutdownScript = "echo SHUTDOWN-SCRIPT", ...spec } = options;
    const tree = instanceTree({
      ...MACHINE,
      id: this.id,
      attributes: { "startup-script": startupScript, "shutdown-script": `#!/bin/bash\n${shutdownScript}\n` },
    });
    certificate ??= testCertificate();
    this.#guest = await this.#driver.boot({
      id: this.id,
      name: "machine-1",
      vcpus: 2,
      memoryMb: 2048,
      diskFolder: this.disk,
      certificate,
      serial: (line) => this.console.push(line),
      startupScript,
      metadata: createMetadataServer({
        tree: () => tree,
        onChange: () => () => {},
        issueToken: () => ({ access_token: "the-token", expires_in: 3599, token_type: "Bearer" }),
      }),
      googleApis: (request, response) => {
        this.calls.push(`${request.method} ${request.headers.host}${request.url}`);
        request.resume().on("end", () => response.end("answer-of-the-local-cloud\n"));
      },
      ...spec,
    });
    return this.#guest;
  }

  /** What the console said, as one text, for matching and for the message of a failed assertion. */
  get said(): string {
    return this.console.join("\n");
  }

  /** Resolves when the console or a call fits; rejects with all that was said after `seconds`. */
  async waitFor(pattern: RegExp, seconds = 120): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (!pattern.test(this.said) && !this.calls.some((call) => pattern.test(call))) {
      if (Date.now() > end) throw new Error(`The guest never said ${pattern}:\n${this.said}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

const MACHINE: InstanceFacts = {
  projectId: "demo",
  projectNumber: "123456789012",
  id: "1",
  name: "machine-1",
  zone: "us-central1-a",
  machineType: "e2-small",
  attributes: {},
  serviceAccounts: [
    { email: "t@demo.iam.gserviceaccount.com", scopes: ["https://www.googleapis.com/auth/cloud-platform"] },
  ],
  networkInterfaces: [{ network: "projects/123456789012/networks/n", ip: "10.1.0.2" }],
  disks: [{ name: "boot" }],
  scheduling: { automaticRestart: false, onHostMaintenance: "TERMINATE", preemptible: true },
};

/** Says how a guest reaches metadata and storage, as the machine's own programs do. */
export const REACH = `#!/bin/bash
metadata="http://\${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
token=$(curl -sf --noproxy '*' -H 'Metadata-Flavor: Google' "$metadata/instance/service-accounts/default/token")
[[ $token == *the-token* ]] && echo TOKEN-FOUND
echo "curl says: $(curl -sS -X POST --data-binary hello https://storage.googleapis.com/from-curl)"
python3 - <<'PYTHON'
import urllib.request
print("python says:", urllib.request.urlopen("https://storage.googleapis.com/from-python").read().decode())
PYTHON
`;
