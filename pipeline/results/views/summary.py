"""The outcome of a study, in numbers and in words."""

import re
from collections.abc import Sequence

import numpy as np

from pipeline.engine.trial import LIVE_STATES
from pipeline.results.analysis.accepted_changes import AcceptedChange, accepted_changes
from pipeline.results.analysis.domains import format_value
from pipeline.results.analysis.failure_causes import first_line
from pipeline.results.analysis.hypervolume import hypervolume_of
from pipeline.results.analysis.parameters import by_influence, tuned
from pipeline.results.analysis.study_decisions import study_decisions
from pipeline.results.analysis.trial_ends import saved_epochs, stopped_by_users, stopped_early
from pipeline.results.tables.front import pareto_front
from pipeline.results.tables.load import Results
from pipeline.results.views.fit_text import fit_text, phases_text
from pipeline.results.views.states import STATES
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS
from pipeline.study.studies import as_argument
from pipeline.wording import counted, duration, format_number, is_or_are, listed

_MANY = 8
"""A sentence names at most this many items; the tables have all."""

_COMMAND_ID = re.compile(r" \(command [^()]+\)(?=\.$)")
"""What tells a reader of the table `decisions` which command it was."""


def paragraphs(results: Results) -> list[str]:
    """The study in paragraphs: what was tuned, what is best, the others and the time, and what changed."""
    text = [
        (_what(results),),
        (_best(results), _front(results), _test(results), winner_failure_in_words(results)),
        (_others(results), _saved(results), _time(results), ending_in_words(results)),
        (accepted_changes_in_words(results),),
        (study_decisions_in_words(results),),
    ]
    return [" ".join(filter(None, paragraph)) for paragraph in text if any(paragraph)]


def _what(results: Results) -> str:
    job, objective = results.job, results.objective
    drawn = _drawn(results)
    goal = "highest" if objective.mode == "max" else "lowest"
    over = f"over {_some(drawn)}" if drawn else "with a fixed config"
    data = f" on {job['data']}" if isinstance(job["data"], str) else ""
    scheduler, searcher = job["scheduler"]["kind"], job["searcher"]["kind"]
    fit, phases = fit_text(job), phases_text(job)
    trials = counted(len(results.trials) or job["budget"]["trials"], "trial")
    return (
        f"This study looked for the {goal} {objective.metric}{data} {over}, with "
        f"{SEARCHERS[searcher].title if searcher in SEARCHERS else f'{searcher} search'} and "
        f"{SCHEDULERS[scheduler].title if scheduler in SCHEDULERS else scheduler}: {trials} of up to "
        f"{counted(job['budget']['epochs'], 'epoch')}"
        + (f", trained by fit with {listed(fit.split('  '))}" if fit else "")
        + (f", in phases: {listed(phases.split('  '))}." if phases else ".")
    )


def _best(results: Results) -> str:
    best = results.best
    if best is None:
        return "No trial has a value yet." if results.state in ("waiting", "running") else "No trial reached a value."
    drawn = [name for name in _drawn(results) if name in best.config]
    config = _some([f"{name} {format_value(best.config[name])}" for name in drawn])
    return (
        f"The best is trial {best.trial_id} with {results.objective.metric} {format_number(best.value)} at epoch "
        f"{best.epoch}" + (f": {config}." if config else ".")
    )


def _front(results: Results) -> str:
    if results.best is None:
        return ""
    text = front_in_words(results) or bounds_in_words(results)
    return " ".join(filter(None, [text[:1].upper() + text[1:], hypervolume_in_words(results)]))


def _test(results: Results) -> str:
    if not results.test:
        return ""
    metrics = listed(f"{name} {format_number(value)}" for name, value in results.test.items())
    weights = "its weights reach"
    if results.job.get("folds", 1) > 1:
        weights = "its config, trained again on the whole training split, reaches"
    return f"On the test split, which was used for nothing else, {weights} {metrics}."


def _others(results: Results) -> str:
    states = results.trials["state"].value_counts()
    early, by_users = len(stopped_early(results)), len(stopped_by_users(results))
    others = {
        "stopped by a user": by_users,
        "cut off by the study's end": int(states.get("stopped", 0)) - early - by_users,
    }
    # What they did, how many did it, and the word before it, of one and of many.
    counts = {state: early if state == "stopped" else int(states.get(state, 0)) for state in STATES}
    kinds = [(look.verb, counts[state], ("is ", "are ") * (state in LIVE_STATES)) for state, look in STATES.items()]
    kinds += [(text, number, ("was ", "were ")) for text, number in others.items()]
    kinds = [kind for kind in kinds if kind[1]]
    count = len(results.trials)
    if not kinds:
        return "No trial has started yet."
    if len(kinds) > 1:
        return f"Of {counted(count, 'trial')}, {listed(f'{number} {text}' for text, number, _ in kinds)}."
    ((text, _, verbs),) = kinds
    who = {1: "The one trial", 2: "Both trials"}.get(count, f"All {count:,} trials")
    return f"{who} {verbs[count > 1] if verbs else ''}{text}."


