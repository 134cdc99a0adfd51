"""What a pod has printed, from one look at its log to the next."""

import re
from dataclasses import dataclass

__all__ = ["Printed"]

_RAYS_OWN = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+\t(INFO|SUCC) (cli|sdk|job_manager)\.py:\d+ -- .*\n?", re.MULTILINE)
"""`ray job submit`, by which KubeRay starts a study, tells how it could be stopped: by other commands than ours."""


@dataclass(slots=True)
class Printed:
    """How much of a log was told already.

    Args:
        characters: So many.
    """

    characters: int = 0

    def news(self, log: str, *, ended: bool) -> str:
        """What is new in a log: whole lines, without those in which Ray speaks of its own submission.

        Args:
            log: All of it, as it is now. A kubelet begins a new one where it has grown large, and shows only that.
            ended: Whether nothing more comes, so that the last line is whole.
        """
        if len(log) < self.characters:
            self.characters = 0
        end = len(log) if ended else log.rfind("\n") + 1
        new, self.characters = log[self.characters : end], end
        return _RAYS_OWN.sub("", new)
