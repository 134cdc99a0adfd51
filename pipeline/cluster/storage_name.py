"""The name of a storage, by which submissions of one study find each other."""


def without_slash(storage: str) -> str:
    """A storage without a slash at its end: with and without it, it is the same one."""
    head, mark, options = storage.partition("?") if "://" in storage else (storage, "", "")
    return f"{head.rstrip('/') or '/'}{mark}{options}"
