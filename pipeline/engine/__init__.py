"""The decisions of a study: which trial is next, what follows from a report, which trial is best, when the study ends.

`Engine` is a state machine. Its events are a free worker, a report, a lost worker, a command and an interruption; each
decision about a trial leaves it as a row with a reason. Nothing else changes a study's state. It has no clock but the
caller's, no files and no Ray: drivers and simulations use the same one.
"""
