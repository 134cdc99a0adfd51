"""Pods that wait for a volume: which claim is not bound, why, and what to do about it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cluster.rayjob_states import storage_of
from pipeline.cluster.warning_events import moment

_OF_A_CLAIM = re.compile(r"persistentvolumeclaim|persistent volumes|volumebinding|binding volumes", re.IGNORECASE)
"""In a scheduler's message, if a pod waits for a claim and not for room on a node."""

_CLAIM = "PersistentVolumeClaim"


def claim_wait(job: Mapping[str, Any], pod: Any, warnings: Sequence[Any]) -> str | None:
    """Which claims a pod waits for, and why, without a full stop; None if it waits for none."""
    volumes = [each.persistent_volume_claim for each in (pod.spec and pod.spec.volumes) or []]
    claims = [each.claim_name for each in volumes if each is not None]
    if not claims or pod.spec.node_name or pod.status.phase not in (None, "Pending"):
        return None
    conditions = [each for each in pod.status.conditions or [] if each.type == "PodScheduled"]
    messages = [each.message or "" for each in conditions if each.status == "False"]
    scheduler = [message for message in messages if _OF_A_CLAIM.search(message)]
    about = [each for each in warnings if each.involved_object.kind == _CLAIM and each.involved_object.name in claims]
    if not scheduler:
        # While a class tries to make a volume, the scheduler says nothing. An older event may be about a bound claim.
        created = pod.metadata.creation_timestamp
        about = [each for each in about if created is None or moment(each) >= created.timestamp()]
    if not scheduler and (messages or not about):
        return None
    failed = {each.involved_object.name for each in about}
    # A message about all claims of a pod does not name them.
    named = [
        name for name in claims if name in failed or any(f'"{name}"' in message for message in scheduler)
    ] or claims
    made = [f"{_line(each.message)} ({each.reason})" for each in sorted(about, key=moment)[-1:]]
    why = "; ".join((*map(_line, scheduler), *made))
    return f"pod {pod.metadata.name} waits for {_together(named)}: {why}. {_remedy(job, named)}"


def _together(claims: Sequence[str]) -> str:
    return f"the volume claim{'s' if len(claims) > 1 else ''} {' and '.join(map(repr, claims))}"


def _remedy(job: Mapping[str, Any], claims: Sequence[str]) -> str:
    if "://" in (storage_of(job) or ""):
        return (
            "The study is in an object store and needs no volume for its results: the components no-volume/pods and "
            "no-volume/claim of an overlay leave out the claim 'studies'"
        )
    namespace = job["metadata"]["namespace"]
    return (
        "The class of a claim must offer its access modes, such as write access from many nodes: `kubectl describe "
        f"persistentvolumeclaim -n {namespace} {' '.join(claims)}` shows its state"
    )


def _line(message: str | None) -> str:
    return " ".join((message or "").split()).rstrip(".")
