"""Templates of pages."""

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from pipeline.results.report.templates import template


def test_text_in_a_page_is_escaped() -> None:
    """In a page, markup in text is escaped, and invisible characters are shown as escapes."""
    made = template("comparison.html.jinja").environment.from_string("<p>{{ text }}</p>{{ svg }}")
    shown = made.render(text="<b>\x1b[2J\u202ex", svg=Markup("<svg>\u202e</svg>"))
    assert shown == r"<p>&lt;b&gt;\x1b[2J\u202ex</p><svg>" + "\u202e</svg>"


def test_a_name_that_is_not_given_is_an_error() -> None:
    """A name missing in a template is an error, not an empty text."""
    made = template("comparison.html.jinja").environment.from_string("{{ missing }}")
    with pytest.raises(UndefinedError):
        made.render()
