"""Open the published dashboard in a headless browser and see that its graphs show several commits.

    python asv_benchmarks/dashboard.py --screenshots FOLDER

It takes what `asv publish` wrote, Chromium or Chrome, and its driver. That files are there is no proof, for the page
draws its graphs by script: this asks the plots themselves for their points, and can keep pictures of them. The page's
scripts come from content networks; where npm is found, they come from its registry and are served from this computer.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.wait import WebDriverWait

HERE = Path(__file__).parent
SECONDS = 60

CDNJS, JSDELIVR = "https://cdnjs.cloudflare.com/ajax/libs", "https://cdn.jsdelivr.net/npm"
# What asv's page loads from elsewhere -> package and file of the npm registry.
SCRIPTS = {
    "https://code.jquery.com/jquery-3.3.1.min.js": "jquery@3.3.1/dist/jquery.min.js",
    **{
        f"{CDNJS}/flot/0.8.3/jquery.flot{part}.min.js": f"flot@0.8.3/jquery.flot{part}.js"
        for part in ("", ".time", ".selection", ".categories")
    },
    f"{JSDELIVR}/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js": "flot-orderbars@1.0.0/js/jquery.flot.orderBars.js",
    f"{CDNJS}/stupidtable/1.0.1/stupidtable.min.js": "stupid-table-plugin@1.1.3/stupidtable.min.js",
    f"{CDNJS}/blueimp-md5/2.19.0/js/md5.min.js": "blueimp-md5@2.19.0/js/md5.min.js",
    f"{JSDELIVR}/bootstrap@3.1.1/dist/js/bootstrap.min.js": "bootstrap@3.1.1/dist/js/bootstrap.min.js",
    f"{JSDELIVR}/bootstrap@3.1.1/dist/css/bootstrap.min.css": "bootstrap@3.1.1/dist/css/bootstrap.min.css",
}

# The largest number of different commits with a value in one series of the graph on show, 0 while it is not drawn.
COMMITS = """
const plot = window.jQuery && jQuery("#main-graph").data("plot");
const drawn = plot && jQuery("#graph-display").is(":visible") && plot.getData();
const values = drawn ? drawn.map(series => series.data.filter(point => point && point[1] !== null)) : [];
return Math.max(0, ...values.map(points => new Set(points.map(point => point[0])).size));
"""
GRID = 'return document.querySelectorAll(".benchmark-plot canvas").length;'


# ---- the site
def copy_with_scripts(html: Path, site: Path) -> None:
    """The published pages, their scripts beside them where npm can bring them."""
    shutil.copytree(html, site, dirs_exist_ok=True)
    npm = shutil.which("npm")
    if npm is None:
        return
    packages = sorted({path.split("/")[0] for path in SCRIPTS.values()})
    subprocess.run([npm, "install", "--silent", "--ignore-scripts", "--prefix", str(site), *packages], check=True)
    page = (site / "index.html").read_text(encoding="utf-8")
    for url, path in SCRIPTS.items():
        package, _, file = path.partition("/")
        page = page.replace(url, f"node_modules/{package.partition('@')[0]}/{file}")
    # Unminified files of the same version do not have the same hash.
    (site / "index.html").write_text(page.replace("integrity=", "data-integrity="), encoding="utf-8")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name that http.server gives it)
        pass


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of a server on this computer; the page asks for its data, which files opened directly do not give."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# ---- the browser
@contextmanager
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(argument)
    if chromium := shutil.which("chromium") or shutil.which("google-chrome"):
        options.binary_location = chromium
    driver_path = shutil.which("chromedriver")
    service = webdriver.ChromeService(driver_path) if driver_path else None
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def chosen(html: Path) -> dict[str, str]:
    """Name -> what follows the page's # for one benchmark of each module and type: that with most results."""
    benchmarks = json.loads((html / "index.json").read_text(encoding="utf-8"))["benchmarks"]
    found = {name: len(_read(html / "graphs" / "summary" / f"{name}.json")) for name in benchmarks}
    names = sorted((name for name in found if found[name]), key=lambda name: (found[name], name))
    kinds = {(name.split(".")[0], benchmarks[name]["type"]): name for name in names}
    return {name: _all_lines(name, benchmarks[name]) for name in sorted(kinds.values())}


def _all_lines(name: str, benchmark: dict[str, Any]) -> str:
    """The page draws the first eight combinations of parameters unless its address names others."""
    axes = zip(benchmark["param_names"], benchmark["params"], strict=True)
    return f"{name}?{urllib.parse.urlencode([(f'p-{axis}', value) for axis, values in axes for value in values])}"


def _read(path: Path) -> list[Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def check(driver: Any, address: str, pages: dict[str, str], commits: int, screenshots: Path | None) -> list[str]:
    """What is wrong with the pages, nothing if all is well."""
    wrong = [] if pages else ["nothing has results"]
    driver.get(f"{address}/index.html")
    WebDriverWait(driver, SECONDS).until(lambda d: d.execute_script(GRID) >= len(pages))
    _keep(driver, screenshots, "grid")
    print(f"the grid draws {driver.execute_script(GRID)} graphs")
    for name, page in pages.items():
        driver.get("about:blank")  # else the page keeps the plot before
        driver.get(f"{address}/index.html#{page}")
        with suppress(TimeoutException):
            WebDriverWait(driver, SECONDS).until(lambda d: d.execute_script(COMMITS) > 0)
        found = driver.execute_script(COMMITS)
        _keep(driver, screenshots, name)
        print(f"{name}: {found} commits")
        if found < commits:
            wrong.append(f"{name} shows {found} commits, expected {commits}")
    messages = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    # the page also asks for graphs of benchmarks that have no results yet
    return wrong + [f"the browser says: {message}" for message in messages if "/graphs/" not in message]


def _keep(driver: Any, folder: Path | None, name: str) -> None:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(folder / f"{name}.png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--html", type=Path, default=HERE / "html", help="what `asv publish` wrote")
    parser.add_argument("--commits", type=int, default=3, help="how many each graph must show (default 3)")
    parser.add_argument("--screenshots", type=Path, help="a folder for pictures")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy_with_scripts(args.html, Path(folder))
        with served(Path(folder)) as address, browser() as driver:
            wrong = check(driver, address, chosen(args.html), args.commits, args.screenshots)
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
