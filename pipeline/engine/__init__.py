"""The decisions of a study: which trial is next, what a report means, which trial is best, when the study ends.

No clock, no files, no Ray.
"""
