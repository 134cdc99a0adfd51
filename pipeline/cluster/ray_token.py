"""The token of a Ray cluster, from the places where Ray reads it."""

import os
from pathlib import Path

from pipeline.errors import ClusterError

_VARIABLE, _FILE_VARIABLE = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def ray_token() -> str | None:
    """The token; None if there is none."""
    if token := os.environ.get(_VARIABLE, "").strip():
        return _checked(token, _VARIABLE)
    if file := os.environ.get(_FILE_VARIABLE):
        what = f"The file {file}, which {_FILE_VARIABLE} names,"
        try:
            return _checked(Path(file).read_text(errors="replace").strip(), what) or None
        except OSError as error:
            raise ClusterError(f"{what} cannot be read: {error.strerror}.") from None
    try:
        path = Path.home() / ".ray/auth_token"
        return _checked(path.read_text(errors="replace").strip(), f"The file {path}") or None
    # Without a home folder, as for a container's user that is only a number, there is no such file.
    except (OSError, RuntimeError):
        return None


def _checked(token: str, where: str) -> str:
    """A token that can be sent as a header."""
    if not (token.isascii() and token.isprintable()):
        raise ClusterError(f"{where} has no token: it must be one line of ASCII characters.")
    return token
