"""Reading the page: what is in the address, what the keyboard does, what one finds, and that axe finds nothing."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.conftest import NatsServerFactory
from tests.dashboard.browser import resize
from tests.dashboard.manifests import an_app
from tests.dashboard.page import VIEWS, Page, populated
from tests.dashboard.stage import READ, stage
from tests.dashboard.test_webhooks import until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium leaves sockets to its driver

AXE = "const done = arguments[arguments.length - 1]; axe.run().then(done, (error) => done({ error: String(error) }))"


def names(page: Page) -> list[str]:
    return [name.text for name in page.all(".row .name")]


def test_search_filters_and_order_are_in_the_address_and_are_there_again_after_back(page: Page) -> None:
    populated(page.running)
    page.open("applications")
    page.shows("4 applications")
    page.click("button.filter", "Failed")
    page.click("button.filter", "Deployed")
    page.type("input[type=search]", "s")
    page.click(".head button", "Application")
    page.click(".head button", "Application")
    page.until(lambda: names(page) == ["stuck", "shop", "pay"])
    address = page.driver.current_url
    assert address.endswith("#/l/default/applications?status=failed%2Cdeployed&q=s&sort=-name"), address
    page.click(".row a", "shop")
    page.shows("What is wanted")
    page.driver.back()
    page.until(lambda: names(page) == ["stuck", "shop", "pay"])
    page.driver.get("about:blank")
    page.driver.get(address)
    page.until(lambda: names(page) == ["stuck", "shop", "pay"])


def test_a_link_shows_everybody_the_same_lattice(page: Page) -> None:
    page.running.post("/api/v1/lattices/eu/applications", an_app("only-there"))
    page.open("applications")
    page.shows("No applications yet")
    page.driver.get(f"{page.running.url}/?fresh#/l/eu/applications/only-there")
    page.shows("only-there", "Nothing of it is to run")
    page.driver.get(f"{page.running.url}/?fresh#/l/default/applications/only-there")
    page.shows("only-there is not there", "You are looking at lattice default")
    page.driver.get_log("browser")  # type: ignore[no-untyped-call]  # a 404 is written there


@pytest.mark.parametrize("hash_", ["#/%E0%A4%A", "#/l/%E0%A4%A/applications", "#/l/default/applications?q=%E0%A4%A"])
def test_an_address_that_cannot_be_decoded_breaks_nothing(page: Page, hash_: str) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.shows("hello")
    page.script(f"location.hash = '{hash_}'")
    page.until(lambda: page.all("h1") or page.all(".trouble"))
    page.go("applications")
    page.shows("1 application")
    page.driver.get_log("browser")  # type: ignore[no-untyped-call]


def test_a_view_that_is_none_says_so(page: Page) -> None:
    page.open("nonsense")
    page.shows("There is no view “nonsense”", "All applications")


def test_the_focus_stays_however_far_one_goes_by_keyboard(nats_server_factory: NatsServerFactory, browser: Any) -> None:
    with stage(nats_server_factory(), hosts=()) as running:
        for number in range(300):
            running.put(an_app(f"svc-{number:03}"))
        resize(browser, 1280, 800)
        page = Page(browser, running)
        page.open("applications?sort=name")
        page.shows("300 applications")
        page.until(lambda: len(page.all(".row")) > 10)
        page.script("document.querySelector('.row a.open').focus()")
        for number in range(1, 61):
            page.press(Keys.ARROW_DOWN)
            page.until(lambda number=number: focused(page) == f"svc-{number:03}", f"row {number} has no focus")  # type: ignore[misc]
        page.press(Keys.END)
        page.until(lambda: focused(page) == "svc-299")
        page.press(Keys.PAGE_UP)
        page.until(lambda: focused(page) not in ("", "svc-299") and focused(page).startswith("svc-"))
        page.press(Keys.HOME)
        page.until(lambda: focused(page) == "svc-000")
        browser.get("about:blank")


def focused(page: Page) -> str:
    text: str = page.script("return document.activeElement.textContent")
    return text


def test_a_rollback_offers_what_the_server_would_go_back_to(page: Page) -> None:
    running = page.running
    for number, version in enumerate(("v1", "v2", "v3"), 1):
        running.put(an_app("hello", version=version, instances=number))
        if version != "v2":
            running.deploy("hello", version=version)
            until(lambda number=number: outcomes(page) == ["deployed"] * (number + 1 >> 1))  # type: ignore[misc]
    page.open("applications/hello")
    page.shows("Version v3 is to run")
    page.click(".actions button", "Roll back")
    page.until(lambda: page.script("return document.querySelector('dialog select')?.value") == "v1")
    page.click("dialog footer button.primary")
    page.shows("Version v1 is to run")
    until(lambda: outcomes(page) == ["deployed"] * 3)
    page.click(".actions button", "Roll back")
    page.shows("Choose a version to go back to", "has no version to go back to")
    assert not page.all("dialog footer button.primary")[0].is_enabled()
    page.driver.get_log("browser")  # type: ignore[no-untyped-call]  # a 409 is written there


def outcomes(page: Page) -> list[str]:
    history = page.running.get("/api/v1/lattices/default/applications/hello/history").json
    return [one.get("outcome", "") for one in history.get("revisions", [])]


def test_what_is_written_is_not_thrown_away_without_a_question(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.click("button[data-key=n]")
    page.write("# something of my own\n")
    page.press(Keys.ESCAPE)
    page.driver.switch_to.alert.dismiss()
    page.until(lambda: "something of my own" in page.written())
    page.press(Keys.ESCAPE)
    page.driver.switch_to.alert.accept()
    page.until(lambda: not page.all("dialog"))
    page.click("button[data-key=n]")
    page.shows("A draft was kept")
    page.until(lambda: "something of my own" in page.written())
    page.click("dialog button", "Begin anew")
    page.until(lambda: "something of my own" not in page.written())


def test_the_editor_completes_from_the_schema_and_marks_what_is_wrong_where_it_is(page: Page) -> None:
    page.expects("/plan", 400)  # what is written so far is no manifest yet
    page.open("applications")
    page.click("button[data-key=n]")
    page.replace_written("apiVersion: core.oam.dev/v1beta1\nki")
    page.press_with_control(" ")
    inside = "return document.querySelector('.editor').shadowRoot.querySelector('{}')?.textContent ?? ''"
    page.until(lambda: "kind" in page.script(inside.format(".cm-tooltip-autocomplete")))
    # The list takes no key in its first moments, so that nobody chooses by mistake; a click it takes at once.
    option = "document.querySelector('.editor').shadowRoot.querySelector('.cm-tooltip-autocomplete [aria-selected]')"
    page.script(f"{option}.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true, cancelable: true}}))")
    page.until(lambda: "kind:" in page.written())
    page.press("Aplication\n")
    page.shows("2 problems", "line 1:1", "add metadata")
    page.until(lambda: page.script(inside.replace("textContent", "className").format(".cm-lint-marker")))


def test_several_applications_are_undeployed_together_each_by_its_plan(page: Page) -> None:
    for name in ("one", "two", "three"):
        page.running.put(an_app(name))
        page.running.deploy(name)
        page.running.wait_for(name, "deployed")
    page.open("applications")
    page.shows("3 applications")
    page.click("input[aria-label='Select one']")
    page.click("input[aria-label='Select two']")
    page.shows("2 selected")
    assert "sel=one%2Ctwo" in page.driver.current_url
    page.click(".bulk button", "Undeploy")
    page.until(lambda: page.all("dialog footer button.danger")[0].is_enabled())
    page.click("dialog footer button.danger")
    page.shows("All is asked for")
    page.running.wait_for("one", "undeployed")
    page.running.wait_for("two", "undeployed")
    page.running.wait_for("three", "deployed")


def test_anything_is_found_by_a_few_letters(page: Page) -> None:
    page.expects("/plan", 409)  # nothing is before v1
    populated(page.running)
    page.open("applications")
    page.shows("4 applications")
    for typed, words in (
        ("why pay", "Not authorized"),
        ("compare shop", "What differs"),
        ("who changed shop", "ada: first"),
        ("roll back shop", "Choose a version to go back to"),
        ("hosts", "Group by"),
        ("last failure", "could not be scaled"),
        ("image frontend", "Map"),
    ):
        page.driver.get(f"{page.running.url}/#/l/default/applications")
        page.find(typed)
        page.shows(words)


def test_the_map_tells_what_runs_where_and_why_not_elsewhere(page: Page) -> None:
    running = page.running
    running.put(an_app("hello", requirements="zone: west", instances=1))
    running.deploy("hello")
    running.wait_for("hello", "deployed")
    page.open("hosts?group=zone")
    page.shows("3 hosts", "1 component")
    box = page.all(".map")[0]
    assert box.get_attribute("aria-label").startswith("Map of 3 hosts with 1 ")  # type: ignore[union-attr]
    page.script("document.querySelector('.map').focus()")
    for _ in range(3):
        page.press(Keys.ARROW_RIGHT)  # past both hosts in the east
    page.shows("zone=west")
    point = """
        const box = document.querySelector('.map').getBoundingClientRect();
        const at = { clientX: box.left + arguments[0], clientY: box.top + arguments[1], bubbles: true };
        document.querySelector('.map').dispatchEvent(new MouseEvent('mousemove', at));"""
    page.driver.execute_script(point, 30, 176)  # type: ignore[no-untyped-call]  # the block of the host in the west
    page.shows("hello-ui", "of hello")
    page.press(Keys.ENTER)
    page.shows("What is wanted")
    page.go("applications/hello/placement?group=zone")
    page.shows("Colour by")
    page.until(lambda: page.all(".map"))
    page.until(lambda: page.driver.execute_script(point + "return 1", 60, 60))  # type: ignore[no-untyped-call]
    page.shows("It cannot run here: zone is east, wanted west.")


def test_a_host_has_a_page_with_what_runs_and_what_happened_there(page: Page) -> None:
    populated(page.running)
    host = page.running.get("/api/v1/lattices/default/hosts?labels=zone=west").json["hosts"][0]
    page.open(f"hosts/{host['id']}")
    page.shows(host["name"], "What runs here", "shop-kv", "What happened here", "zone=west", "shop-kv started")


def test_equal_events_are_put_together_and_failures_are_red(page: Page) -> None:
    populated(page.running)
    page.open("events")
    page.shows("could not be scaled")
    page.until(lambda: page.all(".timeline .failure"))
    page.until(lambda: page.all("button.times"))
    page.click("button.filter", "Failures only")
    page.until(lambda: len(page.all(".timeline > li")) == len(page.all(".timeline > li.failure")) > 0)
    title = page.all(".timeline time")[0].get_attribute("title") or ""
    assert re.search(r"20\d\d.*(UTC|GMT)", title), title  # with its date and zone


def test_who_may_only_read_is_not_offered_what_is_refused(page: Page) -> None:
    populated(page.running)
    page.open("applications?new=1", READ)
    page.shows("4 applications")
    assert page.all("dialog") == []
    page.go("applications/shop?do=delete")
    page.shows("What is wanted")
    assert page.all("dialog") == []


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_any_view(page: Page, dark: bool) -> None:
    source = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    populated(page.running)
    host = page.running.get("/api/v1/lattices/default/hosts").json["hosts"][0]["id"]
    resize(page.driver, 1280, 900, dark)
    page.open("applications")
    found = {}
    further = (
        ("applications/shop?do=deploy", "Have this version run"),
        (f"hosts/{host}", "What happened here"),
        ("nonsense", "There is no view"),
    )
    for view, text in (*VIEWS, *further):
        page.go(view)
        page.shows(text)
        page.script(source)
        told = page.driver.execute_async_script(AXE)  # type: ignore[no-untyped-call]
        assert told.get("passes"), (view, told)
        if told["violations"]:
            found[view] = [(one["id"], one["nodes"][0]["html"][:200]) for one in told["violations"]]
    assert found == {}, json.dumps(found, indent=1)


def test_without_hosts_nobody_knows_links_and_the_page_says_so(
    nats_server_factory: NatsServerFactory, browser: Any
) -> None:
    with stage(nats_server_factory(), hosts=()) as running:
        resize(browser, 1280, 800)
        page = Page(browser, running)
        page.open("links")
        page.shows("No links", "only hosts know its links")
        browser.get("about:blank")
