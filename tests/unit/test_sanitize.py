"""Text of unknown origin made safe to print."""

import json
import unicodedata

import pytest
from hypothesis import given, strategies as st

from pipeline.sanitize import escaped_json, sanitize, sanitize_line, sanitize_output

_texts = st.text(st.characters() | st.sampled_from("\x1b\x00\x9b\u202e\u2028\ud800\n\t\r"))


@given(text=_texts)
def test_no_character_has_an_effect(text: str) -> None:
    """Sanitized text has no control characters or marks of direction except line feeds and tabs, and is encodable."""
    shown = sanitize(text)
    shown.encode()
    kinds = {unicodedata.category(character) for character in shown if character not in "\n\t"}
    assert kinds.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not any(
        unicodedata.bidirectional(each) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI"} for each in shown
    )


@given(text=_texts)
def test_safe_text_stays(text: str) -> None:
    """Sanitizing a sanitized text again does not change it."""
    assert sanitize(sanitize(text)) == sanitize(text)
    assert sanitize("é 💥 ولد\n\tend") == "é 💥 ولد\n\tend"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[2J", r"\x1b[2J"), ("a\u202eb", r"a\u202eb"), ("\x9b", r"\x9b"), ("\ud800", r"\ud800"), ("\x7f", r"\x7f")],
)
def test_an_invisible_character_is_an_escape(text: str, shown: str) -> None:
    """An invisible character is shown as an escape with two digits if they are enough, and otherwise four."""
    assert sanitize(text) == shown


@given(text=_texts)
def test_a_line_is_one_line(text: str) -> None:
    """A text that is sanitized as one line has escapes for line feeds and tabs."""
    assert len(f"{sanitize_line(text)}.".splitlines()) == 1
    assert sanitize_line("a\nb\tc") == r"a\nb\tc"


def test_output_keeps_colours_and_progress_bars() -> None:
    """Colours, carriage returns and backspaces of an output are kept, and other sequences are escaped."""
    bar = "\x1b[32m10%\x1b[0m\r20%\x08"
    assert sanitize_output(bar) == bar
    assert sanitize_output("\x1b[2J\x1b]0;title\x07") == r"\x1b[2J\x1b]0;title\x07"


@given(text=_texts)
def test_a_json_document_keeps_its_value(text: str) -> None:
    """A JSON document without its invisible characters has the same value."""
    document = json.dumps({"text": text}, ensure_ascii=False)
    safe = escaped_json(document)
    assert sanitize(safe) == safe
    assert json.loads(safe) == {"text": text}
