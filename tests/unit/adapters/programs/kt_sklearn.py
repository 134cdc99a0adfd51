import keras_tuner
from sklearn import datasets, linear_model, metrics, model_selection, tree


def build_model(hp):
    if hp.Choice("kind", ["tree", "ridge"]) == "tree":
        with hp.conditional_scope("kind", "tree"):
            return tree.DecisionTreeClassifier(max_depth=hp.Int("depth", 1, 4), random_state=1)
    return linear_model.RidgeClassifier()


tuner = keras_tuner.tuners.SklearnTuner(
    oracle=keras_tuner.oracles.BayesianOptimizationOracle(
        objective=keras_tuner.Objective("score", "max"), max_trials=3
    ),
    hypermodel=build_model,
    scoring=metrics.make_scorer(metrics.accuracy_score),
    cv=model_selection.StratifiedKFold(3),
    directory=".",
    project_name="forest",
)
X, y = datasets.load_iris(return_X_y=True)
tuner.search(X, y)
best_model = tuner.get_best_models(num_models=1)[0]
