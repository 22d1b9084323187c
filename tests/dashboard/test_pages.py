"""Every page and action in a real Chromium, against a real server with simulated hosts.

Pictures of what was seen are kept outside the tree (``WADM_ARTEFACTS``); with ``WADM_PICTURES=docs/pictures`` those
that the documents show are written there.
"""

from __future__ import annotations

import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.conftest import NatsServerFactory
from tests.dashboard.browser import errors, resize
from tests.dashboard.manifests import an_app
from tests.dashboard.page import VIEWS, Page, populated
from tests.dashboard.stage import FULL, READ, TOKENS, stage
from tests.dashboard.test_webhooks import Receiver
from wadm.dashboard import webhooks
from wadm.dashboard.options import Options
from wadm.dashboard.webhooks import Hook

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium leaves sockets to its driver


def test_applications_with_what_is_wrong_first(page: Page) -> None:
    populated(page.running)
    page.open("applications")
    page.shows("4 applications", "2 not as they should be", "waiting for a host with zone=north")
    names = [row.find_element(By.CSS_SELECTOR, ".name a").text for row in page.all(".row")]
    assert set(names[:2]) == {"pay", "stuck"}
    assert set(names[2:]) == {"shop", "draft"}
    page.until(lambda: "next try in" in page.text)
    page.picture("dashboard-applications")
    page.type("input[type=search]", "broken")
    page.until(lambda: len(page.all(".row")) == 1)
    page.type("input[type=search]", "no such thing")
    page.shows("No application fits")
    page.click("button", "Show all")
    page.click("button.filter", "Deployed")
    page.until(lambda: [name.text for name in page.all(".row .name")] == ["shop"])


def test_a_new_status_is_on_the_screen_within_half_a_second(page: Page) -> None:
    running = page.running
    running.put(an_app("hello"))
    page.open("applications")
    page.shows("hello")
    watch = """
        window.seen = 0;
        new MutationObserver(() => {
          if (!window.seen && document.querySelector('.badge.deployed')) window.seen = Date.now();
        }).observe(document.body, { childList: true, subtree: true, attributes: true, characterData: true });"""
    page.driver.execute_script(watch)  # type: ignore[no-untyped-call]
    running.deploy("hello")
    running.wait_for("hello", "deployed")
    told = time.time()
    page.until(lambda: page.driver.execute_script("return window.seen"))  # type: ignore[no-untyped-call]
    seen = page.driver.execute_script("return window.seen") / 1000  # type: ignore[no-untyped-call]
    assert seen - told < 0.5


def test_one_application_as_a_picture_with_reasons(page: Page) -> None:
    populated(page.running)
    page.open("applications/shop")
    page.shows("Version v1 is to run", "v2 is the newest stored", "What is wanted")
    page.until(lambda: len(page.all(".node")) == 5)
    assert len(page.all(".edge.deployed")) == 5
    page.shows("in force")
    page.picture("dashboard-application")
    page.click(".node a[aria-label*=frontend]")
    page.shows("Runs on", "Spread east")
    page.until(lambda: len(page.all(".node .instance")) >= 1)  # where its instances are
    page.go("applications/stuck")
    page.shows("Waiting for a host with zone=north", "zone is east on", "2 on 0 matching hosts")
    page.picture("dashboard-why")
    page.go("applications/pay")
    page.shows("failed to fetch", "next try in", "Last error")


