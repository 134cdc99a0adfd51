"""An image that a node cannot pull: whether the node's next attempt may succeed, and what to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.cluster.warning_events import moment, times_seen

_NEVER_PULLED = {"InvalidImageName", "ErrImageNeverPull"}
_NOT_PULLED = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"}

_ABSENT = re.compile("not found|manifest unknown|name unknown", re.IGNORECASE)
"""A registry's answer that it does not have the image. A refused login is not among these answers: the first pull of a
new node may come before the node has its credentials."""

_FAILED_PULLS = 3
"""An image counts as missing after this many failed pulls of one pod. A node tries again after 10 and then 20 s,
so a registry that limits its requests or restarts has about half a minute. Pulls are counted instead of seconds: a
registry that does not answer takes its whole timeout for each, and no clock has to agree with another."""


@dataclass(frozen=True, slots=True)
class ImageProblem:
    """An image that a pod waits for and that its node could not pull."""

    image: str
    pod: str
    reason: str
    cause: str
    permanent: bool

    @property
    def paragraph(self) -> str:
        """The problem and its remedy, as two sentences; the second without its full stop."""
        why = f"{self.cause} ({self.reason})" if self.cause else self.reason
        return (
            f"The image {self.image!r} of pod {self.pod} cannot be pulled: {why}. Push it to a registry that the nodes "
            "can reach"
        )

    @property
    def clause(self) -> str:
        """The problem, if it may be transient, without a full stop; the same for all pods with this image and cause."""
        return f"the image {self.image!r} could not be pulled yet, and the nodes try again: {self.cause or self.reason}"


def image_problem(pod: Any, warnings: Sequence[Any]) -> ImageProblem | None:
    """An image that a pod waits for and its node could not pull, permanent failures first; None if there is none."""
    # An init container, which waits for the head, is the first to pull a worker's image.
    statuses = [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
    own = [event for event in warnings if event.involved_object.name == pod.metadata.name]
    problems = [found for each in statuses if (found := _problem(pod.metadata.name, each, own)) is not None]
    return next((each for each in problems if each.permanent), problems[0] if problems else None)


def _problem(pod: str, status: Any, warnings: Sequence[Any]) -> ImageProblem | None:
    """Why the image of a container could not be pulled."""
    waiting = status.state.waiting if status.state else None
    if waiting is None or waiting.reason not in _NEVER_PULLED | _NOT_PULLED:
        return None
    pulled = f'Failed to pull image "{status.image}": '
    failed = sorted((event for event in warnings if pulled in (event.message or "")), key=moment)
    # Between two pulls, the message of older nodes does not say why the last one failed.
    causes = [waiting.message or "", *(event.message.partition(pulled)[2] for event in failed)]
    permanent = (
        waiting.reason in _NEVER_PULLED
        or any(map(_ABSENT.search, causes))
        or sum(map(times_seen, failed)) >= _FAILED_PULLS
    )
    said = " ".join(causes[-1].split()).rstrip(".")
    return ImageProblem(status.image, pod, waiting.reason, said, permanent)
