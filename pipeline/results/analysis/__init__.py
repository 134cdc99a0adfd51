"""Why a study gave its results: importance, how early values predict final ones, savings of early stopping, time."""

from pipeline.results.analysis.explanation import Explanation, explained

__all__ = ["Explanation", "explained"]
