"""Pictures within a page."""

import base64
import io
import json
import re
from html import unescape

from matplotlib.axes import Axes
from PIL import Image

from pipeline.results.palette import ACCENT
from pipeline.results.plots.svg import inline_svg
from tests.unit.results.studies import HOSTILE


def test_hostile_text_within_a_picture_stays_text() -> None:
    """Text within a picture cannot end the SVG element."""
    svg = inline_svg(lambda ax: ax.set_title(HOSTILE), name="x", size=(300, 200))

    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


def test_hover_points_are_where_the_trials_are_drawn() -> None:
    """Hover points are where trials are drawn, on linear and logarithmic axes, and not beyond the axes."""

    def draw(ax: Axes) -> None:
        ax.set_xscale("log")
        ax.plot([1, 10, 1000], [0.5, 0.25, 0.75], "o")
        ax.set_xlim(0.5, 100)

    hover_points = [("a", 1.0, 0.5), ("<b>", 10.0, 0.25), ("c", 1000.0, 0.75)]
    svg = inline_svg(draw, name="x", size=(400, 300), hover_points=hover_points)
    found = re.search(r'data-hover-points="([^"]*)"', svg)
    assert found
    placed = json.loads(unescape(found[1]))
    drawn = [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*/>', svg)]
    assert [name for name, *_ in placed] == ["a", "<b>"]
    for _, x, y in placed:
        assert min(abs(x - left) + abs(y - top) for left, top in drawn) < 0.2


def test_a_picture_uses_the_colours_and_the_text_of_its_page() -> None:
    """A picture uses colour variables and the font of its page, and is hidden from screen readers."""

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], color=ACCENT)
        ax.set_title("title")

    svg = inline_svg(draw, name="x", size=(400, 300))
    assert "var(--accent)" in svg
    assert ACCENT not in svg
    assert ">title</text>" in svg
    assert "DejaVu" not in svg
    assert "<metadata" not in svg
    assert svg.startswith("<svg viewBox=")
    assert 'style="max-width: 400px" aria-hidden="true"' in svg
    assert svg == inline_svg(draw, name="x", size=(400, 300))


def test_names_within_a_picture_are_its_own() -> None:
    """Each id in a picture begins with the picture's name, and each reference within the picture has a target."""
    svg = inline_svg(lambda ax: ax.plot([0, 1], [0, 1], "o"), name="one", size=(400, 300))
    ids = re.findall(r' id="([^"]+)"', svg)
    assert ids
    assert all(each.startswith("one-") for each in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)) <= set(ids)


def test_bitmaps_are_finer_than_the_page() -> None:
    """A bitmap within a picture has about twice as many pixels as the picture has units in its place."""
    svg = inline_svg(lambda ax: ax.plot([0, 1], [0, 1], "o", rasterized=True), name="fine", size=(400, 300))
    content, unit = re.search(r'base64,\s*([^"]+)"', svg), re.search(r'viewBox="0 0 ([\d.]+)', svg)
    assert content is not None
    assert unit is not None
    # Points lie in both corners of the axes, which are most of the picture.
    assert Image.open(io.BytesIO(base64.b64decode(content[1]))).width > 1.3 * float(unit[1])
