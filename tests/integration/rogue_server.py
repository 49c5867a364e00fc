"""A small HTTP server that misbehaves on request; run as a process: ``rogue_server.py [TLS_DIR]``.

Prints its port, then serves until stdin closes. The path says what it does.
"""

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = {
    "/": OK,
    "/ok": OK,
    "/teapot": b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n",
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
    "/interim": b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
    "/closing": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "/until-eof": b"HTTP/1.1 200 OK\r\n\r\nall of it",
    "/half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    "/half-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "/rubbish": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "/twice": OK + OK,
    "/drop": b"",
}
CLOSES = {"/closing", "/until-eof", "/half", "/half-head", "/drop"}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            if path == "/hang":
                await asyncio.sleep(60)
            answer = ANSWERS[path]
            if path == "/chunked":  # in as many segments as there are bytes
                for i in range(len(answer)):
                    writer.write(answer[i : i + 1])
                    await writer.drain()
                    await asyncio.sleep(0)
            else:
                writer.write(answer)
                await writer.drain()
            if path in CLOSES:
                break
    writer.close()


async def main() -> None:
    tls = None
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "server.pem")
        tls.load_verify_locations(folder / "ca.pem")
        tls.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  (how a test finds it)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
