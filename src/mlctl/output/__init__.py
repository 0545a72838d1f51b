"""Values to bytes: the only place that knows how a result looks, and the only one that writes to stdout and stderr."""
