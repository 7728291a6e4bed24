// Opens the listening sockets of a guest's network namespace and hands them to the process that started this one, which
// stays outside: a socket belongs to the namespace in which it was made. Arguments: ADDRESS:PORT …
import { createServer } from "node:net";

const sockets = process.argv.slice(2);
let open = sockets.length;
for (const socket of sockets) {
  const [host, port] = socket.split(":");
  const server = createServer().listen({ host, port: Number(port), backlog: 256 }, () => {
    process.send?.(socket, server, {}, () => {
      open -= 1;
      if (open === 0) process.exit(0);
    });
  });
}
