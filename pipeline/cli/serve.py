"""`tunepipe serve`: a live page over the studies of a storage."""

from contextlib import suppress
from typing import Annotated

import typer

from pipeline.cli.console import print_text
from pipeline.cli.options import STORAGE
from pipeline.study.studies import STORAGE_VARIABLE


def serve(
    storage: Annotated[
        str,
        typer.Argument(
            metavar="STORAGE",
            help="Storage of the studies: a folder, or a URI (s3://…, gs://…, abfs://…).",
            envvar=STORAGE_VARIABLE,
            show_envvar=True,
        ),
    ] = STORAGE,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any address except loopback needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")] = 8484,
    control: Annotated[
        bool, typer.Option("--control", help="Allow the page to pause, stop and change studies.")
    ] = False,
) -> None:
    """Show studies on a live page: curves, tables, trials, comparisons, even while they run."""
    from pipeline.page.server import serve as serve_page
    from pipeline.storage import Store

    def print_address(address: str) -> None:
        print_text(f"The studies of {store.uri} are shown at {address} until Ctrl-C.")

    store = Store(storage)
    # Ctrl-C is the normal end of a server.
    with suppress(KeyboardInterrupt):
        serve_page(store, host=host, port=port, control=control, on_address=print_address)