def test_the_timeline_is_live(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("applications/hello/timeline")
    page.shows("version v1", "put")
    page.running.deploy("hello")
    page.shows("because", "deployed")
    page.until(lambda: len(page.all(".timeline li")) >= 4)


def test_versions_and_what_differs(page: Page) -> None:
    populated(page.running)
    page.open("applications/shop/versions")
    page.shows("What differs", "first")
    page.until(lambda: ["".join(line.text.split()) for line in page.all(".diff .add")][-1:] == ["+instances:8"])
    assert [mark.text for mark in page.all(".diff .add mark")] == ["v2", "v2", "8"]
    page.picture("dashboard-versions")
    page.go("applications/shop/manifest")
    page.shows("apiVersion: core.oam.dev/v1beta1")


def test_deploy_roll_back_undeploy_and_delete_each_after_its_plan(page: Page) -> None:
    populated(page.running)
    page.open("applications/shop")
    page.click(".actions button", "Deploy")
    page.shows("Have this version run", "tried beside the old one")
    page.picture("dashboard-plan")
    page.type("dialog input[type=text]", "more frontends")
    page.click("dialog footer button", "Deploy")
    page.shows("Version v2 is to run")
    page.running.wait_for("shop", "deployed")
    page.click(".actions button", "Roll back")
    page.shows("Go back to this version")
    page.click("dialog footer button.primary")
    page.shows("Version v1 is to run")
    page.click(".actions button", "Undeploy")
    page.shows("Take it down", "stop")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("dialog"))
    page.click(".actions button", "Undeploy")
    page.click("dialog footer button.danger")
    page.shows("Nothing of it is to run")
    history = page.running.get("/api/v1/lattices/default/applications/shop/history").json["revisions"]
    assert [one["action"] for one in history] == ["deploy", "deploy", "rollback", "undeploy"]
    assert (history[1]["author"], history[1]["message"]) == ("ada", "more frontends")
    page.click(".actions button", "Delete")
    page.shows("This cannot be undone")
    assert not page.all("dialog footer button.danger")[0].is_enabled()
    page.type("dialog input", "shop")
    page.click("dialog footer button.danger")
    page.shows("3 applications")
    # What was under way for the page that is left is answered with 404 then.
    assert all("404" in entry["message"] for entry in errors(page.driver))


def test_a_newcomer_is_told_what_to_do_and_gets_there(page: Page) -> None:
    page.open("applications")
    page.shows("No applications yet", "wadm deploy hello.yaml --wait")
    page.picture("dashboard-empty")
    page.press("n")
    page.shows("New application")
    page.shows("steps", "because", "Valid")
    page.click("dialog footer button", "Store and deploy")
    page.shows("hello", "Deployed", "in force")


def test_what_is_wrong_with_a_manifest_is_told_where_it_is_written(page: Page) -> None:
    page.open("applications")
    page.click("[data-key=n]")
    page.replace_written("nonsense")
    page.shows("Unable to parse manifest", "Not valid")
    assert not any(button.is_enabled() for button in page.all("dialog footer button"))
    # The answer was a 400, as it should be; a browser writes that on its console.
    assert all("400" in entry["message"] for entry in errors(page.driver))


def test_hosts_and_what_a_requirement_matches(page: Page) -> None:
    populated(page.running)
    page.open("hosts")
    page.shows("3 hosts", "All heard", "Group by")
    page.picture("dashboard-hosts")
    page.type("input[type=search]", "zone=east tier=edge")
    page.shows("may use 2 hosts of 3")
    page.type("input[type=search]", "zone=moon")
    page.shows("No host has all of that", "zone is")
    page.click("button.chip", "west")
    page.shows("may use 1 host of 3")


