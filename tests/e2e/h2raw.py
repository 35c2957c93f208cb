"""HTTP/2 frames on a socket, right ones and wrong ones, without a library that would refuse to send them."""
from urllib.parse import urlsplit

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame)

import cases
from raw import Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, stream, payload=b"", flags=0):
    """Any frame, also one that makes no sense."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def fields_of(path, method="GET", authority="x", **more):
    return [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path),
            *((name.replace("_", "-"), value) for name, value in more.items())]


class Answer:
    """What has come on one stream."""

    def __init__(self):
        self.fields, self.body, self.reset, self.ended = {}, b"", None, False

    @property
    def status(self):
        return int(self.fields[":status"]) if self.fields else None


class H2(Connection):
    """A connection that has said hello. Answers gather in `answers` while pump() reads."""

    def __init__(self, url, settings=None):
        super().__init__(url)
        self.encoder, self.decoder = Encoder(), Decoder()
        self.answers, self.goaway, self.acks = {}, None, 0
        hello = SettingsFrame(0, settings=settings or {SettingsFrame.ENABLE_PUSH: 0})
        self.send(PREFACE + hello.serialize())

    def headers(self, stream, fields, end=True):
        """A request's head as one frame, with a compression state that goes on over the connection."""
        flags = ["END_HEADERS", *(["END_STREAM"] if end else [])]
        return HeadersFrame(stream, data=self.encoder.encode(fields), flags=flags).serialize()

    def signed_fields(self, environment, path, body):
        """The head of a signed POST. HTTP/2 signs the authority under the name of host, as botocore does."""
        authority = urlsplit(environment["AWS_ENDPOINT_URL"]).netloc
        target, headers = cases.signed_headers(environment["AWS_ENDPOINT_URL"] + path, "POST", {}, body, {}, environment)
        return fields_of(target, "POST", authority) + [(name.lower(), value) for name, value in headers.items()]

    def signed(self, stream, environment, path, body):
        """A whole signed POST."""
        head = self.headers(stream, self.signed_fields(environment, path, body), end=False)
        return head + DataFrame(stream, data=body, flags=["END_STREAM"]).serialize()

    def take(self, received):
        answer = self.answers.setdefault(received.stream_id, Answer())
        if isinstance(received, (HeadersFrame, ContinuationFrame)):
            assert "END_HEADERS" in received.flags
            answer.fields = dict(self.decoder.decode(received.data))
        elif isinstance(received, DataFrame):
            answer.body += received.data
        elif isinstance(received, RstStreamFrame):
            answer.reset = received.error_code
        elif isinstance(received, GoAwayFrame):
            self.goaway = received.error_code
        elif isinstance(received, SettingsFrame) and "ACK" in received.flags:
            self.acks += 1
        elif isinstance(received, SettingsFrame):
            self.send(SettingsFrame(0, flags=["ACK"]).serialize())
        answer.ended |= "END_STREAM" in received.flags

    def pump(self, done):
        """Reads frames until done() or the peer has closed; False then. A silent peer fails the test by the socket's time-out."""
        while not done():
            try:
                head = self.file.read(9)
                if len(head) < 9:
                    return False
                received, length = Frame.parse_frame_header(memoryview(head))
                body = self.file.read(length)
            except ConnectionResetError:
                return False
            received.parse_body(memoryview(body))
            self.take(received)
        return True

    def finished(self, *streams):
        """Reads until each of these streams has ended, by an answer or by a reset."""
        def over(stream):
            answer = self.answers.get(stream)
            return answer is not None and (answer.ended or answer.reset is not None)
        return self.pump(lambda: all(over(stream) for stream in streams))

    def closed(self):
        """Reads until the peer says GOAWAY with an error, or closes."""
        self.pump(lambda: self.goaway not in (None, 0))
        return True

    def window(self, stream, size):
        return WindowUpdateFrame(stream, window_increment=size).serialize()
