import keras
import keras_tuner as kt
import tensorflow as tf


def build(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 8, 2)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class Loop(kt.Tuner):
    def run_trial(self, trial, data):
        hp = trial.hyperparameters
        data = data.batch(hp.Int("rows", 16, 64, step=16))
        model = self.hypermodel.build(hp)
        optimizer = keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log"))
        for epoch in range(2):
            self.on_epoch_begin(trial, model, epoch)
            for x, y in data:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((model(x) - y) ** 2)
                optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            self.on_epoch_end(trial, model, epoch, logs={"loss": float(loss)})
        self.save_model(trial.trial_id, model)


oracle = kt.oracles.RandomSearchOracle(objective=kt.Objective("loss", "min"), max_trials=2)
tuner = Loop(oracle=oracle, hypermodel=build, directory="here", project_name="loop")
x = tf.random.normal((64, 4))
tuner.search(data=tf.data.Dataset.from_tensor_slices((x, tf.reduce_sum(x, 1, keepdims=True))))
