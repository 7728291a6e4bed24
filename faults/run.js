// `npm run faults`: plain JavaScript, so that an old Node gets a message and not a syntax error.
await import("../cli/typescript.js");
await import("./main.ts");
