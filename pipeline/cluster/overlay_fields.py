"""What the RayJob of an overlay must have, so that a study's cluster can be planned from it."""

from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = "headGroupSpec"
_GROUPS = "workerGroupSpecs"
_LIMITS = ("template", "spec", "containers", 0, "resources", "limits")


def missing_fields(rayjob: Mapping[str, Any]) -> list[str]:
    """The fields that the RayJob of an overlay must have and does not have, as dotted paths."""
    return [".".join(map(str, path)) for path in _required(rayjob) if _value(rayjob, path) in (None, "", [])]


def _required(rayjob: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    cluster = ("spec", "rayClusterSpec")
    yield "metadata", "namespace"
    yield *cluster, _HEAD, *_LIMITS, "memory"
    groups = (*cluster, _GROUPS)
    yield groups
    for place, _ in enumerate(_value(rayjob, groups) or ()):
        for field in (("groupName",), ("maxReplicas",), (*_LIMITS, "cpu"), (*_LIMITS, "memory")):
            yield *groups, place, *field


def _value(node: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path; None if it does not exist."""
    for step in path:
        known = node if isinstance(node, Mapping) else dict(enumerate(node)) if isinstance(node, list) else {}
        node = known.get(step)
    return node
