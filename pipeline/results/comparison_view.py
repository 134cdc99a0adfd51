"""A comparison of studies as a person reads it: tables on a terminal, one HTML page, one picture."""

import io
from collections.abc import Mapping, Sequence
from typing import Literal

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.legible import legible
from pipeline.results import plots
from pipeline.results.comparison import Comparison
from pipeline.results.load import Results
from pipeline.results.numbers import format_number
from pipeline.results.picture import Picture
from pipeline.results.report import template
from pipeline.results.summary import counted, duration
from pipeline.results.svg import DAY, NIGHT, inline_svg

__all__ = ["comparison_page", "comparison_picture", "comparison_view"]

_AXES: Sequence[Literal["seconds", "trials", "epochs"]] = ("seconds", "trials", "epochs")
_NAMED = 6

_Told = tuple[str, str, list[str], list[list[str]]]
"""A table: its title, a note, its columns, its rows."""


def comparison_view(comparison: Comparison) -> RenderableType:
    """The comparison for a terminal."""
    parts: list[RenderableType] = []
    for title, note, columns, rows in _tables(comparison):
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(Text(legible(column)))
        for row in rows:
            table.add_row(*(Text(legible(cell)) for cell in row))
        parts += [Text(legible(("\n" if parts else "") + title), style="bold"), table]
        if note:
            parts.append(Text(legible(note), style="dim"))
    return Group(*parts)


def comparison_page(comparison: Comparison) -> str:
    """The comparison as one HTML page that loads nothing."""
    studies = _studies(comparison)
    pictures = []
    for by in _AXES:

        def draw(ax: Axes, by: Literal["seconds", "trials", "epochs"] = by) -> Axes:
            return plots.best_against(studies, ax, by)

        alt = f"Step chart of the best value of {len(studies)} studies against {by}."
        svg, narrow = (
            inline_svg(draw, name=f"{by}-{width}", size=(width, height)) for width, height in ((1040, 340), (350, 280))
        )
        pictures.append(Picture(alt, f"The best value so far against {by}.", svg, narrow))
    page = template("comparison.html.jinja")
    return page.render(
        names=list(studies), pictures=pictures, tables=_tables(comparison), day=DAY, night=NIGHT, svg=Markup, states={}
    )


def comparison_picture(comparison: Comparison, form: Literal["png", "svg", "pdf"]) -> bytes:
    """The three pictures side by side, as one file."""
    with plots.style():
        figure = Figure(figsize=(15, 4.2), dpi=120)
        FigureCanvasAgg(figure)
        for by, ax in zip(_AXES, figure.subplots(1, 3), strict=True):
            plots.best_against(_studies(comparison), ax, by)
        file = io.BytesIO()
        figure.savefig(file, format=form)
    return file.getvalue()


def _studies(comparison: Comparison) -> Mapping[str, Results]:
    return {member.name: member.results for member in comparison.members}


def _tables(comparison: Comparison) -> list[_Told]:
    found = [_members(comparison)]
    if comparison.differences:
        found.append(_differences(comparison))
    if comparison.seeds:
        rows = [[", ".join(one.names), format_number(one.mean), _span(one.low, one.high)] for one in comparison.seeds]
        note = "" if all(one.low is not None for one in comparison.seeds) else "An interval needs three seeds."
        found.append(("Studies that differ in their seed alone", note, ["studies", "mean best", "90% interval"], rows))
    names = [member.name for member in comparison.members]
    ranges = [[name, *spans] for name, spans in comparison.ranges.items()]
    if ranges:
        found.append(("Where the best quarter of the trials lies", "", ["hyperparameter", *names], ranges))
    if comparison.shared:
        found.append(_shared(comparison))
    return found


def _members(comparison: Comparison) -> _Told:
    metric = comparison.members[0].results.objective.metric
    columns = ["study", f"best {metric}", "trials", "epochs", "time", f"after {counted(comparison.level, 'epoch')}"]
    columns += [f"expected of {counted(comparison.draws, 'trial')}", "90% interval"] if comparison.draws else []
    rows = []
    for member in comparison.members:
        found = member.results
        row = [member.name, _number(member.best), str(len(found.trials)), str(len(found.epochs))]
        row += [duration(found.seconds), _number(member.level)]
        rows.append(row + ([_number(member.expected), _span(member.low, member.high)] if comparison.draws else []))
    return "Studies", "" if comparison.draws else "Too few trials for intervals: 5 a study are needed.", columns, rows


def _differences(comparison: Comparison) -> _Told:
    rows = []
    for one in comparison.differences:
        verdict = "yes" if one.low > 0 else "the other" if one.high < 0 else "cannot be told"
        names, ahead = f"{one.names[0]} over {one.names[1]}", format_number(one.ahead)
        rows.append([names, ahead, _span(one.low, one.high), f"{one.share:.0%}", verdict])
    note = (
        f"By the expected best of {counted(comparison.draws, 'trial')}, from resampled trials. Trials stopped early "
        "count with what they reached; those of a searcher that learns are not independent, and one study is one seed: "
        "the truth may lie further out."
    )
    return "Is the first better?", note, ["", "ahead by", "90% interval", "of resamples", "better"], rows


def _shared(comparison: Comparison) -> _Told:
    rows = []
    for one in comparison.shared:
        named = ", ".join("/".join(dict.fromkeys(pair)) for pair in one.good[:_NAMED])
        more = f" and {len(one.good) - _NAMED} more" if len(one.good) > _NAMED else ""
        rho = "–" if one.correlation is None else f"{one.correlation:+.2f}".replace("-", "−")
        rows.append([" and ".join(one.names), str(one.count), rho, (named or "none") + more])
    columns = ["studies", "configs in common", "rank correlation", "in the best quarter of both (trials)"]
    return "Configs that both have tried", "", columns, rows


def _number(value: float | None) -> str:
    return "–" if value is None else format_number(value)


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{format_number(low)} to {format_number(high)}"
