"""Many tabs of one browser: one connection, one token, one truth of how the server is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium import webdriver

from tests.conftest import NatsServerFactory
from tests.dashboard.browser import errors, resize
from tests.dashboard.manifests import an_app
from tests.dashboard.page import Page, populated
from tests.dashboard.stage import FULL, Stage, stage
from tests.dashboard.test_webhooks import until
from wadm.dashboard.options import Options
from wadm.dashboard.tokens import read_tokens

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium leaves sockets to its driver

VIEWS = ("applications", "applications/shop", "hosts", "hosts?as=list", "links", "events", "lattices", "api")
TOLD_WITHIN = 5.0
"""Seconds after which every view says that something is gone."""
ESTABLISHED = "01"


def connections(running: Stage) -> int:
    """Return how many connections the gateway has, from the kernel's own table."""
    port = f":{running.listener.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(port) and line[3] == ESTABLISHED for line in lines)


def streams(running: Stage) -> int:
    text = running.get("/metrics", token=None).data.decode()
    return int(float(text.partition("\nwadm_http_streams ")[2].split()[0]))


def new_tab(page: Page, url: str) -> None:
    page.driver.switch_to.new_window("tab")
    page.driver.get(url)


@pytest.mark.parametrize("hub", ["worker", "channel"])
def test_twenty_tabs_are_live_over_one_connection(page: Page, hub: str) -> None:
    populated(page.running)
    page.driver.get(f"{page.running.url}/?hub={hub}#token={FULL}")
    page.shows("4 applications", "Live")
    first = page.driver.current_window_handle
    for number in range(19):
        view = VIEWS[number % len(VIEWS)]
        new_tab(page, f"{page.running.url}/?hub={hub}#/l/default/{view}")  # no token: tabs share it
    page.running.put(an_app("fresh"))
    for handle in page.driver.window_handles[::4]:
        page.driver.switch_to.window(handle)
        page.shows("Live")
    until(lambda: streams(page.running) == 1, 30)
    until(lambda: connections(page.running) <= 2, 40)  # others idle for 15 s
    page.driver.switch_to.window(first)
    page.shows("5 applications", "fresh")


