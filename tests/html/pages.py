"""Looks at the pages that gatecrash writes in a real browser: what is there, what it does, how wide it is."""

import pathlib
import subprocess
import sys
import tempfile

from browser import Browser

WIDTHS = (1280, 390)


def written(program, folder):
    """Every kind of page, from runs that are short."""
    def run(expected, *arguments):
        done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
        # What a busy machine says of speed is no matter here; the page is drawn all the same.
        assert done.returncode == expected or arguments[0] == "load", f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"

    faults = [word for fault in ("window-too-long", "token-shown-again", "refresh-reusable") for word in ("--fault", fault)]
    run(1, "check", "--seed", "1", "--level", "quick", *faults, "--report", "html=run.html", "--report", "json=run.json")
    run(0, "check", "--seed", "1", "--level", "quick", "--flow", "visitor-login", "--report", "html=right.html")
    for name in ("base", "new"):
        run(0, "load", "--flow", "jwt-login", "--duration", "7s", "--connections", "4", "--rate", "500", "--seed", "1",
            "--report", f"html={name}.html", "--report", f"json={name}.json")
    compared = subprocess.run([program, "compare", "base.json", "new.json", "--report", "html=compare.html"], cwd=folder)
    assert compared.returncode in (0, 1, 4), compared.returncode
    run(0, "load", "--flow", "jwt-login", "--find-capacity", "--rate", "2000", "--duration", "1s", "--warm-up", "0ms",
        "--connections", "2", "--threshold", "p99<1s", "--report", "html=capacity.html")
    run(0, "selftest", "--fault", "window-*", "--seeds", "1", "--report", "html=selftest.html")
    return ("run", "right", "base", "compare", "capacity", "selftest")


def has(browser, **wanted):
    """So many elements of each selector; a number, or None for at least one."""
    for selector, count in wanted.items():
        found = browser.evaluate(f"document.querySelectorAll({selector!r}).length")
        assert found == count if count is not None else found > 0, f"{selector}: {found}, wanted {count}"


def common(browser, name, width):
    complaints = browser.complaints()
    assert not complaints, f"{name} at {width}: {complaints}"
    across = browser.evaluate("document.documentElement.scrollWidth")
    assert across <= width, f"{name} is {across} pixels across at {width}"
    small = browser.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
    assert small >= 14, f"the letters of {name} are {small} pixels high"
    outside = browser.evaluate("""[...document.querySelectorAll('body *')].filter(e =>
        e.checkVisibility() && !e.closest('.wide, pre, svg') && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 90)).slice(0, 3)""")
    assert not outside, f"{name} at {width}: outside of the window: {outside}"


