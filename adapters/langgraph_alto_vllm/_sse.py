"""Server-sent events, read from bytes as they come (WHATWG HTML, section 9.2).

Pure, and so the same for sync and async, and for any way the network cuts the bytes. It is
written here, and not taken from a library, because those hand out whole events only: a
caller could not look at its clock while a server drips an event byte by byte, nor bound
what an endless line takes. Of an event, only its data counts: the protocol uses nothing else.
"""

from __future__ import annotations

MOST_BYTES = 16 * 2**20
"""The longest event; one token's with 20 alternatives takes less than 4 KiB."""


class MalformedEventError(ValueError):
    """The bytes are no server-sent events, or one that is too long."""


class EventReader:
    """Cuts a stream of bytes into the data of events."""

    __slots__ = ("_data", "_line", "_size", "_started", "_swallow")

    def __init__(self) -> None:
        self._line = b""
        self._data: list[str] = []
        self._size = 0
        self._swallow = False
        self._started = False

    def feed(self, received: bytes) -> list[str]:
        """The data of the events that ``received`` completes, in order.

        Raises:
            MalformedEventError: The text is no UTF-8, or an event has more than `MOST_BYTES`.
        """
        if not received:
            return []
        cut = received.endswith(b"\r")
        if self._swallow:
            # The "\n" of a "\r\n" that was cut in two.
            received = received.removeprefix(b"\n")
        self._swallow = cut
        lines = (self._line + received).splitlines(keepends=True)
        self._line = b""
        events = []
        for line in lines:
            if not line.endswith((b"\n", b"\r")):
                self._line = line
                break
            event = self._take(line.rstrip(b"\r\n"))
            if event is not None:
                events.append(event)
        if self._size + len(self._line) > MOST_BYTES:
            raise MalformedEventError(f"an event of more than {MOST_BYTES} bytes")
        return events

    @property
    def pending(self) -> bool:
        """Whether an event has begun that has not ended."""
        return bool(self._line or self._data)

    def _take(self, line: bytes) -> str | None:
        """Take in a line; returns the event's data if the line ends one that has any."""
        if not self._started:
            self._started = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            data, self._data, self._size = self._data, [], 0
            return "\n".join(data) if data else None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._size += len(value)
            try:
                self._data.append(value.removeprefix(b" ").decode())
            except UnicodeDecodeError as error:
                raise MalformedEventError("an event that is not UTF-8") from error
        return None
