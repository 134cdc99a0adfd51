"""A study that trains a Keras network in a function.

The test bed's GPUs are only counted, and tunepipe's own training refuses a GPU that TensorFlow does not find.
"""

from pipeline import Budget, LogUniform, Objective, TuneJob


def digits(config):
    """Validation accuracy of one dense network on scikit-learn's digits, epoch by epoch."""
    import keras

    from pipeline.datasets import load

    data = load("digits")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), "categorical_crossentropy", metrics=["accuracy"])
    while True:
        model.fit(data.train.x, data.train.y, verbose=0)
        _, accuracy = model.evaluate(data.validation.x, data.validation.y, verbose=0)
        yield {"val_accuracy": accuracy}


JOB = TuneJob(
    name="counted",
    function=digits,
    space={"lr": LogUniform(1e-3, 1e-1)},
    objectives=[Objective("val_accuracy", "max")],
    scheduler="fifo",
    budget=Budget(trials=4, epochs=3),
)