def test_events_of_the_whole_lattice(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("events")
    page.shows("Events")
    page.running.deploy("hello")
    page.shows("hello", "because")
    page.picture("dashboard-events")
    page.click("button.filter", "Status")
    page.until(
        lambda: {(li.get_attribute("class") or "").split()[0] for li in page.all(".timeline > li")} == {"status"}
    )


def test_lattices_with_those_first_that_have_problems(page: Page) -> None:
    populated(page.running)
    page.running.post("/api/v1/lattices/another/applications", an_app("calm"))
    page.running.post("/api/v1/lattices/another/applications/calm/deploy")
    page.running.post("/api/v1/lattices/another/applications/calm/undeploy")
    page.until(lambda: page.running.get("/api/v1/lattices").json["lattices"] == ["another", "default"])
    page.open("lattices")
    page.shows("2 lattices", "1 with problems", "2 failed", "1 deployed")
    assert [card.text.splitlines()[0] for card in page.all(".choose")] == ["default", "another"]
    page.picture("dashboard-lattices")
    page.click(".choose", "another")
    page.shows("1 application", "calm")


def test_what_could_not_be_delivered_is_shown_and_sent_again(
    nats_server_factory: NatsServerFactory, browser: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAUSES", (0.02,))
    receiver = Receiver(503, 503)
    with receiver.listening() as url:
        hook = Hook(name="chat", url=url, secret="a-secret-of-some-length", statuses=("deployed",))
        with stage(nats_server_factory(), options=Options(tokens=TOKENS, hooks=(hook,))) as running:
            resize(browser, 1280, 800)
            page = Page(browser, running)
            running.put(an_app("hello"))
            running.deploy("hello")
            page.open("notifications", READ)
            page.shows("Could not be delivered", "hello became", "2 attempts", "503")
            assert page.all("main button") == []
            page.open("notifications")
            page.picture("dashboard-notifications")
            page.click("button", "Send again")
            page.shows("1 delivered", "none lost", "Nothing. What nobody takes")
            page.click("button", "Test")
            page.shows("The test was delivered")
            browser.get("about:blank")


def test_a_token_to_read_shows_no_button_that_changes_anything(page: Page) -> None:
    populated(page.running)
    page.open("applications/shop", READ)
    page.shows("Read-only", "What is wanted")
    assert page.all(".actions") == []
    page.go("applications")
    page.shows("4 applications")
    assert page.all("button.primary") == []


def test_whoever_comes_without_a_token_is_asked_for_one(page: Page) -> None:
    page.driver.get(page.running.url)
    page.shows("This server wants a token")
    page.type("input[type=password]", "wrong-token-of-some-length")
    page.click("button", "Sign in")
    page.shows("This token is not known here")
    page.type("input[type=password]", FULL)
    page.click("button", "Sign in")
    page.shows("No applications yet")
    assert all("401" in entry["message"] for entry in errors(page.driver))


def test_by_keyboard_alone(page: Page) -> None:
    populated(page.running)
    page.open("applications")
    page.shows("4 applications")
    page.press("?")
    page.shows("Keyboard")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("dialog"))
    page.press("gh")
    page.shows("3 hosts")
    page.press("ga")
    page.shows("4 applications")
    page.press("/")
    page.press("shop")
    page.until(lambda: len(page.all(".row")) == 1)
    page.press(Keys.ESCAPE)
    page.driver.execute_script("document.querySelector('.row a').focus()")  # type: ignore[no-untyped-call]
    page.press(Keys.ENTER)
    page.shows("Version v1 is to run")


def test_everything_one_can_press_has_a_name(page: Page) -> None:
    populated(page.running)
    nameless = """
        return [...document.querySelectorAll('button, a, input, select, textarea, [role=button]')].filter((e) =>
          e.offsetParent && !(e.getAttribute('aria-label') || e.title || e.textContent.trim()
            || e.closest('label')?.textContent.trim())).length"""
    page.open("applications")
    for view, text in VIEWS:
        page.go(view)
        page.shows(text)
        assert page.driver.execute_script(nameless) == 0, view  # type: ignore[no-untyped-call]
        assert len(page.all("h1")) == 1, view
        assert page.all("main#main"), view


def test_texts_have_contrast_in_light_and_dark(page: Page) -> None:
    populated(page.running)
    for dark in (False, True):
        resize(page.driver, 1280, 800, dark)
        page.open("applications")
        page.shows("4 applications")
        worst = page.driver.execute_script(CONTRAST)  # type: ignore[no-untyped-call]
        assert worst["ratio"] >= 4.5, (dark, worst)


CONTRAST = """
const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
const linear = (v) => (v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
const light = ({ r, g, b }) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.a > .99) return colour;
  }
  return { r: 255, g: 255, b: 255 };
};
let worst = { ratio: 99 };
for (const e of document.querySelectorAll('h1, h2, p, b, small, span, a, button')) {
  const says = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!says || !e.offsetParent || e.disabled || e.closest(':disabled')) continue;
  const [x, y] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
  const ratio = (x + .05) / (y + .05);
  if (ratio < worst.ratio) worst = { ratio, text: e.textContent.slice(0, 40), tag: e.className || e.tagName };
}
return worst;
"""


@pytest.mark.parametrize(
    ("width", "dark"), [(360, False), (390, True), (768, False), (1280, True), (1920, False), (2560, False)]
)
def test_no_page_is_wider_than_the_screen(page: Page, width: int, dark: bool) -> None:
    populated(page.running)
    resize(page.driver, width, 900, dark)
    page.open("applications")
    for view, text in VIEWS:
        page.go(view)
        page.shows(text)
        wide = page.driver.execute_script("return document.documentElement.scrollWidth")  # type: ignore[no-untyped-call]
        assert wide <= width, view
        shown = f"{width}-{view.replace('/', '-').replace('?', '-')}{'-dark' if dark else ''}"
        page.picture({"390-applications-dark": "dashboard-phone"}.get(shown, shown))


def test_a_server_that_goes_away_is_told_and_comes_back(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.shows("hello", "Live")
    listener = page.running.listener
    port = listener.port
    listener.stop()
    page.shows("Offline", "What is shown may be out of date")
    from msgspec.structs import replace

    page.running.listener = type(listener)(replace(listener._options, port=port), listener._connect)
    page.running.listener.start()
    page.shows("Live")
    assert all("ERR_" in entry["message"] or "503" in entry["message"] for entry in errors(page.driver))


def test_that_nats_is_away_is_told_and_that_it_is_back(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.shows("hello", "Live")
    page.running.nats.stop()
    page.until(lambda: "Out of date" in page.text, patience=60)
    page.shows("What is shown may be out of date", "hello")
    page.running.nats.start()
    page.until(lambda: "Live" in page.text and "hello" in page.text, patience=60)
    assert "out of date" not in page.text


def test_a_thousand_applications_and_five_hundred_hosts(
    nats_server_factory: NatsServerFactory, browser: webdriver.Chrome
) -> None:
    from wadm.hosts.fleet import simulated_hosts

    hosts = simulated_hosts(500, {"zone": "east"}, spread_heartbeats=True)
    with stage(nats_server_factory(), hosts) as running:
        for number in range(1000):
            running.put(an_app(f"svc-{number:04}", instances=1))
        for number in range(0, 1000, 4):
            running.deploy(f"svc-{number:04}")
        running.wait_for("svc-0996", "deployed", 60)
        resize(browser, 1280, 800)
        page = Page(browser, running)
        page.open("applications")
        page.shows("1,000 applications")
        browser.refresh()
        page.shows("1,000 applications")
        first = browser.execute_script(  # type: ignore[no-untyped-call]
            "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        assert len(page.all(".row")) < 40  # of a thousand only those in sight are drawn
        page.picture("many")
        browser.execute_script("document.querySelector('.rows').scrollTop = 1e6")  # type: ignore[no-untyped-call]
        page.shows("svc-0999")
        page.go("hosts")
        page.shows("500 hosts")
        page.picture("many-hosts")
        assert first < 1000


def test_the_steps_of_a_plan_are_followed_until_it_is_so(page: Page) -> None:
    populated(page.running)
    page.open("applications/shop")
    page.click(".actions button", "Deploy")
    page.shows("Have this version run")
    page.click("dialog footer button", "Deploy")
    page.shows("Version v2 is deployed", "took")
    page.until(lambda: {one.text for one in page.all(".progress li .badge")} <= {"done", "was not needed"})
    assert "done" in [one.text for one in page.all(".progress li .badge")]
    page.picture("progress")
    page.click(".progress button[aria-label=Close]")
    page.until(lambda: not page.all(".progress"))
    page.go("applications/pay?do=undeploy")
    page.click("dialog footer button.danger", "Undeploy")
    page.until(lambda: page.all(".progress"))
    page.shows("Undeployed")


def test_a_step_that_fails_says_what_the_host_said(page: Page) -> None:
    page.expects("/explain", 404)  # nothing of it is deployed yet
    page.running.put(an_app("hello", image="ghcr.io/example/broken:1"))
    page.open("applications/hello?do=deploy")
    page.click("dialog footer button", "Deploy")
    page.shows("Deploying", "0 of")
    page.until(lambda: page.all(".progress li.failed"))
    assert "failed to fetch" in page.all(".progress li.failed small")[0].text
