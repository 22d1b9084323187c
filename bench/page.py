"""The dashboard's page in Chromium: ``python -m bench.page [--hosts N] [--applications N]``.

Starts NATS, a server, simulated hosts and the gateway, has each application run on ten hosts, and opens the page. Says
when the list is first there; and of scrolling the list and the map, and of pointing at the map, what the page's main
thread did in each frame, from a trace of Chromium: script and paint (style, layout and layers among it), and all.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import websocket
from selenium import webdriver

from tests.dashboard.browser import chromium, resize
from tests.dashboard.page import Page
from tests.dashboard.stage import Stage, stage
from tests.natsd import NatsServer
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import simulated_hosts

EACH = 10
"""Hosts that an application runs on."""
TIMELINE = "devtools.timeline"
CATEGORIES = ["toplevel", *(f"{off}{TIMELINE}{of}" for off in ("", "disabled-by-default-") for of in ("", ".frame"))]
FRAME = "BeginMainThreadFrame"
LONG = 12.0
"""Milliseconds of a frame."""
SCRIPT = ("EventDispatch", "FireAnimationFrame", "TimerFire", "RunMicrotasks", "FunctionCall", "EvaluateScript")
PAINT = ("UpdateLayoutTree", "Layout", "PrePaint", "Paint", "Layerize", "Commit")


def an_app(number: int, groups: int) -> str:
    return f"""
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: svc-{number:04}, annotations: {{version: v1, description: Service {number}}}}}
spec:
  components:
    - name: ui
      type: component
      properties: {{image: "ghcr.io/example/svc-{number % 50}:1.0.0"}}
      traits:
        - type: daemonscaler
          properties: {{instances: 1, spread: [{{name: all, requirements: {{group: g{number % groups}}}}}]}}
"""


def hosts(count: int) -> list[HostSpec]:
    groups = max(1, count // EACH)
    found: list[HostSpec] = []
    for group in range(groups):
        labels = {"zone": ("east", "west", "south")[group % 3], "group": f"g{group}"}
        found += simulated_hosts(EACH, labels, seed=f"h{group:03}", spread_heartbeats=True)
    return found


class Trace:
    """What Chromium did meanwhile. Its own connection: events of traces come over none of the driver's."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        address = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        with urllib.request.urlopen(f"http://{address}/json/version") as answer:
            url = json.load(answer)["webSocketDebuggerUrl"]
        self._socket = websocket.create_connection(url, suppress_origin=True, timeout=60)
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def _send(self, method: str, **said: Any) -> None:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": said}))

    def __enter__(self) -> Trace:
        self._send("Tracing.start", transferMode="ReportEvents", traceConfig={"includedCategories": CATEGORIES})
        while json.loads(self._socket.recv()).get("id") != self._number:
            pass
        return self

    def __exit__(self, *error: object) -> None:
        self._send("Tracing.end")
        while True:
            told = json.loads(self._socket.recv())
            if told.get("method") == "Tracing.dataCollected":
                self.events += told["params"]["value"]
            elif told.get("method") == "Tracing.tracingComplete":
                break
        self._socket.close()


