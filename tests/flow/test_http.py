"""The HTTP server as a hostile or clumsy client meets it."""

import json
import select
import socket
import time
import unittest

from harness import KEY, Closed, Gateway, Mock, chat_body, config, finish, plan

SHORT_MS = 300
WRITE_MS = 2000  # the kernel tells of room only when a third of its few MB is free: progress comes in jumps
CHAT = "/api/v1/chat/completions"


def setUpModule():
    global mock, gateway, hasty, big
    mock = Mock()
    gateway = Gateway(config(mock)).start()
    hasty = Gateway(config(mock, server={
        "header_timeout_ms": SHORT_MS, "body_timeout_ms": SHORT_MS, "idle_timeout_ms": 3 * SHORT_MS,
        "write_timeout_ms": WRITE_MS}, upstream={"max_event_bytes": "16MiB"})).start()

    # Every known model of a vendor: a long list.
    big = Gateway(config(providers=[{"id": "openai", "api_key": "sk-unused"}])).start()


def tearDownModule():
    mock.stop()
    finish()


def content(response):
    return response.json["choices"][0]["message"]["content"]


class Framing(unittest.TestCase):
    def test_keep_alive(self):
        with gateway.connect() as raw:
            for i in range(20):
                raw.request("POST", CHAT, chat_body(plan(text=f"answer {i}")))
                self.assertEqual(content(raw.response()), f"answer {i}")

    def test_stream_then_whole_on_one_connection(self):
        with gateway.connect() as raw:
            for stream in (True, False, True, False):
                raw.request("POST", CHAT, chat_body("x", stream))
                r = raw.response()
                self.assertEqual(r.status, 200)
                if stream:
                    self.assertEqual(r.events()[-1], "[DONE]")

    def test_pipelined_in_one_write(self):
        requests = b""
        for i in range(3):
            # The first is the slowest: the answers must come in order all the same.
            body = chat_body(plan(text=f"answer {i}", delay=0.2 * (2 - i)))
            requests += gateway_head(len(body)) + body
        with gateway.connect() as raw:
            raw.send(requests)
            self.assertEqual([content(raw.response()) for _ in range(3)], ["answer 0", "answer 1", "answer 2"])

    def test_pipelined_behind_a_refusal(self):
        """An answer that needs no provider leaves the connection, and what waits on it, alone."""
        body = chat_body("x")
        chat = gateway_head(len(body)) + body
        for first, status in ((b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
                              (b"DELETE /api/v1/models HTTP/1.1\r\nHost: a\r\n\r\n", 405),
                              (b"GET /api/v1/key HTTP/1.1\r\nHost: a\r\n\r\n", 401),
                              (b"OPTIONS /api/v1/models HTTP/1.1\r\nHost: a\r\n\r\n", 204),
                              (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200)):
            with self.subTest(first.split(b"\r\n")[0]), gateway.connect() as raw:
                raw.send(first + chat + first + first + chat)
                self.assertEqual([raw.response().status for _ in range(5)], [status, 200, status, status, 200])

    def test_pipelined_across_pieces(self):
        body = chat_body("x")
        requests = (gateway_head(len(body)) + body) * 5
        with gateway.connect() as raw:
            for at in range(0, len(requests), 97):
                raw.send(requests[at:at + 97])
                time.sleep(0.001)
            self.assertEqual([raw.response().status for _ in range(5)], [200] * 5)

    def test_pipelined_1000_small(self):
        with gateway.connect() as raw:
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
            for _ in range(1000):
                self.assertEqual(raw.response().status, 200)

    def test_chunked_body_in_odd_pieces(self):
        body = chat_body(plan(text="odd pieces"))
        for size in (1, 2, 3, 7, 31, 1000):
            coded = b"".join(b"%X;name=value\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size])
                             for i in range(0, len(body), size))
            coded += b"0\r\nTrailer: ignored\r\n\r\n"
            for step in (1, 5, len(coded)):
                with self.subTest(f"chunks of {size}, writes of {step}"), gateway.connect() as raw:
                    raw.send(raw.head("POST", CHAT, headers={"Transfer-Encoding": "chunked"}))
                    for at in range(0, len(coded), step):
                        raw.send(coded[at:at + step])
                    self.assertEqual(content(raw.response()), "odd pieces")
                    raw.request("GET", "/healthz")
                    self.assertEqual(raw.response().status, 200)

    def test_fixed_body_byte_by_byte(self):
        body = chat_body(plan(text="byte by byte"))
        request = gateway_head(len(body)) + body
        with gateway.connect() as raw:
            for i in range(len(request)):
                raw.send(request[i:i + 1])
            self.assertEqual(content(raw.response()), "byte by byte")

    def test_large_body(self):
        text = "ü" * 1_500_000
        with gateway.connect() as raw:
            for _ in range(2):
                raw.request("POST", CHAT, json.dumps(
                    {"model": "test/model", "messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode())
                self.assertEqual(raw.response().status, 200)
                self.assertEqual(mock.seen[-1][1]["messages"][0]["content"], text)

    def test_expect_100_continue(self):
        body = chat_body("x")
        with gateway.connect() as raw:
            raw.send(raw.head("POST", CHAT, len(body), headers={"Expect": "100-continue"}))
            self.assertEqual(raw.response().status, 100)
            raw.send(body)
            self.assertEqual(raw.response().status, 200)
            # The body comes with the head: 100 may be left out.
            raw.send(raw.head("POST", CHAT, len(body), headers={"Expect": "100-continue"}) + body)
            r = raw.response()
            self.assertEqual((raw.response() if r.status == 100 else r).status, 200)

    def test_expect_refused_without_the_body(self):
        for key, length, status in (("sk-wrong", 10, 401), (None, 10, 401), (KEY, 1 << 40, 413)):
            with self.subTest(status=status), gateway.connect() as raw:
                raw.send(raw.head("POST", CHAT, length, key, {"Expect": "100-continue"}))
                r = raw.response()
                if key == "sk-wrong" and r.status == 100:
                    # An unknown key is looked up in the store when the body is there.
                    raw.send(b"x" * length)
                    r = raw.response()
                self.assertEqual(r.status, status)
        with gateway.connect() as raw:
            raw.send(raw.head("POST", CHAT, 10, headers={"Expect": "a miracle"}))
            self.assertEqual(raw.response().status, 417)

    def test_head(self):
        with gateway.connect() as raw:
            for path in ("/healthz", "/api/v1/models", "/nowhere"):
                raw.request("GET", path)
                whole = raw.response()
                raw.request("HEAD", path)
                head = raw.response(head_only=True)
                self.assertEqual(head.status, whole.status)
                self.assertEqual(head.field("content-length"), str(len(whole.body)))

    def test_options(self):
        r = gateway.call("OPTIONS", CHAT, key=None)
        self.assertEqual(r.status, 204)
        self.assertIn("POST", r.field("access-control-allow-methods"))
        with gateway.connect() as raw:
            raw.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(raw.response().status, 204)

    def test_http10_closes(self):
        body = chat_body(plan(text="old"))
        head = f"POST {CHAT} HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with gateway.connect() as raw:
            raw.send(head + body)
            self.assertEqual(content(raw.response()), "old")
            self.assertTrue(raw.is_closed())
        body = chat_body("x", stream=True)
        with gateway.connect() as raw:
            raw.send(f"POST {CHAT} HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            r = raw.response()
            self.assertIsNone(r.field("transfer-encoding"))
            self.assertEqual(r.events()[-1], "[DONE]")

    def test_http10_keep_alive(self):
        with gateway.connect() as raw:
            for _ in range(2):
                raw.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                r = raw.response()
                self.assertEqual((r.status, r.field("connection")), (200, "keep-alive"))

    def test_connection_close(self):
        with gateway.connect() as raw:
            raw.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(raw.response().field("connection"), "close")
            self.assertEqual(raw.rest(), b"")


def gateway_head(length):
    return (f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n").encode()


class Paths(unittest.TestCase):
    def test_spellings_of_a_route(self):
        for path in ("/api/v1/chat/completions", "/v1/chat/completions", "/api/v1/chat/completions/",
                     "//api//v1///chat/completions", "/api/v1/v1/chat/completions", "/v1/v1/chat/completions",
                     "/api/v1/chat/completions?beta=true&x=%20", "http://example.org/v1/chat/completions"):
            with self.subTest(path):
                self.assertEqual(gateway.call("POST", path, chat_body("x")).status, 200)

    def test_unknown(self):
        for path in ("/nowhere", "/api/v1", "/api/v1/nowhere", "/api/v2/models", "/api/v1/chat", "/chat/completions",
                     "/api/v1x/models", "/api/v1/models/../key", "/api/v1/chat/completions/x"):
            with self.subTest(path):
                r = gateway.call("GET", path)
                self.assertEqual((r.status, r.json["error"]["code"]), (404, 404))

    def test_wrong_method(self):
        for method, path in (("GET", CHAT), ("PUT", CHAT), ("DELETE", "/api/v1/models"), ("BREW", "/healthz"),
                             ("POST", "/healthz"), ("PATCH", "/api/v1/keys")):
            with self.subTest(f"{method} {path}"):
                r = gateway.call(method, path)
                self.assertEqual((r.status, r.json["error"]["code"]), (405, 405))
                self.assertTrue(r.field("allow"), "405 without Allow")

    def test_post_without_body_to_a_bare_route_then_again(self):
        with gateway.connect() as raw:
            raw.request("POST", "/healthz", b"some body")
            self.assertEqual(raw.response().status, 405)


class Limits(unittest.TestCase):
    def answer(self, head):
        with gateway.connect() as raw:
            try:
                raw.send(head)
            except ConnectionError:
                pass
            r = raw.response()
            self.assertEqual(r.json["error"]["code"], r.status)
            self.assertTrue(raw.is_closed())
            return r.status

    def test_header_floods(self):
        start = "GET /healthz HTTP/1.1\r\nHost: a\r\n"
        self.assertEqual(self.answer(start + "".join(f"f{i}: x\r\n" for i in range(100)) + "\r\n"), 431)  # 101 with Host
        self.assertEqual(self.answer(start + "big: " + "x" * 9 * 1024 + "\r\n\r\n"), 431)
        self.assertEqual(self.answer(start + "".join(f"f{i}: {'x' * 4000}\r\n" for i in range(5)) + "\r\n"), 431)
        self.assertEqual(self.answer(start + "endless: " + "x" * 9 * 1024), 431)  # and no end in sight
        self.assertEqual(self.answer("GET /" + "x" * 17 * 1024), 431)
        with gateway.connect() as raw:  # just inside
            raw.send(start + "".join(f"f{i}: x\r\n" for i in range(99)) + "\r\n")
            self.assertEqual(raw.response().status, 200)

    def test_versions(self):
        for version in ("HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/9.9"):
            with self.subTest(version):
                self.assertEqual(self.answer(f"GET /healthz {version}\r\nHost: a\r\n\r\n"), 505)
        for version in ("HTTP/1", "http/1.1", "HTTP/1.1x", "HTTP/11.1", "", "HTTP/1.x"):
            with self.subTest(version):
                self.assertEqual(self.answer(f"GET /healthz {version}\r\nHost: a\r\n\r\n"), 400)


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def post(fields, body=b"", target=b"/healthz"):
    return b"POST " + target + b" HTTP/1.1\r\n" + fields + b"\r\n" + body


class Smuggling(unittest.TestCase):
    """Each is refused with 400 (or silence), the connection closes, and what follows it is never answered."""

    host = b"Host: a\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
    chunked = host + b"Transfer-Encoding: chunked\r\n"
    table = {
        "CL and TE": post(host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        "TE and CL": post(host + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
        "two CL": post(host + b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
        "two equal CL": post(host + b"Content-Length: 4\r\nContent-Length: 4\r\n", b"abcd"),
        "CL list": post(host + b"Content-Length: 4, 4\r\n", b"abcd"),
        "obs-fold": post(host + b"X-A: b\r\n c\r\n"),
        "obs-fold at once": b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n",
        "bare LF in the head": b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n",
        "bare LF in a field": b"GET /healthz HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "bare LF ends the head": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\n",
        "blank before the colon": post(host + b"Content-Length : 4\r\n", b"abcd"),
        "no name": post(host + b": x\r\n"),
        "CL +4": post(host + b"Content-Length: +4\r\n", b"abcd"),
        "CL -1": post(host + b"Content-Length: -1\r\n"),
        "CL 0x4": post(host + b"Content-Length: 0x4\r\n", b"abcd"),
        "CL 4.0": post(host + b"Content-Length: 4.0\r\n", b"abcd"),
        "CL empty": post(host + b"Content-Length:\r\n"),
        "CL huge": post(host + b"Content-Length: 99999999999999999999999\r\n"),
        "TE xchunked": post(host + b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
        "TE gzip, chunked": post(host + b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        "TE identity": post(host + b"Transfer-Encoding: identity\r\n"),
        "TE twice": post(host + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        "TE quoted": post(host + b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
        "TE with VT": post(host + b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
        "TE in HTTP/1.0": b"POST /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "CR in a value": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "NUL in a value": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
        "NUL in a name": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n",
        "NUL in the target": b"GET /heal\0thz HTTP/1.1\r\nHost: a\r\n\r\n",
        "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "two Hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "Host with a path": b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "blank in the target": b"GET /heal thz HTTP/1.1\r\nHost: a\r\n\r\n",
        "two blanks": b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "tab for a blank": b"GET\t/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "user in the target": b"GET http://b@a/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "chunk size empty": post(chunked, b"\r\n\r\n", CHAT.encode()),
        "chunk size g": post(chunked, b"g\r\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk size 0x1": post(chunked, b"0x1\r\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk size +1": post(chunked, b"+1\r\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk size -1": post(chunked, b"-1\r\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk size blank": post(chunked, b" 1\r\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk size overflow": post(chunked, b"fffffffffffffffff\r\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk extension long": post(chunked, b"1;" + b"e" * 300 + b"\r\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk extension bare LF": post(chunked, b"1;a\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk size ends in LF": post(chunked, b"1\nx\r\n0\r\n\r\n", CHAT.encode()),
        "chunk ends in LF": post(chunked, b"1\r\nx\n0\r\n\r\n", CHAT.encode()),
        "chunk without end": post(chunked, b"1\r\nxy\r\n0\r\n\r\n", CHAT.encode()),
        "chunk end CR only": post(chunked, b"1\r\nx\rz0\r\n\r\n", CHAT.encode()),
    }

    def refused(self, pieces):
        with gateway.connect() as raw:
            try:
                for piece in pieces:
                    raw.send(piece)
                    if len(pieces) > 1:
                        time.sleep(0.0005)
            except ConnectionError:
                pass  # closed before all was written
            data = raw.rest()
        self.assertLessEqual(data.count(b"HTTP/1.1 "), 1, data)
        self.assertNotIn(b'"status":"ok"', data)
        if data:
            self.assertTrue(data.startswith(b"HTTP/1.1 400 "), data)
            self.assertIn(b"connection: close", data.lower())
            body = data.partition(b"\r\n\r\n")[2]
            self.assertEqual(json.loads(body)["error"]["code"], 400)

    def test_whole(self):
        for name, request in self.table.items():
            with self.subTest(name):
                self.refused([request + SMUGGLED + SMUGGLED])

    def test_in_pieces(self):
        for name, request in self.table.items():
            whole = request + SMUGGLED
            with self.subTest(name):
                self.refused([whole[i:i + 9] for i in range(0, len(whole), 9)])

    def test_behind_a_good_request(self):
        for name in ("CL and TE", "two CL", "bare LF in a field", "no Host", "chunk size g"):
            with self.subTest(name), gateway.connect() as raw:
                raw.send(SMUGGLED + self.table[name] + SMUGGLED)
                self.assertEqual(raw.response().status, 200)
                data = raw.rest()
                self.assertLessEqual(data.count(b"HTTP/1.1 "), 1, data)
                self.assertNotIn(b'"status":"ok"', data)

    def test_body_of_a_get_is_not_a_request(self):
        with gateway.connect() as raw:
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED)
            self.assertEqual(raw.response().status, 200)
            raw.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                self.assertEqual(raw.response().status, 404)
            except (Closed, ConnectionError):
                pass  # closing is fine, answering the body is not

    def test_body_of_a_refused_request_is_not_a_request(self):
        for head in (b"POST /nowhere HTTP/1.1\r\nHost: a\r\n", b"OPTIONS /healthz HTTP/1.1\r\nHost: a\r\n",
                     b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: a\r\n"):
            with self.subTest(head), gateway.connect() as raw:
                raw.send(head + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED)
                data = raw.rest()
                self.assertEqual(data.count(b"HTTP/1.1 "), 1, data)


class Slow(unittest.TestCase):
    def closes_with_408(self, raw, began):
        r = raw.response()
        self.assertEqual((r.status, r.json["error"]["code"]), (408, 408))
        self.assertTrue(raw.is_closed())
        self.assertGreater(time.monotonic() - began, SHORT_MS / 1000 * 0.8)

    def test_slow_head(self):
        with hasty.connect() as raw:
            began = time.monotonic()
            raw.send("GET /healthz HTTP/1.1\r\nHo")
            self.closes_with_408(raw, began)

    def test_dripping_head(self):
        """The whole head has its time: a byte now and then does not win more of it."""
        with hasty.connect() as raw:
            began = time.monotonic()
            raw.send("GET /healthz HTTP/1.1\r\nX: ")
            raw.socket.settimeout(0.05)
            while True:
                try:
                    raw.send("x")
                    raw.more()
                    break
                except TimeoutError:
                    self.assertLess(time.monotonic() - began, 10)
            raw.socket.settimeout(10)
            self.assertIn(b" 408 ", raw.pending + raw.rest())

    def test_slow_second_head(self):
        with hasty.connect() as raw:
            raw.request("GET", "/healthz")
            self.assertEqual(raw.response().status, 200)
            began = time.monotonic()
            raw.send("GET /heal")
            self.closes_with_408(raw, began)

    def test_slow_body(self):
        with hasty.connect() as raw:
            began = time.monotonic()
            raw.send(raw.head("POST", CHAT, 100) + b'{"model":')
            self.closes_with_408(raw, began)

    def test_slow_chunked_body(self):
        with hasty.connect() as raw:
            began = time.monotonic()
            raw.send(raw.head("POST", CHAT, headers={"Transfer-Encoding": "chunked"}) + b"5\r\nab")
            self.closes_with_408(raw, began)

    def test_body_that_trickles_is_not_waited_for(self):
        with hasty.connect() as raw:
            raw.send(raw.head("POST", CHAT, 100_000) + b'{"model":"')
            began, closed = time.monotonic(), False
            while not closed and time.monotonic() - began < 60 * SHORT_MS / 1000:
                time.sleep(SHORT_MS / 1000 / 3)
                try:
                    raw.send(b"x")
                    closed = bool(select.select([raw.socket], [], [], 0)[0])
                except OSError:
                    closed = True
            self.assertTrue(closed, "a body of three bytes in the time allowed for silence went on for ever")
            self.assertGreater(time.monotonic() - began, 9 * SHORT_MS / 1000)

    def test_body_that_moves_is_given_time(self):
        body = chat_body("x" * 100)
        with hasty.connect() as raw:
            raw.send(raw.head("POST", CHAT, len(body)))
            step = len(body) // 10
            for at in range(0, len(body), step):
                raw.send(body[at:at + step])
                time.sleep(SHORT_MS / 1000 / 5)
            self.assertEqual(raw.response().status, 200)

    def test_answer_slower_than_the_clients_limits(self):
        """header, body and idle limits are the client's; a provider may think longer."""
        for stream in (False, True):
            with hasty.connect() as raw:
                raw.request("POST", CHAT, chat_body(plan(delay=4 * SHORT_MS / 1000, text="at last"), stream))
                r = raw.response()
                self.assertEqual(r.status, 200)
                self.assertIn("at last", r.text)

    def test_idle_connection_is_closed(self):
        with hasty.connect() as raw:
            raw.request("GET", "/healthz")
            raw.response()
            began = time.monotonic()
            self.assertTrue(raw.is_closed())
            self.assertGreater(time.monotonic() - began, 3 * SHORT_MS / 1000 * 0.8)

    def test_silent_connection_is_closed(self):
        with hasty.connect() as raw:
            self.assertTrue(raw.is_closed())


    def test_slow_reader_that_moves_is_kept(self):
        """write_timeout_ms is for a client that takes nothing, not for a long answer over a thin line."""
        text = "x" * 12_000_000  # more than the kernel's buffers hold
        for stream in (False, True):
            with self.subTest(stream=stream), hasty.connect() as raw:
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                pieces = 2 if stream else 1  # one event would be over the limit
                raw.request("POST", CHAT, chat_body(plan(text_bytes=len(text) // pieces, chunks=pieces), stream))
                head = raw.response_head()
                self.assertEqual(head.status, 200)
                for _ in range(60):  # longer than idle and write timeout together
                    raw.more()
                    time.sleep(0.06)
                raw.socket.settimeout(30)
                wanted = b"0\r\n\r\n" if stream else b"}"
                while not raw.pending.endswith(wanted):
                    raw.more()
                self.assertGreater(len(raw.pending), len(text))

    def test_reader_that_stops_is_closed(self):
        for stream in (False, True):
            with self.subTest(stream=stream), hasty.connect() as raw:
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                raw.request("POST", CHAT, chat_body(plan(text_bytes=8_000_000, chunks=1), stream))
                raw.response_head()
                time.sleep(2 * WRITE_MS / 1000 + 0.5)
                self.assertLess(len(raw.rest()), 8_000_000)


class Memory(unittest.TestCase):
    def test_pipelined_flood_does_not_pile_up(self):
        """A client that sends without reading, while its first request waits, is not read without end."""
        with gateway.connect() as raw:
            body = chat_body(plan(delay=3))
            raw.send(gateway_head(len(body)) + body)
            time.sleep(0.2)
            before = gateway.rss_kb()
            raw.socket.settimeout(0.5)
            sent, flood = 0, SMUGGLED * 2000
            try:
                while sent < 64 << 20:
                    sent += raw.socket.send(flood)
            except TimeoutError:
                pass
            self.assertLess(sent, 64 << 20, "the gateway took all of it")
            self.assertLess(gateway.rss_kb() - before, 8 * 1024)

    def test_pipelined_answers_nobody_reads(self):
        """Requests with large answers: what is not read must not be made."""
        with big.connect() as raw:
            raw.socket.settimeout(0.5)
            before = big.rss_kb()
            try:
                for _ in range(200):
                    raw.send(b"GET /api/v1/models HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
            except TimeoutError:
                pass
            time.sleep(0.5)
            self.assertLess(big.rss_kb() - before, 16 * 1024)

    def test_many_small_requests_do_not_grow_memory(self):
        def rounds(n):
            for _ in range(n):
                with gateway.connect() as raw:
                    raw.send(SMUGGLED * 100)
                    for _ in range(100):
                        raw.response()

        rounds(100)  # sanitizers keep what was freed for a while
        before = gateway.rss_kb()
        rounds(200)
        self.assertLess(gateway.rss_kb() - before, 8 * 1024)
