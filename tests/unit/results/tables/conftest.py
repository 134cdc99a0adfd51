"""A study that a test fills itself."""

from pathlib import Path

import pytest

from tests.unit.results.studies import Recording, tune_job


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A study without a row."""
    return Recording(tmp_path, tune_job("small"))