def frames(events: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Return of each frame of the busiest page what its main thread did, in milliseconds: ``all``, ``script and
    paint``, and each kind of these, what is done within another not counted twice."""
    mains = {
        (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    of: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if (event["pid"], event["tid"]) in mains:
            of[event["pid"], event["tid"]].append(event)
    page = max(of.values(), key=lambda those: sum(e["name"] == FRAME for e in those))
    begins = sorted(e["ts"] for e in page if e["name"] == FRAME)
    told: list[dict[str, float]] = [defaultdict(float) for _ in begins[:-1]]
    covered = 0.0
    for event in sorted(page, key=lambda event: (event["ts"], -event.get("dur", 0))):
        if event.get("ph") != "X" or not event.get("dur"):
            continue
        # A frame is what is done from the end of the one before to its own end: input comes before its begin.
        at = sum(begin <= event["ts"] for begin in begins) - 1
        if not 0 <= at < len(told):
            continue
        cpu, wall = event.get("tdur", event["dur"]) / 1000, event["dur"] / 1000
        kind = event["name"]
        if kind == "RunTask":
            told[at]["all"] += cpu
            told[at]["wall"] += wall
        elif kind in SCRIPT + PAINT and event["ts"] >= covered:
            covered = event["ts"] + event["dur"]
            told[at][kind] += cpu
            told[at]["script and paint"] += cpu
    return told


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def measure(title: str, driver: webdriver.Chrome, act: Callable[[], None]) -> None:
    trace = Trace(driver)
    with trace:
        act()
    told = frames(trace.events)
    print(f"{title}: {len(told)} frames")
    for what, called in (("script and paint", "script and paint, CPU ms"), ("all", "all, CPU ms"), ("wall", "all, ms")):
        took = [frame[what] for frame in told]
        print(f"  {called:<26} {_spread(took)}, over {LONG} ms: {sum(one > LONG for one in took)}")
    worst = max(told, key=lambda frame: frame["script and paint"])
    kinds = ", ".join(f"{kind} {worst[kind]:.1f}" for kind in (*SCRIPT, *PAINT) if worst[kind])
    print(f"  longest: {kinds}", flush=True)


def _spread(values: Sequence[float]) -> str:
    median, most, nearly = (quantile(values, share) for share in (0.5, 0.95, 0.99))
    return f"median {median:.1f}, 95 % {most:.1f}, 99 % {nearly:.1f}, longest {max(values):.1f}"


def scroll(driver: webdriver.Chrome, selector: str, distance: int = -24000) -> None:
    x, y = driver.execute_script(
        "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2]",
        selector,
    )
    said = {"x": x, "y": y, "yDistance": distance, "speed": 6000, "gestureSourceType": "mouse", "preventFling": True}
    driver.execute_cdp_cmd("Input.synthesizeScrollGesture", said)


def point(driver: webdriver.Chrome) -> None:
    x, y, wide, tall = driver.execute_script(
        "const b = document.querySelector('.map').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]"
    )
    for step in range(240):
        at = {"x": x + 20 + (wide - 40) * (step % 40) / 40, "y": y + 20 + (tall - 40) * (step // 40) / 6}
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", **at})


FIRST = """
new MutationObserver((_, watcher) => {
  if (document.querySelector('.row')) { window.listed = performance.now(); watcher.disconnect(); }
}).observe(document, { childList: true, subtree: true });
"""


def first_content(page: Page, count: int) -> None:
    driver = page.driver
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FIRST})
    listed, painted = [], []
    for _ in range(7):
        driver.refresh()
        page.shows(f"{count:,} applications")
        listed.append(page.script("return window.listed"))
        painted.append(page.script("return performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        time.sleep(0.3)
    first, there = quantile(painted, 0.5), quantile(listed, 0.5)
    print(
        f"first content: something {first:.0f} ms, the list {there:.0f} ms (longest {max(listed):.0f} ms)", flush=True
    )


def fill(running: Stage, applications: int, groups: int) -> None:
    for number in range(applications):
        running.put(an_app(number, groups))
    for number in range(applications):
        running.deploy(f"svc-{number:04}")
    running.wait_for(f"svc-{applications - 1:04}", "deployed", 300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--applications", type=int, default=1000)
    parser.add_argument("--picture", type=Path, help="keep a picture of the map")
    said = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="wadm-page-"))
    nats = NatsServer(directory)
    nats.start()
    try:
        with stage(nats, hosts(said.hosts)) as running, chromium() as driver:
            fill(running, said.applications, max(1, said.hosts // EACH))
            resize(driver, 1280, 800)
            page = Page(driver, running)
            page.open("applications")
            page.shows(f"{said.applications:,} applications")
            first_content(page, said.applications)
            measure("scrolling the list", driver, lambda: scroll(driver, ".rows"))
            page.go("l/default/hosts")
            page.shows(f"{said.hosts:,} hosts")
            time.sleep(2)
            measure("scrolling the map", driver, lambda: scroll(driver, ".map"))
            measure("pointing at the map", driver, lambda: point(driver))
            page.go("l/default/hosts?as=list")
            page.until(lambda: page.all(".rows"))
            measure("scrolling the hosts' list", driver, lambda: scroll(driver, ".rows"))
            if said.picture:
                page.go("l/default/hosts")
                time.sleep(1)
                told = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                said.picture.write_bytes(base64.b64decode(told["data"]))
            driver.get("about:blank")
    finally:
        nats.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
