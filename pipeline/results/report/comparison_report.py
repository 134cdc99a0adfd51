"""A comparison of studies as one HTML page."""

from functools import partial

from markupsafe import Markup

from pipeline.results import plots
from pipeline.results.analysis.comparison import Comparison
from pipeline.results.palette import DAY, NIGHT
from pipeline.results.plots.svg import inline_svg
from pipeline.results.report.picture import Picture
from pipeline.results.report.templates import template
from pipeline.results.views.explanation import comparison_tables, comparison_warning


def comparison_page(comparison: Comparison) -> str:
    """The comparison as one HTML page that loads nothing."""
    studies = comparison.studies
    objective = next(iter(studies.values())).objective.metric
    pictures = []
    for by in plots.MEASURES:
        draw = partial(plots.best_against, studies, by=by)
        alt = f"Step chart of the best value of {len(studies)} studies against {by}."
        svg, narrow = (
            inline_svg(draw, name=f"{by}-{width}", size=(width, height)) for width, height in ((1040, 340), (350, 280))
        )
        title = f"Best {objective} against {by}"
        pictures.append((title, Picture(alt, f"The best value so far against {by}.", svg, narrow)))
    if comparison.box is not None:
        draw = partial(plots.hypervolume_over_epochs, studies)
        svg, narrow = (
            inline_svg(draw, name=f"hypervolume-{width}", size=(width, height))
            for width, height in ((1040, 340), (350, 280))
        )
        alt = f"Step chart of the hypervolume of {len(studies)} studies against epochs."
        caption = "The share of a common box that the epochs of all trials dominate so far."
        pictures.append(("Hypervolume against epochs", Picture(alt, caption, svg, narrow)))
    page = template("comparison.html.jinja")
    return page.render(
        names=list(studies),
        warning=comparison_warning(comparison),
        pictures=pictures,
        tables=comparison_tables(comparison),
        day=DAY,
        night=NIGHT,
        svg=Markup,
        states={},
    )
