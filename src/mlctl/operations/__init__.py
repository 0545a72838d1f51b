"""Where something is decided. An operation takes values and returns a value; it never prints."""
