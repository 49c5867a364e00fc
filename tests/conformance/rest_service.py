"""A service that midas has never heard of: opaque tokens, OAuth for its clients, an order book.

Runs as a process of its own, started with task → permissions as JSON and, if it should keep one,
the file of its audit log: prints its port, ends when stdin closes. Standard library only.

    GET    /health
    POST   /oauth/token                 client credentials (HTTP Basic) → {"access_token": …}
    POST   /credentials                 {"subject", "task", "ttl"} → {"data": {"token", "id", …}}
    GET    /keys/{subject}?ttl=…        the subject's shared key → the same; with ttl a new one
    GET    /orders/{resource}/{action}  with a credential as bearer token: 200, 403 or 401
    POST   /credentials/revoke          serial=…
"""

import base64
import json
import secrets
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

CLIENT_ID, CLIENT_SECRET = "load test", "s3cret & more"


class Book:
    def __init__(self, opens: dict[str, list[str]], log: str) -> None:
        self.log = open(log, "ab", buffering=0) if log else None  # noqa: SIM115, PTH123
        self.opens = {task: set(permissions) for task, permissions in opens.items()}
        self.lock = threading.Lock()
        self.clients: set[str] = set()
        self.credentials: dict[str, dict[str, object]] = {}
        self.keys: dict[str, str] = {}
        self.count = 0

    def make(self, subject: str, task: str, ttl_s: float) -> dict[str, object]:
        with self.lock:
            self.count += 1
            token = secrets.token_urlsafe(18)
            known = {
                "token": token,
                "id": self.count,
                "subject": subject,
                "task": task,
                "expires": time.time() + ttl_s,
                "ttl": ttl_s,
            }
            self.credentials[token] = known
        self.write("created", known, "", "", 201)
        return known

    def write(
        self, event: str, known: dict[str, object], origin: str, permission: str, status: int
    ) -> None:
        if self.log is not None:
            resource, _, action = permission.partition(":")
            line = {
                "ts": datetime.now(UTC).isoformat(),
                "event": event,
                "who": {
                    "name": known["subject"],
                    "scope": known["task"],
                    "id": known["id"],
                },
                "peer": origin,
                "what": [resource, action],
                "status": status,
            }
            self.log.write(json.dumps(line).encode() + b"\n")

    def key(self, subject: str, ttl: str) -> dict[str, object]:
        if ttl:
            return self.make(subject, "", float(ttl))
        known = self.credentials.get(self.keys.get(subject, ""))
        if known is None:
            known = self.make(subject, "", 86_400.0)
            self.keys[subject] = str(known["token"])
        return known

    def revoke(self, serial: str) -> None:
        with self.lock:
            for token, known in list(self.credentials.items()):
                if str(known["id"]) == serial:
                    del self.credentials[token]

    def check(self, token: str, permission: str, origin: str) -> int:
        known = self.credentials.get(token)
        if known is None:
            return 401
        status = self._status(known, permission)
        self.write("checked", known, origin, permission, status)
        return status

    def _status(self, known: dict[str, object], permission: str) -> int:
        if float(str(known["expires"])) < time.time():
            return 401
        task = str(known["task"])
        opens = self.opens.get(task, set()) if task else set().union(*self.opens.values())
        return 200 if permission in opens else 403


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    book: Book

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object = None) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _body(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.split("/")[1:]]
        if parts == ["health"]:
            self._answer(200, {"status": "up"})
        elif parts[0] == "keys" and self._bearer() in self.book.clients:
            ttl = parse_qs(url.query).get("ttl", [""])[0]
            self._answer(200, {"data": self.book.key(parts[1], ttl)})
        elif parts[0] == "orders":
            permission, origin = f"{parts[1]}:{parts[2]}", self.client_address[0]
            self._answer(self.book.check(self._bearer(), permission, origin), {})
        else:
            self._answer(401 if parts[0] == "keys" else 404, {})

    def do_POST(self) -> None:
        body, path = self._body(), urlsplit(self.path).path
        if path == "/oauth/token":
            self._token()
        elif self._bearer() not in self.book.clients:
            self._answer(401, {})
        elif path == "/credentials":
            asked = json.loads(body)
            known = self.book.make(asked["subject"], asked.get("task", ""), float(asked["ttl"]))
            self._answer(201, {"data": known})
        elif path == "/credentials/revoke":
            self.book.revoke(parse_qs(body)["serial"][0])
            self._answer(204)
        else:
            self._answer(404, {})

    def _token(self) -> None:
        pair = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic "))
        client, _, secret = pair.decode().replace("+", " ").partition(":")
        if (client, unquote(secret)) != (CLIENT_ID, CLIENT_SECRET):
            self._answer(401, {"error": "invalid_client"})
            return
        token = secrets.token_urlsafe(18)
        self.book.clients.add(token)
        self._answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600})


def main(opens: str, log: str = "") -> None:
    Handler.book = Book(json.loads(opens), log)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201  (its parent waits for it)
    sys.stdin.read()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main(*sys.argv[1:])
