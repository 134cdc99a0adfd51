"""Take pictures of the live page of a real study: python -m scripts.draw_page studies/digits-quick. Needs Chromium."""

import base64
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser import browsing
from tests.serving import serving

PICTURES = Path(__file__).parents[1] / "docs/pictures"
SHOTS = (("page", 1280, 1500, False), ("page-dark", 390, 1500, True))
"""Pictures: name, width and height in pixels, and whether the page is dark."""


def draw(study: Path) -> None:
    """Take all pictures of a study's page."""
    with (
        TemporaryDirectory() as folder,
        serving(study.parent) as address,
        browsing(Path(folder) / "profile") as browser,
    ):
        for name, width, height, dark in SHOTS:
            browser.open(f"{address}/studies/{study.name}", width=width, dark=dark)
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.call("Emulation.setDeviceMetricsOverride", **size)
            # Paths and machines do not belong into the documentation.
            browser.js("for (const one of document.querySelectorAll('footer, #provenance')) one.remove()")
            browser.until("document.documentElement.dataset.ready")
            browser.js("new Promise(done => setTimeout(done, 2000))")
            content = base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"])
            (PICTURES / f"{name}.png").write_bytes(content)
            print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
