"""Recorded provider traffic, read from ../shared/fixtures (or $SIGNALBOX_FIXTURES) when it is there.

It is other people's data: nothing of it is in this repository. MANIFEST.md beside it says what each file is.
"""

import base64
import gzip
import json
import os
import pathlib
import urllib.parse

import harness

HOME = pathlib.Path(os.environ.get("SIGNALBOX_FIXTURES") or harness.ROOT.parent / "shared/fixtures")

try:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Ruby and Python both mark binary text."""

    def _binary(loader, node):
        return base64.b64decode(loader.construct_scalar(node))

    Loader.add_constructor("!binary", _binary)
    Loader.add_constructor("tag:yaml.org,2002:binary", _binary)
except ImportError:
    yaml = None


def there():
    return yaml is not None and HOME.is_dir()


class Exchange:
    """One recorded request and its reply; a file without a request has url and request None."""

    def __init__(self, name, url, request, status, body, content_type, fields=None):
        self.name, self.url, self.request, self.status, self.body = name, url, request, status, body
        self.content_type = content_type
        self.fields = fields or {}

    @property
    def streamed(self):
        return "event-stream" in self.content_type or "eventstream" in self.content_type

    def __repr__(self):
        return self.name


def _bytes(value):
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else b""


def _fields(given):
    made = {}
    for name, value in (given or {}).items():
        made[name.lower()] = str(value[0] if isinstance(value, list) and value else value)
    return made


def _reply_body(response):
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"]).encode()
    body = response.get("body")
    if isinstance(body, dict):
        if body.get("base64_string"):
            return base64.b64decode(body["base64_string"])
        body = body.get("string")
    data = _bytes(body)
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _request_json(request):
    if "parsed_body" in request:
        return request["parsed_body"]
    body = request.get("body")
    if isinstance(body, dict):
        body = body.get("string")
    try:
        return json.loads(_bytes(body))
    except ValueError:
        return None


def _guess_type(body, fields):
    given = fields.get("content-type", "")
    if given:
        return given
    start = body.lstrip()[:6]
    if start.startswith((b"data:", b"event:", b": ")):
        return "text/event-stream"
    return "application/json" if start[:1] in (b"{", b"[") else "text/plain"


def _cassette(path, name):
    document = yaml.load(path.read_text(encoding="utf-8"), Loader)
    for i, item in enumerate(document.get("interactions") or document.get("http_interactions") or []):
        request, response = item["request"], item["response"]
        status = response.get("status", response.get("code"))
        status = status["code"] if isinstance(status, dict) else status
        fields = _fields(response.get("headers"))
        body = _reply_body(response)
        yield Exchange(f"{name}#{i}", request.get("uri") or request.get("url"), _request_json(request), int(str(status).split()[0]), body,
                       _guess_type(body, fields), fields)


def _chunks(path, name):
    """One event's payload a line, without its framing."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    if "bedrock" in str(path):
        body = b"".join(aws_frame(*next(iter(json.loads(line).items()))) for line in lines)
        return Exchange(name, None, None, 200, body, "application/vnd.amazon.eventstream")
    body = b""
    for line in lines:
        try:
            kind = json.loads(line).get("type") if line.startswith("{") else None
        except ValueError:  # some lines are meant to be damaged
            kind = None
        body += (f"event: {kind}\n" if kind else "").encode() + f"data: {line}\n\n".encode()
    return Exchange(name, None, None, 200, body, "text/event-stream")


def _http(path, name):
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    return Exchange(name, None, None, int(first.split()[1]), body, fields.get("content-type", ""), fields)


def aws_frame(kind, payload, message_type="event"):
    """An event-stream message with both checksums right."""
    import struct
    import zlib
    headers = b""
    for key, value in ((":event-type" if message_type == "event" else ":exception-type", kind),
                       (":content-type", "application/json"), (":message-type", message_type)):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + data
    return message + struct.pack(">I", zlib.crc32(message))


def load(*folders):
    """Every exchange of these folders."""
    found = []
    for folder in folders:
        for path in sorted((HOME / folder).rglob("*")):
            name = str(path.relative_to(HOME))
            if path.suffix in (".yaml", ".yml"):
                found += _cassette(path, name)
            elif path.name.endswith(".chunks.txt"):
                found.append(_chunks(path, name))
            elif path.suffix == ".json" and "sigv4" not in name:
                body = path.read_bytes()
                error = b'"error"' in body[:40]
                found.append(Exchange(name, None, None, 400 if error else 200, body, "application/json"))
            elif path.suffix in (".sse", ".txt") and path.is_file():
                found.append(Exchange(name, None, None, 200, path.read_bytes(), "text/event-stream"))
            elif path.suffix == ".http":
                found.append(_http(path, name))
            elif path.suffix == ".bin":
                found.append(Exchange(name, None, None, 200, path.read_bytes(), "application/vnd.amazon.eventstream"))
    return found


def path_of(exchange):
    return urllib.parse.urlsplit(exchange.url).path if exchange.url else ""
