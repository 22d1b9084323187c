"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.conftest import NatsServerFactory
from tests.dashboard.browser import chromium, errors, resize
from tests.dashboard.page import Page
from tests.dashboard.stage import Stage, stage


@pytest.fixture
def running(nats_server_factory: NatsServerFactory) -> Iterator[Stage]:
    """A server with three simulated hosts, and the gateway in front."""
    with stage(nats_server_factory()) as started:
        yield started


@pytest.fixture
def hostless(nats_server_factory: NatsServerFactory) -> Iterator[Stage]:
    """A server without hosts, and the gateway in front."""
    with stage(nats_server_factory(), hosts=()) as started:
        yield started


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(browser: webdriver.Chrome, running: Stage) -> Iterator[Page]:
    """A browser that has nothing to complain of in the end."""
    resize(browser, 1280, 800)
    shown = Page(browser, running)
    yield shown
    complaints = [one for one in errors(browser) if not shown.is_expected(one["message"])]
    browser.get("about:blank")  # before the server goes
    assert complaints == []
