"""mlctl: `az ml`, everywhere."""

__version__ = "0.1.0"
