"""Settings that `kind` identifies: those of tunepipe, and those of any class of Ray Tune, named by its path."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag

OpenSettings: TypeAlias = dict[Annotated[str, Field(min_length=1)], JsonValue]
"""Settings by name, as JSON values; only the class itself can validate them."""


def kind_of(settings: object) -> str | None:
    """The kind of settings; that of a class of Ray is `ray`, whatever its path."""
    kind = settings.get("kind") if isinstance(settings, Mapping) else getattr(settings, "kind", None)
    if not isinstance(kind, str):
        return None
    return "ray" if kind.startswith("ray.") else kind


def normalize(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a class from JSON that has them next to its path."""
    own = {name: setting for name, setting in value.items() if name not in ("kind", "settings")}
    settings = value.get("settings", {})
    if not own or not isinstance(settings, Mapping):
        return value
    return {"kind": value.get("kind"), "settings": {**settings, **own}}


def any_settings(known: Mapping[str, type], of_ray: type) -> Any:
    """The type of a field that takes any of these settings, for pydantic."""
    kinds: list[Any] = [Annotated[settings, Tag(kind)] for kind, settings in {**known, "ray": of_ray}.items()]
    return Annotated[reduce(or_, kinds), Discriminator(kind_of)]
