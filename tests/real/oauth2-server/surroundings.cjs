// What a Node server under test needs around it: a clock that moves when told, and a control port.
// It answers in the words of the control plane of `gatecrash serve`. Nothing here knows tokens.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const FakeTimers = require("@sinonjs/fake-timers");

// Dates only: sockets and timeouts keep real time. A whole second, since token times are whole seconds.
const clock = FakeTimers.install({ now: Math.floor(Date.now() / 1000) * 1000, toFake: ["Date"] });

const time = {
  now: () => ({ mode: "virtual", now_ms: Date.now() }),
  advance: ({ milliseconds }) => {
    clock.tick(milliseconds);
    return time.now();
  },
};

/** Opens the control port; `acts` are further things to POST. */
function control(acts) {
  const orders = { "/clock/advance": time.advance, ...acts };
  const server = http.createServer((request, response) => {
    const answer = (status, content) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(content ?? {}));
    };
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      if (request.method === "GET" && request.url === "/clock") return answer(200, time.now());
      const act = request.method === "POST" && orders[request.url];
      if (!act) return answer(404, { error: "unknown" });
      try {
        answer(200, act(JSON.parse(text || "{}")));
      } catch (error) {
        answer(400, { error: error.message });
      }
    });
  });
  return new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server.address().port)));
}

/** Tells the script that started this program where to find it; written whole, or not at all. */
function announce(apiPort, controlPort) {
  const ports = process.env.REAL_PORTS;
  fs.writeFileSync(`${ports}.part`, `${apiPort} ${controlPort}\n`);
  fs.renameSync(`${ports}.part`, ports);
}

module.exports = { control, announce };
