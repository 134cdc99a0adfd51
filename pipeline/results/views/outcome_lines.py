"""The result of a study, in a few labelled lines."""

from pipeline.results.analysis.domains import format_value
from pipeline.results.tables.load import Results
from pipeline.results.views.summary import ending_in_words, winner_failure_in_words
from pipeline.sanitize import sanitize_line
from pipeline.space import Domain
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.wording import format_number


def outcome_lines(results: Results, store: Store) -> list[tuple[str, str]]:
    """The best value and its config, what the winner scored, what went wrong, and where the files are."""
    lines = []
    if (best := results.best) is not None:
        value = f"{results.objective.metric} {format_number(best.value)} of trial {best.trial_id}, epoch {best.epoch}"
        tuned = [
            f"{name}={format_value(chosen)}"
            for name, chosen in best.config.items()
            if isinstance(results.space.get(name), Domain)
        ]
        lines += [("best", value), ("config", "  ".join(tuned))]
    test = (results.test or {}).items()
    lines += [
        ("test", "  ".join(f"{name} {format_number(score)}" for name, score in test)),
        ("ended", ending_in_words(results)),
        ("failed", winner_failure_in_words(results)),
        ("study", results.location),
        ("export", store.folder(layout.EXPORT).uri if store.exists(layout.WINNER) else ""),
    ]
    return [(label, sanitize_line(text)) for label, text in lines if text]
