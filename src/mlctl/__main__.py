"""`python -m mlctl`."""

from mlctl.cli import run

if __name__ == "__main__":
    run()
