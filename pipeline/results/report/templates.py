"""Templates of pages, in which all text is escaped."""

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from pipeline.text import sanitize

_REPORT = "results/report"


@cache
def template(name: str, folder: str = _REPORT) -> Template:
    """A page's template; it may include those of the report. It is compiled once."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("pipeline", place) for place in dict.fromkeys((folder, _REPORT))]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _shown(value: Any) -> Any:
    """The escaped text of a value on a page."""
    return sanitize(value) if isinstance(value, str) and not isinstance(value, Markup) else value
