"""Numbers, durations, plurals and suggestions as text, and text of unknown origin made safe."""

import math
import unicodedata

import pytest
from hypothesis import given, strategies as st

from pipeline.text import (
    closest,
    did_you_mean,
    draw_order,
    duration,
    format_number,
    hide_numbers,
    sanitize,
    sanitize_line,
    sanitize_output,
    size,
)


def test_trials_are_ordered_by_their_numbers():
    ids = ["0000", "0009", "0010", "9999", "10000", "100000", "9" * 50, "1" + "0" * 50]
    assert sorted([*ids[4:], *ids[:4]], key=draw_order) == ids


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.966615776, "0.9666"), (0.0, "0"), (-5e-324, "0"), (20480.0, "20480"), (-123456.7, "-123457"),
        (0.00012345, "0.0001234"), (1e-5, "1e-05"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("count", "reported"),
    [(973, "973 bytes"), (513_000, "513 kB"), (6_890_000, "6.89 MB"), (999_600, "1 MB"), (3e12, "3 TB")],
)
def test_sizes_are_formatted_in_a_suitable_unit(count, reported) -> None:
    assert size(count) == reported


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.07, "70 ms"), (59.7, "1 min 0 s"), (245, "4 min 5 s"), (math.nan, "–")],
)
def test_durations_have_at_most_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_closest_word_is_suggested() -> None:
    assert did_you_mean("trals", ["trials", "epochs"]) == " Did you mean trials?"
    assert did_you_mean("trals", ["trials"], quoted=True) == " Did you mean 'trials'?"
    assert did_you_mean("x", ["trials"]) == ""
    assert closest("lo", ["low", "high"], cutoff=0.5) == "low"


@pytest.mark.parametrize(("text", "hidden"), [("lr=1.2e-05 in line 3", "lr=# in line #"), ("no number", "no number")])
def test_numbers_are_hidden_whole(text: str, hidden: str) -> None:
    assert hide_numbers(text) == hidden


_texts = st.text(st.characters() | st.sampled_from("\x1b\x00\x9b\u202e\u2028\ud800\n\t\r"))


@given(text=_texts)
def test_no_character_has_an_effect(text: str) -> None:
    shown = sanitize(text)
    shown.encode()
    kinds = {unicodedata.category(character) for character in shown if character not in "\n\t"}
    assert kinds.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not any(
        unicodedata.bidirectional(each) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI"} for each in shown
    )


@given(text=_texts)
def test_safe_text_stays(text: str) -> None:
    assert sanitize(sanitize(text)) == sanitize(text)
    assert sanitize("é 💥 ولد\n\tend") == "é 💥 ولد\n\tend"


@given(text=_texts)
def test_a_line_is_one_line(text: str) -> None:
    assert len(f"{sanitize_line(text)}.".splitlines()) == 1
    assert sanitize_line("a\nb\tc") == r"a\nb\tc"


def test_output_keeps_colours_and_progress_bars() -> None:
    bar = "\x1b[32m10%\x1b[0m\r20%\x08"
    assert sanitize_output(bar) == bar
    assert sanitize_output("\x1b[2J\x1b]0;title\x07") == r"\x1b[2J\x1b]0;title\x07"
