"""The arguments of the script that runs a study: recorded, and compared when the script resumes it."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.code import Recorded, in_script
from pipeline.execution.driver.provenance import command_line
from pipeline.study import TuneJob


def arguments_of_script(job: TuneJob) -> list[str] | None:
    """The arguments of the script that Python runs, without secrets."""
    return command_line(sys.argv[1:]) if any(map(in_script, job.functions.values())) else None


def other_arguments(document: Mapping[str, Any], arguments: Sequence[str] | None) -> str | None:
    """What the user should know if a script resumes a study with other arguments."""
    if arguments is None or "sources" not in document:
        return None
    before = Recorded(document["sources"]).arguments
    if before is None or tuple(arguments) == before:
        return None
    return (
        f"The script has {_shown(arguments)}, and had {_shown(before)} in the last session. Trials of both sessions "
        "are compared with each other, so arguments that the job's functions read must stay the same."
    )


def _shown(arguments: Sequence[str]) -> str:
    return f"the arguments `{shlex.join(arguments)}`" if arguments else "no arguments"
