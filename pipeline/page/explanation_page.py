"""The explanation of a study."""

from typing import Any

from pipeline.page.readings import StudyCache
from pipeline.results.analysis.explanation import explained
from pipeline.results.views.answers import answers, importance_title, share_rows
from pipeline.results.views.sentences import of_importance

__all__ = ["explanation_content"]


def explanation_content(readings: StudyCache, name: str) -> dict[str, Any]:
    """The content of the page. Takes seconds the first time: forests are fitted.

    Args:
        readings: The studies.
        name: The study's name.

    Raises:
        JobNotFound: There is no such study.
        UserError: It cannot be read.
    """
    explanation = readings.derived(name, "explanation", explained)
    return {
        "name": name,
        "state": explanation.results.state,
        "importances": [
            {
                "title": importance_title(importance),
                "text": of_importance(importance),
                "rows": share_rows(importance),
            }
            for importance in explanation.importances
        ],
        "sections": list(answers(explanation).items()),
        "causes": explanation.causes,
    }
