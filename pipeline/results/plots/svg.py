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

from pipeline.results.palette import VARIABLES
from pipeline.results.plots.style import MARKS, Marks, style
from pipeline.text import sanitize

_ENLARGED = 1.3
"""CSS pixels to the SVG's unit: the pictures' 9 points become 12 pixels."""

_BITMAP_DPI = 144
"""The resolution of bitmaps within a picture, which replace very many lines."""

_COLOUR = re.compile(rf"(fill|stroke): ({'|'.join(VARIABLES)})")
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", re.DOTALL)

_DRAWING = threading.Lock()
"""Matplotlib's settings belong to the process: one picture is drawn at a time."""


def inline_svg(draw: Callable[[Axes], object], *, name: str, size: tuple[int, int]) -> str:
    """Draw a picture as an svg element for an HTML page; `data-marks` says where trials and axes are in it."""
    with _DRAWING, style(), rc_context({"svg.hashsalt": name}):
        width, height = (pixels / _ENLARGED for pixels in size)
        figure = Figure(figsize=(width / 72, height / 72), dpi=_BITMAP_DPI)
        canvas, ax = FigureCanvasSVG(figure), figure.add_subplot()
        draw(ax)
        file = io.StringIO()
        # Not savefig, which draws every picture twice.
        canvas.print_svg(file, metadata={"Date": None})
        # Once it is drawn, and so laid out.
        marks = _marks(figure, ax)
    return _embedded(sanitize(file.getvalue()), name, size[0], marks)


def _marks(figure: Figure, ax: Axes) -> str:
    """The marks of axes as JSON: places in the picture's own units, and of each axis its column and its ends."""
    found, unit, height = MARKS.get(ax, Marks()), 72 / figure.dpi, figure.bbox.height

    def place(x: float, y: float) -> list[float]:
        return [round(float(x) * unit, 1), round(float(height - y) * unit, 1)]

    inside, trials, axes = ax.bbox.padded(4).contains, list[Any](), list[Any]()
    for trial, x, y in found.trials:
        if inside(*(pixel := ax.transData.transform((x, y)))):
            trials.append([sanitize(trial), *place(*pixel)])
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
