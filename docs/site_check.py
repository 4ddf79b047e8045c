"""Look at the built site in a headless Chromium: links, console, formulas, pictures, search, width on a telephone.

    python docs/site_check.py --html docs/_build/html --screenshots FOLDER

It takes what `sphinx-build` wrote, Chromium or Chrome, and its driver. Nothing is asked of another host.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.wait import WebDriverWait

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "asv_benchmarks"))

from dashboard import browser, served  # noqa: E402 - it lies in the folder that was just named

WIDE, NARROW = (1280, 900), (400, 800)
SHOWN = {
    "start": "start.html", "front": "index.html", "derivation": "derivation.html", "fast": "how_fast.html",
    "trainer": "generated/reference/trainer.html", "gallery": "generated/gallery/index.html",
    "example": "generated/gallery/calibration.html", "benchmarks": "benchmarks.html",
    "contributing": "contributing.html", "features": "features.html",
}  # fmt: skip

# What a page has: its links and anchors, what it fetched, pictures that did not come, formulas, how wide it is.
LOOK = """
const absolute = Array.from(document.querySelectorAll("a[href]"), link => link.href);
const broken = Array.from(document.images).filter(image => image.complete && image.naturalWidth === 0);
const wide = Array.from(document.querySelectorAll("article *")).filter(element => {
    for (let e = element; e && e.tagName !== "ARTICLE"; e = e.parentElement) {
        const style = getComputedStyle(e).overflowX;
        if (e !== element && (style === "auto" || style === "scroll" || style === "hidden")) return false;
        if (e.tagName === "MJX-CONTAINER" && e !== element) return false;
    }
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.right > window.innerWidth + 1;
});
return {
    links: absolute,
    anchors: Array.from(document.querySelectorAll("[id]"), element => element.id),
    fetched: performance.getEntriesByType("resource").map(entry => entry.name),
    pictures: document.images.length,
    broken: broken.map(image => image.src),
    formulas: document.querySelectorAll(".math").length,
    drawn: document.querySelectorAll(".math mjx-container svg").length,
    failed: document.querySelectorAll("[data-mjx-error], mjx-merror").length,
    width: document.documentElement.scrollWidth,
    wide: wide.slice(0, 3).map(e => e.tagName + " " + e.className + ": " + e.textContent.slice(0, 60)),
};
"""
SETTLE = """
const done = arguments[arguments.length - 1];
document.querySelectorAll("img[loading=lazy]").forEach(image => image.loading = "eager");
const pictures = Promise.all(Array.from(document.images, image => image.decode().catch(() => 0)));
const formulas = window.MathJax && MathJax.startup ? MathJax.startup.promise : 0;
Promise.all([pictures, formulas]).then(() => done(1));
"""

FOUND = 'return Array.from(document.querySelectorAll("#search-results li a"), link => link.href);'
SOUGHT = {"Trainer": "generated/reference/trainer.html", "checkpoint": "checkpoints.html"}


def look(driver: Any, url: str, size: tuple[int, int]) -> dict[str, Any]:
    """Open a page in a window of that size and say what it has, and what the console said."""
    # a window cannot be as narrow as a telephone, its contents can
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(url)
    driver.execute_async_script(SETTLE)
    found: dict[str, Any] = driver.execute_script(LOOK)
    return found | {"console": [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]}


def faults(page: str, found: dict[str, Any], address: str, size: tuple[int, int]) -> list[str]:
    """What is wrong with a page by itself."""
    wrong = [f"the console says {message}" for message in found["console"]]
    wrong += [f"{url} did not come" for url in found["broken"]]
    wrong += [f"asks {url}" for url in found["fetched"] if not url.startswith((address, "data:"))]
    if found["formulas"] != found["drawn"] or found["failed"]:
        wrong.append(f"{found['formulas']} formulas, {found['drawn']} drawn, {found['failed']} of them wrong")
    if found["width"] > size[0] or found["wide"]:
        wrong.append(f"is {found['width']} pixels wide in a window of {size[0]}: {found['wide']}")
    return [f"{page}: {fault}" for fault in wrong]


def broken_links(pages: dict[str, dict[str, Any]], html: Path, address: str) -> list[str]:
    """Links within the site that lead to no file, or to no place of a page."""
    wrong = set()
    for page, found in pages.items():
        for link in found["links"]:
            url, _, anchor = link.partition("#")
            if not url.startswith(address):
                continue
            target = urllib.parse.unquote(url.removeprefix(address).lstrip("/")).partition("?")[0] or "index.html"
            if not (html / target).is_file():
                wrong.add(f"{page}: there is no {target}")
            elif anchor and target in pages and urllib.parse.unquote(anchor) not in pages[target]["anchors"]:
                wrong.add(f"{page}: {target} has no #{anchor}")
    return sorted(wrong)


def unfound(driver: Any, address: str) -> list[str]:
    """Words that the search box does not find on their page."""
    wrong = []
    for word, page in SOUGHT.items():
        driver.get(f"{address}/search.html?q={word}")
        try:
            wait = WebDriverWait(driver, 30)
            wait.until(lambda d, page=page: any(f"/{page}" in link for link in d.execute_script(FOUND)))
        except TimeoutException:
            wrong.append(f"search.html: {word} does not find {page}")
    return wrong


def check(html: Path, screenshots: Path | None) -> list[str]:
    """All faults of all pages."""
    names = sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html"))
    names = [name for name in names if not name.startswith("_") and name != "genindex.html"]
    wrong, pages, count = [], {}, {"pictures": 0, "formulas": 0, "links": 0}
    with served(html) as address, browser() as driver:
        driver.set_script_timeout(60)
        for size in (WIDE, NARROW):
            for name in names:
                found = look(driver, f"{address}/{name}", size)
                wrong += faults(name, found, address, size)
                pages[name] = found
            if screenshots:
                photograph(driver, address, screenshots, size)
        wrong += broken_links(pages, html, address)
        wrong += unfound(driver, address)
    for found in pages.values():
        count["pictures"] += found["pictures"]
        count["formulas"] += found["formulas"]
        count["links"] += len(found["links"])
    print(json.dumps({"pages": len(names), **count, "faults": len(wrong)}))
    return wrong


def photograph(driver: Any, address: str, folder: Path, size: tuple[int, int]) -> None:
    """Keep what the first two screens of some pages look like."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in SHOWN.items():
        look(driver, f"{address}/{page}", (size[0], 2 * size[1]))
        driver.save_screenshot(str(folder / f"{name}-{size[0]}.png"))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--html", type=Path, default=HERE / "_build" / "html", help="what `sphinx-build` wrote")
    parser.add_argument("--screenshots", type=Path, help="a folder for pictures")
    args = parser.parse_args()
    wrong = check(args.html, args.screenshots)
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
