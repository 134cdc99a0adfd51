"""Draw pictures of the live page, from a real study, as SVG: python -m scripts.draw_page studies/digits-quick.

Needs Chromium and mutool (mupdf-tools). The browser prints the page to PDF, in which canvases are vectors.
"""

import base64
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser import Browser, browsing
from tests.serving import serving

PICTURES = Path(__file__).parents[1] / "docs/pictures"
LARGEST = 300_000
"""Bytes of a picture."""

_PIXELS = 96
"""Of a browser, in an inch."""

_TALL = 3000
"""Height of a window that shows all pictures."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture: the part of a page that a window of this size shows."""

    name: str
    first: str
    width: int
    height: int
    dark: bool = False


SHOTS = (
    Shot("page", "body", 1280, 1100),
    Shot("page-planes", "#slices-title", 1280, 720),
    Shot("page-dark", "body", 1280, 700, dark=True),
)


def draw(study: Path) -> None:
    """Draw all pictures of a study's page."""
    with (
        TemporaryDirectory() as folder,
        serving(study.parent) as address,
        browsing(Path(folder) / "profile") as browser,
    ):
        for shot in SHOTS:
            svg = _svg(_printed(browser, f"{address}/studies/{study.name}", shot), Path(folder))
            if len(svg) > LARGEST or "<image" in svg:
                raise SystemExit(f"{shot.name}: {len(svg):,} bytes, {svg.count('<image')} of pixels")
            (PICTURES / f"{shot.name}.svg").write_text(svg)
            print(f"{shot.name}: {len(svg):,} bytes")


def _printed(browser: Browser, address: str, shot: Shot) -> bytes:
    """The page as PDF, as the screen shows it."""
    browser.open(address, width=shot.width, dark=shot.dark)
    browser.until("document.documentElement.dataset.ready")
    scheme = {"name": "prefers-color-scheme", "value": "dark" if shot.dark else "light"}
    browser.call("Emulation.setEmulatedMedia", media="screen", features=[scheme])
    # What is out of sight is not painted.
    size = {"width": shot.width, "height": _TALL, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    # Paths and machines do not belong into the documentation; what is above the first element is left out.
    browser.js(f"""
        for (const one of document.querySelectorAll('footer, #provenance, .skip, .hidden')) one.remove();
        // A browser prints its own boxes with masks, which are removed below.
        for (const rule of [
            '.filter {{ position: static !important; }}',
            'input[type=checkbox] {{ appearance: none; padding: 0; border: 1px solid var(--muted); border-radius: 4px; }}',
            'input[type=checkbox]:checked {{ background: var(--accent); }}',
        ]) document.styleSheets[0].insertRule(rule, document.styleSheets[0].cssRules.length);
        const first = document.querySelector('{shot.first}');
        if (first !== document.body) {{
            const section = first.closest('section'), above = section.getBoundingClientRect().top + scrollY - 16;
            document.body.style.marginTop = `-${{above}}px`;
        }}
    """)
    browser.js("new Promise(done => setTimeout(done, 1000))")
    printed = browser.call(
        "Page.printToPDF", printBackground=True, paperWidth=shot.width / _PIXELS, paperHeight=shot.height / _PIXELS,
        marginTop=0, marginBottom=0, marginLeft=0, marginRight=0, pageRanges="1",
    )  # fmt: skip
    return base64.b64decode(printed["data"])


def _svg(pdf: bytes, folder: Path) -> str:
    """The first page of a PDF, with as many digits as can be seen."""
    (folder / "page.pdf").write_bytes(pdf)
    command = ["mutool", "draw", "-q", "-F", "svg", "-o", f"{folder}/page%d.svg", f"{folder}/page.pdf", "1"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    text = (folder / "page1.svg").read_text("utf-8")
    # A canvas begins with a hole in what lies below it, as a mask whose inversion SVG does not know.
    text = re.sub(r"<mask\b.*?</mask>\n?", "", text, flags=re.DOTALL)
    text = re.sub(r' (mask="url\(#[^)]*\)"|data-(text|name)="[^"]*")', "", text)
    return re.sub(r"-?\d*\.\d{3,}", _shorter, text)


def _shorter(number: re.Match[str]) -> str:
    value = float(number[0])
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
