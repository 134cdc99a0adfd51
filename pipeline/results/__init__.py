"""Tables → answers: leaderboard, plots, report. No Ray, no TensorFlow."""

from pipeline.results.tables.load import Best, Results, load_results

__all__ = ["Best", "Results", "load_results"]
