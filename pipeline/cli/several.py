"""What `tunepipe results` says of several studies at once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.location import called
from pipeline.cli.tables import stdout_console
from pipeline.legible import legible

if TYPE_CHECKING:
    from pipeline.results import Results

__all__ = ["outlined", "scores", "several_board", "show_several"]


def show_several(studies: Mapping[str, "Results"], top: int) -> None:
    """Print the best trials of all studies, which studies have failures, and what the winners scored on the test sets.

    Args:
        studies: Results by what each study is called.
        top: How many trials.
    """
    told = stdout_console()
    told.print(several_board(studies, top))
    for line in _failures(studies):
        told.print(Text(legible(line)), soft_wrap=True)
    if tests := {label: scores(found.test) for label, found in studies.items() if found.test}:
        told.print("\nOn the test sets, which no trial has seen:")
        width = max(len(label) for label in tests)
        for label, told_of in tests.items():
            told.print(Text.assemble(legible(f"  {label:{width}}  "), (told_of, "bold")), soft_wrap=True)


def several_board(studies: Mapping[str, "Results"], top: int) -> Group:
    """Each study in a line, and the best trials of all; the arguments are those of `show_several`."""
    from pipeline.results.query import select_from
    from pipeline.results.several import best_of_each, objectives_in_words, several_leaderboard

    parts: list[RenderableType] = [outlined(label, found) for label, found in studies.items()]
    table = select_from(studies, columns=["trial_id"])
    shown = best_of_each(studies, table, top)
    if table.num_rows:
        pairs = list(zip(shown["study"].to_pylist(), shown["trial_id"].to_pylist(), strict=True))
        parts += [Text(), several_leaderboard(studies, pairs)]
    if table.num_rows > shown.num_rows:
        parts.append(Text(f"… and {table.num_rows - shown.num_rows} more; --top shows them.", style="dim"))
    if note := objectives_in_words(studies, []):
        parts.append(Text(legible(f"\n{note}")))
    return Group(*parts)


def outlined(label: str, found: "Results") -> Text:
    """A study in a line, behind what it is called."""
    from pipeline.results.leaderboard import outline

    return Text.assemble((legible(label), "bold"), legible(outline(found).removeprefix(found.name)))


def scores(test: Mapping[str, float]) -> str:
    """What a winner scored on the test split, in a line."""
    from pipeline.results.numbers import format_number

    return "  ".join(f"{legible(metric)} {format_number(value)}" for metric, value in test.items())


def _failures(studies: Mapping[str, "Results"]) -> list[str]:
    """Which studies have failed trials, and what shows why."""
    from pipeline.results.summary import counted

    lines = []
    for label, found in studies.items():
        if failed := int((found.trials["state"] == "failed").sum()):
            why = f"`tunepipe results {called(found.location)}` says why"
            lines.append(f"{label}: {counted(failed, 'trial')} failed; {why}.")
    return ["", *lines] if lines else []
