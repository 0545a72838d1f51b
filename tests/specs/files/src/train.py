"""Nothing is run in these tests."""
