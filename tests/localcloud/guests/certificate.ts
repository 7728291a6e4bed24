import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GOOGLE_HOSTS } from "../../../localcloud/guests/guest.ts";

/** An authority of one day and a certificate of its own for Google's API hosts. */
export function testCertificate(): { key: string; certificate: string; authority: string } {
  const folder = mkdtempSync(join(tmpdir(), "certificate-"));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  try {
    openssl("req", "-x509", ...newKey, "-days", "1", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.crt");
    openssl("req", ...newKey, "-subj", "/CN=storage.googleapis.com", "-keyout", "tls.key", "-out", "tls.csr");
    writeFileSync(file("names"), `subjectAltName=${GOOGLE_HOSTS.map((host) => `DNS:${host}`).join(",")}\n`);
    const signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "names"];
    openssl("x509", "-req", "-in", "tls.csr", ...signed, "-out", "tls.crt");
    const read = (name: string) => readFileSync(file(name), "utf8");
    return { key: read("tls.key"), certificate: read("tls.crt"), authority: read("ca.crt") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
