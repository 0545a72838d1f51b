"""What runs inside a batch scoring job, in the deployment's own environment.

The files of this package are copied beside the scoring code as `mlctl_batch` (see `operations/batch_code.py`), so they
use nothing but the standard library, and only what Python 3.8 knows. `mlflow_score` needs mlflow and pandas.
"""
