"""Charts and sparklines in a real browser, under the policy that the page is served with."""

from __future__ import annotations

import pytest

from tests.dashboard.manifests import an_app
from tests.dashboard.page import Page, populated

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium leaves sockets to its driver

INKED = """
const canvas = document.querySelector('.chart canvas');
if (!canvas) return 0;
const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
const colours = new Set();
for (let at = 0; at < data.length; at += 4) {
  if (data[at + 3] > 200) colours.add((data[at] << 16) + (data[at + 1] << 8) + data[at + 2]);
}
return colours.size;
"""
LOADED = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('uplot')).length"


def test_an_application_has_charts_with_its_deployments(page: Page) -> None:
    populated(page.running)
    page.open("applications/shop")
    page.shows("Instances", "13 of 13 run now", "commands, none failed", "1 deployment in this time")
    page.until(lambda: page.script(INKED) > 3, "nothing is drawn")
    page.click(".deployments summary")
    page.shows("version v1 deployed by ada (first)")
    page.go("trends")
    page.until(lambda: len(page.all(".chart canvas")) == 4)
    page.picture("dashboard-trends")
    page.click(".trends-head button", "Day")
    page.until(lambda: page.driver.current_url.endswith("over=86400"))
    page.shows("Time to deployed")
    host = page.running.get("/api/v1/lattices/default/hosts?labels=zone=west").json["hosts"][0]["id"]
    page.go(f"hosts/{host}")
    page.shows("Runs here")
    page.until(lambda: len(page.all(".chart canvas")) == 1)


def test_a_chart_says_in_words_what_it_shows(page: Page) -> None:
    page.running.put(an_app("hello", image="ghcr.io/example/broken:1"))
    page.running.deploy("hello")
    page.running.wait_for("hello", "failed")
    page.open("applications/hello")
    page.shows("0 of 2 run now")
    page.until(lambda: "failed" in (page.all(".plot")[1].get_attribute("aria-label") or ""))
    assert page.all(".plot")[0].get_attribute("role") == "img"


def test_the_list_has_sparklines_and_loads_no_chart_for_them(page: Page) -> None:
    populated(page.running)
    page.open("applications")
    page.shows("4 applications", "Last hour")
    page.until(lambda: len(page.all(".spark")) >= 3)
    for name, lacks in (("stuck", True), ("pay", True), ("draft", False)):
        (row,) = [one for one in page.all(".row") if one.text.splitlines()[1] == name]
        assert bool(row.find_elements("css selector", ".spark .lack[d^=M]")) is lacks, name


def test_the_list_is_there_before_any_chart_is_loaded(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.open("applications")
    page.shows("hello")
    assert page.script(LOADED) == 0
    page.go("trends")
    page.until(lambda: page.script(LOADED) == 2)


LISTED = """
new MutationObserver((_, watcher) => {
  if (document.querySelector('.row')) { window.listed = performance.now(); watcher.disconnect(); }
}).observe(document, { childList: true, subtree: true });
"""
BYTES = """
const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
return all.filter((one) => one.responseEnd && one.responseEnd <= window.listed)
  .reduce((sum, one) => sum + one.decodedBodySize, 0);
"""


def test_at_most_300_kb_are_loaded_before_the_list_shows(page: Page) -> None:
    page.running.put(an_app("hello"))
    page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTED})
    page.open("applications")
    page.until(lambda: page.script("return window.listed"))
    assert 100_000 < page.script(BYTES) <= 300_000
