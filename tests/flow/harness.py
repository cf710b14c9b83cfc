"""What the flow tests share: a gateway process, raw sockets, and a well-behaved provider.

The gateway is the program in $SIGNALBOX_BIN (else build/asan, else build/release), started with a generated configuration
on a free port and a data_dir of its own. Every gateway of a module is known here; `finish()` stops them and fails when one
ended badly or a sanitizer has written a report.

Times are generous: the program under test is usually built with sanitizers, on a machine that has other work.
"""

import atexit
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE_S = float(os.environ.get("FLOW_PATIENCE_S", "30"))  # for anything that should happen at once
KEY = "sk-test-inference-0123456789abcdef"
MANAGEMENT_KEY = "sk-test-management-0123456789abcdef"
PROMPT_PRICE = "0.00000015"
COMPLETION_PRICE = "0.0000006"
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion .* failed")


def binary():
    named = os.environ.get("SIGNALBOX_BIN")
    if named:
        return named
    return str(next(p for p in (ROOT / "build/asan/signalbox", ROOT / "build/release/signalbox") if p.exists()))


def environment(extra=None):
    """Nothing of the caller's provider keys, proxies or configuration reaches the program."""
    kept = {"PATH", "HOME", "LANG", "TMPDIR", "UBSAN_OPTIONS", "TSAN_OPTIONS", "ASAN_SYMBOLIZER_PATH"}
    env = {k: v for k, v in os.environ.items() if k in kept}
    # A small quarantine: freed memory must not look like growth.
    env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=1") + ":quarantine_size_mb=8"
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env | (extra or {})


def wait_for(condition, what="the condition", seconds=PATIENCE_S, step=0.01):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about in {seconds} s")
        time.sleep(step)


# --- the gateway ---

_gateways = []
_directories = []


def temp_dir():
    path = tempfile.mkdtemp(prefix="signalbox-flow-")
    _directories.append(path)
    return path


@atexit.register
def _clean():
    for gateway in _gateways:
        gateway.kill()
    for path in _directories:
        shutil.rmtree(path, ignore_errors=True)


def config(provider=None, data_dir=None, server=None, models=None, **more):
    """A configuration with one model, test/model, served by the provider given (a Mock or a base URL)."""
    made = {
        "server": {"listen": "127.0.0.1:0", "workers": 2} | (server or {}),
        "auth": {"management_key": MANAGEMENT_KEY, "keys": [{"name": "test", "key": KEY}]},
        # Endpoints are asked in the order given (their prices are the same), whatever happened before.
        "routing": {"sort": "price", "health": False},
    }
    if data_dir:
        made["data_dir"] = str(data_dir)
    if provider:
        url = provider if isinstance(provider, str) else provider.url
        made["providers"] = [{"id": "mock", "protocol": "openai", "base_url": url, "api_key": "sk-upstream"}]
        made["models"] = models or [{
            "id": "test/model",
            "endpoints": [{
                "provider": "mock", "model": "upstream-model", "context_length": 100000,
                "max_completion_tokens": 10000,
                "pricing": {"prompt": PROMPT_PRICE, "completion": COMPLETION_PRICE},
            }],
        }]
    return made | more


