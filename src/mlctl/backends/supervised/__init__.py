"""What the back ends of this machine share: the job folder, the queue, the detached supervisor, logs and tracking.

A back end built on it brings a plan function and a `Runner` (see `runner.py`); everything else is here.
"""
