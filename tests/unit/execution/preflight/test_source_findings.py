"""Findings about a job's code."""

from pathlib import Path

import pytest

from pipeline.execution.preflight.source_findings import source_finding
from pipeline.study.sources import SourceFile, Sources
from tests.unit.execution.preflight.facts import build_model, job

FILE = SourceFile("mine", "mine.py", b"", Path("/home/you/mine.py"))


@pytest.mark.parametrize(
    ("sources", "level", "text", "advice"),
    [
        (Sources(), "ok", "the study's own copies", ""),
        (Sources((FILE,)), "ok", "copied into the study: mine.py", ""),
        (
            Sources((FILE,), folders=(Path("/home/you"),), uncopied=("fast, which is not Python source",)),
            "warning",
            "copied into the study: mine.py. Not copied: fast, which is not Python source",
            "`resume` and `rerun` need it where it is now: /home/you.",
        ),
    ],
    ids=["resumed", "all", "not all"],
)
def test_copied_code_is_listed(sources: Sources, level: str, text: str, advice: str) -> None:
    """The finding about sources lists what is copied, and is a warning for code that cannot be copied."""
    finding = source_finding(job(), sources)
    assert (finding.level, finding.found, finding.advice) == (level, text, advice)


def test_functions_without_a_file_are_a_warning() -> None:
    """A function that no file defines is named, with what resumes the study and what does not."""
    typed: dict[str, object] = {"__name__": "nowhere"}
    exec("def callbacks(config):\n    return []\n", typed)
    tuned = job(model=build_model, callbacks=typed["callbacks"])
    finding = source_finding(tuned, Sources((FILE,)))
    assert finding.level == "warning"
    assert finding.found == "callbacks cannot be loaded from a file: `tunepipe resume` cannot resume the study"
    assert finding.advice.startswith("run(JOB, resume=True) resumes it where the same functions are defined")


def test_a_folder_of_data_is_named_without_a_warning() -> None:
    """A folder that the code reads where it is is named with what other machines need, and is no warning."""
    finding = source_finding(job(), Sources((FILE,), data_folders=(Path("/mine/pets"),)))
    assert finding.level == "ok"
    assert "Not copied, and read where it is: /mine/pets; other machines need an absolute path" in finding.found
