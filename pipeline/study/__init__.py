"""The specification of a study."""

from pipeline.storage import layout
from pipeline.study.files import load_study, save_study
from pipeline.study.job import TuneJob
from pipeline.study.specification import Budget, Checkpoints, Fit, Objective, Phase, Resources, StartFrom

__all__ = [
    "Budget",
    "Checkpoints",
    "Fit",
    "Objective",
    "Phase",
    "Resources",
    "StartFrom",
    "TuneJob",
    "layout",
    "load_study",
    "save_study",
]
