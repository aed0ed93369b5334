"""
One request and its answer: a response, events, or a WebSocket.

All output passes through an exchange, so faults strike here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from coder_agents.testing.connection import ConnectionEnded, ServerConnection
from coder_agents.testing.http import Headers, ServerRequest, ServerResponse, encode_head

if TYPE_CHECKING:
    from coder_agents.testing.faults import Fault
    from coder_agents.testing.message_streams import ServedStream


class ServerExchange:
    """
    A request, its connection, and the answer so far.

    Attributes:
        connection: the connection.
        request: the request.
        headers: the headers of every answer of the deployment.
        ping_interval: seconds between the pings of a stream.
        liveness: the seconds in which a WebSocket's peer has to answer a ping, and the close reason
            where it does not; with an empty reason pongs are not checked.
        messages: how many messages were sent: events, WebSocket messages, or a response, which
            counts as one.
        output_bytes: how many bytes of a terminal's output were sent.
        input_bytes: how many bytes of a terminal's input were received.
        write: sends bytes; a fault may replace it by a slower function.
        chunked: whether a body of events is sent in chunks.
        stream: the stream that answers; None where a response does.
    """

    def __init__(
        self,
        connection: ServerConnection,
        request: ServerRequest,
        *,
        headers: Headers = (),
        ping_interval: float = 15,
        liveness: tuple[float, str] = (math.inf, ""),
        faults: Sequence[Fault] = (),
    ) -> None:
        self.connection = connection
        self.request = request
        self.headers = tuple(headers)
        self.ping_interval = ping_interval
        self.liveness = liveness
        self.messages = 0
        self.write: Callable[[bytes], None] = connection.send
        self.chunked = True
        self.stream: ServedStream | None = None
        self.output_bytes = 0
        self.input_bytes = 0
        self._faults = {fault: fault.moment() for fault in faults}

    def begin(self) -> ServerResponse | None:
        """
        Run the faults that strike before any answer.

        Returns:
            The response to send in place of the regular one; None where no fault replaces it.
        """
        answers = [fault.on_request(self) for fault in self._faults]
        return next((answer for answer in answers if answer is not None), None)

    def respond(self, response: ServerResponse) -> None:
        """
        Answer with *response*.

        Raises:
            ConnectionEnded: the body is not chunked, and the end of the connection ends it.
        """
        whole = ServerResponse(
            response.status, self.payload(response.body), (*response.headers, *self.headers)
        )
        if self.chunked:
            head = whole.head(keep_alive=self.request.keep_alive)
            self.send_message(whole.framed_body, head=head)
        else:
            head = encode_head(whole.status, (*whole.headers, ("Connection", "close")))
            self.send_message(whole.body, head=head)
            raise ConnectionEnded

    def open(self, stream: ServedStream, head: bytes) -> None:
        """
        Answer with *stream*, after its *head*.
        """
        self.stream = stream
        self.write(self._head(head))
        self._strike()

    def send_message(self, data: bytes, *, head: bytes = b"", output: int = 0) -> None:
        """
        Send one message after *head*; *output* is how many bytes of a terminal it has.
        """
        self._strike()
        head = self._head(head) if head else head
        data = head + data
        for fault in self._due():
            data = fault.on_message(self, data, len(head))
        self.write(data)
        self.messages += 1
        self.output_bytes += output
        self._strike()

    def note_input(self, size: int) -> None:
        """
        Note that *size* bytes of a terminal's input have arrived.
        """
        self.input_bytes += size
        self._strike()

    def output_room(self, size: int) -> int:
        """
        How much of *size* bytes of output may be sent before a fault has to be checked.
        """
        return int(min([size, *(each.output_left(self) for each in self._faults.values())]))

    def input_room(self, size: int) -> int:
        """
        How much of *size* bytes of input may be taken before a fault has to be checked.
        """
        if not self._faults:
            return size
        return int(min([size, *(each.input_left(self) for each in self._faults.values())]))

    def payload(self, text: bytes) -> bytes:
        """
        Return the text for the next message, after faults have changed it.
        """
        for fault in self._due():
            text = fault.on_payload(text)
        return text

    def _head(self, head: bytes) -> bytes:
        for fault in self._due():
            head = fault.on_head(self, head)
        return head

    def _strike(self) -> None:
        for fault in self._due():
            fault.strike(self)

    def _due(self) -> list[Fault]:
        return [fault for fault, moment in self._faults.items() if moment.reached(self)]
