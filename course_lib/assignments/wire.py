"""Messages over a socket between the judge and the process that runs a learner's code."""

import json
import os
import socket
import struct
import time

from course_lib.assignments.protocol import Form, ProtocolError

HEADER = struct.Struct(">IQ")
TEXT_LIMIT = 8 * 2**20  # bytes of JSON in one message


class Gone(Exception):
    """The other side doesn't answer any more; it says why."""


class Pipes:
    """Two pipes that can be used as a socket without a time limit."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write

    def settimeout(self, seconds: float | None) -> None:
        """Wait as long as it takes."""

    def close(self) -> None:
        """Close both."""
        os.close(self.read)
        os.close(self.write)

    def recv_into(self, window: memoryview, size: int) -> int:
        """Receive some bytes into a place; return how many."""
        return os.readv(self.read, [window[:size]])

    def sendall(self, data: bytes) -> None:
        """Send all bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.write, rest) :]


def gone(error: OSError) -> Gone:
    """Return what is said of a socket's error."""
    return Gone("it took too long" if isinstance(error, TimeoutError) else "its process ended")


class Wire:
    """Sends and receives messages over a socket, up to a size and until a time.

    Args:
        sock: to the other side.
        limit: bytes of data in one message from there; None if whoever sends is to be trusted.
    """

    def __init__(self, sock: socket.socket | Pipes, limit: int | None = None) -> None:
        self.sock, self.limit, self.deadline = sock, limit, float("inf")

    def wait(self) -> None:
        """Let the socket wait until the deadline, and no longer."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Gone("it took too long")
        self.sock.settimeout(None if left == float("inf") else left)

    def send(self, form: Form, data: bytes | bytearray = b"") -> None:
        """Send one message."""
        text = json.dumps(form).encode()
        self.wait()
        try:
            self.sock.sendall(HEADER.pack(len(text), len(data)) + text + data)
        except OSError as error:
            raise gone(error) from None

    def exactly(self, size: int) -> bytes:
        """Receive so many bytes."""
        found = bytearray(size)
        place, window = 0, memoryview(found)
        while place < size:
            self.wait()
            try:
                got = self.sock.recv_into(window[place:], min(size - place, 2**20))
            except OSError as error:
                raise gone(error) from None
            if not got:
                raise Gone("its process ended")
            place += got
        return bytes(found)

    def receive(self) -> tuple[Form, bytes]:
        """Receive one message.

        Raises:
            ProtocolError: if it is too long, or isn't JSON.
            Gone: if the other side has ended, or at the deadline.
        """
        length, size = HEADER.unpack(self.exactly(HEADER.size))
        if self.limit is not None and (length > TEXT_LIMIT or size > self.limit):
            raise ProtocolError("more was sent than may be")
        text, data = self.exactly(length), self.exactly(size)
        try:
            return json.loads(text), data
        except (ValueError, RecursionError):
            raise ProtocolError("no message") from None