def test_each_tab_has_a_stream_of_its_own_where_nothing_can_be_shared(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.driver.get(f"{page.running.url}/?hub=tab#token={FULL}")
    page.shows("1 application", "Live")
    new_tab(page, f"{page.running.url}/?hub=tab#token={FULL}")
    page.shows("1 application", "Live")
    until(lambda: streams(page.running) == 1, 20)  # the tab that is not seen has closed its


def test_a_page_that_is_left_and_shown_again_leaves_no_stream_behind(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.shows("hello", "Live")
    for _ in range(6):
        page.driver.get("about:blank")
        page.driver.back()
        page.shows("hello", "Live")
    assert streams(page.running) == 1


def test_while_no_tab_is_seen_the_connection_is_closed_and_one_that_is_shown_is_current_within_a_second(
    page: Page,
) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.shows("1 application", "Live")
    shown = page.driver.current_window_handle
    page.script(
        """
        document.addEventListener("visibilitychange", () => {
          if (document.visibilityState === "visible") window.seen = Date.now();
        });
        const here = () => document.body.textContent.includes("meanwhile");
        const look = () => { if (!window.current && here()) window.current = Date.now(); };
        new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });"""
    )
    page.driver.switch_to.new_window("tab")  # about:blank, in front of it
    until(lambda: streams(page.running) == 0, 20)
    page.running.put(an_app("meanwhile"))
    page.driver.switch_to.window(shown)
    page.shows("2 applications", "meanwhile", "Live")
    assert page.script("return window.current - window.seen") < 1000


WATCH = """
    const words = arguments[0];
    const look = () => { if (!window.told && document.body.textContent.includes(words)) window.told = Date.now(); };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });"""


def told_everywhere(page: Page, happen: Callable[[], None], words: str) -> dict[str, float]:
    """Open all views, a tab each; have something happen; return after how many seconds each view says so."""
    handles = {}
    for number, view in enumerate(VIEWS):
        if number:
            page.driver.switch_to.new_window("tab")
        page.driver.get(f"{page.running.url}/#/l/default/{view}" if number else f"{page.running.url}/#token={FULL}")
        page.shows("Live")
        page.until(lambda: page.all("h1"))
        page.driver.execute_script(WATCH, words)  # type: ignore[no-untyped-call]
        handles[view] = page.driver.current_window_handle
    began = time.time()
    happen()
    found = {}
    for view, handle in handles.items():
        page.driver.switch_to.window(handle)
        page.until(lambda: page.script("return window.told"), f"{view} does not say {words!r}")
        found[view] = page.script("return window.told") / 1000 - began
    return found


def leave(page: Page) -> None:
    """Have all tabs ask for nothing any more."""
    for handle in page.driver.window_handles:
        page.driver.switch_to.window(handle)
        page.driver.get("about:blank")


def test_that_nats_does_not_answer_every_view_says_within_seconds(page: Page) -> None:
    populated(page.running)
    try:
        found = told_everywhere(page, page.running.nats.pause, "NATS does not answer")
    finally:
        page.running.nats.resume()
    assert max(found.values()) < TOLD_WITHIN, found
    page.shows("Live")
    leave(page)
    errors(page.driver)


def test_that_the_server_is_dead_every_view_says_within_seconds(page: Page) -> None:
    populated(page.running)
    found = told_everywhere(page, page.running.listener.stop, "The server")
    assert max(found.values()) < TOLD_WITHIN, found
    leave(page)
    assert all("ERR_" in entry["message"] or "503" in entry["message"] for entry in errors(page.driver))


def test_that_a_token_is_revoked_every_view_says_within_seconds(
    nats_server_factory: NatsServerFactory, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"full {FULL} ada\n")
    with stage(nats_server_factory(), options=Options(tokens=read_tokens(file))) as running:
        resize(browser, 1280, 800)
        page = Page(browser, running)
        populated(running)

        def revoke() -> None:
            file.write_text("full another-token-of-some-length\n")

        found = told_everywhere(page, revoke, "This token is not known here")
        assert max(found.values()) < TOLD_WITHIN, found
        page.shows("Signed out", "Sign in")
        leave(page)


def test_signing_out_signs_out_all_tabs(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.shows("hello")
    first = page.driver.current_window_handle
    new_tab(page, f"{page.running.url}/#/l/default/hosts")
    page.shows("3 hosts")
    page.click("button[aria-label^=Account]")
    page.shows("Who you are", "ada", "read and change everything")
    page.click("dialog button", "Sign out")
    page.shows("This server wants a token")
    page.driver.switch_to.window(first)
    page.shows("This server wants a token")
    assert all("401" in entry["message"] for entry in errors(page.driver))


def test_a_token_that_does_not_count_is_not_kept_and_a_new_link_replaces_a_remembered_one(page: Page) -> None:
    page.driver.get(page.running.url)
    page.shows("This server wants a token")
    page.type("input[type=password]", "wrong-token-of-some-length")
    page.click("input[type=checkbox]")
    page.click("button", "Sign in")
    page.shows("This token is not known here")
    assert page.script("return localStorage.getItem('wadm-token')") is None
    page.type("input[type=password]", FULL)
    page.click("button", "Sign in")
    page.shows("No applications yet")
    assert page.script("return localStorage.getItem('wadm-token')") == FULL
    page.script("localStorage.setItem('wadm-token', 'one-of-an-earlier-server')")
    page.driver.get(f"{page.running.url}/?again#token={FULL}")
    page.shows("No applications yet")
    assert page.script("return localStorage.getItem('wadm-token')") == FULL
    assert all("401" in entry["message"] for entry in errors(page.driver))
