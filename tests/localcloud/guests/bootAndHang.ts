// Boots a machine on GUEST_DISK and waits to be killed; started by tests of what is left then.
import { chooseDriver, type GuestLevel } from "../../../localcloud/guests/index.ts";
import { testCertificate } from "./certificate.ts";

const environment = process.env;
const driver = await chooseDriver(environment.GUEST_LEVEL as GuestLevel);
await driver.boot({
  id: environment.GUEST_ID ?? "",
  name: "orphan",
  vcpus: 1,
  memoryMb: 512,
  diskFolder: environment.GUEST_DISK ?? "",
  certificate: testCertificate(),
  startupScript: environment.GUEST_SCRIPT ?? "",
  serial: (line) => console.log(/Startup finished|READY/.test(line) ? "READY" : line),
  metadata: (_, response) => response.writeHead(404, { "metadata-flavor": "Google" }).end(),
  googleApis: (_, response) => response.end(),
});
