import keras_tuner


class MyTuner(keras_tuner.RandomSearch):
    def run_trial(self, trial, *args, **kwargs):
        x = trial.hyperparameters.Float("x", min_value=-1.0, max_value=1.0)
        return [x * x, x * x + 2]


if __name__ == "__main__":
    MyTuner(max_trials=5, overwrite=True).search()
