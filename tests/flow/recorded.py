"""Recorded provider traffic, read from ../shared/fixtures (or $SIGNALBOX_FIXTURES) when it is there.

It is other people's data: nothing of it is in this repository. MANIFEST.md beside it says what each file is.
"""

import base64
import functools
import gzip
import json
import os
import pathlib
import re
import struct
import urllib.parse
import zlib

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
        url = request.get("uri") or request.get("url")
        kind = _guess_type(body, fields)
        if url.endswith("/invoke-with-response-stream"):
            body, kind = _unwrapped(body), "text/event-stream"
        yield Exchange(f"{name}#{i}", url, _request_json(request), int(str(status).split()[0]), body, kind, fields)


def _unwrapped(body):
    """The events of the model's own protocol that Bedrock's frames hold, as server-sent events."""
    events = b""
    while body:
        total, headers = struct.unpack(">II", body[:8])
        event = base64.b64decode(json.loads(body[12 + headers:total - 4])["bytes"])
        events += b"event: " + json.loads(event)["type"].encode() + b"\ndata: " + event + b"\n\n"
        body = body[total:]
    return events


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
    if '"choices":' in lines[0]:  # the file leaves it out
        body += b"data: [DONE]\n\n"
    return Exchange(name, None, None, 200, body, "text/event-stream")


def _status(body):
    """The status that this must have come with: many errors say it themselves; not all of them are JSON."""
    if b'"error"' not in body[:40]:
        return 200
    code = re.search(rb'"code": *(\d{3})\b', body)
    return int(code[1]) if code else 429 if b"insufficient_quota" in body else 400


def _http(path, name):
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    return Exchange(name, None, None, int(first.split()[1]), body, fields.get("content-type", ""), fields)


def aws_frame(kind, payload, message_type="event"):
    """An event-stream message with both checksums right."""
    headers = b""
    for key, value in ((":event-type" if message_type == "event" else ":exception-type", kind),
                       (":content-type", "application/json"), (":message-type", message_type)):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + data
    return message + struct.pack(">I", zlib.crc32(message))


@functools.cache
def everything():
    """Every recorded exchange there is; what is made by hand is apart."""
    return tuple(load(*sorted(p.name for p in HOME.iterdir() if p.is_dir() and p.name not in ("LICENSES", "sigv4", "synthetic"))))


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
                found.append(Exchange(name, None, None, _status(body), body, "application/json"))
            elif path.suffix in (".sse", ".txt") and path.is_file():
                found.append(Exchange(name, None, None, 200, path.read_bytes(), "text/event-stream"))
            elif path.suffix == ".http":
                found.append(_http(path, name))
            elif path.suffix == ".bin":
                found.append(Exchange(name, None, None, 200, path.read_bytes(), "application/vnd.amazon.eventstream"))
    return found


# --- which protocol an exchange is of ---

# What no chat request leads to, by the path of its URL, and why.
OTHERS = {
    "/token": "the exchange of a signed claim for a token: test_dialects makes it with an account of our own",
    "/cachedContents": "Gemini's cache objects, made and deleted: no chat request asks for that",
}
FOLDERS = {"anthropic": "anthropic", "google-gemini": "gemini", "google-vertex": "vertex", "aws-bedrock": "bedrock",
           "cohere": "cohere", "mistral": "mistral", "azure-openai": "azure", "openai-responses": "responses"}
# The row of the provider table that an OpenAI-like service is, by its host or by a word of the file's name.
SERVICES = {"api.openai.com": "openai", "groq": "groq", "deepseek": "deepseek", "api.x.ai": "xai", "xai/": "xai",
            "perplexity": "perplexity", "openrouter.ai": "openrouter", "cerebras": "cerebras", "ollama.com": "ollama-cloud",
            "huggingface": "huggingface", "snowflake": "snowflake", "api.z.ai": "z-ai", "alibaba": "alibaba",
            "moonshotai": "moonshotai", "openai-chat/": "openai", "vllm": "vllm"}


def path_of(exchange):
    return urllib.parse.urlsplit(exchange.url).path if exchange.url else ""


def other(exchange):
    """Why this exchange is none that a chat request leads to; None: it is one."""
    path = path_of(exchange)
    return next((reason for mark, reason in OTHERS.items() if path.endswith(mark) or mark + "/" in path), None)


def protocol_of(exchange):
    """The protocol that its reply is written in."""
    path, body = path_of(exchange), exchange.body
    if "/messages" in path or "/invoke" in path:
        return "anthropic"
    if "enerateContent" in path:
        return "vertex" if "aiplatform" in exchange.url else "gemini"
    if "/converse" in path:
        return "bedrock"
    if path.endswith("/v2/chat"):
        return "cohere"
    if path.endswith("/responses") or not path and (b'"response.' in body or b'"object":"response"' in body):
        return "responses"
    if path and "mistral" not in exchange.url:
        return "azure" if "azure" in exchange.name else "openai"
    return FOLDERS.get(exchange.name.split("/")[0], "openai")


def service_of(exchange):
    """The row of the provider table of an OpenAI-like service; `mock`: a service we know nothing of."""
    where = (exchange.url or "") + " " + exchange.name
    return next((row for mark, row in SERVICES.items() if mark in where), "mock")
