"""The report and the live page as a person meets them: phone, laptop, paper, light and dark."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from support.night import METRICS, PLAN, fill, full_night, night
from support.published import Published, config_of
from support.simulated import warehouse

from analytics.nightly import Request
from analytics.report.write import write_report
from listenback.commands.report import look_at
from listenback.live import server
from listenback.planted import against_truth
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate

pytestmark = pytest.mark.browser

SIZES = {"phone": (390, 844), "laptop": (1280, 900)}
SCREENS = Path(__file__).parents[1] / "golden" / "screens"
THUMB = (32, 48)
ALIKE_MAX = 24.0
"""Mean difference of grey values, of 255: fonts differ between machines, layouts must not."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of the small night, as a file's address."""
    folder = tmp_path_factory.mktemp("report")
    return write_report(full_night(folder), folder / "out").html.as_uri()


@pytest.fixture(scope="module")
def demo_report(tmp_path_factory):
    """The report of what `listenback demo` simulates, with fewer events."""
    folder = tmp_path_factory.mktemp("demo")
    settings = warehouse(folder, events_n=20_000)
    request = Request("warehouse.duckdb", now_us=1_793_700_000_000_000)
    made = look_at(settings.warehouse_file, None, request)
    plan = Plan(events_n=20_000)
    planted = against_truth(made, simulate(plan).truth())
    return write_report(replace(made, planted=planted), folder / "out").html.as_uri()


@pytest.fixture(scope="module")
def empty_report(tmp_path_factory):
    """The report of a warehouse without an event."""
    from analytics.catalog import load_catalog  # noqa: PLC0415 - only here
    from analytics.nightly import analyse  # noqa: PLC0415 - only here

    folder = tmp_path_factory.mktemp("empty")
    published = Published(folder / "warehouse.duckdb")
    con = published.open()
    try:
        catalog = load_catalog(config_of(folder / "config", METRICS, PLAN))
        found = analyse(con, catalog, Request("warehouse.duckdb", now_us=1_793_700_000_000_000))
    finally:
        con.close()
    return write_report(found, folder / "out").html.as_uri()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """The live page's address, over the same warehouse and three nights of its report."""
    folder = tmp_path_factory.mktemp("live")
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    published.close()
    document = json.loads(write_report(night(folder / "n"), folder / "made").json.read_text())
    for day in ("2026-11-01", "2026-11-02", "2026-11-03"):
        (folder / "reports" / day).mkdir(parents=True)
        (folder / "reports" / day / "report.json").write_text(json.dumps(document))
    serving = server.Serving("127.0.0.1", 0, published.path, folder / "reports", None)
    loop, ports = asyncio.new_event_loop(), []
    ready = threading.Event()

    async def start():
        runner = web.AppRunner(server.app_of(serving), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.append(runner.addresses[0][1])
        ready.set()
        return runner

    def work():
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{ports[0]}/"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(params=["report", "empty_report", "live"])
def address(request):
    return request.getfixturevalue(request.param)


def violations(page):
    """What axe finds, one line each."""
    axe = Axe()
    found = axe.run(page, options=RULES).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def overflow_px(page):
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def test_a_metric_of_the_tables_leads_to_its_sql(opened, report):
    page, complaints = opened(report)
    page.get_by_text("A <b>warmer</b> voice: warm against control").click()
    page.locator('a[href="#sql-metrics-minutes"]').first.click()
    shown = page.locator("#sql-metrics-minutes + pre")
    shown.wait_for(state="visible")
    assert "unit_day" in shown.inner_text()
    assert overflow_px(page) <= 0
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_a_page_is_accessible_quiet_and_as_wide_as_its_screen(opened, address, size, scheme):
    width, height = SIZES[size]
    page, complaints = opened(address, width=width, height=height, scheme=scheme)
    page.wait_for_timeout(500)  # charts are drawn after the load
    assert violations(page) == []
    assert complaints == []
    assert overflow_px(page) <= 0


def test_a_page_says_the_same_without_scripts(opened, address):
    with_scripts, _ = opened(address)
    without, complaints = opened(address, scripts=False)
    heads = "h1, h2, h3, tbody th"
    assert without.locator(heads).all_inner_texts() == with_scripts.locator(heads).all_inner_texts()
    assert without.locator("h1").count() == 1
    assert complaints == []


def sheets(page):
    """How many pages a printed document has."""
    return len(re.findall(rb"/Type /Page\b(?!s)", page.pdf(format="A4", print_background=True)))


def test_the_report_prints_on_two_pages(opened, report):
    page, _ = opened(report)
    assert 1 <= sheets(page) <= 2


def test_the_report_of_the_demo_prints_on_two_pages_and_says_what_paper_leaves_out(
    opened, demo_report
):
    page, _ = opened(demo_report)
    assert page.locator("article.card").count() == 4
    assert sheets(page) == 2
    page.emulate_media(media="print")
    for heading in ("verdicts", "trust", "judges", "disagreement", "changes", "artists"):
        assert page.locator(f"#{heading}").is_visible()
    assert not page.locator("#details").is_visible()
    after = "getComputedStyle(document.querySelector('footer'), '::after').content"
    assert "left out on paper" in page.evaluate(after)


def test_every_control_can_be_reached_by_keyboard_and_shows_it(opened, address):
    page, _ = opened(address)
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], summary, button, [tabindex=\"0\"]')]"
        ".filter(one => one.checkVisibility()).length"
    )
    reached, outlined = set(), 0
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(() => { const one = document.activeElement; if (!one || one === document.body)"
            " return null; const all = [...document.querySelectorAll('*')];"
            " return [all.indexOf(one), getComputedStyle(one).outlineStyle !== 'none']; })()"
        )
        if found:
            reached.add(found[0])
            outlined += found[1]
    assert len(reached) >= wanted
    assert outlined >= wanted


def test_the_live_page_draws_its_charts_and_renews_itself(opened, live):
    page, complaints = opened(live)
    page.wait_for_selector("#chart-nights figure svg.main-svg")
    before = page.locator("#state").inner_text()
    page.wait_for_function(
        "text => document.getElementById('state').innerText !== text", arg=before
    )
    page.get_by_role("button", name="Pause refreshing").click()
    assert page.get_by_role("button", name="Refreshing is paused").get_attribute("aria-pressed")
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["report", "live"])
def test_a_page_looks_about_as_it_did(opened, request, name, size, scheme):
    """After a wanted change: LISTENBACK_SCREENS=renew, then look at the pictures."""
    width, height = SIZES[size]
    url = request.getfixturevalue(name)
    page, _ = opened(url, width=width, height=height, scheme=scheme)
    page.wait_for_timeout(500)
    shot = page.screenshot()
    thumb = Image.open(io.BytesIO(shot)).convert("L").resize(THUMB)
    if folder := os.environ.get("LISTENBACK_SCREENS_OUT"):
        (Path(folder) / f"{name}-{size}-{scheme}.png").write_bytes(shot)
    kept = SCREENS / f"{name}-{size}-{scheme}.png"
    if os.environ.get("LISTENBACK_SCREENS") == "renew":
        SCREENS.mkdir(exist_ok=True)
        thumb.save(kept)
    before = np.asarray(Image.open(kept), dtype=np.float64)
    now = np.asarray(thumb, dtype=np.float64)
    assert abs(before - now).mean() <= ALIKE_MAX
