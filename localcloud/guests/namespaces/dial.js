// Opens connections in a guest's network namespace and hands them to the process that started this one, which stays
// outside. A message {id, host, port} is answered by {id} with the socket, or by {id, error}. Ends with its channel.
import { connect } from "node:net";

process.on("disconnect", () => process.exit(0));
process.on("message", ({ id, host, port }) => {
  const socket = connect({ host, port });
  // What the other side says first is for who gets the socket.
  socket.pause();
  const failed = (error) => process.send?.({ id, error: error.code ?? error.message });
  socket.once("error", failed);
  socket.once("connect", () => {
    socket.off("error", failed);
    process.send?.({ id }, socket, {}, () => {});
  });
});
