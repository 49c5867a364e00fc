"""The client's side of gRPC over HTTP/2 against frames written by hand (RFC 9113, RFC 7541)."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.http2 import (
    UNAVAILABLE,
    Answer,
    Http2Client,
    Http2Error,
    header_block,
    message,
    messages,
    pack,
    unpack,
)

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
BLOCK = header_block("/some.Service/Method")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def headers(*pairs: tuple[str, str]) -> bytes:
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(list(pairs)))


RESPONSE = headers((":status", "200"), ("content-type", "application/grpc"))


def trailers(status: int = 0, text: str = "") -> bytes:
    pairs = [("grpc-status", str(status))] + ([("grpc-message", text)] if text else [])
    return headers(*pairs)


def answer(stream: int, *bodies: bytes, status: int = 0, text: str = "") -> bytes:
    return (
        frame(HEADERS, END_HEADERS, stream, RESPONSE)
        + b"".join(frame(DATA, 0, stream, body) for body in bodies)
        + frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers(status, text))
    )


def frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    found = []
    while data:
        size = int.from_bytes(data[:3], "big")
        stream = int.from_bytes(data[5:9], "big")
        found.append((data[3], data[4], stream, data[9 : 9 + size]))
        data = data[9 + size :]
    return found


def begun(body: bytes = b"x", *, end: bool = True) -> tuple[Http2Client, int]:
    client = Http2Client()
    number = client.request(BLOCK, message(body), end=end)
    client.take()
    return client, number


def test_the_first_bytes_are_preface_settings_and_a_wide_window() -> None:
    client = Http2Client()
    data = client.take()
    assert data.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    (settings, window) = frames(data[24:])
    assert settings[:3] == (SETTINGS, 0, 0)
    assert bytes([0, 1, 0, 0, 0, 0]) in settings[3]  # header table of size 0
    assert window[:3] == (WINDOW, 0, 0)
    assert client.take() == b""


def test_a_request_is_headers_and_one_message_that_ends_the_stream() -> None:
    client = Http2Client()
    client.take()
    number = client.request(BLOCK, message(b"hello"))
    (head, body) = frames(client.take())
    assert head == (HEADERS, END_HEADERS, number, BLOCK)
    assert body == (DATA, END_STREAM, number, b"\0\0\0\0\5hello")
    assert client.request(BLOCK, message(b"")) == number + 2


def test_the_header_block_leaves_no_trace_in_the_servers_table() -> None:
    decoder = hpack.Decoder()
    first = decoder.decode(BLOCK)
    assert decoder.decode(BLOCK) == first
    assert dict(first)[":path"] == "/some.Service/Method"
    assert dict(first)["te"] == "trailers"


@given(st.lists(st.binary(max_size=40), max_size=4), st.data())
def test_an_answer_is_the_same_however_it_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    client, number = begun()
    stream = frame(SETTINGS, 0, 0) + answer(number, *[message(body) for body in bodies])
    found: list[Answer] = []
    at = 0
    while at < len(stream):
        end = data.draw(st.integers(at + 1, len(stream)))
        found += client.receive(stream[at:end])
        at = end
    (whole,) = found
    assert (whole.stream, whole.ended, whole.status) == (number, True, 0)
    assert list(messages(whole.body)) == bodies
    assert client.busy == 0


def test_a_refusal_carries_status_and_words() -> None:
    client, number = begun()
    (found,) = client.receive(answer(number, status=7, text="not%20now"))
    assert (found.status, found.text, found.body) == (7, "not now", b"")


def test_a_refusal_may_come_in_headers_alone() -> None:
    client, number = begun()
    block = headers((":status", "200"), ("grpc-status", "16"), ("grpc-message", "who?"))
    (found,) = client.receive(frame(HEADERS, END_HEADERS | END_STREAM, number, block))
    assert (found.ended, found.status, found.text) == (True, 16, "who?")


def test_no_grpc_is_said_so() -> None:
    client, number = begun()
    block = headers((":status", "502"))
    (found,) = client.receive(frame(HEADERS, END_HEADERS | END_STREAM, number, block))
    assert found.status == 2
    assert "502" in found.text


def test_settings_and_pings_are_acknowledged_and_acknowledgements_are_not() -> None:
    client, _ = begun()
    client.receive(frame(SETTINGS, 0, 0) + frame(PING, 0, 0, b"12345678"))
    client.receive(frame(SETTINGS, 1, 0) + frame(PING, 1, 0, b"12345678"))
    assert frames(client.take()) == [(SETTINGS, 1, 0, b""), (PING, 1, 0, b"12345678")]


def test_headers_may_continue_and_data_may_be_padded() -> None:
    client, number = begun()
    half = len(RESPONSE) // 2
    padded = bytes([3]) + message(b"ab") + b"\0\0\0"
    (found,) = client.receive(
        frame(HEADERS, 0, number, RESPONSE[:half])
        + frame(CONTINUATION, END_HEADERS, number, RESPONSE[half:])
        + frame(DATA, PADDED, number, padded)
        + frame(HEADERS, END_HEADERS | END_STREAM, number, trailers())
    )
    assert list(messages(found.body)) == [b"ab"]


def test_a_continuation_of_nothing_is_an_error() -> None:
    client, number = begun()
    with pytest.raises(Http2Error, match="continuation"):
        client.receive(frame(CONTINUATION, END_HEADERS, number, b""))


def test_rubbish_headers_are_an_error() -> None:
    client, number = begun()
    with pytest.raises(Http2Error, match="header block"):
        client.receive(frame(HEADERS, END_HEADERS, number, b"\xff\xff\xff\xff\xff\xff\xff\xff"))


def test_a_message_that_is_cut_short_or_compressed_is_an_error() -> None:
    with pytest.raises(Http2Error):
        list(messages(message(b"abc")[:-1]))
    with pytest.raises(Http2Error):
        list(messages(b"\1" + message(b"abc")[1:]))


def test_a_reset_ends_a_stream_and_one_after_the_answer_does_not_matter() -> None:
    client, number = begun()
    (found,) = client.receive(frame(RST, 0, number, (8).to_bytes(4, "big")))
    assert (found.ended, found.status) == (True, UNAVAILABLE)
    client, number = begun()
    client.receive(answer(number))
    assert client.receive(frame(RST, 0, number, bytes(4))) == []


def test_going_away_ends_what_the_server_never_looked_at() -> None:
    client = Http2Client()
    first = client.request(BLOCK, message(b"a"))
    second = client.request(BLOCK, message(b"b"))
    (lost,) = client.receive(frame(GOAWAY, 0, 0, first.to_bytes(4, "big") + bytes(4)))
    assert client.going_away
    assert (lost.stream, lost.status) == (second, UNAVAILABLE)
    (kept,) = client.receive(answer(first, message(b"x")))
    assert kept.status == 0


def test_large_messages_wait_for_the_servers_window() -> None:
    client = Http2Client()
    client.take()
    number = client.request(BLOCK, message(bytes(100_000)))
    sent = [one for one in frames(client.take()) if one[0] == DATA]
    assert sum(len(one[3]) for one in sent) == 65_535
    assert max(len(one[3]) for one in sent) <= 16_384
    assert not any(one[1] & END_STREAM for one in sent)
    more = (100_000).to_bytes(4, "big")
    client.receive(frame(WINDOW, 0, 0, more))
    assert client.take() == b""  # the stream's own window is still closed
    client.receive(frame(WINDOW, 0, number, more))
    rest = frames(client.take())
    assert sum(len(one[3]) for one in rest) == 100_005 - 65_535
    assert rest[-1][1] & END_STREAM


def test_a_new_initial_window_counts_for_open_streams() -> None:
    client = Http2Client()
    client.take()
    client.request(BLOCK, message(bytes(70_000)))
    client.take()
    client.receive(frame(WINDOW, 0, 0, (70_000).to_bytes(4, "big")))
    client.receive(frame(SETTINGS, 0, 0, b"\0\4" + (80_000).to_bytes(4, "big")))
    rest = [one for one in frames(client.take()) if one[0] == DATA]
    assert rest[-1][1] & END_STREAM


def test_a_conversation_sees_each_message_and_may_answer() -> None:
    client, number = begun(b"params", end=False)
    (challenge,) = client.receive(
        frame(HEADERS, END_HEADERS, number, RESPONSE) + frame(DATA, 0, number, message(b"nonce"))
    )
    assert (challenge.ended, list(messages(challenge.body))) == (False, [b"nonce"])
    client.send(number, message(b"signature"), end=True)
    assert frames(client.take())[-1][:3] == (DATA, END_STREAM, number)
    (end,) = client.receive(
        frame(DATA, 0, number, message(b"svid"))
        + frame(HEADERS, END_HEADERS | END_STREAM, number, trailers())
    )
    assert (end.ended, list(messages(end.body))) == (True, [b"svid"])


def test_a_stream_given_up_is_cancelled_and_its_answer_ignored() -> None:
    client, number = begun()
    client.forget(number)
    assert frames(client.take()) == [(RST, 0, number, (8).to_bytes(4, "big"))]
    assert client.receive(answer(number, message(b"late"))) == []


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_packed_requests_come_apart_again(head: bytes, body: bytes) -> None:
    assert unpack(pack(head, body)) == (head, message(body))


FRAMES = st.builds(
    frame,
    st.integers(0, 10),
    st.integers(0, 255),
    st.integers(0, 5),
    st.binary(max_size=40),
)


@given(st.lists(FRAMES | st.binary(max_size=30), max_size=8))
def test_whatever_a_server_sends_is_an_answer_or_a_protocol_error(pieces: list[bytes]) -> None:
    client, number = begun(b"x" * 100)
    try:
        for piece in pieces:
            for found in client.receive(piece):
                assert found.stream == number
                list(messages(found.body))
    except Http2Error:
        return
    client.take()
