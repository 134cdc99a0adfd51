import tensorflow as tf
from tensorflow import keras
import keras_tuner as kt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class DigitsHyperModel(kt.HyperModel):
    def __init__(self, num_classes):
        super().__init__(name="digits")
        self.num_classes = num_classes

    def build(self, hp):
        model_type = hp.Choice("model_type", ["mlp", "cnn"])
        inputs = keras.Input((8, 8, 1))
        x = inputs
        with hp.conditional_scope("model_type", ["mlp"]):
            if model_type == "mlp":
                x = keras.layers.Flatten()(x)
                x = keras.layers.Dense(hp.Int("mlp_units", 16, 64, step=16), activation="relu")(x)
        with hp.conditional_scope("model_type", ["cnn"]):
            if model_type == "cnn":
                x = keras.layers.Conv2D(hp.Int("filters", 8, 32, sampling="log", step=2), 3, activation="relu")(x)
                if hp.Choice("pooling", ["avg", "max"]) == "max":
                    x = keras.layers.GlobalMaxPooling2D()(x)
                else:
                    x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dropout(hp.Float("dropout rate", 0, 0.5, step=0.1, default=0.5))(x)
        outputs = keras.layers.Dense(self.num_classes, activation="softmax")(x)
        model = keras.Model(inputs, outputs)
        optimizer = hp.Choice("optimizer", ["adam", "sgd"])
        momentum = hp.Float("momentum", 0.0, 0.9, parent_name="optimizer", parent_values=["sgd"])
        opt = keras.optimizers.Adam() if optimizer == "adam" else keras.optimizers.SGD(momentum=momentum)
        model.compile(opt, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


def main():
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).reshape(-1, 8, 8, 1).astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
    tuner = kt.Hyperband(
        DigitsHyperModel(10), objective=kt.Objective("val_accuracy", "max"), max_epochs=4, factor=2, directory="d"
    )
    stop_early = tf.keras.callbacks.EarlyStopping(monitor="val_loss", patience=5)
    tuner.search(x_train, y_train, epochs=50, validation_split=0.2, callbacks=[stop_early], batch_size=64)
    best_hps = tuner.get_best_hyperparameters(num_trials=1)[0]
    print(best_hps.get("optimizer"))


if __name__ == "__main__":
    main()
