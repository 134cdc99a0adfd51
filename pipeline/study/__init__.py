"""The specification of a study."""

from pipeline.study.files import load_study as load_study, save_study as save_study
from pipeline.study.job import TuneJob as TuneJob
from pipeline.study.specification import (
    Budget as Budget,
    Checkpoints as Checkpoints,
    Fit as Fit,
    Objective as Objective,
    Phase as Phase,
    Resources as Resources,
    StartFrom as StartFrom,
)
