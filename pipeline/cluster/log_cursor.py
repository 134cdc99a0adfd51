"""The position up to which a pod's log has been read."""

import re
from dataclasses import dataclass

from pipeline.cluster.driver_environment import EXIT_LINE

__all__ = ["LogCursor"]

_RAY_LINES = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+\t(INFO|SUCC) (cli|sdk|job_manager)\.py:\d+ -- .*\n?", re.MULTILINE)
"""Lines of `ray job submit`, with which KubeRay starts a study: they advise commands that are not tunepipe's."""


@dataclass(slots=True)
class LogCursor:
    """The position up to which a log has been read.

    Args:
        position: Characters that were read.
    """

    position: int = 0

    def advance(self, log: str, *, ended: bool) -> str:
        """Read what is new in a log: whole lines, without those that Ray prints about its own submission.

        Args:
            log: The whole log as it is now. A kubelet starts a new file when a log becomes large, and returns only
                that one.
            ended: Whether nothing more will come, so that the last line is whole.

        Returns:
            The new lines; empty if there are none.
        """
        if len(log) < self.position:
            self.position = 0
        end = len(log) if ended else log.rfind("\n") + 1
        new, self.position = log[self.position : end], end
        return EXIT_LINE.sub("", _RAY_LINES.sub("", new))
