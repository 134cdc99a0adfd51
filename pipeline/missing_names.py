"""A message where a library no longer has a name that it keeps to itself and that tunepipe uses."""

import sys

ABSENT = object()
"""The default where an attribute may be missing."""

warned: set[tuple[str, str]] = set()
"""Names that this process has already warned about, with what it does without them."""


def warn_once(library: str, name: str, consequence: str) -> None:
    """Print, once in this process, that a name is missing.

    It is printed to stderr, since stdout may hold one JSON object and nothing else.
    """
    if (name, consequence) not in warned:
        warned.add((name, consequence))
        print(f"tunepipe: This version of {library} has no {name}: {consequence}.", file=sys.stderr)
