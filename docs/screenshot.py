"""Take the README's pictures, of the report and of the live page, in light: `make screenshot`.

Needs a demo (`make demo`) and Chromium (Debian's package `chromium`).
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo"
REPORT = DEMO / "report" / "report.html"
NIGHTS = DEMO / "nights"
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1100, "height": 1340}
OURS = (sys.executable, "-m", "listenback")
HARM = 1
LAUNCH = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
READY_WAIT_MAX_S = 300.0
DRAWN_WAIT_MAX_MS = 120_000
SETTLED_WAIT_MS = 1_000
CHART = "svg.main-svg .scatterlayer .trace path"


@contextmanager
def live_page() -> Iterator[str]:
    """The address of `listenback serve` on the demo and a night of it, while the block lasts."""
    of_demo = ("--data-dir", str(DEMO / "data"))
    night = [*OURS, "-q", "nightly", *of_demo, "--out", str(NIGHTS)]
    made = subprocess.run(night, check=False, cwd=ROOT, timeout=READY_WAIT_MAX_S)
    if made.returncode not in {0, HARM}:
        raise RuntimeError(f"`listenback nightly` ended with {made.returncode}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*OURS, "serve", *of_demo, "--reports", str(NIGHTS), "--port", str(port)]
    serving = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, serving)
        yield f"http://127.0.0.1:{port}/"
    finally:
        serving.terminate()
        serving.wait(timeout=READY_WAIT_MAX_S)


def _wait_for(port: int, serving: subprocess.Popen[bytes]) -> None:
    """Until somebody listens; an error where the server has ended or never does."""
    give_up_at = time.monotonic() + READY_WAIT_MAX_S
    while time.monotonic() < give_up_at and serving.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"`listenback serve` does not listen on port {port}")


def take(page: Page, address: str, name: str, *, drawn: str) -> None:
    """One picture, when the selector `drawn` is there."""
    page.goto(address, wait_until="load", timeout=DRAWN_WAIT_MAX_MS)
    page.wait_for_selector(drawn, state="attached", timeout=DRAWN_WAIT_MAX_MS)
    page.wait_for_timeout(SETTLED_WAIT_MS)
    page.screenshot(path=IMAGES / name)
    print(f"wrote docs/images/{name}", file=sys.stderr)


def main() -> int:
    """Write docs/images/report.png and live.png; 2 where something is missing."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or not REPORT.is_file():
        missing = "Chromium" if chromium is None else f"{REPORT}: run `make demo`"
        print(f"the pictures need {missing}", file=sys.stderr)
        return 2
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, live_page() as live:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(LAUNCH))
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        take(page, REPORT.as_uri(), "report.png", drawn="svg")
        take(page, live, "live.png", drawn=CHART)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