def yaml(value, indent=0):
    """Block-style YAML of dicts, lists and scalars; scalars as JSON writes them."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        lines = []
        for name, item in value.items():
            nested = isinstance(item, (dict, list)) and item
            lines.append(f"{pad}{name}:" + (f"\n{yaml(item, indent + 2)}" if nested else f" {json.dumps(item)}"))
        return "\n".join(lines)
    if isinstance(value, list) and value:
        return "\n".join(f"{pad}- {yaml(item, indent + 2).lstrip()}" for item in value)
    return pad + json.dumps(value)


class Gateway:
    """`gateway = Gateway(config(...)).start()`. Without a data_dir in the configuration it gets a fresh one."""

    def __init__(self, settings, env=None, expect_status=0):
        self.dir = temp_dir()
        self.settings = dict(settings)
        self.data_dir = self.settings.setdefault("data_dir", os.path.join(self.dir, "data"))
        self.config_path = os.path.join(self.dir, "signalbox.yaml")
        self.env = env
        self.expect_status = expect_status
        self.process = None
        self.port = None
        self.banner = ""
        self.starts = 0
        self.problems = []
        self.write_config(self.settings)
        _gateways.append(self)

    def write_config(self, settings):
        self.settings = dict(settings)
        self.write_text(yaml(self.settings) + "\n")

    def write_text(self, text):
        fresh = self.config_path + ".new"
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, self.config_path)

    def spawn(self):
        """Starts the process without waiting for it to be ready."""
        self.starts += 1
        self.stderr_path = os.path.join(self.dir, f"stderr.{self.starts}")
        self.stdout_path = os.path.join(self.dir, f"stdout.{self.starts}")
        with open(self.stderr_path, "wb") as err, open(self.stdout_path, "wb") as out:
            self.process = subprocess.Popen(
                [binary(), "serve", "-c", self.config_path], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=environment(self.env), cwd=self.dir)
        return self

    def start(self):
        self.spawn()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.stderr()}")
            self.banner = pathlib.Path(self.stdout_path).read_text(errors="replace")
            return re.search(r"API base\s+https?://[^/]*:(\d+)/api/v1", self.banner)

        self.port = int(wait_for(ready, "the gateway's banner", step=0.005).group(1))
        return self

    def stderr(self):
        return pathlib.Path(self.stderr_path).read_text(errors="replace") if self.starts else ""

    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        before = self.stderr().count("configuration reloaded")
        self.signal(signal.SIGHUP)
        wait_for(lambda: self.stderr().count("configuration reloaded") > before, "the reload")

    def stop(self, seconds=PATIENCE_S):
        """SIGTERM; what is wrong with the ending is kept for finish(). Returns the exit status."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = f"still running {seconds} s after SIGTERM"
        self._look(status)
        self.process = None
        return status

    def kill(self):
        """kill -9: no ending to judge."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _look(self, status):
        text = self.stderr()
        if SANITIZER.search(text):
            self.problems.append(f"a sanitizer or an assertion has spoken:\n{text}")
        elif status != self.expect_status:
            self.problems.append(f"exit status {status}, expected {self.expect_status}:\n{text}")

    def rss_kb(self, peak=False):
        with open(f"/proc/{self.pid()}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)" if peak else r"VmRSS:\s+(\d+)", file.read()).group(1))

    def forget_peak(self):
        """From now on rss_kb(peak=True) tells the most since now."""
        with open(f"/proc/{self.pid()}/clear_refs", "w") as file:
            file.write("5")

    # --- asking it ---

    def connect(self, timeout=PATIENCE_S):
        return Raw(self.port, timeout)

    def call(self, method, path, body=None, key=KEY, headers=None):
        """One request on a connection of its own."""
        with self.connect() as raw:
            raw.request(method, path, body, key, headers)
            return raw.response(head_only=method == "HEAD")

    def chat(self, text="Hello", key=KEY, stream=False, model="test/model", **more):
        return self.call("POST", "/api/v1/chat/completions", chat_body(text, stream, model, **more), key)

    def generation(self, generation_id, key=KEY):
        return self.call("GET", "/api/v1/generation?id=" + urllib.parse.quote(generation_id), key=key)

    def cli(self, *words, status=0):
        """Runs `signalbox WORDS -c CONFIG`."""
        return cli(*words, "-c", self.config_path, status=status, cwd=self.dir)

    def rows(self, sql, *args):
        """Asks the store's database, read-only."""
        db = sqlite3.connect(f"file:{self.data_dir}/signalbox.db?mode=ro", uri=True, timeout=PATIENCE_S)
        try:
            return db.execute(sql, args).fetchall()
        finally:
            db.close()

    def metrics(self):
        text = self.call("GET", "/metrics", key=None).text
        return {m[1]: float(m[2]) for m in re.finditer(r"^([^#\s]\S*)\s+(\S+)$", text, re.M)}


def cli(*words, status=0, env=None, cwd=None):
    done = subprocess.run([binary(), *words], capture_output=True, text=True, errors="replace", timeout=4 * PATIENCE_S,
                          env=environment(env), cwd=cwd or temp_dir(), stdin=subprocess.DEVNULL)
    if SANITIZER.search(done.stderr):
        raise AssertionError(f"{words}: a sanitizer has spoken:\n{done.stderr}")
    if status is not None and done.returncode != status:
        raise AssertionError(f"{words}: exit status {done.returncode}, expected {status}:\n{done.stdout}{done.stderr}")
    return done


def finish():
    """For tearDownModule: stops every gateway of the module; raises when one has misbehaved."""
    problems = []
    for gateway in _gateways:
        gateway.stop()
        problems += gateway.problems
    _gateways.clear()
    if problems:
        raise AssertionError("\n".join(problems))


def gateways_begun():
    return len(_gateways)


def stderr_since(mark):
    """What the gateways made since then, and those still running, have written."""
    chosen = [g for i, g in enumerate(_gateways) if g.starts and (i >= mark or g.process)]
    return "\n".join(f"--- {g.stderr_path}\n{g.stderr()[-6000:]}" for g in chosen)


# --- raw HTTP ---


def chat_body(text="Hello", stream=False, model="test/model", **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}]} | more
    if stream:
        body["stream"] = True
    return json.dumps(body).encode()


class Response:
    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields  # list of (lower-case name, value)
        self.body = body

    def field(self, name):
        return next((v for k, v in self.fields if k == name.lower()), None)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.field("x-generation-id")

    def events(self):
        """The data of a stream's events: parsed, [DONE] as the text."""
        found = []
        for line in self.text.split("\n"):
            if line.startswith("data: "):
                data = line[6:].rstrip("\r")
                found.append(data if data == "[DONE]" else json.loads(data))
        return found

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:600]!r}>"


class Closed(Exception):
    """The other side has ended the connection where more was expected."""


