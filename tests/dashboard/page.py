"""A browser that looks at a stage, and what tests of the page have it do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.dashboard.browser import artefacts
from tests.dashboard.manifests import an_app, shop
from tests.dashboard.stage import FULL, Stage

PATIENCE = 20.0

VIEWS = (
    ("applications", "4 applications"),
    ("applications/shop", "What is wanted"),
    ("applications/pay", "Last failure"),
    ("applications/stuck", "Waiting for a host"),
    ("applications/shop/placement", "Colour by"),
    ("applications/shop/timeline", "Failures only"),
    ("applications/shop/versions", "What differs"),
    ("applications/shop/manifest", "apiVersion"),
    ("hosts", "Group by"),
    ("hosts?as=list", "zone=west"),
    ("links", "5 links"),
    ("events", "Requests, commands"),
    ("trends", "Time to deployed"),
    ("lattices", "with problems"),
    ("api", "Return the stored versions"),
)
"""Every view of what :func:`populated` makes, with a text that shows that it is there."""


class Page:
    """A browser that looks at a stage."""

    def script(self, text: str) -> Any:
        return self.driver.execute_script(text)  # type: ignore[no-untyped-call]

    def __init__(self, driver: webdriver.Chrome, running: Stage) -> None:
        self.driver = driver
        self.running = running
        self._expected: list[tuple[str, str]] = []

    def expects(self, path: str, status: int) -> None:
        """Have the console say that requests to a path were refused with this status; all else is a complaint."""
        self._expected.append((path, f"a status of {status}"))

    def is_expected(self, message: str) -> bool:
        """Whether something on the console was expected."""
        return any(path in message and status in message for path, status in self._expected)

    def open(self, view: str, token: str = FULL) -> None:
        self.driver.get(f"{self.running.url}/#token={token}")
        self.until(lambda: "token" not in self.driver.current_url)
        self.go(view)

    def go(self, view: str) -> None:
        self.driver.execute_script(f"location.hash = '#/{view}'")  # type: ignore[no-untyped-call]

    def until(self, condition: Callable[[], object], what: str = "", patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except StaleElementReferenceException:
                pass
            time.sleep(0.02)
        self.picture("failed")
        raise AssertionError(f"{what or 'not so'}; the page says: {self.text}")

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def shows(self, *texts: str) -> None:
        for text in texts:
            self.until(lambda text=text: text in self.text, f"{text!r} is not there")  # type: ignore[misc]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str, text: str = "") -> None:
        def there() -> bool:
            found = [e for e in self.all(selector) if text in e.text and e.is_displayed() and e.is_enabled()]
            if found:
                found[0].click()
            return bool(found)

        self.until(there, f"no {selector} with {text!r}")

    def type(self, selector: str, text: str) -> None:
        self.until(lambda: self.all(selector))
        field = self.all(selector)[0]
        field.clear()
        field.send_keys(text)

    def press(self, keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(keys).perform()

    def write(self, text: str) -> None:
        """Type into the editor of manifests, at its beginning."""
        content = "document.querySelector('.editor')?.shadowRoot?.querySelector('.cm-content')"
        self.until(lambda: self.script(f"const e = {content}; e?.focus(); return !!e"), "there is no editor")
        self.press(text)

    def written(self) -> str:
        """Return what is in sight of the editor of manifests."""
        text: str = self.script(
            "return document.querySelector('.editor')?.shadowRoot?.querySelector('.cm-content')?.innerText ?? ''"
        )
        return text

    def replace_written(self, text: str) -> None:
        """Have just this in the editor of manifests."""
        self.write("")
        keys = webdriver.ActionChains(self.driver)
        keys.key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(Keys.DELETE).perform()
        self.press(text)

    def press_with_control(self, key: str) -> None:
        webdriver.ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def find(self, typed: str) -> None:
        """Type into the palette, and take what it would take then."""
        field = "dialog.palette input"
        self.until(lambda: not self.all(field), "the palette is still open")
        self.press_with_control("k")
        focused = f"return document.activeElement?.matches('{field}')"
        self.until(lambda: self.script(focused), "the palette has no focus")
        self.all(field)[0].send_keys(typed)
        self.until(lambda: self._is_chosen(typed), f"{typed!r} chooses nothing that bears these words")
        self.all(field)[0].send_keys(Keys.ENTER)
        self.until(lambda: not self.all(field), "the palette stays open")

    def _is_chosen(self, typed: str) -> bool:
        chosen = [one.text.lower() for one in self.all("[role=option][aria-selected=true]")]
        return any(all(word in text for word in typed.split()) for text in chosen)

    def picture(self, name: str) -> None:
        path = artefacts() / f"{name}.png"
        self.driver.save_screenshot(str(path))
        wanted = os.environ.get("WADM_PICTURES")
        if wanted and name.startswith("dashboard-"):
            (Path(wanted) / path.name).write_bytes(path.read_bytes())


def populated(running: Stage) -> None:
    for version in ("v1", "v2"):
        running.put(shop(version, 4 if version == "v1" else 8))
    running.deploy("shop", version="v1", message="first")
    running.put(an_app("stuck", requirements="zone: north", description="Wants a host in the north"))
    running.deploy("stuck")
    running.put(an_app("pay", image="ghcr.io/example/broken:1", description="Payments"))
    running.deploy("pay")
    running.put(an_app("draft", description="Not deployed yet"))
    running.wait_for("shop", "deployed")
    running.wait_for("pay", "failed")
