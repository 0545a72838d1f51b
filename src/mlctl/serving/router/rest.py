"""What follows the head of a request that asks for another protocol.

A server may ignore `Upgrade`, and this one does: the answer is in HTTP/1.1. llhttp ends the message at such a head, so
a new parser reads on. It begins with the head that `Request.rest` makes, and that one is not told again.
"""

from __future__ import annotations

from typing import Protocol


class Reader(Protocol):
    """What a parser tells."""

    def on_message_begin(self) -> None:
        """A request begins."""

    def on_url(self, url: bytes) -> None:
        """A part of the target."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""

    def on_headers_complete(self) -> None:
        """The head is here."""

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""

    def on_message_complete(self) -> None:
        """The request is whole."""


class Rest:
    """Hands on what a parser tells, but the head that it begins with."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._begun = False
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._begun:
            self._reader.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if self._begun:
            self._reader.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        if self._begun:
            self._reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here."""
        if self._begun:
            self._reader.on_headers_complete()
        self._begun = True
