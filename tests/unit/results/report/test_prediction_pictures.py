"""What the searcher's model predicts, as a section of a report."""

from dataclasses import replace

import numpy as np

from pipeline.results.analysis import Explanation
from pipeline.results.report.prediction_pictures import predictions
from pipeline.results.report.sections import sections
from pipeline.results.views.answers import PREDICTED
from pipeline.results.views.sentences import of_prediction


def test_each_hyperparameter_has_a_picture_with_its_best_value(predicted: Explanation) -> None:
    """The section follows the importances and has a small picture for each hyperparameter with a sentence."""
    (section,) = predictions(predicted)
    assert (section.title, section.small) == (PREDICTED, True)
    assert [picture.caption for picture in section.pictures] == [of_prediction(one) for one in predicted.predictions]
    assert section.pictures[0].alt == "Chart of the predicted val_accuracy along lr."
    assert "the median at epoch 9" in section.note
    titles = [one.title for one in sections(predicted.results)]
    assert titles.index("What mattered") < titles.index(PREDICTED) < titles.index("All hyperparameters together")


def test_more_hyperparameters_than_panels_are_counted(predicted: Explanation) -> None:
    """Of very many hyperparameters those with the largest differences are shown, and the note says of how many."""
    lr, kind, _ = predicted.predictions
    flat = replace(kind, medians=np.full(3, 0.5), lows=np.full(3, 0.4), highs=np.full(3, 0.6))
    (section,) = predictions(replace(predicted, predictions=[*[flat] * 16, lr]))
    assert len(section.pictures) == 16
    assert section.pictures[0].caption == of_prediction(lr)
    assert "Of 17 hyperparameters, the 16 along which they differ most are shown." in section.note


def test_without_predictions_there_is_no_section(predicted: Explanation) -> None:
    """A study without predictions has no section for them."""
    assert list(predictions(replace(predicted, predictions=[]))) == []
