"""The name of a storage, by which submissions of one study find each other."""

__all__ = ["without_slash"]


def without_slash(storage: str) -> str:
    """A storage without a slash at its end: with and without it, it is the same one.

    Args:
        storage: A folder or URI; the options of a URI stay.
    """
    head, mark, options = storage.partition("?") if "://" in storage else (storage, "", "")
    return f"{head.rstrip('/') or '/'}{mark}{options}"
