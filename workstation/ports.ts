import { createServer } from "node:net";
import { UserError } from "../training/errors.ts";

/** The port, if it is free on this computer's loopback; `0` gives any that is. */
function listenOn(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : undefined));
    });
  });
}

const NEIGHBOURS = 10;

/**
 * A free port: exactly the one that was asked for, else the usual one or one of the next, else any.
 * @throws UserError if the one that was asked for is taken
 */
export async function freePort(usual: number, asked?: number): Promise<number> {
  if (asked !== undefined) {
    const port = await listenOn(asked);
    if (port !== undefined) return port;
    throw new UserError(
      `Port ${asked} of this computer is taken or not allowed. Name another with --port, or leave it away for a free one.`,
    );
  }
  for (let port = usual; port < usual + NEIGHBOURS; port += 1) {
    if ((await listenOn(port)) !== undefined) return port;
  }
  const any = await listenOn(0);
  if (any === undefined) throw new UserError("This computer has no free port on 127.0.0.1.");
  return any;
}