def run_page(browser):
    """The page of a failing run: matrix, evidence, filters, hex, links."""
    assert browser.evaluate("document.getElementById('verdict').textContent") == "NONCONFORMANT"
    proved = browser.evaluate("document.getElementById('proved').textContent")
    assert proved.startswith("proved ") and proved.endswith(" of 365 clauses"), proved
    has(browser, **{"#matrix thead th": 6, "#matrix a.cell.v-fail": None, "svg.bar": 1, "svg.timeline": None})
    cells = browser.evaluate("document.querySelectorAll('#matrix a.cell').length")
    checks = browser.evaluate("document.querySelectorAll('details.check').length")
    assert cells == checks > 900, f"{cells} cells, {checks} checks"
    dangling = browser.evaluate("[...document.querySelectorAll('#matrix a.cell')].filter(a => !document.getElementById(a.hash.slice(1))).length")
    assert dangling == 0, f"{dangling} cells lead nowhere"
    failed = "#check-BTN-END-02"
    for selector in ("blockquote cite", ".diff .wanted mark", ".diff .got mark", ".wire pre", ".command code"):
        has(browser, **{f"{failed} {selector}": None})
    said = browser.evaluate(f"document.querySelector('{failed}').textContent")
    for part in ("gatecrash replay run.json#BTN-END-02", "gatecrash explain BTN-04", "curl -i", "window_closed"):
        assert part in said, part
    # What failed is open, what passed is folded.
    assert browser.evaluate(f"document.querySelector('{failed}').open")
    assert not browser.evaluate("document.querySelector('details.check[data-verdict=pass]').open")

    shown = "[...document.querySelectorAll('details.check')].filter(e => !e.hidden)"
    assert browser.evaluate(f"{shown}.length") == checks
    browser.evaluate("document.getElementById('troubles').click()")
    left = browser.evaluate(f"[...new Set({shown}.map(e => e.dataset.verdict))].sort()")
    assert "fail" in left and "pass" not in left and "info" not in left, left
    browser.evaluate("document.querySelector('#filters [type=reset]').click()")
    browser.evaluate("new Promise(done => setTimeout(done, 50))")
    assert browser.evaluate(f"{shown}.length") == checks
    choose = "(() => {{ const e = document.querySelector('#filters [name={}]'); e.value = {!r}; e.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    for name, value in (("flow", "jwt-login"), ("level", "SHOULD")):
        browser.evaluate(choose.format(name, value))
        left = browser.evaluate(f"[...new Set({shown}.map(e => e.dataset.{name}))]")
        assert left == [value], left
        browser.evaluate(choose.format(name, ""))
    browser.evaluate(choose.format("text", "BTN-END-02"))
    assert 1 <= browser.evaluate(f"{shown}.length") < 20
    browser.evaluate(choose.format("text", ""))

    has(browser, **{"button.hex:not([hidden])": None})
    dump = browser.evaluate("""(() => {
        const button = document.querySelector('details.exchange button.hex');
        button.click();
        const shown = button.closest('figure').querySelector('pre.dump').textContent;
        button.click();
        return [shown, button.closest('figure').querySelectorAll('pre.dump').length];
    })()""")
    assert dump[0].startswith("0000  ") and "0d 0a" in dump[0] and dump[1] == 0, dump
    browser.evaluate("location.hash = 'check-JWT-ONCE-03'")
    browser.evaluate("new Promise(done => setTimeout(done, 50))")
    opened = browser.evaluate("document.getElementById('check-JWT-ONCE-03').open")
    assert opened, "a link into something folded opens it"


def other_pages(browser, name):
    if name == "right":
        has(browser, **{"#attention": 0, "#matrix a.cell.v-fail": 0})
    if name == "base":
        has(browser, **{"svg.chart path.a": None, "#latency tbody tr": None, "#outcomes tbody tr": None})
        titles = browser.evaluate("[...document.querySelectorAll('figure.plot figcaption')].map(e => e.textContent)")
        assert titles == ["Latency by percentile", "Throughput over time", "Response times over time"], titles
    if name == "compare":
        has(browser, **{"#compared tbody tr": 3, "svg.chart path.b": None})
    if name == "capacity":
        has(browser, **{"svg.chart circle.b": None, "#probes tbody tr": None})
    if name == "selftest":
        assert browser.evaluate("document.getElementById('verdict').textContent") == "PROVEN"
        has(browser, **{"#faults tbody tr": None, "#faults .badge": None})


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    pictures = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    looked = 0
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        names = written(program, folder)
        for name in names:
            page = pathlib.Path(folder, f"{name}.html")
            for width in WIDTHS:
                for dark in (False, True):
                    browser.open(page, width, dark=dark)
                    common(browser, name, width)
                    looked += 1
                    if pictures:
                        browser.picture(pictures / f"{name}-{width}{'-dark' if dark else ''}.png")
                if name == "run":
                    run_page(browser)
                else:
                    other_pages(browser, name)
                common(browser, name, width)
        # Without its script the page still says everything.
        browser.open(pathlib.Path(folder, "run.html"), 1280, script=False)
        size = browser.send("Page.getLayoutMetrics")["cssContentSize"]
        assert size["height"] > 2000, size
        pdf = browser.send("Page.printToPDF", preferCSSPageSize=True, pageRanges="1-2")
        assert len(pdf["data"]) > 10_000
    print(f"{looked} views of {len(names)} pages are as they should be, at {' and '.join(map(str, WIDTHS))} pixels")


main()
