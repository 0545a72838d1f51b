"""`python -m mlctl`."""

from mlctl.start import run

if __name__ == "__main__":
    run()
