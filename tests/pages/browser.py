"""A real headless Chromium for tests, and what is asked of a page shown in it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

NARROW, WIDE = 390, 1280


def start() -> Any:
    """Chromium under the control of selenium; skips with the reason where that cannot be."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra [test]: selenium")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.chrome.service.Service(driver)
    return webdriver.Chrome(options=options, service=service)


def axe_source() -> str:
    """The script of axe-core from its npm package; skips with the reason where there is none."""
    roots = [os.environ.get("AXE_CORE", "")]
    npm = shutil.which("npm")
    if npm is not None:
        found = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False)
        roots.append(f"{found.stdout.strip()}/axe-core/axe.min.js")
    for path in filter(None, roots):
        if Path(path).is_file():
            return Path(path).read_text(encoding="utf-8")
    pytest.skip("axe-core is not installed: npm install -g axe-core, or AXE_CORE=path/to/axe.min.js")


@dataclass
class Browser:
    """One window, and questions about the page in it."""

    driver: Any

    def show(self, path: Path, width: int = WIDE, dark: bool = False) -> None:
        """Open a file; what was logged before is forgotten."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": scheme})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for log in ("performance", "browser"):
            self.driver.get_log(log)
        self.driver.get(path.as_uri())

    def console(self) -> list[str]:
        """What the page wrote to the console."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for beyond the page itself, from anywhere but this disk."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        documents = [e for e in urls if e.startswith("file:") and e.split("#")[0].endswith(".html")]
        return [url for url in urls if url not in documents and not url.startswith("data:")]

    def broken_links(self) -> list[str]:
        """Links of the page whose file or anchor does not exist."""
        script = "return [...document.querySelectorAll('a[href]')].map(a => a.href.baseVal ?? a.getAttribute('href'))"
        here = Path(unquote(urlsplit(self.driver.current_url).path))
        return [link for link in self.driver.execute_script(script) if not resolves(link, here)]

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(
            self.driver.execute_script("return document.scrollingElement.scrollWidth - window.innerWidth")
        )

    def violations(self, axe: str) -> list[str]:
        """What axe-core finds serious or worse."""
        self.driver.execute_script(axe)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations.map(v => [v.impact, v.id,"
            " v.nodes.slice(0, 3).map(n => n.html.slice(0, 120) + ' ' + n.failureSummary).join(' | ')])))"
        )
        return [
            f"{impact} {rule}: {where}" for impact, rule, where in found if impact in ("serious", "critical")
        ]

    def cut_in_print(self) -> list[str]:
        """Tables, figures and formulas that reach beyond the paper, A4 with the page's own margins."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        size = {
            "width": round((210 - 2 * 14) / 25.4 * 96),
            "height": 1000,
            "deviceScaleFactor": 1,
            "mobile": False,
        }
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        script = (
            "return [...document.querySelectorAll('table, tr, td, th, figure, svg, pre, .theorem, math')]"
            ".filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)"
            ".map(e => e.tagName + ' ' + e.textContent.slice(0, 60))"
        )
        return list(self.driver.execute_script(script))

    def printed(self) -> bytes:
        """The page as PDF on A4."""
        options = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", options)["data"])


def resolves(link: str, here: Path) -> bool:
    """Whether a link leads somewhere: a data URI, an existing file, an existing anchor."""
    if link.startswith("data:"):
        return True
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return False
    target = here.parent / unquote(parts.path) if parts.path else here
    if not target.is_file():
        return False
    return not parts.fragment or f'id="{parts.fragment}"' in target.read_text(encoding="utf-8")


def running() -> Iterator[Browser]:
    """A browser that is closed in the end, as the body of a fixture."""
    driver = start()
    try:
        yield Browser(driver)
    finally:
        driver.quit()
