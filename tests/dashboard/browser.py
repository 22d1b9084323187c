"""A real Chromium, driven through its own chromedriver; on pages of this machine alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


def programs() -> tuple[str, str]:
    """Return Chromium and its driver; skip where they are not at hand."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("needs chromium and chromedriver (Debian: chromium chromium-driver)")
    return browser, driver


@contextmanager
def chromium(width: int = 1280, height: int = 800) -> Iterator[webdriver.Chrome]:
    """Run a browser with a profile of its own, which keeps what pages write to the console."""
    browser, driver = programs()
    with tempfile.TemporaryDirectory(prefix="wadm-chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Given the driver's path, selenium looks for none, here or elsewhere.
        started = webdriver.Chrome(options=options, service=Service(driver))
        try:
            started.set_script_timeout(20)
            yield started
        finally:
            started.quit()


def resize(driver: webdriver.Chrome, width: int, height: int, dark: bool = False) -> None:
    """Have a page be that large, and prefer that theme."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def errors(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    """Return what the page complained of on the console since the last time."""
    return [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]  # type: ignore[no-untyped-call]


def artefacts() -> Path:
    """Return where pictures are kept, outside the tree: ``WADM_ARTEFACTS``, else a temporary directory."""
    directory = Path(os.environ.get("WADM_ARTEFACTS") or Path(tempfile.gettempdir()) / "wadm-dashboard")
    directory.mkdir(parents=True, exist_ok=True)
    return directory
