"""Options and arguments that several commands share."""

from typing import Annotated

import typer

from pipeline.cli.completion import job_names
from pipeline.study.studies import DEFAULT_STORAGE, STORAGE_VARIABLE

STORAGE = DEFAULT_STORAGE
"""The default storage."""

Storage = Annotated[
    str,
    typer.Option(
        help="Storage of studies: a folder or a URI (s3://…, gs://…, abfs://…).",
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; everything else goes to stderr.")]
JobName = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="Name of a job (`tunepipe list`), a Python file that defines JOB, or FILE.py:NAME for another job in it.",
        show_default=False,
        autocompletion=job_names,
    ),
]
Trials = Annotated[int | None, typer.Option(help="Number of trials.", show_default=False)]
Epochs = Annotated[int | None, typer.Option(help="Maximum epochs of a trial.", show_default=False)]
TotalEpochs = Annotated[
    int | None, typer.Option(help="Maximum epochs of the study, over all trials.", show_default=False)
]
Seconds = Annotated[float | None, typer.Option(help="Maximum seconds of the study.", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Number of parallel trials; 0 trains in this process, for debugging (not with `submit`).",
        show_default=False,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster to join: HOST:6379, or `auto` for a running cluster on this machine. Default: for `run` and "
        "`resume` the cluster in the variable RAY_ADDRESS; without it, tunepipe starts Ray on this machine.",
        show_default=False,
    ),
]
"""An address of Ray itself, not of its dashboard (`cluster_options.Dashboard`)."""

Fields = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set any field of the job, for example space.lr=0.1."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of configs, initial weights and shuffling.", show_default=False)]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Resume the study if it exists; its budget and resources are kept."),
]
AcceptChanges = Annotated[
    bool, typer.Option("--accept-changes", help="Resume even if the job's code, data or domains have changed.")
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Resume even if the driver of the last session may still run, or if its session file is damaged. A driver "
        "that still runs stops writing and ends.",
    ),
]

Logs = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="mlflow=URI|tensorboard=FOLDER",
        help="Log each epoch to MLflow or TensorBoard while the study runs. Repeat the option to log to both.",
        show_default=False,
    ),
]
