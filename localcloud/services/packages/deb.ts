import { gzipSync } from "node:zlib";

/** A file or folder of a Debian package. */
export interface Member {
  /** Without a leading slash; a folder ends with one. */
  path: string;
  content?: Buffer;
  mode: number;
}

/** A Debian package: `control` is the file of that name, `members` are installed, owned by root. */
export function debianPackage(control: string, members: readonly Member[]): Buffer {
  return ar([
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", gzipSync(tar([{ path: "control", content: Buffer.from(control), mode: 0o644 }]))],
    // Fast, not small: it never leaves this machine.
    ["data.tar.gz", gzipSync(tar(members), { level: 1 })],
  ]);
}

function ar(files: readonly [name: string, content: Buffer][]): Buffer {
  const parts: Buffer[] = [Buffer.from("!<arch>\n")];
  for (const [name, content] of files) {
    const head = [name.padEnd(16), "0".padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
    parts.push(Buffer.from(`${head.join("")}${String(content.length).padEnd(10)}\`\n`, "latin1"), content);
    if (content.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

function tar(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [header({ path: "", mode: 0o755 }, 0)];
  for (const member of members) {
    const { content = Buffer.alloc(0) } = member;
    parts.push(header(member, content.length), content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function header({ path, mode }: Member, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  block.write(`./${path}`, 0, 100, "utf8");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(path === "" || path.endsWith("/") ? "5" : "0", 156, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  block.write("root", 265, "latin1");
  block.write("root", 297, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
