"""`python -m pipeline`: the command `tunepipe`, where it is not on the PATH."""

from pipeline.cli.app import start

if __name__ == "__main__":
    start()
