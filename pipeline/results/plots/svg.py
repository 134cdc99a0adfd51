"""A figure as SVG inside a page: it uses the page's fonts and its colours in light and dark mode, and loads nothing."""

import io
import json
import re
import threading
from collections.abc import Callable
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from pipeline.results.palette import VARIABLES
from pipeline.results.plots.style import MARKS, Marks, style
from pipeline.text import sanitize

_ENLARGED = 1.3
"""CSS pixels to the SVG's unit: the pictures' 9 points become 12 pixels."""

_BITMAP_DPI = 144
"""The resolution of bitmaps within a picture, which replace very many lines."""

_PAD = 3
"""Points between what is drawn and the edge."""

_USUAL_MARGINS = 42, 28, 4, 12
"""Points to the left of axes, below, to the right and above that labels usually take."""

_COLOUR = re.compile(rf"(fill|stroke): ({'|'.join(VARIABLES)})")
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", re.DOTALL)

_DRAWING = threading.Lock()
"""Matplotlib's settings belong to the process: one picture is drawn at a time."""


def inline_svg(draw: Callable[[Axes], object], *, name: str, size: tuple[int, int]) -> str:
    """Draw a picture as an svg element for an HTML page; `data-marks` says where trials and axes are in it."""
    with _DRAWING, style(), rc_context({"svg.hashsalt": name}):
        width, height = (pixels / _ENLARGED for pixels in size)
        figure = Figure(figsize=(width / 72, height / 72), dpi=_BITMAP_DPI)
        figure.set_layout_engine("none")
        canvas = FigureCanvasSVG(figure)
        left, below, right, above = _USUAL_MARGINS
        ax = figure.add_axes((left / width, below / height, 1 - (left + right) / width, 1 - (below + above) / height))
        draw(ax)
        _make_room(figure, ax)
        file = io.StringIO()
        # Not savefig, which draws every picture twice.
        canvas.print_svg(file, metadata={"Date": None})
        # Once it is drawn, and so laid out.
        marks = _marks(figure, ax)
    return _embedded(sanitize(file.getvalue()), name, size[0], marks)


def _make_room(figure: Figure, ax: Axes) -> None:
    """Set the margins around a figure's only axes so that its ticks, labels and texts fit.

    Constrained layout, which is for any number of axes, always measures them twice, which takes a fifth of a picture's
    time. Here the first margins are close to the last, and ticks rarely change with them.
    """
    for axis in (ax.xaxis, ax.yaxis):
        if not axis.get_label_text():
            # A label's place is measured, even that of an empty one.
            axis.set_label_coords(0, 0)
    for _ in range(2):
        ticks = _ticks(ax)
        _set_margins(figure, ax)
        if _ticks(ax) == ticks:
            break
    # To measure text, the canvas has set the resolution of SVG, which bitmaps would then have, too.
    figure.set_dpi(_BITMAP_DPI)


def _ticks(ax: Axes) -> list[list[float]]:
    """Where numbers stand on both axes: how much room they take depends on it."""
    return [axis.get_majorticklocs().tolist() for axis in (ax.xaxis, ax.yaxis)]


def _set_margins(figure: Figure, ax: Axes) -> None:
    around, axes, whole = ax.get_tightbbox(for_layout_only=True) or ax.bbox, ax.bbox, figure.bbox
    pad = _PAD * figure.dpi / 72
    left, below = axes.x0 - around.x0 + pad, axes.y0 - around.y0 + pad
    right, above = around.x1 - axes.x1 + pad, around.y1 - axes.y1 + pad
    # Too small a picture keeps its margins.
    if left + right < whole.width and below + above < whole.height:
        ends = left, below, whole.width - right, whole.height - above
        ax.set_position(figure.transFigure.inverted().transform_bbox(Bbox.from_extents(*ends)))


def _marks(figure: Figure, ax: Axes) -> str:
    """The marks of axes as JSON: places in the picture's own units, and of each axis its column and its ends."""
    found, unit, height = MARKS.get(ax, Marks()), 72 / figure.dpi, figure.bbox.height

    def place(x: float, y: float) -> list[float]:
        return [round(float(x) * unit, 1), round(float(height - y) * unit, 1)]

    inside, trials = ax.bbox.padded(4).contains, list[list[Any]]()
    if found.trials:
        pixels = ax.transData.transform([[x, y] for _, x, y in found.trials])
        trials = [
            [sanitize(trial), *place(*pixel)]
            for (trial, _, _), pixel in zip(found.trials, pixels, strict=True)
            if inside(*pixel)
        ]
    axes = []
    for axis in found.axes:
        if "span" in axis:
            (x0, y0), (x1, y1) = ax.transData.transform([[axis["at"] - 0.5, 0], [axis["at"] + 0.5, 1]])
        else:
            (x0, y0), (x1, y1) = ax.bbox.min, ax.bbox.max
            low, high = ax.get_xlim() if axis["along"] == "x" else ax.get_ylim()
            scale = ax.get_xscale() if axis["along"] == "x" else ax.get_yscale()
            axis = {**axis, "span": [float(low), float(high)], "log": scale == "log"}
        axes.append({**axis, "box": [*place(x0, y0), *place(x1, y1)]})
    return json.dumps({"trials": trials, "axes": axes}, separators=(",", ":")) if trials or axes else ""


def _embedded(document: str, name: str, width: int, marks: str) -> str:
    svg = _DROPPED.sub("", document[document.index("<svg") :])
    used = set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'xlink:href="#([^"]+)"', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = svg.replace("font-family: 'DejaVu Sans'; ", "").replace(' transform="rotate(-0 0 0)"', "")
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = svg.replace('xlink:href="#', f'href="#{name}-').replace("xlink:href=", "href=")
    svg = _COLOUR.sub(lambda found: f"{found[1]}: var({VARIABLES[found[2]]})", svg)
    # As attributes: the policy of the live page allows no inline style.
    svg = re.sub(
        r'style="([^"]*)"', lambda found: re.sub(r"([\w-]+): ([^;]+);? ?", r'\1="\2" ', found[1]).rstrip(), svg
    )
    # Two decimals of a pixel are more than a screen shows.
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), svg)
    box = re.search(r'viewBox="([^"]+)"', svg)
    assert box is not None
    attribute = f' data-marks="{escape(marks)}"' if marks else ""
    head = f'<svg{attribute} viewBox="{box[1]}" width="{width}" aria-hidden="true" focusable="false">'
    body = svg[svg.index(">") + 1 :]
    return head + re.sub(r">\s+<", "><", body).strip()
