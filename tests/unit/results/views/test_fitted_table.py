import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from pipeline.results.views.fitted_table import Column, FittedTable


def board(parameters: int = 6) -> FittedTable:
    """A table with a column of each kind."""
    fixed = [
        Column("trial", keep="whole"),
        Column("val_accuracy", right=True, keep="whole"),
        Column("why", keep="wrapped"),
    ]
    table = FittedTable([*fixed, *(Column(f"p{place}", keep="extra") for place in range(parameters))], more="ask")
    table.add_row("0000", "0.9712", "because of many things " * 3, *map(str, range(parameters)))
    table.add_row("0001", Text("0.9613"), "so", *["x" * 90] * parameters, style="bold")
    return table


def shown(table: FittedTable, width: int, *, terminal: bool = True) -> list[str]:
    """The table's lines."""
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_wide_terminal_gets_everything_but_long_cells() -> None:
    """On a wide terminal each row of a table is one line, and long cells are cut."""
    lines = shown(board(2), 300)
    assert lines[0].split() == ["trial", "val_accuracy", "why", "p0", "p1"]
    assert len(lines) == 3
    assert lines[2].endswith("x" * 59 + "…")


def test_the_last_optional_columns_are_removed_first() -> None:
    """A narrow table lacks its last optional columns, and a line has their number and how to see them."""
    lines = shown(board(), 118)
    assert lines[0].split() == ["trial", "val_accuracy", "why", "p0"]
    assert lines[-1] == "+5 columns (p1, p2, p3, p4, p5): ask."


def test_the_caller_says_which_optional_columns_are_removed_first() -> None:
    """Optional columns are removed in the order that the caller gives, then from the last on, without moving others."""
    columns = [Column("trial", keep="whole"), *(Column(name, keep="extra") for name in "abcd")]
    table = FittedTable(columns, more="ask", first_out=lambda: [2, 0])
    table.add_row("0000", *["x" * 20] * 4)
    assert shown(table, 80)[0].split() == ["trial", "a", "c", "d"]
    assert shown(table, 60)[0].split() == ["trial", "a", "c"]
    assert shown(table, 60)[-1] == "+2 columns (b, d): ask."


@pytest.mark.parametrize("width", range(20, 300, 7))
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    """At any width no line is longer than the terminal, and required columns are shown whole."""
    lines = shown(board(), width)
    assert max(map(cell_len, lines)) <= width
    assert {"0000", "0001", "0.9712", "0.9613"} <= set(" ".join(lines).split())


def test_rows_of_a_terminal_that_is_too_narrow_become_records() -> None:
    """On a very narrow terminal, a row becomes one uncut line for each field, with an empty line between two rows."""
    table = FittedTable([Column("name"), Column("text")])
    table.add_row("one", "x" * 90)
    table.add_row("two", "漢字" * 20)
    lines = shown(table, 30)
    assert lines[:2] == ["name  one", "text  " + "x" * 24]
    assert "".join(line.split()[-1] for line in lines[1:5]).removeprefix("text") == "x" * 90
    assert "" in lines


def test_a_pipe_gets_everything() -> None:
    """A table that is written to a pipe has all columns and uncut cells."""
    lines = shown(board(), 100_000, terminal=False)
    assert len(lines) == 3
    assert lines[2].split()[3:] == ["x" * 90] * 6


def test_control_characters_take_one_line() -> None:
    """A line feed in a cell or a name does not break the table."""
    table = FittedTable([Column("a\nb")])
    table.add_row("c\n\x1b[2Jd\te")
    assert shown(table, 80) == [r"a\nb", r"c\n\x1b[2Jd\te"]


def test_words_of_a_wrapped_name_stay_whole() -> None:
    """A column's name is wrapped between its words, unless one of them is longer than 16 characters."""
    names = ["best val_accuracy", "of resamples", "rank of the others", "m" * 40]
    table = FittedTable([Column(name, keep="whole") for name in names])
    table.add_row("1", "2", "3", "4")
    words = " ".join(shown(table, 55)[:-1]).split()
    assert {"val_accuracy", "resamples", "others"} <= set(words)
    assert "m" * 16 in words


def test_a_table_within_another_is_as_wide_as_its_content() -> None:
    """A table within padding is only as wide as its content."""
    console = Console(width=10_000, file=io.StringIO(), force_terminal=False)
    console.print(Padding(board(), (0, 0, 0, 2), expand=False))
    assert max(map(len, console.file.getvalue().splitlines())) < 1000  # type: ignore[attr-defined]
