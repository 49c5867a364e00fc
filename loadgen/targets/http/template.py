"""Request templates: placeholders filled in, escaped for where they stand."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import quote, quote_plus

from loadgen.targets.http.description import PLACEHOLDER, Request

_quote = partial(quote, safe="")


def _json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _plain(value: str) -> str:
    return value


def _header(value: str) -> str:
    """Take line ends out: a value cannot add a header."""
    return value.replace("\r", " ").replace("\n", " ")


Escape = Callable[[str], str]


class Text:
    """One text, cut at its placeholders once."""

    def __init__(self, text: str, escape: Escape) -> None:
        self._escape = escape
        self._parts: list[tuple[str, str]] = []
        at = 0
        for match in PLACEHOLDER.finditer(text):
            self._parts.append((text[at : match.start()], match[1]))
            at = match.end()
        self._rest = text[at:]

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text with every placeholder replaced by its escaped value."""
        escape = self._escape
        filled = [before + escape(values[name]) for before, name in self._parts]
        return "".join(filled) + self._rest


def _body_escape(request: Request) -> Escape:
    kind = next((v for k, v in request.headers.items() if k.lower() == "content-type"), "")
    if "json" in kind:
        return _json
    if "x-www-form-urlencoded" in kind:
        return quote_plus
    return _plain


class Template:
    """A request with placeholders.

    Args:
        request: from the description.
        host: value of the Host header.
        prefix: path of the base URL.
    """

    def __init__(self, request: Request, host: str, prefix: str) -> None:
        self.method = request.method
        self._path = Text(prefix + request.path, _quote)
        self._headers = [(name, Text(value, _header)) for name, value in request.headers.items()]
        self._body = Text(request.body, _body_escape(request))
        self._has_body = bool(request.body) or request.method in ("POST", "PUT", "PATCH")
        self._host = host

    def parts(self, values: Mapping[str, str]) -> tuple[str, dict[str, str], bytes]:
        """Return path, headers and body."""
        headers = {name: text.fill(values) for name, text in self._headers}
        return self._path.fill(values), headers, self._body.fill(values).encode()

    def bytes(self, values: Mapping[str, str]) -> bytes:
        """Return one whole HTTP/1.1 request."""
        path, headers, body = self.parts(values)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if self._has_body:
            lines += f"Content-Length: {len(body)}\r\n"
        head = f"{self.method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{lines}\r\n"
        return head.encode("latin-1", "replace") + body


def pointer(document: object, path: str) -> object:
    """Return what a JSON pointer (RFC 6901) names. Raises LookupError when nothing is there."""
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document[key]
        elif isinstance(document, list) and key.isdigit():
            document = document[int(key)]
        else:
            raise LookupError(path)
    return document
