// Records a command as an animated SVG of its terminal: `node docs/record.js FILE.svg -- COMMAND [ARG …]`.
// The lines and their times are the command's own; only waiting is shortened (one second lasts 0.25 s).
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

const SPEED = 4;
const PAUSE_SECONDS = 6; // the finished picture stays this long before it starts again
const FONT_PX = 14;
const LINE_PX = 19;
const COLUMN_PX = 8.43; // width of one character of a 14 px monospace font
const MAX_COLUMNS = 120;

const [file, separator, command, ...args] = process.argv.slice(2);
if (!file?.endsWith(".svg") || separator !== "--" || !command) {
  console.error("usage: node docs/record.js FILE.svg -- COMMAND [ARG …]");
  process.exit(64);
}

const prompt = `$ ${[command, ...args].join(" ")}`;
const lines = [{ at: 0, text: prompt }];
const started = Date.now();
const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
for (const stream of [child.stdout, child.stderr]) collect(stream);
child.on("error", (error) => {
  console.error(`cannot run ${command}: ${error.message}`);
  process.exit(127);
});
child.on("close", (code) => {
  if (code !== 0) {
    console.error(`${prompt.slice(2)} ended ${code}: nothing recorded`);
    process.exit(code ?? 1);
  }
  writeFileSync(file, svg(lines));
  console.log(`${file}: ${lines.length} lines, ${((Date.now() - started) / 1000).toFixed(1)} s`);
});

function collect(stream) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) lines.push({ at: (Date.now() - started) / 1000, text: plain(part) });
  });
}

function plain(text) {
  const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");
  return text.replace(escapes, "").replace(/\r/g, "").slice(0, MAX_COLUMNS);
}

function svg(recorded) {
  const columns = Math.max(60, ...recorded.map((line) => line.text.length));
  const width = Math.ceil(columns * COLUMN_PX + 32);
  const height = recorded.length * LINE_PX + 56;
  const total = recorded.at(-1).at / SPEED + PAUSE_SECONDS;
  const rows = recorded.map((line, index) => {
    const from = ((line.at / SPEED / total) * 100).toFixed(2);
    const y = 48 + index * LINE_PX;
    return {
      keyframes: `@keyframes l${index}{${index === 0 ? "" : "0%{opacity:0}"}${from}%{opacity:1}100%{opacity:1}}`,
      style: `.l${index}{animation:l${index} ${total.toFixed(2)}s step-end infinite}`,
      text: `<text class="l${index}" x="16" y="${y}" xml:space="preserve">${escapeXml(line.text)}</text>`,
    };
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-labelledby="t">
<title id="t">${escapeXml(`Recording of: ${prompt.slice(2)}`)}</title>
<style>
text{font:${FONT_PX}px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d6deeb}
@media (prefers-reduced-motion:no-preference){
${rows.map((row) => row.keyframes + row.style).join("\n")}
}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0b1524"/>
<circle cx="20" cy="18" r="5" fill="#ff5f57"/><circle cx="38" cy="18" r="5" fill="#febc2e"/><circle cx="56" cy="18" r="5" fill="#28c840"/>
${rows.map((row) => row.text).join("\n")}
</svg>
`;
}

function escapeXml(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
