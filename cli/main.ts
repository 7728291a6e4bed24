// Where `mlt` begins. Kept small: what a command needs is loaded when the command runs.
import module from "node:module";

// Compiled code is kept between calls: a third of the start is otherwise spent on parsing.
module.enableCompileCache?.();
// `mlt logs RUN | head` has what it wants: no reason for a stack.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 70));
}
if (Object.keys(process.env).some((name) => /^https?_proxy$/i.test(name))) (await import("./proxy.ts")).useProxy();
const { run } = await import("./program.ts");
const code = await run(process.argv.slice(2));
// Idle connections to Google would keep the process for seconds; output that is still under way is waited for.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(code);
