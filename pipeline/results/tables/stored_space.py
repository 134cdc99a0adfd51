"""The space in the content of a study.json."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from pipeline.space import Space, flat


def space_of(study: Mapping[str, Any]) -> Space:
    """The space in the content of a study.json, as domains."""
    return _space(json.dumps(study["job"]["space"]))


def parameters_of(study: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of that space, those of a switch's branches too: what the tables have columns for."""
    # A copy: it is made once for each study, and asked for once for each of thousands of parameters.
    return dict(_parameters(json.dumps(study["job"]["space"])))


@cache
def _parameters(text: str) -> Mapping[str, Any]:
    return flat(_space(text))


@cache
def _space(text: str) -> Space:
    space: Space = TypeAdapter(Space).validate_json(text)
    return space