def _saved(results: Results) -> str:
    saved, whole = saved_epochs(results)
    if not saved:
        return ""
    return f"Early stopping saved {counted(saved, 'epoch')} of {whole:,} ({saved / whole:.0%})."


def _time(results: Results) -> str:
    if not results.sessions:
        return ""
    trained = int(np.sum(results.trials["epochs"]))
    sessions = f" in {len(results.sessions)} sessions" if len(results.sessions) > 1 else ""
    return f"{counted(trained, 'epoch was', 'epochs were')} trained in {duration(results.seconds)}{sessions}."


def _drawn(results: Results) -> Sequence[str]:
    """The drawn parameters; if a sentence names only some of them, the most influential ones come first."""
    names = tuned(results)
    return names if len(names) <= _MANY else by_influence(results)


def _some(items: Sequence[str]) -> str:
    """The first of many items, and how many more there are."""
    return listed(items) if len(items) <= _MANY else listed([*items[:_MANY], f"{len(items) - _MANY} more"])


def front_in_words(results: Results) -> str:
    """How many trials are on the front, and what the winner is; empty if there is one objective alone."""
    names = [f"{objective.metric} ({objective.mode})" for objective in results.objectives]
    if len(names) < 2:
        return ""
    *first, last = names
    many = len(pareto_front(results))
    which = f"{many} of {counted(len(results.trials), 'trial')} {is_or_are(many)}"
    winner = f"the best trial is the best in the first, {results.objective.metric}"
    return f"{which} on the front of {', '.join(first)} and {last}; {winner}. {bounds_in_words(results)}".strip()


def bounds_in_words(results: Results) -> str:
    """The bounds of the objectives, and how many trials keep them; empty if there are none."""
    bounds = [
        f"{one.metric} {words} {format_number(limit)}"
        for one in results.objectives
        for words, limit in (("at most", one.at_most), ("at least", one.at_least))
        if limit is not None
    ]
    if not bounds:
        return ""
    kept = int((results.trials["violation"] == 0).sum())
    return f"{kept} of {counted(len(results.trials), 'trial')} {is_or_are(kept)} within the bounds: {listed(bounds)}."


def hypervolume_in_words(results: Results) -> str:
    """What the study's trials dominate, and up to which reference point; empty if that cannot be said."""
    if (found := hypervolume_of(results)) is None:
        return ""
    box, share = found
    best, corner = (
        listed(f"{metric} {format_number(value)}" for metric, value in at.items()) for at in (box.best, box.reference)
    )
    return (
        f"The trials dominate {share:.1%} of the hypervolume between {best}, the best on the front, and the reference "
        f"point {corner}, a tenth of the front's range beyond its worst."
    )


def accepted_changes_in_words(results: Results) -> str:
    """Which sessions continued the study with changed data or code, and which trials that concerns; empty if none
    did.
    """
    changes, sentences = accepted_changes(results), []
    if earlier := len(changes[:-_MANY]):
        sentences.append(f"`tunepipe results --json` lists {counted(earlier, 'earlier change')} of data or code, too.")
    for change in changes[-_MANY:]:
        both = _in_both(change)
        mixed = f" ({_some(both)} on both)" if both else ""
        before, since = (_some(trials) if trials else "none" for trials in (change.before, change.since))
        sentences.append(
            f"Session {change.session} continued the study with changed {change.kind}: {'; '.join(change.changes)}. "
            f"Trained before: {before}; since then: {since}{mixed}. Values before and after cannot be compared."
        )
    return " ".join(sentences)


def _in_both(change: AcceptedChange) -> list[str]:
    """The trials that trained before a change, and after it."""
    before = set(change.before)
    return [trial for trial in change.since if trial in before]


def study_decisions_in_words(results: Results) -> str:
    """What users decided about the whole study while it ran, the last ones of many; empty if they decided nothing."""
    reasons = [_COMMAND_ID.sub("", first_line(reason)) for reason in study_decisions(results)["reason"].to_pylist()]
    earlier = len(reasons[:-_MANY])
    left_out = f"The table decisions has {counted(earlier, 'earlier decision')} about the whole study."
    return " ".join([*([left_out] if earlier else []), *reasons[-_MANY:]])


def ending_in_words(results: Results) -> str:
    """Why the study ended before its trials were all trained, or failed; empty if it did not."""
    return str(results.sessions[-1]["message"]) if results.state in ("finished", "failed") else ""


def winner_failure_in_words(results: Results) -> str:
    """Why the winner could not be exported or evaluated, and what to do; empty if it was, or is still to be."""
    failure = results.sessions[-1].get("winner_failure") if results.sessions else ""
    if not failure or results.best is None:
        return ""
    return (
        f"The best model was not exported, or not evaluated on the test split: {failure.rstrip('.')}. `tunepipe export "
        f"{as_argument(results.location)} --to FOLDER` does both again."
    )
