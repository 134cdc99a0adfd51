"""Selected rows and columns of one or more studies, in any format."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.console import command_console, print_text
from pipeline.cli.table_output import output_table
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.results.views.fitted_table import FittedTable


TOP = 10
"""The maximum number of trials to show on a terminal; the others are counted."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The selection of rows and columns."""

    where: str | None
    sort: list[str]
    columns: list[str]
    front: bool
    shape: str
    output: Path | None
    top: int | None

    @property
    def chosen(self) -> bool:
        """Whether anything other than the plain leaderboard is selected."""
        return self.shape != "table" or bool(self.where is not None or self.sort or self.columns or self.front)

    @property
    def limit(self) -> int | None:
        """Number of rows to output."""
        return self.top or (TOP if self.shape == "table" else None)


def names(text: str | None, option: str, example: str) -> list[str]:
    """The columns of an option."""
    columns = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not columns:
        raise UsageError(
            f"{option} must name columns of the table trials, for example {example}; found {text!r:.100}. "
            f"docs/tables.md lists them; without {option} the leaderboard is shown."
        )
    return columns


def show_rows(studies: Mapping[str, "Results"], rows: Rows) -> None:
    """Print or write the selected trials; on a terminal without --columns, as the leaderboard."""
    if len(studies) == 1:
        _rows_of_one(next(iter(studies.values())), rows)
    else:
        _rows_of_several(studies, rows)


def _rows_of_one(results: "Results", rows: Rows) -> None:
    from pipeline.results.tables.database import Answer
    from pipeline.results.tables.front import pareto_front
    from pipeline.results.tables.query import select_trials
    from pipeline.results.views.leaderboard import leaderboard

    only = [point.trial_id for point in pareto_front(results)] if rows.front else None
    if rows.shape == "table" and not rows.columns:
        table = select_trials(results, where=rows.where, sort=rows.sort, columns=["trial_id"], only=only)
        shown = table["trial_id"].to_pylist()
        board = leaderboard(results, top=rows.limit, only=shown, in_order=bool(rows.sort))
        _print_board(board, len(shown), len(results.trials))
        return
    columns = rows.columns or None
    # In the order of the leaderboard.
    table = select_trials(results, where=rows.where, sort=rows.sort, columns=columns, only=only, best_first=True)
    output_table(Answer.of(table.slice(0, rows.limit)), rows.shape, rows.output, of=table.num_rows)


def _rows_of_several(studies: Mapping[str, "Results"], rows: Rows) -> None:
    from pipeline.results.tables.database import Answer
    from pipeline.results.tables.front import pareto_front
    from pipeline.results.tables.query import select_from
    from pipeline.results.views.several_studies import best_of_each, objectives_in_words, several_leaderboard

    only = {label: [point.trial_id for point in pareto_front(study)] for label, study in studies.items()}
    board = rows.shape == "table" and not rows.columns
    columns = ["study", "trial_id"] if board else rows.columns
    meant = only if rows.front else None
    table = select_from(studies, where=rows.where, sort=rows.sort, columns=columns, only=meant)
    note = objectives_in_words(studies, rows.sort)
    shown = best_of_each(studies, table, rows.limit) if note else table.slice(0, rows.limit)
    if board:
        pairs = list(zip(shown["study"].to_pylist(), shown["trial_id"].to_pylist(), strict=True))
        trials = sum(len(study.trials) for study in studies.values())
        _print_board(several_leaderboard(studies, pairs), table.num_rows, trials)
    else:
        output_table(Answer.of(shown), rows.shape, rows.output, of=table.num_rows)
    if note:
        # A file or a pipe gets the table alone.
        print_text(note if rows.shape != "table" else f"\n{note}", err=rows.shape != "table")


def _print_board(board: "FittedTable", asked: int, trials: int) -> None:
    console = command_console()
    if not asked:
        console.print(f"None of {trials} trials matches.")
        return
    console.print(board)
    if asked > board.row_count:
        console.print(f"… and {asked - board.row_count} more; --top shows them.", style="dim")
