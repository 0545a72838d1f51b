"""How requests are shared out: by counting, not by chance, so that the shares are right at every moment."""

from __future__ import annotations

from collections.abc import Mapping


class SmoothChoice:
    """Smooth weighted round robin: over any run of choices each name comes as often as its weight says, and evenly.

    With 90/10 every tenth choice is the second name; a coin would give 7 or 13 of 100 as often as not.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = {name: weight for name, weight in weights.items() if weight > 0}
        self._total = sum(self._weights.values())
        self._credit = dict.fromkeys(self._weights, 0)

    def choose(self) -> str | None:
        """The next name; None when no name has a weight."""
        if len(self._weights) < 2:
            return next(iter(self._weights), None)
        credit = self._credit
        for name, weight in self._weights.items():
            credit[name] += weight
        chosen = max(credit, key=credit.__getitem__)
        credit[chosen] -= self._total
        return chosen


class Share:
    """Says yes to a fixed share of the questions, evenly spread."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._credit = 0.0

    def take(self) -> bool:
        """Whether this one belongs to the share."""
        self._credit += self._share
        # a hair below one: ten times 0.1 must be one
        if self._credit < 1 - 1e-9:
            return False
        self._credit -= 1
        return True
