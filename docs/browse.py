"""Open the built site in headless Chromium, as a reader would, and report what is wrong on each page.

    python docs/browse.py build/docs                     every page; exit status 1 where something is wrong
    python docs/browse.py build/docs learn/recurrent     some pages
    python docs/browse.py build/docs --pictures          screenshots of every page in build/screenshots

Each page is opened on a wide and a narrow window, in light and in dark: errors on the console, formulas that were not
rendered, pictures that are missing, a page or a block of code that runs over its box, links that lead nowhere, requests
that leave the site. It needs Debian's packages chromium and chromium-driver, and selenium: `make browse`.
"""

from __future__ import annotations

import argparse
import base64
import functools
import http.server
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
NOT_WALKED = ("_static/", "_sources/", "genindex", "search", "py-modindex")
SAMPLED = ("code/fnnets/layers/dense", "code/fnnets/layers/lstm", "code/tests/contract/test_layers")
WAIT = "return !window.MathJax || !window.MathJax.startup || !window.MathJax.startup.promise ? true : window.rendered"
RENDERED = "if (window.MathJax && MathJax.startup && MathJax.startup.promise) MathJax.startup.promise.then(() => window.rendered = true); else window.rendered = true"  # noqa: E501
LOOK = r"""
const found = [], shown = (e) => e.getClientRects().length > 0, name = (e) => e.textContent.trim().slice(0, 60);
for (const e of document.querySelectorAll('mjx-merror, [data-mml-node="merror"]')) found.push('formula with an error: ' + name(e));
for (const e of document.querySelectorAll('.math')) if (!e.querySelector('mjx-container')) found.push('formula not rendered: ' + name(e));
const walker = document.createTreeWalker(document.querySelector('article') || document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const node = walker.currentNode, inside = node.parentElement.closest('pre, code, script, style, mjx-container');
    if (!inside && /\$\$|\\(frac|delta|sum|sigma|partial)\b|\{(py|doc|ref|statement|line|row|test)[\w:]*\}`|\]\(/.test(node.data))
        found.push('markup left in the text: ' + node.data.trim().slice(0, 80));
}
for (const e of document.images) if (shown(e) && e.complete && e.naturalWidth === 0) found.push('missing picture: ' + e.src);
if (document.documentElement.scrollWidth > window.innerWidth + 1) found.push(
    'the page is ' + document.documentElement.scrollWidth + ' pixels wide on a window of ' + window.innerWidth);
for (const e of document.querySelectorAll('pre, table, mjx-container[display="true"]')) {
    if (!shown(e) || e.scrollWidth <= e.clientWidth + 1) continue;
    let box = e, scrolls = false;
    while (box && box.tagName !== 'ARTICLE') { scrolls ||= /auto|scroll/.test(getComputedStyle(box).overflowX); box = box.parentElement; }
    if (!scrolls && e.tagName !== 'TABLE') found.push(e.tagName.toLowerCase() + ' runs over its box: ' + name(e));
}
return found;
"""  # noqa: E501


class View(NamedTuple):
    """A window: its width in pixels and the reader's scheme of colours."""

    width: int
    scheme: str

    @property
    def name(self) -> str:
        """What reports and screenshots call it."""
        return f"{'wide' if self.width > 800 else 'narrow'}-{self.scheme}"


VIEWS = (View(1400, "light"), View(1400, "dark"), View(400, "light"), View(400, "dark"))


def pages(folder: Path, wanted: list[str]) -> list[str]:
    """The pages to open, without their ending; of source pages a few."""
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in sorted(folder.rglob("*.html"))]
    own = [name for name in names if not name.startswith((*NOT_WALKED, "code/"))]
    return [name for name in names if name in wanted] if wanted else [*own, *SAMPLED]


def broken_links(folder: Path) -> Iterator[str]:
    """Links within the site that lead to no file, or to no place in it."""
    ids = {path: _ids(path.read_text()) for path in folder.rglob("*.html")}
    for path in sorted(ids):
        text = path.read_text()
        for target in dict.fromkeys(re.findall(r'<a[^>]* href="([^"]+)"', text)):
            if re.match(r"[a-z]+:", target):
                continue
            file, place = urldefrag(urljoin("/" + path.relative_to(folder).as_posix(), target.replace("&amp;", "&")))
            found = folder / unquote(file).lstrip("/")
            found = found / "index.html" if found.is_dir() else found
            if not found.exists():
                yield f"{path.relative_to(folder)}: link to {target}, which does not exist"
            elif place and found in ids and unquote(place) not in ids[found]:
                yield f"{path.relative_to(folder)}: link to {target}, a place that does not exist"


def _ids(text: str) -> set[str]:
    return set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) | {""}


def browser() -> Any:
    """Chromium without a window.

    Raises:
        SystemExit: it is not installed.
    """
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ModuleNotFoundError:
        sys.exit("browse: selenium is not installed; run: make browse")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        sys.exit("browse: chromium is not installed; run: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


def look(chromium: Any, address: str, view: View) -> list[str]:
    """What is wrong with a page in one window."""
    from selenium.webdriver.support.ui import WebDriverWait

    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": view.width < 800},
    )
    scheme = {"features": [{"name": "prefers-color-scheme", "value": view.scheme}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    chromium.get(address)
    chromium.execute_script(RENDERED)
    WebDriverWait(chromium, 30).until(lambda each: each.execute_script(WAIT))
    found = list(chromium.execute_script(LOOK))
    found += [f"console: {entry['message']}" for entry in chromium.get_log("browser") if entry["level"] != "INFO"]
    sent = {
        url
        for entry in chromium.get_log("performance")
        for url in re.findall(r'"url":"(https?:[^"]+)"', entry["message"])
    }
    found += sorted(f"a request leaves the site: {url}" for url in sent if "127.0.0.1" not in url)
    return found


def picture(chromium: Any, path: Path, width: int) -> None:
    """A screenshot of the whole page."""
    height = min(chromium.execute_script("return document.documentElement.scrollHeight"), 12000)
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    taken = chromium.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(taken["data"]))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The site on an address of this computer, without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def main() -> int:
    """Look at the pages; returns the exit status."""
    parser = argparse.ArgumentParser(description="Open the built site in headless Chromium.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--pictures", action="store_true", help="screenshots in build/screenshots")
    chosen = parser.parse_args()
    if not (chosen.folder / "index.html").exists():
        sys.exit(f"browse: {chosen.folder} holds no site; run: make docs")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(chosen.folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wrong, chromium = 0, browser()
    try:
        found = pages(chosen.folder, chosen.pages)
        for name in found:
            for view in VIEWS:
                faults = look(chromium, f"http://127.0.0.1:{server.server_port}/{name}.html", view)
                for fault in faults:
                    print(f"{name} ({view.name}): {fault}", flush=True)
                wrong += len(faults)
                if chosen.pictures:
                    picture(chromium, Path("build/screenshots") / f"{name}-{view.name}.png", view.width)
    finally:
        chromium.quit()
        server.shutdown()
    links = list(broken_links(chosen.folder))
    print(*links, sep="\n", end="\n" if links else "")
    print(f"{len(found)} pages in {len(VIEWS)} windows: {wrong} faults; {len(links)} broken links in all pages")
    return int(bool(wrong or links))


if __name__ == "__main__":
    sys.exit(main())
