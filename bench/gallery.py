"""Pictures of every view of the dashboard: ``python -m bench.gallery [DIRECTORY]``, by default in docs/pictures/views.

In light and dark, on a phone and on a screen 2,560 px wide, with 0, 4, 300 and 1,000 applications. Says of each picture
whether something overflows: the page is wider than the screen, or a text is cut that cannot be read elsewhere.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver

from tests.dashboard.browser import chromium, resize
from tests.dashboard.manifests import an_app, shop
from tests.dashboard.page import Page, populated
from tests.dashboard.stage import FAILING, Stage, some_hosts, stage
from tests.natsd import NatsServer
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import simulated_hosts

LOOKS = {"light": (1280, 800, False), "dark": (1280, 800, True), "phone": (390, 844, True), "wide": (2560, 1300, False)}
"""Width, height, dark."""

Views = Sequence[tuple[str, str]]
"""Addresses, and a text that shows that the view is there."""

EMPTY: Views = (
    ("applications", "No applications yet"),
    ("applications?new=1", "Valid"),
    ("hosts", "No hosts"),
    ("links", "link"),
    ("events", "Requests, commands"),
    ("trends", "Hosts"),
    ("lattices", "lattice"),
    ("api", "Return the stored versions"),
    ("nonsense", "There is no view"),
)


def views(application: str, host: str) -> Views:
    """Return all views, with an application and a host to look at."""
    return (
        ("applications", "applications"),
        (f"applications/{application}", "What is wanted"),
        (f"applications/{application}/placement", "Colour by"),
        (f"applications/{application}/timeline", "Failures only"),
        (f"applications/{application}/versions", "What differs"),
        (f"applications/{application}/manifest", "apiVersion"),
        (f"applications/{application}?do=deploy", "Have this version run"),
        (f"applications/{application}?do=delete", "This cannot be undone"),
        ("applications?new=1", "Valid"),
        ("hosts", "Group by"),
        ("hosts?as=list", "zone="),
        (f"hosts/{host}", "What happened here"),
        ("links", "link"),
        ("events", "Requests, commands"),
        ("trends", "Hosts"),
        ("lattices", "lattice"),
        ("api", "Return the stored versions"),
    )


def four(running: Stage) -> None:
    populated(running)
    running.deploy("shop", version="v2", message="more frontends")
    running.wait_for("shop", "deployed", 30)


def some(count: int) -> Callable[[Stage], None]:
    """Fill a stage with so many applications, some of which cannot run."""

    def fill(running: Stage) -> None:
        for version in ("v1", "v2"):
            running.put(shop(version, 8))
        running.deploy("shop", version="v1", message="first")
        for number in range(count - 1):
            broken, nowhere = number % 23 == 5, number % 31 == 7
            image = f"ghcr.io/example/{'broken' if broken else 'service'}-{number % 40}:1.{number % 7}.0"
            needs = "zone: moon" if nowhere else ("zone: east", "zone: west", "")[number % 3]
            running.put(an_app(f"service-{number:04}", "v1", image, 2 + number % 9, needs, f"Service {number}"))
            if number % 17:
                running.deploy(f"service-{number:04}")
        running.wait_for("shop", "deployed", 60)
        running.wait_for(f"service-{count - 2 - (not (count - 2) % 17):04}", "deployed", 180)

    return fill


def hosts(count: int) -> list[HostSpec]:
    """Return hosts in three zones."""
    third = count // 3
    return [
        *simulated_hosts(third, {"zone": "east", "tier": "edge"}, FAILING, "east", spread_heartbeats=True),
        *simulated_hosts(third, {"zone": "west"}, FAILING, "west", spread_heartbeats=True),
        *simulated_hosts(count - 2 * third, {"zone": "south"}, FAILING, "south", spread_heartbeats=True),
    ]


STAGES: dict[int, tuple[list[HostSpec], Callable[[Stage], None]]] = {
    0: ([], lambda running: None),
    4: (some_hosts(), four),
    300: (hosts(100), some(300)),
    1000: (hosts(1000), some(1000)),
}


@contextmanager
def on_stage(count: int) -> Iterator[Stage]:
    """Run a server with so many applications."""
    directory = Path(tempfile.mkdtemp(prefix="wadm-gallery-"))
    nats = NatsServer(directory)
    nats.start()
    of, fill = STAGES[count]
    try:
        with stage(nats, of) as running:
            fill(running)
            yield running
    finally:
        nats.stop()
        shutil.rmtree(directory, ignore_errors=True)


OVERFLOW = """
const wide = document.documentElement.scrollWidth;
const found = wide > innerWidth ? [`the page is ${wide} px wide`] : [];
const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
const tells = (e) => e.title || e.closest('[title]') || e.querySelector('[title]');
for (const e of document.querySelectorAll('main *, header *, dialog *')) {
  if (!e.offsetParent || e.closest('.sr, .long, svg, input, .editor')) continue;
  const style = getComputedStyle(e);
  const note = (what) => found.push(`${what}: ${e.className || e.tagName}: ${e.textContent.slice(0, 40)}`);
  const says = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const larger = e.scrollWidth > e.clientWidth + 1;
  if (style.textOverflow === 'ellipsis') { if (larger && !tells(e)) note('cut, and told nowhere else'); }
  else if (says && larger && style.overflowX === 'hidden') note('cut');
  const box = e.getBoundingClientRect();
  if (says && box.width && (box.right > innerWidth + 1 || box.left < -1) && !scrolls(e)) note('outside');
}
return [...new Set(found)].slice(0, 12);
"""


def picture(driver: webdriver.Chrome, path: Path) -> None:
    """Keep what is seen, small."""
    told: dict[str, Any] = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 55})
    path.write_bytes(base64.b64decode(told["data"]))


def named(address: str, running_host: str) -> str:
    """Return what a picture of an address is called."""
    words = address.replace(running_host, "one") if running_host else address
    return words.replace("?", "-").replace("/", "-").replace("=", "-").replace("applications-shop", "application")


def take(driver: webdriver.Chrome, running: Stage, count: int, out: Path, only: str) -> list[str]:
    """Take the pictures of one stage; return what overflows."""
    told = running.get("/api/v1/lattices/default/hosts").json["hosts"] if count else []
    host = max(told, key=lambda one: len(one["components"]))["id"] if told else ""
    found = []
    page = Page(driver, running)
    driver.get("about:blank")
    page.open("applications")
    for look, (width, height, dark) in LOOKS.items():
        resize(driver, width, height, dark)
        for address, text in views("shop", host) if count else EMPTY:
            name = f"{count}-{named(address, host)}-{look}"
            if only and only not in name:
                continue
            page.script("location.hash = '#/'")
            page.go(f"l/default/{address}")
            page.shows(text)
            time.sleep(0.7)  # charts and graphs are drawn a moment after their texts
            picture(driver, out / f"{name}.webp")
            found += [f"{name}: {what}" for what in page.script(OVERFLOW)]
            print(name, flush=True)
    driver.get("about:blank")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("docs/pictures/views"))
    parser.add_argument("--only", default="", help="only pictures whose name contains this")
    parser.add_argument("--count", type=int, action="append", choices=list(STAGES), help="with so many applications")
    said = parser.parse_args()
    said.directory.mkdir(parents=True, exist_ok=True)
    found = []
    with chromium() as driver:
        for count in said.count or STAGES:
            with on_stage(count) as running:
                found += take(driver, running, count, said.directory, said.only)
    print("\n".join(found) or "nothing overflows")


if __name__ == "__main__":
    main()
