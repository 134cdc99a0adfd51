"""Pictures within a page."""

import base64
import io
import json
import re
from html import unescape

import pytest
from matplotlib.axes import Axes
from PIL import Image

from pipeline.results import Results, plots
from pipeline.results.palette import ACCENT
from pipeline.results.plots.style import mark_axis, mark_trials
from pipeline.results.plots.svg import inline_svg
from pipeline.space import Choice, LogUniform
from tests.recorded_studies import HOSTILE


def test_a_picture_uses_the_colours_and_the_text_of_its_page() -> None:
    """A picture is drawn in variables of its page without a style, and text in it cannot end its element."""

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], "o", color=ACCENT)
        ax.set_title(HOSTILE)

    svg = inline_svg(draw, name="one", size=(400, 300))
    assert 'fill="var(--accent)"' in svg
    assert not [word for word in (ACCENT, "DejaVu", "<metadata", "style=", "<script") if word in svg]
    assert "&lt;script&gt;" in svg
    assert re.match(r'<svg viewBox="[^"]+" width="400" aria-hidden="true"', svg)
    assert svg == inline_svg(draw, name="one", size=(400, 300))
    ids = re.findall(r' id="([^"]+)"', svg)
    assert ids
    assert all(each.startswith("one-") for each in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)) <= set(ids)


def _marks(svg: str) -> dict[str, list]:
    found = re.search(r'data-marks="([^"]*)"', svg)
    assert found
    return json.loads(unescape(found[1]))


def test_marks_are_where_trials_and_axes_are() -> None:
    """Marks are at the points of trials within the axes, and say which values the ends of an axis have."""

    def draw(ax: Axes) -> None:
        ax.set_xscale("log")
        ax.plot([1, 10, 1000], [0.5, 0.25, 0.75], "o")
        ax.set_xlim(0.5, 100)
        mark_trials(ax, ["a", "<b>", "c"], [1, 10, 1000], [0.5, 0.25, 0.75])
        mark_axis(ax, "x", "config_lr", LogUniform(0.5, 100))
        mark_axis(ax, "y", "config_kind", Choice(["it's", 2]))

    svg = inline_svg(draw, name="x", size=(400, 300))
    marks = _marks(svg)
    points = [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*/>', svg)]
    assert [name for name, *_ in marks["trials"]] == ["a", "<b>"]
    for _, x, y in marks["trials"]:
        assert min(abs(x - left) + abs(y - top) for left, top in points) < 0.2
    lr, kind = marks["axes"]
    assert (lr["along"], lr["column"], lr["span"], lr["log"]) == ("x", "config_lr", [0.5, 100.0], True)
    assert kind["values"] == ["'it''s'", "'2'"]
    x0, y0, x1, y1 = lr["box"]
    assert x0 < marks["trials"][0][1] < x1
    assert y0 > marks["trials"][0][2] > y1


@pytest.mark.parametrize(
    ("plot", "more", "columns"),
    [
        (plots.objective_against, ("lr",), ["config_lr", "objective"]),
        (plots.parallel_coordinates, (), ["config_lr", "config_momentum", "config_units", "config_optimizer"]),
    ],
)
def test_ranges_can_be_selected_along_hyperparameters(asha_results: Results, plot, more, columns) -> None:
    """Pictures of hyperparameters mark the columns of their axes."""
    svg = inline_svg(lambda ax: plot(asha_results, ax, *more), name="x", size=(400, 300))
    assert [axis["column"] for axis in _marks(svg)["axes"]][: len(columns)] == columns


def test_bitmaps_are_finer_than_the_page() -> None:
    """A bitmap within a picture has about twice as many pixels as the picture has units in its place."""
    svg = inline_svg(lambda ax: ax.plot([0, 1], [0, 1], "o", rasterized=True), name="fine", size=(400, 300))
    content, unit = re.search(r'base64,\s*([^"]+)"', svg), re.search(r'viewBox="0 0 ([\d.]+)', svg)
    assert content is not None
    assert unit is not None
    # Points lie in both corners of the axes, which are most of the picture.
    assert Image.open(io.BytesIO(base64.b64decode(content[1]))).width > 1.3 * float(unit[1])
