"""The position up to which a pod's log has been read."""

import re
from dataclasses import dataclass
from textwrap import shorten

from pipeline.cluster.driver_environment import EXIT_LINE

_RAY_LINES = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+\t(INFO|SUCC|WARN) (cli|sdk|job_manager)\.py:\d+ -- .*\n?", re.MULTILINE
)
"""Lines of Ray's command, with which KubeRay starts a study: they advise commands that are not tunepipe's, and call a
study stopped that an error ended."""

_FIRST = "Traceback (most recent call last):\n"
_JOINTS = (
    "The above exception was the direct cause of the following exception:\n",
    "During handling of the above exception, another exception occurred:\n",
)
_BLOCK = rf"{re.escape(_FIRST)}(?:[ \t].*\n)+\S.*(?:\n|\Z)"
_TRACEBACK = re.compile(rf"^{_BLOCK}(?:\n(?:{'|'.join(map(re.escape, _JOINTS))})\n{_BLOCK})*", re.MULTILINE)
_RAY_COMMAND = re.compile(r'^  File ".*/bin/ray", line \d+, in <module>$', re.MULTILINE)
_MAX_CHARACTERS = 160

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) ", re.MULTILINE)
"""The time before each line of a log, to the nanosecond: no two lines are the same with it."""


@dataclass(slots=True)
class LogCursor:
    """The position up to which a log has been read."""

    last: str = ""
    held: str = ""

    def advance(self, log: str, *, ended: bool) -> str:
        """Read what is new in a log: whole lines, without those that Ray prints about its own submission.

        Where a head is lost, the command that followed its job ends with a traceback, of which the last line is read.
        """
        whole = log if ended else log[: log.rfind("\n") + 1]
        new = whole.rpartition(self.last)[2] if self.last else whole
        if new:
            self.last = new[new.rfind("\n", 0, -1) + 1 :]
        text = self.held + _TIME.sub("", new)
        end = len(text) if ended else len(text) - _unfinished(text)
        self.held = text[end:]
        return EXIT_LINE.sub("", _RAY_LINES.sub("", _TRACEBACK.sub(_without_frames, text[:end])))


def _unfinished(text: str) -> int:
    """Characters at the end of a text that may be the beginning of a traceback."""
    length, in_frames = 0, False
    for line in text.splitlines(keepends=True):
        if line == _FIRST:
            in_frames = True
        elif in_frames:
            in_frames = line[0] in " \t"
        elif length and not (line == "\n" or line in _JOINTS):
            length = 0
        length += len(line) if length or line == _FIRST else 0
    return length


def _without_frames(found: re.Match[str]) -> str:
    """The last line of a traceback of Ray's command; any other traceback as it is."""
    if not _RAY_COMMAND.search(found[0]):
        return found[0]
    return f"ray: {shorten(found[0].splitlines()[-1], _MAX_CHARACTERS, placeholder=' …')}\n"
