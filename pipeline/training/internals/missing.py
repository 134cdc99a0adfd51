"""A message where a library no longer has a name that training uses."""

__all__ = ["ABSENT", "say_once", "warned"]

ABSENT = object()
"""The default where an attribute may be missing."""

warned: set[str] = set()
"""Names that this process has already warned about."""


def say_once(library: str, name: str, consequence: str) -> None:
    """Print, once in this process, that a name is missing.

    Args:
        library: The library.
        name: The name.
        consequence: What training does without it, as a part of a sentence.
    """
    if name not in warned:
        warned.add(name)
        print(f"tunepipe: This version of {library} has no {name}: {consequence}.")
