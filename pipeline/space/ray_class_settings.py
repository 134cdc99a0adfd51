"""Classes of other libraries, named by their path, with settings that tunepipe does not know."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Field, JsonValue

__all__ = ["OpenSettings", "kind_of", "normalize"]

OpenSettings: TypeAlias = dict[Annotated[str, Field(min_length=1)], JsonValue]
"""Settings by name, as JSON values; only the class itself can validate them."""


def kind_of(settings: object) -> str | None:
    """The kind of settings; that of a class of Ray is `ray`, whatever its path.

    Args:
        settings: An object with an attribute `kind`, or JSON values.
    """
    kind = settings.get("kind") if isinstance(settings, Mapping) else getattr(settings, "kind", None)
    if not isinstance(kind, str):
        return None
    return "ray" if kind.startswith("ray.") else kind


def normalize(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a class from JSON that has them beside its path.

    Args:
        value: `kind`, and settings either by their names or as `settings`.
    """
    own = {name: setting for name, setting in value.items() if name not in ("kind", "settings")}
    settings = value.get("settings", {})
    if not own or not isinstance(settings, Mapping):
        return value
    return {"kind": value.get("kind"), "settings": {**settings, **own}}
