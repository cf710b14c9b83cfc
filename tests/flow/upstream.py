"""A provider that misbehaves on command: raw sockets, one thread a connection, every byte under the test's control.

What it answers is a function, chosen by a mark in the prompt, "[mock fault=NAME]", or by the endpoint's model, "fault-NAME";
without either it answers well. Such a function takes the request and writes to its connection; it returns KEEP (wait for the
next request), CLOSE, RESET (RST instead of FIN) or HANG (say nothing until the gateway closes).

    provider = Provider({"odd": raw(b"HTTP/1.1 200 OK\r\n...", CLOSE)})
    gateway.chat(fault("odd"))

The rest are the expectations that all tests of the upstream side share: what a client gets for a failure, whole and
streamed, and what the ledger says about it.
"""

import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

import harness
from harness import PATIENCE_S, wait_for

KEEP, CLOSE, RESET, HANG = "keep", "close", "reset", "hang"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
GOOD_TEXT = "Hello from the mock"


def fault(name, text="Hello"):
    return f"[mock fault={name}] {text}"


# --- bytes to answer with ---


def head(status="200 OK", content_type="application/json", length=None, **fields):
    lines = [f"HTTP/1.1 {status}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def reply(body, status="200 OK", content_type="application/json", **fields):
    """A whole HTTP response."""
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return head(status, content_type, len(body), **fields) + body


def completion(**changes):
    """A whole answer; a change to ... takes the member out."""
    made = {
        "id": "chatcmpl-mock", "object": "chat.completion", "created": 1700000000, "model": "main",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": GOOD_TEXT}, "finish_reason": "stop"}],
        "usage": USAGE,
    } | changes
    return {name: value for name, value in made.items() if value is not ...}


def chunk(delta=None, finish=None, **changes):
    """One event of a stream."""
    made = {
        "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1700000000, "model": "main",
        "choices": [{"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}],
    } | changes
    return {name: value for name, value in made.items() if value is not ...}


def text(content, **changes):
    return chunk({"content": content}, **changes)


def usage_chunk(usage=None):
    return chunk(choices=[], usage=usage or USAGE)


def sse(*events, end="\n"):
    """Events as bytes: dicts become JSON; str and bytes are the data as they stand."""
    out = b""
    for event in events:
        data = event if isinstance(event, bytes) else event.encode() if isinstance(event, str) else json.dumps(event).encode()
        out += b"data: " + data + 2 * end.encode()
    return out


def coded(data):
    """One chunk of chunked coding."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


GOOD_EVENTS = [chunk({"role": "assistant", "content": ""}), text("Hello "), text("from "), text("the mock"),
               chunk({}, "stop"), usage_chunk(), "[DONE]"]
LAST_CHUNK = b"0\r\n\r\n"


# --- functions that answer ---


def raw(*pieces, gap=0.0, then=KEEP):
    """Sends the pieces, `gap` seconds apart."""
    def answer(request):
        for i, piece in enumerate(pieces):
            if i and gap:
                time.sleep(gap)
            request.send(piece)
        return then
    return answer


def whole(body, status="200 OK", content_type="application/json", then=KEEP, **fields):
    return raw(reply(body, status, content_type, **fields), then=then)


def stream(*events, then=KEEP, last=True, end="\n", status="200 OK"):
    """Events, each in a chunk of its own. last: the chunked body is ended properly."""
    begin = STREAM_HEAD.replace(b"200 OK", status.encode())
    return raw(begin + b"".join(coded(sse(e, end=end)) for e in events) + (LAST_CHUNK if last else b""), then=then)


def byte_by_byte(data, then=KEEP, pause=0.0):
    """Each byte in a packet of its own, as far as TCP can promise that."""
    def answer(request):
        for i in range(len(data)):
            request.send(data[i:i + 1])
            if pause:
                time.sleep(pause)
        return then
    return answer


def good(request):
    if request.json.get("stream"):
        return stream(*GOOD_EVENTS)(request)
    return whole(completion(model=request.json.get("model")))(request)


def both(of_whole, of_stream):
    return lambda request: (of_stream if request.json.get("stream") else of_whole)(request)


# --- the provider ---


class Request:
    def __init__(self, provider, connection, connection_number, number, first_line, fields, body):
        self.provider = provider
        self.connection = connection
        self.connection_number = connection_number
        self.number = number  # on its connection, from 1
        self.method, self.target, self.version = first_line.split(" ")
        self.fields = fields  # list of (name as sent, value)
        self.body = body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = {}

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def send(self, data):
        self.connection.sendall(data)

    def hung_up(self, seconds=PATIENCE_S):
        """Waits for the gateway to close. True when it did."""
        self.connection.settimeout(seconds)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(None)


class Provider:
    def __init__(self, answers=None, tls=None, host="127.0.0.1"):
        self.answers = dict(answers or {})
        self.tls = tls
        self.requests = []
        self.connections = 0
        self.open = 0
        self.closed_at = {}  # connection number: when the gateway closed it (time.monotonic)
        self.resumed = []  # TLS: whether each connection's session was resumed
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def seen(self, mark):
        """Requests whose body contains the text."""
        return [r for r in list(self.requests) if mark.encode() in r.body]

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                self.open += 1
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self.resumed.append(connection.session_reused)
            self._requests(connection, number)
        except (OSError, ValueError):
            self.closed_at.setdefault(number, time.monotonic())
        finally:
            connection.close()
            with self.lock:
                self.open -= 1

    def _requests(self, connection, number):
        file = connection.makefile("rb")
        count = 0
        while True:
            first_line = file.readline()
            if not first_line:
                self.closed_at[number] = time.monotonic()
                return
            fields = []
            while (line := file.readline().strip()):
                name, _, value = line.decode("latin-1").partition(":")
                fields.append((name, value.strip()))
            length = int(next((v for k, v in fields if k.lower() == "content-length"), 0))
            count += 1
            request = Request(self, connection, number, count, first_line.decode("latin-1").strip(), fields,
                              file.read(length))
            self.requests.append(request)
            then = self._answer(request)
            if then == HANG:
                if request.hung_up():
                    self.closed_at[number] = time.monotonic()
                return
            if then == RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if then != KEEP:
                file.close()
                if self.tls and then == CLOSE:
                    connection = connection.unwrap()
                return

    def _answer(self, request):
        found = re.search(rb"\[mock fault=([\w.-]+)\]", request.body)
        name = found[1].decode() if found else ""
        model = request.json.get("model", "")
        if model.startswith("fault-"):
            name = model.removeprefix("fault-")
        if not name or model == "good":
            return good(request)
        return self.answers[name](request)


# --- the gateway in front of it ---


def endpoint(provider="mock", model="main"):
    return {"provider": provider, "model": model, "context_length": 100000, "max_completion_tokens": 10000,
            "pricing": {"prompt": harness.PROMPT_PRICE, "completion": harness.COMPLETION_PRICE}}


def provider_entry(url, id="mock", **more):
    return {"id": id, "name": "Mock Provider" if id == "mock" else id.title(), "protocol": "openai", "base_url": url,
            "api_key": "sk-upstream-" + id} | more


def config(provider, models=None, providers=None, **more):
    """test/model is served by the provider; test/hasty, too, with little patience (1 s)."""
    hasty = {"first_byte_timeout_ms": 1000, "idle_timeout_ms": 1000, "total_timeout_ms": 3000}
    made = harness.config(**more)
    made["providers"] = [provider_entry(provider.url), provider_entry(provider.url, "hasty", **hasty)] + (providers or [])
    made["models"] = [{"id": "test/model", "endpoints": [endpoint()]},
                      {"id": "test/hasty", "endpoints": [endpoint("hasty")]}] + (models or [])
    return made


class Expectations:
    """Mixed into a TestCase that has `gateway` and `provider`."""

    def row(self, response):
        """The ledger's row of an answer; it is written a moment later than the answer."""
        self.assertTrue(response.id, response)
        found = wait_for(lambda: (r := self.gateway.generation(response.id)).status == 200 and r, "the ledger's row")
        return found.json["data"]

    def failed(self, response, status, error_type, message, provider="Mock Provider", bare=False):
        """A failure as an answer of its own. message: a pattern; the provider must be named in it or beside it."""
        self.assertEqual(response.status, status, response)
        error = response.json["error"]
        self.assertEqual(error["code"], status, response)
        self.assertEqual(error["metadata"]["error_type"], error_type, response)
        self.assertRegex(error["message"], message)
        self.assertTrue(bare or provider in error["metadata"]["provider_name"], response)
        self.assertEqual(response.field("content-type"), "application/json")
        row = self.row(response)
        self.assertEqual((row["status"], row["total_cost"], row["finish_reason"], row["cancelled"]),
                         (status, 0, "error", False), row)
        self.assertRegex(row["error"], message)
        return row

    def broken(self, response, error_type, message, text=None, code=None, provider="Mock Provider"):
        """A stream that ends with an error chunk."""
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.field("content-type"), "text/event-stream")
        events = response.events()
        self.assertNotIn("[DONE]", events)
        last = events[-1]
        self.assertEqual(last["error"]["metadata"]["error_type"], error_type, last)
        self.assertRegex(last["error"]["message"], message)
        self.assertIn(provider, last["error"]["metadata"]["provider_name"])
        self.assertIsInstance(last["error"]["code"], int)
        if code:
            self.assertEqual(last["error"]["code"], code)
        self.assertEqual(last["choices"][0]["finish_reason"], "error")
        self.assertEqual(last["object"], "chat.completion.chunk")
        self.assertTrue(all("error" not in e for e in events[:-1]))
        if text is not None:
            self.assertEqual(self.text_of(events[:-1]), text)
        row = self.row(response)
        self.assertEqual((row["status"], row["total_cost"], row["finish_reason"], row["streamed"]),
                         (200, 0, "error", True), row)
        self.assertRegex(row["error"], message)
        return row

    @staticmethod
    def text_of(events, index=0):
        return "".join(c.get("delta", {}).get("content") or "" for e in events if e != "[DONE]"
                       for c in e["choices"] if c["index"] == index)

    def answered(self, response, text=GOOD_TEXT, usage=(10, 5), estimated=False, finish="stop"):
        """A good answer, whole or streamed, that passes the strictest client (see `strict`)."""
        self.assertEqual(response.status, 200, response)
        if response.field("content-type") == "text/event-stream":
            events = response.events()
            self.strict_stream(events)
            self.assertEqual(self.text_of(events), text)
            told = events[-2]["usage"]
            finishes = [c["finish_reason"] for e in events[:-1] for c in e["choices"] if c["finish_reason"]]
        else:
            body = response.json
            self.strict_whole(body)
            self.assertEqual(body["choices"][0]["message"]["content"], text)
            told, finishes = body["usage"], [body["choices"][0]["finish_reason"]]
        self.assertEqual(finishes[0], finish)
        row = self.row(response)
        self.assertEqual((row["status"], row["finish_reason"], row["usage_estimated"], row["error"]),
                         (200, finish, estimated, None), row)
        if usage:
            self.assertEqual((told["prompt_tokens"], told["completion_tokens"]), usage)
        self.assertEqual((row["tokens_prompt"], row["tokens_completion"]),
                         (told["prompt_tokens"], told["completion_tokens"]))
        self.assertAlmostEqual(row["total_cost"], told["cost"], 12)
        return row

    def strict_whole(self, body):
        self.assertEqual(body["object"], "chat.completion")
        for name, kind in (("id", str), ("model", str), ("created", int), ("choices", list), ("usage", dict)):
            self.assertIsInstance(body[name], kind, name)
        self.assertIn("system_fingerprint", body)
        for choice in body["choices"]:
            self.assertIsInstance(choice["index"], int)
            self.assertIsInstance(choice["message"]["role"], str)
            self.assertIn("content", choice["message"])
            self.assertIsInstance(choice["finish_reason"], str)
            self._no_nulls(choice["message"])

    def strict_stream(self, events):
        """One [DONE], at the end; before it the only usage, with empty choices; equal id, model, created everywhere."""
        self.assertEqual(events.index("[DONE]"), len(events) - 1)
        chunks = events[:-1]
        for name in ("id", "model", "created", "object"):
            self.assertEqual(len({c[name] for c in chunks}), 1, name)
        self.assertEqual(chunks[0]["object"], "chat.completion.chunk")
        self.assertEqual([bool(c.get("usage")) for c in chunks], [False] * (len(chunks) - 1) + [True])
        self.assertEqual(chunks[-1]["choices"], [])
        roles, finishes = {}, {}
        for c in chunks:
            self._no_nulls(c)
            for choice in c["choices"]:
                self.assertIn("finish_reason", choice)
                index, delta = choice["index"], choice["delta"]
                self._no_nulls(delta)
                if index not in roles:
                    roles[index] = delta["role"]
                if choice["finish_reason"]:
                    finishes.setdefault(index, []).append(choice["finish_reason"])
        self.assertTrue(all(len(f) == 1 for f in finishes.values()), finishes)
        self.assertEqual(finishes.keys(), roles.keys())

    def _no_nulls(self, member):
        for name in ("system_fingerprint", "usage", "tool_calls", "reasoning_details", "audio"):
            self.assertFalse(name in member and member[name] is None, member)

    def no_leak(self):
        """Connections that are open are those kept for the next request; none serves a request any more."""
        wait_for(lambda: self.gateway.metrics()["signalbox_streams_open"] == 0, "no stream open")
        wait_for(lambda: open_files(self.gateway.pid(), self.provider.port) == self.provider.open,
                 "connections to be open at both ends or none")


def open_files(pid, port):
    """Established or half-closed connections to that port of 127.0.0.1 as the kernel lists them for any process's end."""
    count = 0
    with open(f"/proc/{pid}/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[2] == f"0100007F:{port:04X}" and fields[3] in ("01", "08"):
                count += 1
    return count


# --- certificates ---


def certificate(directory, name, hosts="IP:127.0.0.1"):
    """A self-signed certificate made with the openssl program. Returns (certificate file, key file)."""
    cert, key = f"{directory}/{name}.pem", f"{directory}/{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={hosts}"],
                   check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return cert, key


def tls_server(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
