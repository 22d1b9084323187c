"""What people come for, from the list of applications: three clicks at most each, or one entry of the palette."""

from __future__ import annotations

import pytest
from msgspec import Struct

from tests.dashboard.page import Page, populated

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium leaves sockets to its driver

MOST_CLICKS = 3


class Task(Struct, frozen=True):
    """What is clicked (selector and text), what is typed into the palette instead, and what is to be read then."""

    clicks: tuple[tuple[str, str], ...]
    typed: str
    answers: tuple[str, ...]


ROW, TAB, VIEW, FORM = ".row a.open", ".tabs a", "nav a", ".ways button"
TASKS = {
    "why is it so": Task(((ROW, "pay"),), "why pay", ("Not authorized", "next try")),
    "what differs between versions": Task(((ROW, "shop"), (TAB, "Versions")), "compare shop", ("What differs", "v2")),
    "who changed it": Task(((ROW, "shop"), (TAB, "Versions")), "who changed shop", ("ada: first",)),
    "what runs on this host": Task(
        ((VIEW, "Hosts"), (FORM, "List"), (ROW, "keen")), "host keen", ("What runs here", "shop-frontend")
    ),
    "what would losing a zone take": Task(((VIEW, "Hosts"),), "hosts", ("Group by", "3 hosts")),
    "where is this image used": Task(((VIEW, "Hosts"), (FORM, "List")), "image frontend", ("keen-fjord",)),
    "what failed last": Task(
        ((VIEW, "Events"), ("button.filter", "Failures only")), "last failure", ("could not be scaled",)
    ),
    "how was it lately": Task(((VIEW, "Trends"),), "trends", ("Instances", "Time to deployed")),
}


def at_the_list(page: Page) -> None:
    page.go("l/default/applications")
    page.shows("4 applications")
    page.until(lambda: len(page.all(".row")) == 4)


def test_each_question_is_answered_within_three_clicks(page: Page) -> None:
    populated(page.running)
    page.open("applications")
    for title, task in TASKS.items():
        at_the_list(page)
        for selector, text in task.clicks:
            page.click(selector, text)
        page.shows(*task.answers)
        assert len(task.clicks) <= MOST_CLICKS, title


def test_each_question_is_one_entry_of_the_palette(page: Page) -> None:
    populated(page.running)
    page.open("applications")
    for task in TASKS.values():
        at_the_list(page)
        page.find(task.typed)
        page.shows(*task.answers)


def test_going_back_takes_three_clicks(page: Page) -> None:
    populated(page.running)
    page.running.deploy("shop", version="v2")
    page.running.wait_for("shop", "deployed")
    page.open("applications")
    page.click(ROW, "shop")
    page.click(".actions button", "Roll back")
    page.click("dialog footer button.primary")
    page.shows("Version v1 is to run")
