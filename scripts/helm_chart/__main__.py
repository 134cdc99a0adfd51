"""The command: python -m scripts.helm_chart."""

from scripts.helm_chart import write

if __name__ == "__main__":
    write()
