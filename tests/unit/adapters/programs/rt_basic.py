import ray
from ray import train, tune


def objective(step, alpha, beta):
    return (0.1 + alpha * step / 100) ** (-1) + beta * 0.1


def training_function(config):
    alpha, beta = config["alpha"], config["nested"]["beta"]
    for step in range(10):
        intermediate_score = objective(step, alpha, beta)
        tune.report({"mean_loss": intermediate_score})


ray.init(num_cpus=2)
analysis = tune.run(
    training_function,
    config={"alpha": tune.grid_search([0.001, 0.01, 0.1]), "nested": {"beta": tune.choice([1, 2, 3])}, "fn": objective},
    metric="mean_loss",
    mode="min",
    num_samples=2,
)
print("Best config: ", analysis.get_best_config(metric="mean_loss", mode="min"))
