"""The user who submits a study, as it is shown to users who submit the same study and attach to it."""

import getpass
import platform


def submitter() -> str:
    """The user and the machine of this process, as in `ana@laptop`; the machine alone if the user has no name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, a user may be only a number
        user = ""
    return f"{user}@{platform.node()}" if user else platform.node()
