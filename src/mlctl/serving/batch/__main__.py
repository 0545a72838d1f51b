"""`python -m mlctl_batch …`: the driver of a batch scoring job."""

import sys

from mlctl.serving.batch.driver import main

if __name__ == "__main__":
    sys.exit(main())
