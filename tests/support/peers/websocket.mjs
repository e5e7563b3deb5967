// An echo by the package `ws`, with the ends of `asyncapi serve`: ?messages= ?then= ?code= ?reason= ?fault=
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const server = createServer((_, response) => response.writeHead(426).end());
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: true,
  handleProtocols: (offered) => [...offered][0],
});

server.on("upgrade", (request, wire, head) => {
  const query = new URL(request.url, "http://h").searchParams;
  if (query.has("fault")) {
    wire.end(`HTTP/1.1 ${query.get("fault")} Refused\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\nno`);
    return;
  }
  sockets.handleUpgrade(request, wire, head, (socket) => {
    let left = Number(query.get("messages") ?? Infinity);
    socket.on("message", (data, isBinary) => {
      const last = --left === 0;
      socket.send(data, { binary: isBinary }, () => {
        if (!last) return;
        if (query.get("then") === "drop") socket.terminate();
        else socket.close(Number(query.get("code") ?? 1000), query.get("reason") ?? "");
      });
    });
  });
});
server.listen(Number(process.env.PORT), "127.0.0.1");
