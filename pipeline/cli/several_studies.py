"""What `tunepipe results` prints for several studies, and below any: the command that continues an interrupted one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.console import command_console
from pipeline.sanitize import sanitize
from pipeline.study.studies import as_argument

if TYPE_CHECKING:
    from pipeline.results import Results


def show_several(studies: Mapping[str, "Results"], top: int) -> None:
    """Print the best trials of all studies, the studies with failures, and the best trials' metrics on
    the test sets.
    """
    console = command_console()
    console.print(several_board(studies, top))
    for line in _failures(studies):
        console.print(Text(sanitize(line)))
    if tests := {label: scores(results.test) for label, results in studies.items() if results.test}:
        console.print("\nOn the test sets, which no trial has seen:")
        width = max(len(label) for label in tests)
        for label, values in tests.items():
            console.print(Text.assemble(sanitize(f"  {label:{width}}  "), (values, "bold")))


def several_board(studies: Mapping[str, "Results"], top: int) -> Group:
    """A line for each study, and a table of the best trials of all."""
    from pipeline.results.tables.query import select_from
    from pipeline.results.views.several_studies import best_of_each, objectives_in_words, several_leaderboard

    parts: list[RenderableType] = [study_line(label, results) for label, results in studies.items()]
    table = select_from(studies, columns=["trial_id"])
    shown = best_of_each(studies, table, top)
    if table.num_rows:
        pairs = list(zip(shown["study"].to_pylist(), shown["trial_id"].to_pylist(), strict=True))
        parts += [Text(), several_leaderboard(studies, pairs)]
    if table.num_rows > shown.num_rows:
        parts.append(Text(f"… and {table.num_rows - shown.num_rows:,} more; --top shows them.", style="dim"))
    if note := objectives_in_words(studies, []):
        parts.append(Text(sanitize(f"\n{note}")))
    return Group(*parts)


def study_line(label: str, results: "Results") -> Text:
    """A study in one line, after its label."""
    from pipeline.results.views.leaderboard import summary_line

    return Text.assemble((sanitize(label), "bold"), sanitize(summary_line(results).removeprefix(results.name)))


def scores(test: Mapping[str, float]) -> str:
    """The best trial's metrics on the test split in one line."""
    from pipeline.wording import format_number

    return "  ".join(f"{sanitize(metric)} {format_number(value)}" for metric, value in test.items())


def print_how_to_continue(studies: Mapping[str, "Results"]) -> None:
    """Print the command that continues each interrupted study."""
    lines = [
        f"{f'{label}: ' if len(studies) > 1 else ''}`tunepipe resume {as_argument(results.location)}` continues it."
        for label, results in studies.items()
        if results.state == "interrupted"
    ]
    if lines:
        text = "\n".join(map(sanitize, lines))
        command_console().print(Text(f"\n{text}"))


def _failures(studies: Mapping[str, "Results"]) -> list[str]:
    """Lines about studies with failed trials, and the command that shows why they failed."""
    from pipeline.wording import counted

    lines = []
    for label, results in studies.items():
        if failed := int((results.trials["state"] == "failed").sum()):
            why = f"`tunepipe results {as_argument(results.location)}` says why"
            lines.append(f"{label}: {counted(failed, 'trial')} failed; {why}.")
    return ["", *lines] if lines else []
