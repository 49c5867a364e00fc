"""Services gone wrong, each a listener of one bad habit."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Habit = Callable[[socket.socket], None]


def hang(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(65_536):
            pass


def close(connection: socket.socket) -> None:
    connection.recv(65_536)


def answer(text: bytes) -> Habit:
    def speak(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(text)

    return speak


def response(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


HABITS: dict[str, tuple[Habit, str]] = {
    "hangs": (hang, "did not answer in time"),
    "closes": (close, "closed the connection"),
    "rubbish": (answer(b"\x00\xff\x13 no http\r\n\r\n"), "not HTTP"),
    "another protocol": (answer(b"SSH-2.0-OpenSSH_9.9\r\n"), "not HTTP"),
    "half an answer": (answer(response(b'{"decis', length=500)), "answered only half"),
    "half a header": (
        answer(b"HTTP/1.1 200 OK\r\nContent-Le"),
        "half|not HTTP|decision|token",
    ),
    "no JSON": (answer(response(b"<html>hello</html>")), "JSON|decision|token"),
    "other JSON": (answer(response(b'["x"]')), "decision|token"),
    "wrong type": (answer(response(b'{"decision":"yes","access_token":7}')), "decision|token"),
    "an error": (answer(response(b"oops", "500 Internal Server Error")), "500"),
    "not found": (answer(response(b"", "404 Not Found")), "404"),
    "unauthorized": (answer(response(b"", "401 Unauthorized")), "401"),
    "endless header": (answer(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000), "not HTTP"),
    "negative length": (answer(response(b"x", length=-5)), "decision|token|HTTP|half|JSON"),
}
"""habit → what the message must say (a regular expression)"""


@contextmanager
def listener(habit: Habit, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a service with a bad habit; yields its port."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.05)
        stop = threading.Event()

        def serve_one(plain: socket.socket) -> None:
            with contextlib.suppress(OSError), plain:
                plain.settimeout(5)
                if context is None:
                    habit(plain)
                else:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        habit(secure)

        threads: list[threading.Thread] = []

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    thread = threading.Thread(target=serve_one, args=(server.accept()[0],))
                    thread.start()
                    threads.append(thread)

        loop = threading.Thread(target=serve)
        loop.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            loop.join()
            for thread in threads:
                thread.join()


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's settings with a certificate that nobody trusts."""
    from loadgen.service.authority import Authority

    pem, key = Authority("stranger.org").server_credentials("127.0.0.1")
    (folder / "tls.pem").write_bytes(pem)
    (folder / "tls.key").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return context
