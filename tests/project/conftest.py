"""A user's own overlays, for the tests of the manifests."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.project.manifests import with_components


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Renders a user's own overlay: an existing one, or a base, with more components."""
    return partial(with_components, tmp_path)
