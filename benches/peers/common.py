"""The reference server on core 0, tokens of it, and the command that asks it about them: what the scripts of this folder share."""

import contextlib
import http.client
import json
import re
import subprocess
import urllib.parse

PATH = "/api/v2/accesstoken"


@contextlib.contextmanager
def serving(gatecrash):
    """A reference server on core 0 while it is used: the number of its process, its address and that of its control plane."""
    command = ["taskset", "-c", "0", gatecrash, "serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
               "--clock", "virtual"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        api, control = (re.search(r"http://\S+", server.stdout.readline()).group() for _ in range(2))
        yield server.pid, api, control
    finally:
        server.terminate()
        server.wait()


def mint(api, control, count):
    """Presses the button and generates tokens."""
    connect = lambda url: http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    plane, client = connect(control), connect(api)
    plane.request("POST", "/press", "{}", {"Content-Type": "application/json"})
    plane.getresponse().read()
    client.request("GET", PATH + "/generate")
    tokens = [json.loads(client.getresponse().read())["token"]["token"]]
    while len(tokens) < count:
        client.request("POST", PATH + "/generate", headers={"Authorization": "Bearer " + tokens[0]})
        tokens.append(json.loads(client.getresponse().read())["token"]["token"])
    return tokens


def generator(gatecrash, api, control):
    """A load run with one worker and without a warm-up, as far as all have the same arguments."""
    return [gatecrash, "load", api, "--accounts", "reference", "--control", control, "--flow", "gateway-button",
            "--workers", "1", "--warm-up", "0s"]
