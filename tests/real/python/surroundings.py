"""What a Python server under test needs around it: a clock that moves when told, and a control port.

The clock is that of the whole process (`time_machine`): the libraries under test ask the time as they always do.
It answers in the words of the control plane of `gatecrash serve`, so a profile names it as `clock.control`.
Nothing here knows tokens or accounts.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import time_machine


class Control:
    """The clock of this process, and the acts that `acts` names, on a port of their own."""

    def __init__(self, acts=None):
        self._acts = acts or {}
        # A whole second: token times are whole seconds, and the clock stands still between two orders.
        self._traveller = time_machine.travel(float(int(time.time())), tick=False)
        self._clock = self._traveller.start()
        self._changes = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self._server.server_address[1]

    def now(self):
        return {"mode": "virtual", "now_ms": round(time.time() * 1000)}

    def advance(self, order):
        with self._changes:
            self._clock.shift(order["milliseconds"] / 1000)
        return self.now()

    def _handler(self):
        control = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(200, control.now()) if self.path == "/clock" else self._answer(404, {"error": "unknown"})

            def do_POST(self):
                act = {"/clock/advance": control.advance, **control._acts}.get(self.path)
                if act is None:
                    return self._answer(404, {"error": "unknown"})
                try:
                    length = int(self.headers.get("content-length", 0))
                    self._answer(200, act(json.loads(self.rfile.read(length) or "{}")) or {})
                except (KeyError, ValueError) as error:
                    self._answer(400, {"error": str(error)})

            def _answer(self, status, content):
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


def announce(api_port, control_port):
    """Tells the script that started this program where to find it; written whole, or not at all."""
    ports = os.environ["REAL_PORTS"]
    with open(ports + ".part", "w", encoding="ascii") as file:
        file.write(f"{api_port} {control_port}\n")
    os.replace(ports + ".part", ports)


def accounts():
    """The users of the profile: role, name, password and id, from the environment."""
    roles = ("first", "second", "blocked", "unverified")
    return [
        {
            "role": role,
            "name": f"{role}@example.com",
            "password": os.environ[f"REAL_{role.upper()}_PASSWORD"],
            "id": os.environ[f"REAL_{role.upper()}_ID"],
        }
        for role in roles
    ]
