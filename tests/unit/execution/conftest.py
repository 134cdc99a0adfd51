"""A study without training for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recorded_curves import Study, new_study


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """Makes a study of a function job; keyword arguments are the job's fields."""

    def make(folder: str = "s", **fields: Any) -> Study:
        return new_study(tmp_path / folder, **fields)

    return make
