"""A browser without a window, spoken to over a pipe (Chrome DevTools Protocol). Python's standard library is enough."""

import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile


class Browser:
    """Starts the browser; it ends with the `with` block."""

    def __init__(self):
        program = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
        if program is None:
            raise SystemExit("there is no chromium")
        self.profile = tempfile.TemporaryDirectory()
        # The browser reads from its descriptor 3 and writes to its descriptor 4.
        its_input, self.to = high_pipe()
        self.fro, its_output = (high(end) for end in os.pipe())

        def descriptors():
            os.dup2(its_input, 3)
            os.dup2(its_output, 4)

        arguments = [
            program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
            "--hide-scrollbars", "--no-first-run", f"--user-data-dir={self.profile.name}", "about:blank",
        ]
        self.process = subprocess.Popen(
            arguments, preexec_fn=descriptors, close_fds=False, stderr=subprocess.DEVNULL)
        os.close(its_input)
        os.close(its_output)
        self.rest = b""
        self.number = 0
        self.session = None
        self.events = []

    def __enter__(self):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.send("Browser.close")
        finally:
            self.process.wait(20)
            self.profile.cleanup()

    def send(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def receive(self):
        while b"\0" not in self.rest:
            read = os.read(self.fro, 1 << 16)
            if not read:
                raise RuntimeError("the browser went away")
            self.rest += read
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, path, width, height=900, dark=False, script=True):
        """Opens a file and waits until it is drawn; what went wrong in an earlier page is forgotten."""
        self.events.clear()
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.send("Emulation.setEmulatedMedia", media="", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        # A page that is open already would only be scrolled.
        self.navigate("about:blank")
        self.navigate(pathlib.Path(path).resolve().as_uri())

    def navigate(self, address):
        self.events = [event for event in self.events if event.get("method") != "Page.loadEventFired"]
        self.send("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def evaluate(self, expression):
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def complaints(self):
        """Errors of the page: exceptions, refused resources, and what was printed as an error."""
        self.evaluate("0")
        said = []
        for event in self.events:
            method, what = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                said.append(what["exceptionDetails"].get("text", "exception"))
            elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
                said.append(str([value.get("value") for value in what["args"]]))
            elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
                said.append(what["entry"]["text"])
        return said

    def picture(self, path, whole=False):
        taken = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        pathlib.Path(path).write_bytes(base64.b64decode(taken["data"]))


def high(descriptor):
    """The same descriptor with a number that the browser's two do not have."""
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return copy


def high_pipe():
    read, write = os.pipe()
    return high(read), high(write)
