def init():
    """Nothing to load."""


def run(data):
    """What was sent."""
    return data
