"""Where a documented command can be run: on any machine, or only where there is more."""

import re
from enum import Enum

from scripts.documentation.markdown import Command


class Place(Enum):
    """What a command needs in addition to tunepipe."""

    HERE = "nothing"
    CLUSTER = "a Ray cluster or an object store"
    KUBERNETES = "Kubernetes"
    GPU = "a GPU"
    INSTALLATION = "an installation"
    MEANWHILE = "a study that runs meanwhile, or a reader of the page"


_SIGNS = {
    Place.KUBERNETES: (
        r"--kubernetes|\b(kubectl|helm|podman)\b|^(mkdir -p|cat >) lab|127\.0\.0\.1:8265|\bmake (--silent )?image|^kind "
    ),
    Place.CLUSTER: r"\bHOST\b|s3://|^tunepipe (status|stop [\w-]+$)|^tunepipe submit|^export RAY_",
    Place.GPU: r"resources\.gpus|--gpus",
    Place.INSTALLATION: r"^(git|make|pip|uvx|ray|\.) ",
    Place.MEANWHILE: r"\btunepipe (serve|pause|enqueue|budget|stop \S+ --trial)\b",
}


def place_of(command: Command) -> Place:
    """Where a command can be run."""
    return next((place for place, sign in _SIGNS.items() if re.search(sign, command.text)), Place.HERE)