class Raw:
    """A client's connection, byte by byte."""

    def __init__(self, port, timeout=PATIENCE_S):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    @staticmethod
    def head(method, path, length=None, key=KEY, headers=None):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        if key is not None:
            lines.append(f"Authorization: Bearer {key}")
        if length is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {length}"]
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def request(self, method, path, body=None, key=KEY, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.send(self.head(method, path, None if body is None else len(body), key, headers) + (body or b""))

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(f"connection closed; unread: {self.pending[:300]!r}")
        self.pending += data

    def take_until(self, mark):
        while mark not in self.pending:
            self.more()
        taken, _, self.pending = self.pending.partition(mark)
        return taken

    def take(self, n):
        while len(self.pending) < n:
            self.more()
        taken, self.pending = self.pending[:n], self.pending[n:]
        return taken

    def response_head(self):
        lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] (\d{3})(?: .*)?", lines[0])
        assert match, f"no status line: {lines[0]!r}"
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon, f"no field: {line!r}"
            fields.append((name.lower(), value.strip()))
        return Response(int(match[1]), fields, b"")

    def chunk(self):
        size = int(self.take_until(b"\r\n").split(b";")[0], 16)
        data = self.take(size)
        assert self.take(2) == b"\r\n"
        return data

    def response(self, head_only=False):
        """A whole response, framed as its head says. 100 Continue is a response of its own."""
        r = self.response_head()
        if head_only or r.status in (204, 304) or r.status < 200:
            return r
        if r.field("transfer-encoding") == "chunked":
            while True:
                data = self.chunk()
                if not data:
                    return r
                r.body += data
        if r.field("content-length") is not None:
            r.body = self.take(int(r.field("content-length")))
            return r
        r.body = self.rest()
        return r

    def rest(self):
        """Everything until the other side closes."""
        try:
            while True:
                self.more()
        except (Closed, ConnectionError):
            taken, self.pending = self.pending, b""
            return taken

    def is_closed(self, seconds=PATIENCE_S):
        """True when the other side closes (or resets) within that time without sending more."""
        if self.pending:
            return False
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


# --- a provider ---


class Mock:
    """An OpenAI-compatible provider. What it answers is decided by `plan(request body) -> dict`:

        text       of the answer (default "Hello from the mock"), or text_bytes: its length
        usage      (prompt, completion) tokens
        delay      seconds before the answer begins
        chunks     of a stream;  gap: seconds between them
        status, body   an error instead of an answer

    The user's message may hold a plan itself, as JSON: so a test controls it through the gateway. `seen` holds the
    requests, `gone` the moments (time.monotonic) at which a connection was found closed in the middle of an answer.
    """

    def __init__(self, plan=None):
        self.plan = plan
        self.seen = []
        self.gone = []
        self.gone_event = threading.Event()
        self.waiting = 0  # answers begun and not ended
        self._stopped = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._stopped = True
        self._listener.close()

    def _accept(self):
        while not self._stopped:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        file = connection.makefile("rb")
        try:
            while True:
                if not file.readline():
                    return
                fields = {}
                while (line := file.readline().strip()):
                    name, _, value = line.decode("latin-1").partition(":")
                    fields[name.lower()] = value.strip()
                body = json.loads(file.read(int(fields.get("content-length", 0))))
                self.seen.append((fields, body))
                self.waiting += 1
                try:
                    self._answer(connection, body, self._plan(body))
                finally:
                    self.waiting -= 1
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def _plan(self, body):
        if self.plan:
            return self.plan(body)
        text = body["messages"][-1].get("content")
        return json.loads(text) if isinstance(text, str) and text.startswith("{") else {}

    def _pause(self, connection, seconds):
        """Sleeps, but notices when the other side goes."""
        if not seconds:
            return
        readable, _, _ = select.select([connection], [], [], seconds)
        if readable and connection.recv(1, socket.MSG_PEEK) == b"":
            self.gone.append(time.monotonic())
            self.gone_event.set()
            raise ConnectionError("gone")

    def _answer(self, connection, body, plan):
        self._pause(connection, plan.get("delay", 0))
        text = "x" * plan["text_bytes"] if "text_bytes" in plan else plan.get("text", "Hello from the mock")
        prompt, completion = plan.get("usage", (10, 5))
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        common = {"id": "chatcmpl-mock", "created": 1700000000, "model": body["model"]}
        if plan.get("status", 200) != 200:
            data = json.dumps(plan.get("body", {"error": {"message": "the mock was told to fail"}})).encode()
            connection.sendall(b"HTTP/1.1 %d Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                               % (plan["status"], len(data), data))
            return
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            reply = common | {"object": "chat.completion", "usage": usage,
                              "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            data = json.dumps(reply).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                               % (len(data), data))
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

        def event(value):
            data = b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"
            connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))

        common["object"] = "chat.completion.chunk"
        for i in range(plan.get("chunks", 3)):
            if i:
                self._pause(connection, plan.get("gap", 0))
            event(common | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})
        event(common | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        event(common | {"choices": [], "usage": usage})
        event(b"[DONE]")
        connection.sendall(b"0\r\n\r\n")


def plan(**what):
    """The user's message that makes the mock do as told."""
    return json.dumps(what)
