"""The pictures of the documents: what a terminal shows as SVG, and the page of a run as it is seen in a browser."""

import base64
import html
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from browser import Browser

COLOURS = {"31": "#ff7b7b", "32": "#5ac878", "33": "#e3b341", "36": "#6cb6ff", "2": "#9aa4af", "1": "#ffffff"}
LETTER, LINE, MARGIN = 7.8, 19, 16


def terminal(text):
    """ANSI colours as an SVG."""
    lines = text.rstrip("\n").split("\n")
    width = int(MARGIN * 2 + LETTER * max(len(re.sub(r"\x1b\[[0-9]*m", "", line)) for line in lines))
    height = MARGIN * 2 + LINE * len(lines)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
           f'<rect width="{width}" height="{height}" rx="8" fill="#14171a"/>',
           '<g font-family="ui-monospace,Menlo,Consolas,monospace" font-size="13" fill="#e4e7ea">']
    for number, line in enumerate(lines):
        spans, colours = [], []
        for part in re.split(r"(\x1b\[[0-9]*m)", line):
            code = re.fullmatch(r"\x1b\[([0-9]*)m", part)
            if code:
                colours = [] if code[1] == "0" else colours + [code[1]]
            elif part:
                bold = ' font-weight="700"' if "1" in colours else ""
                known = [COLOURS[c] for c in colours if c in COLOURS and c != "1"]
                fill = f' fill="{known[-1]}"' if known else ""
                shown = html.escape(part).replace(" ", "&#160;")
                spans.append(f"<tspan{fill}{bold}>{shown}</tspan>")
        y = MARGIN + LINE * number + 13
        out.append(f'<text x="{MARGIN}" y="{y}">{"".join(spans)}</text>')
    return "\n".join([*out, "</g>", "</svg>", ""])


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    environment = {**os.environ, "CLICOLOR_FORCE": "1"}
    with tempfile.TemporaryDirectory() as place:
        def run(*arguments):
            return subprocess.run([program, *arguments], cwd=place, env=environment, capture_output=True, text=True).stdout

        said = run("check", "--flow", "gateway-button", "--only", "BTN-END-02", "--fault", "window-too-long", "--seed", "7")
        cut = [line if len(line) < 130 else line[:126] + "…\x1b[0m" for line in said.replace("\x1b[1m\x1b[31m", "\x1b[31m").split("\n")]
        (folder / "terminal.svg").write_text(terminal("\n".join(cut)))
        faults = [word for fault in ("window-too-long", "token-shown-again") for word in ("--fault", fault)]
        run("check", "--flow", "gateway-button", "--level", "quick", "--seed", "7", *faults, "--report", "html=run.html")
        with Browser() as browser:
            browser.open(pathlib.Path(place, "run.html"), 1100, 1150)
            taken = browser.send("Page.captureScreenshot", format="webp", quality=55)
            (folder / "report.webp").write_bytes(base64.b64decode(taken["data"]))


main()
