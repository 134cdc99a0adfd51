"""What a study learns from earlier ones: copied when it starts, read from its own folder after that."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.earlier_trials import EarlierTrials, read_earlier
from pipeline.text import by_count, counted, listed


def learned_from(job: TuneJob, storage: str | Path, *, resume: bool = False) -> Sequence[EarlierTrials]:
    """The trials of the studies from which a job learns."""
    if not job.learn_from:
        return ()
    own = Store(storage).folder(job.name)
    if resume and own.exists(layout.STUDY):
        return read_earlier(own)
    from pipeline.results.analysis.earlier_studies import trials_to_learn_from
    from pipeline.results.tables.load import load_results

    learned = []
    for study in job.learn_from:
        store = Store(study) if "/" in study else Store(storage).folder(study)
        learned.append(trials_to_learn_from(load_results(store.uri), job, study))
    return learned


def learning_in_words(job: TuneJob, earlier: Sequence[EarlierTrials]) -> str:
    """How many trials of which study a job learns from, in sentences."""
    return " ".join(_study_in_words(job, study) for study in earlier)


def _study_in_words(job: TuneJob, study: EarlierTrials) -> str:
    count = len(study.trials)
    which = counted(count, "trial") if count == study.of else f"{count} of {counted(study.of, 'trial')}"
    parts = [f"{study.outside} lie outside this space"] if study.outside else []
    if study.missing:
        count_as = by_count(len(study.missing), "counts", "count")
        parts.append(f"without {listed(study.missing)}, which {count_as} as drawn at random")
    if (study.metric, study.mode) != (job.objective.metric, job.objective.mode):
        parts.append(f"by its own objective, {study.metric} ({study.mode})")
    return f"Learns from {which} of the study {study.study!r}{''.join(f'; {part}' for part in parts)}."
