"""One headless Chromium for the browser tests; in CI it must be there.

Playwright keeps an event loop in the thread of the tests: where it stayed for the whole session,
every later test that runs a loop of its own in the same process would fail.
"""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import sync_playwright
from support.needed import absent

LAUNCH = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def chromium():
    """The browser of the machine; ours needs none of its own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        absent("there is no Chromium here (Debian's package `chromium`)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(LAUNCH))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Open an address; gives the page and what its console complained of."""
    contexts = []

    def open_page(url, *, width=1280, height=900, scheme="light", scripts=True):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        complaints = []
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text) if said.type in {"error", "warning"} else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.goto(url, wait_until="load")
        return page, complaints

    yield open_page
    for context in contexts:
        context.close()
