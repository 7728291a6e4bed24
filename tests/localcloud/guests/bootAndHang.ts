// Boots a machine on GUEST_DISK and waits to be killed; started by nspawn.test.ts.
import { nspawnDriver } from "../../../localcloud/guests/nspawn/driver.ts";
import { testCertificate } from "./certificate.ts";

await nspawnDriver().boot({
  id: process.env.GUEST_ID ?? "",
  name: "orphan",
  vcpus: 1,
  memoryMb: 512,
  diskFolder: process.env.GUEST_DISK ?? "",
  certificate: testCertificate(),
  startupScript: "",
  serial: (line) => console.log(/Startup finished/.test(line) ? "READY" : line),
  metadata: (_, response) => response.writeHead(404, { "metadata-flavor": "Google" }).end(),
  googleApis: (_, response) => response.end(),
});
