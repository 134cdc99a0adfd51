"""A user's module with values that its functions use, in tests."""

CLASSES = 0
NAMES: list[str] = []


def add(rows: list[str]) -> list[str]:
    """Rows with one more."""
    return [*rows, "b"]
