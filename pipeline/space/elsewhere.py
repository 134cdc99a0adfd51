"""Classes of other libraries, named by their path, with settings that nobody here knows."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Field, JsonValue

__all__ = ["OpenSettings", "folded", "kind_of"]

OpenSettings: TypeAlias = dict[Annotated[str, Field(min_length=1)], JsonValue]
"""Settings by name, as JSON values: what is wrong with them the class itself tells."""


def kind_of(settings: object) -> str | None:
    """What kind of settings these are, built or as JSON values: the path of a class of Ray's is of the kind `ray`."""
    kind = settings.get("kind") if isinstance(settings, Mapping) else getattr(settings, "kind", None)
    if not isinstance(kind, str):
        return None
    return "ray" if kind.startswith("ray.") else kind


def folded(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a person wrote beside a path, as the settings of that class.

    Args:
        value: `kind`, and settings either by their names or as `settings`.
    """
    own = {name: setting for name, setting in value.items() if name not in ("kind", "settings")}
    settings = value.get("settings", {})
    if not own or not isinstance(settings, Mapping):
        return value
    return {"kind": value.get("kind"), "settings": {**settings, **own}}
