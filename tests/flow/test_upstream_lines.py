"""Streams with lines of absurd length, whole and in pieces: they pass or are refused, at a cost that grows with their length only,
and the gateway's memory is given back.
"""

import gc
import time
import unittest

import harness
from harness import Gateway, wait_for
from upstream import (CLOSE, GOOD_EVENTS, GOOD_TEXT, KEEP, LAST_CHUNK, STREAM_HEAD, Expectations, Provider, chunk, coded, config, fault, head,
                      raw, sse, stream, text, usage_chunk)

LONG = 10_000_000
TOO_LONG = 17_000_000  # more than one event may have
STOP = chunk({}, "stop")
END = sse(STOP, usage_chunk(), "[DONE]")


def long_text(size=LONG):
    return ("0123456789" * (size // 10 + 1))[:size]


def pieces(data, size, then=KEEP):
    """The body in chunks of that size, many of them in a packet."""
    def answer(request):
        request.send(STREAM_HEAD)
        coded_pieces = [coded(data[i:i + size]) for i in range(0, len(data), size)]
        for i in range(0, len(coded_pieces), 1000):
            request.send(b"".join(coded_pieces[i:i + 1000]))
        request.send(LAST_CHUNK)
        return then
    return answer


def setUpModule():
    global provider, gateway
    line = sse(text(long_text()))
    provider = Provider({
        "one-chunk": raw(STREAM_HEAD + coded(line + END) + LAST_CHUNK),
        "pieces": pieces(line + END, 5000),
        "with-length": raw(head("200 OK", "text/event-stream", len(line + END)) + line + END),
        "until-close": raw(head("200 OK", "text/event-stream") + line + END, then=CLOSE),
        "single-bytes": pieces(sse(text(long_text(300_000))) + END, 1),
        "comment": pieces(b": " + long_text().encode() + b"\n\n" + sse(*GOOD_EVENTS), 5000),
        "other-field": pieces(b"x-padding: " + long_text().encode() + b"\n" + sse(*GOOD_EVENTS), 5000),
        "blank-lines": pieces(b"\n" * LONG + sse(*GOOD_EVENTS), 5000),
        "many-lines": pieces(b"id: 1\n" * (LONG // 6) + sse(*GOOD_EVENTS), 5000),
        "many-events": stream(*[text("x")] * 20_000, STOP, usage_chunk(), "[DONE]"),
        "too-long": pieces(sse(text("Hello ")) + sse(text(long_text(TOO_LONG))) + END, 5000),
        "too-long-first": pieces(sse(text(long_text(TOO_LONG))) + END, 5000),
        "no-line-end": pieces(b"data: " + b"x" * TOO_LONG, 5000),
        "cut": raw(STREAM_HEAD + coded(sse(text("Hello "))), coded(line[:LONG // 2]), gap=0.05, then=CLOSE),
    })
    gateway = Gateway(config(provider, server={"workers": 1})).start()


def tearDownModule():
    provider.stop()
    harness.finish()


class Lines(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def tearDown(self):
        self.no_leak()

    def ask(self, name):
        return gateway.chat(fault(name), stream=True)

    def test_ten_megabytes_pass(self):
        for name in ("one-chunk", "pieces", "with-length", "until-close"):
            with self.subTest(name):
                began = time.monotonic()
                self.answered(self.ask(name), text=long_text())
                print(f"     10 MB line, {name}: {time.monotonic() - began:.2f} s")

    def test_single_bytes(self):
        self.answered(self.ask("single-bytes"), text=long_text(300_000))

    def test_what_is_not_delivered_may_be_long_too(self):
        for name in ("comment", "other-field", "blank-lines", "many-lines"):
            with self.subTest(name):
                self.answered(self.ask(name), text=GOOD_TEXT)

    def test_many_events(self):
        r = self.ask("many-events")
        self.answered(r, text="x" * 20_000)
        self.assertNotIn(b"event:", r.body)

    def test_more_than_an_event_may_have(self):
        self.broken(self.ask("too-long"), "provider_unavailable", "too large an event", "Hello ", code=502)
        for name in ("too-long-first", "no-line-end"):
            with self.subTest(name):
                self.failed(self.ask(name), 502, "provider_unavailable", "too large an event")

    def test_cut_inside(self):
        self.broken(self.ask("cut"), "provider_unavailable", "closed the connection", "Hello ", code=502)

    def test_memory_is_given_back(self):
        self.ask("pieces")
        before = gateway.rss_kb()
        for _ in range(4):
            self.answered(self.ask("pieces"), text=long_text())
        gc.collect()
        wait_for(lambda: gateway.rss_kb() - before < 20_000, f"memory to be given back: {before} kB before")


if __name__ == "__main__":
    unittest.main()
