"""Parameters of which `make test` takes some."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def cases(every: Iterable[Any], often: Collection[Any]) -> list[Any]:
    """Every case as a parameter; `make test-all` alone takes those that are not among `often`."""
    return [pytest.param(case, marks=[] if case in often else [pytest.mark.long], id=ascii(case)) for case in every]
