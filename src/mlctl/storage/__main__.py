"""The process of an errand: `python -m mlctl.storage`, see errands.py."""

from __future__ import annotations

import json
import sys

from mlctl.errors import MlctlError
from mlctl.storage.errands import do_errand, error_data

if __name__ == "__main__":
    try:
        answer = do_errand(json.load(sys.stdin))
    except MlctlError as error:
        answer = {"error": error_data(error)}
    sys.stdout.write(json.dumps(answer))
