"""Clients that go away: the provider's connection is closed at once, so that nobody pays for an answer nobody reads."""

import json
import socket
import time
import unittest

from harness import Gateway, Mock, chat_body, config, finish, plan, wait_for
from test_dialects import Mock as Dialects, gateway_for
from upstream import CLOSE

TIMES = 40
LIMIT_S = 0.150  # the aim is 0.050; other work on the machine and sanitizers get the rest
CHAT = "/api/v1/chat/completions"


def setUpModule():
    global mock, gateway
    mock = Mock()
    gateway = Gateway(config(mock)).start()


def tearDownModule():
    mock.stop()
    finish()


class Gone(unittest.TestCase):
    def measure(self, name, stream, mid_stream, reset=False):
        took = []
        for _ in range(TIMES):
            mock.gone.clear()
            mock.gone_event.clear()
            raw = gateway.connect()
            raw.request("POST", CHAT, chat_body(plan(delay=0 if mid_stream else 30, chunks=1000, gap=30), stream))
            if mid_stream:
                raw.response_head()
                raw.chunk()
            else:
                wait_for(lambda: mock.waiting == 1, "the request to reach the provider", step=0.001)
            time.sleep(0.005)  # the mock is at its select() now
            began = time.monotonic()
            if reset:
                raw.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: close resets
            raw.close()
            self.assertTrue(mock.gone_event.wait(10), "the provider's connection stays open")
            took.append(mock.gone[0] - began)
            wait_for(lambda: mock.waiting == 0, "the mock to be done", step=0.001)
        took.sort()
        p99 = took[int(len(took) * 0.99)]
        print(f"     {name}: p50 {took[len(took) // 2] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
        self.assertLessEqual(p99, LIMIT_S)

    def test_while_waiting_whole(self):
        self.measure("whole, waiting", False, False)

    def test_while_waiting_streamed(self):
        self.measure("streamed, waiting", True, False)

    def test_mid_stream(self):
        self.measure("mid-stream", True, True)

    def test_mid_stream_by_reset(self):
        self.measure("mid-stream, reset", True, True, reset=True)

    def test_with_a_pipelined_request_behind(self):
        """What waits on the connection must not hide that it is gone."""
        mock.gone_event.clear()
        with gateway.connect() as raw:
            raw.request("POST", CHAT, chat_body(plan(delay=30)))
            wait_for(lambda: mock.waiting == 1, "the request to reach the provider")
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 3000)  # more than is read ahead
            time.sleep(0.1)
        self.assertTrue(mock.gone_event.wait(10), "the provider's connection stays open")

    def test_metrics_tell_that_nothing_is_left(self):
        def left():
            m = gateway.metrics()
            return {k: v for k, v in m.items() if k.endswith(("streams_open", "connections_open")) and v > 1}

        wait_for(lambda: not left(), "open streams and connections to go")


class HalfClosed(unittest.TestCase):
    """A client may end its side and go on reading: that looks like leaving until something is sent to it."""

    def asked(self, stream, then=b"", **what):
        raw = gateway.connect()
        raw.request("POST", CHAT, chat_body(plan(**what), stream))
        raw.send(then)
        return raw

    def test_while_waiting(self):
        for stream in (False, True):
            with self.subTest(stream=stream), self.asked(stream, delay=0.3) as raw:
                wait_for(lambda: mock.waiting == 1, "the request to reach the provider", step=0.001)
                raw.socket.shutdown(socket.SHUT_WR)
                r = raw.response()
                self.assertEqual(r.status, 200, r)
                self.assertTrue(b"[DONE]" in r.body if stream else r.json["choices"], r)
                self.assertTrue(raw.is_closed(), "nothing more can be asked here")

    def test_mid_stream(self):
        with self.asked(True, delay=0, chunks=4, gap=0.1) as raw:
            raw.response_head()
            raw.chunk()
            raw.socket.shutdown(socket.SHUT_WR)
            got = b""
            while data := raw.chunk():
                got += data
            self.assertIn(b"[DONE]", got)
            self.assertNotIn(b'"error"', got)

    def test_the_answer_begins_as_ever(self):
        """Also after seconds, in which its first bytes went ahead."""
        with self.asked(False, delay=3.5) as raw:
            raw.socket.shutdown(socket.SHUT_WR)
            data = raw.rest()
            self.assertTrue(data.startswith(b"HTTP/1.1 200 OK\r\nDate: "), data[:80])
            self.assertEqual(data.count(b"HTTP/1.1"), 1)

    def test_pipelined(self):
        """All that was asked is answered."""
        body = chat_body(plan(delay=0.1))
        more = gateway.connect().head("POST", CHAT, len(body)) + body
        with self.asked(False, then=more + more, delay=0.2) as raw:
            raw.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([raw.response().status for _ in range(3)], [200, 200, 200])
            self.assertTrue(raw.is_closed())

    def test_half_a_request(self):
        with gateway.connect() as raw:
            raw.send(raw.head("POST", CHAT, 500) + b'{"model":')
            raw.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(raw.rest(), b"")

    def test_and_leaves_later(self):
        mock.gone_event.clear()
        with self.asked(False, delay=30) as raw:
            wait_for(lambda: mock.waiting == 1, "the request to reach the provider", step=0.001)
            raw.socket.shutdown(socket.SHUT_WR)
            time.sleep(0.1)
        self.assertTrue(mock.gone_event.wait(10), "the provider's connection stays open")
        wait_for(lambda: mock.waiting == 0, "the mock to be done", step=0.001)


class Translated(unittest.TestCase):
    """The same from providers that speak another dialect."""

    BEGUN = {
        "anthropic": [{"type": "message_start", "message": {"id": "m", "model": "x", "usage": {"input_tokens": 1, "output_tokens": 1}}},
                      {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                      {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Well"}}],
        "gemini": [{"candidates": [{"content": {"role": "model", "parts": [{"text": "Well"}]}, "index": 0}]}],
        "mistral": [{"id": "m", "object": "chat.completion.chunk", "created": 1, "model": "x",
                     "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Well"}, "finish_reason": None}]}],
    }

    @classmethod
    def setUpClass(cls):
        cls.mock = Dialects()
        models = {f"a/{name}": (name, "some-model", {}) for name in cls.BEGUN}
        cls.gateway = gateway_for(cls.mock, models)

    def measure(self, name, stream, mid_stream):
        took = []

        def answer(request):
            if mid_stream:
                request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                             + b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in self.BEGUN[name]))
            if request.hung_up(10):
                took.append(time.monotonic() - left[0])
            return CLOSE

        for n in range(TIMES):
            left, before = [0], len(self.mock.requests)
            self.mock.next = answer
            raw = self.gateway.connect()
            raw.request("POST", CHAT, chat_body("Hello", stream, f"a/{name}"))
            wait_for(lambda: len(self.mock.requests) > before, "the request to reach the provider", step=0.001)
            if mid_stream:
                raw.response_head()
                raw.chunk()
            time.sleep(0.005)
            left[0] = time.monotonic()
            raw.close()
            wait_for(lambda: len(took) > n, "the provider's connection to be closed", step=0.001)
        took.sort()
        p99 = took[int(len(took) * 0.99)]
        print(f"     {name}, {'mid-stream' if mid_stream else 'streamed' if stream else 'whole'}: p50 {took[TIMES // 2] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
        self.assertLessEqual(p99, LIMIT_S)

    def test_each(self):
        for name in self.BEGUN:
            for stream, mid_stream in ((False, False), (True, False), (True, True)):
                with self.subTest(name=name, stream=stream, mid_stream=mid_stream):
                    self.measure(name, stream, mid_stream)
