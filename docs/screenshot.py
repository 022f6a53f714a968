"""Take the README's picture of the report, with headless Chromium: `make screenshot`.

Needs a demo (`make demo`) and Chromium (Debian's package `chromium`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "demo" / "report" / "report.html"
PICTURE = ROOT / "docs" / "images" / "report.png"


def main() -> int:
    """Write docs/images/report.png; 2 where something is missing."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or not REPORT.is_file():
        missing = "Chromium" if chromium is None else f"{REPORT}: run `make demo`"
        print(f"the picture needs {missing}", file=sys.stderr)
        return 2
    PICTURE.parent.mkdir(exist_ok=True)
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    shot = ("--window-size=1100,1340", f"--screenshot={PICTURE}", REPORT.as_uri())
    subprocess.run([chromium, *options, *shot], check=True, capture_output=True, timeout=60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
