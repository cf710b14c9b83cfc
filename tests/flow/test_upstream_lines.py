"""Streams with lines of absurd length, whole and in pieces: they pass or are refused, at a cost that grows with their length only,
and the gateway's memory is given back. Compressed answers that grow without measure are refused, with little memory.
"""

import gc
import gzip
import json
import time
import unittest

import harness
from harness import Gateway, wait_for
from upstream import (CLOSE, GOOD_EVENTS, GOOD_TEXT, HANG, KEEP, LAST_CHUNK, STREAM_HEAD, Expectations, Provider, both, chunk, coded,
                      completion, config, endpoint, fault, head, provider_entry, raw, reply, sse, stream, text, usage_chunk)

LONG = 8_000_000
TOO_LONG = 8_400_000  # more than one event may have
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


def compressed(begin, megabytes, middle=b" "):
    """gzip of a text and so many megabytes of one other."""
    return gzip.compress(begin + middle * (megabytes * 1_000_000 // len(middle)))


def claude(*events, behind=b""):
    """A stream of Anthropic's, in one packet with something behind it."""
    return raw(head("200 OK", "text/event-stream") + b"".join(
        b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events) + behind, then=CLOSE)


def claude_begins(*texts):
    return [
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "main", "content": [],
                                              "usage": {"input_tokens": 10, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in texts]]


CLAUDE_END = [{"type": "content_block_stop", "index": 0},
              {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]


def claude_says(*texts, behind=b""):
    return claude(*claude_begins(*texts), *CLAUDE_END, behind=behind)


def setUpModule():
    global provider, gateway, small
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
        "claude-long": claude_says("Hello ", long_text()),
        "claude-too-long": claude_says("Hello ", long_text(TOO_LONG)),
        "claude-too-long-first": claude_says(long_text(TOO_LONG)),
        "small": stream(text("Hello "), text(long_text(60_000)), STOP, usage_chunk(), "[DONE]"),
        "not-small": stream(text("Hello "), text(long_text(66_000)), STOP, usage_chunk(), "[DONE]"),
        "bomb": both(raw(reply(compressed(b'{"id":"', 200), Content_Encoding="gzip")),
                     raw(reply(compressed(b'data: {"id":"', 200), content_type="text/event-stream", Content_Encoding="gzip"))),
        "bomb-behind": raw(reply(compressed(sse(text("Hello ")) + b'data: {"id":"', 200), content_type="text/event-stream",
                                 Content_Encoding="gzip")),
        "bomb-of-events": raw(reply(compressed(b"", 60, sse(text("Hello "))), content_type="text/event-stream",
                                    Content_Encoding="gzip")),
        "bomb-of-error": raw(reply(compressed(b'{"error":{"message":"', 200), status="500 Oh", Content_Encoding="gzip")),
        "compact": both(raw(reply(gzip.compress(json.dumps(completion(padding=long_text(200_000))).encode()), Content_Encoding="gzip")),
                        raw(reply(gzip.compress(sse(*GOOD_EVENTS)), content_type="text/event-stream", Content_Encoding="gzip"))),
        "claude-broken": claude(*claude_begins("Hello "), behind=b"event: content_block_delta\ndata: {\"type\":\"content_\n\n"),
        "claude-broken-behind": claude_says("Hello ", "there", behind=b"data: {\"type\":\xff\n\n\n"),
        "broken-json": raw(STREAM_HEAD + coded(sse(text("Hello "), '{"id":"chatcmpl-mock","choices":[{]}')), then=HANG),
        "broken-chunk": raw(STREAM_HEAD + coded(sse(text("Hello "))) + b"zz\r\n", then=HANG),
        "broken-behind-all": raw(STREAM_HEAD + coded(sse(*GOOD_EVENTS)) + b"zz\r\n", then=HANG),
        "cut": raw(STREAM_HEAD + coded(sse(text("Hello "))), coded(line[:LONG // 2]), gap=0.05, then=CLOSE),
    })
    claude_entry = provider_entry(provider.url, "claude", protocol="anthropic")
    claude_model = {"id": "test/claude", "endpoints": [endpoint("claude")]}
    gateway = Gateway(config(provider, [claude_model], [claude_entry], server={"workers": 1})).start()
    small = Gateway(config(provider, server={"workers": 1}, upstream={"max_event_bytes": "64KiB"})).start()


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

    def test_eight_megabytes_pass(self):
        for name in ("one-chunk", "pieces", "with-length", "until-close"):
            with self.subTest(name):
                began = time.monotonic()
                self.answered(self.ask(name), text=long_text())
                print(f"     8 MB line, {name}: {time.monotonic() - began:.2f} s")

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

    def test_more_than_an_event_may_have_translated(self):
        def ask(name):
            return gateway.chat(fault(name), stream=True, model="test/claude")
        self.answered(ask("claude-long"), text="Hello " + long_text())
        self.broken(ask("claude-too-long"), "provider_unavailable", "too large an event", "Hello ", code=502, provider="Claude")
        self.failed(ask("claude-too-long-first"), 502, "provider_unavailable", "too large an event", provider="Claude")

    def test_what_an_event_may_have_is_a_setting(self):
        self.gateway = small
        self.answered(small.chat(fault("small"), stream=True), text="Hello " + long_text(60_000))
        self.broken(small.chat(fault("not-small"), stream=True), "provider_unavailable", "too large an event", "Hello ", code=502)
        self.gateway = gateway

    def test_broken_coding_behind_a_token(self):
        row = self.broken(self.ask("broken-chunk"), "provider_unavailable", "invalid chunked coding", "Hello ", code=502)
        self.assertGreater(row["tokens_completion"], 0)
        self.assertTrue(row["usage_estimated"])
        self.answered(self.ask("broken-behind-all"))

    def test_nonsense_behind_a_token(self):
        row = self.broken(self.ask("broken-json"), "provider_unavailable", ".", "Hello ", code=502)
        self.assertGreater(row["tokens_completion"], 0)
        row = self.broken(gateway.chat(fault("claude-broken"), stream=True, model="test/claude"), "provider_unavailable", ".", "Hello ",
                          code=502, provider="Claude")
        self.assertGreater(row["tokens_completion"], 0)
        self.answered(gateway.chat(fault("claude-broken-behind"), stream=True, model="test/claude"), text="Hello there")

    def test_bombs(self):
        self.answered(self.ask("compact"))
        self.answered(gateway.chat(fault("compact")))
        grown = "grows to more than 100 times"
        gc.collect()
        gateway.forget_peak()
        before = gateway.rss_kb()
        for streamed in (False, True):
            self.failed(gateway.chat(fault("bomb"), stream=streamed), 502, "provider_unavailable", grown)
            self.failed(gateway.chat(fault("bomb-of-error"), stream=streamed), 502, "provider_unavailable", ".")
        self.broken(self.ask("bomb-behind"), "provider_unavailable", grown, "Hello ", code=502)
        peak = gateway.rss_kb(peak=True) - before
        print(f"     200 MB in 200 kB: at most {peak} kB more")
        self.assertLess(peak, 40_000)

    def test_bombs_of_events(self):
        """Each event is good, and the client does not read: no more is kept than one read of the compressed bytes may become."""
        before, lost = gateway.rss_kb(), gateway.metrics()["signalbox_upstream_attempts_total"]
        gateway.forget_peak()
        with gateway.connect() as client:
            client.request("POST", "/api/v1/chat/completions", harness.chat_body(fault("bomb-of-events"), stream=True))
            wait_for(lambda: gateway.metrics()["signalbox_upstream_attempts_total"] > lost, "the attempt")
            wait_for(lambda: provider.open == 0, "the provider to be left")
            peak = gateway.rss_kb(peak=True) - before
            print(f"     60 MB of events for a client that does not read: at most {peak} kB more")
            self.assertLess(peak, 60_000)
            told = client.take_until(b"\r\n0\r\n\r\n")  # the head may end in a 0, too
        self.assertIn(b"grows to more than 100 times", told[-2000:])
        self.assertLess(len(told), 10_000_000)

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
