"""Why a study went as it did: what mattered, what early values said, what stopping saved, where time went."""

from pipeline.results.analysis.explanation import Explanation, explained

__all__ = ["Explanation", "explained"]
