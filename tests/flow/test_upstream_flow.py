"""Time and amount: comments while a provider is silent, clients that read slower than a provider sends, and very long lines.
A stream's memory is constant, so the gateway's own size tells whether that holds.
"""

import os
import re
import threading
import time
import unittest

import harness
from harness import Gateway, wait_for
from upstream import (CLOSE, GOOD_EVENTS, HANG, KEEP, LAST_CHUNK, STREAM_HEAD, Expectations, Provider, chunk, coded,
                      certificate, config, endpoint, fault, good, provider_entry, raw, sse, stream, text, tls_server,
                      usage_chunk, whole)

SANITIZED = "asan" in os.path.basename(os.path.dirname(harness.binary())) or "tsan" in harness.binary()
GROWTH_KB_MAX = 4096 if not SANITIZED else 40 * 1024  # sanitizers keep what was freed for a while
TOTAL = 200_000_000
COMMENT = ": OPENROUTER PROCESSING\n\n"
END = coded(sse(chunk({}, "stop"), usage_chunk(), "[DONE]")) + LAST_CHUNK


def flood(piece_bytes, total=TOTAL):
    """`total` bytes of text, as fast as they are taken."""
    event = coded(sse(text("x" * piece_bytes)))
    count = total // piece_bytes
    batch = max(1, 65536 // piece_bytes)

    def answer(request):
        request.send(STREAM_HEAD)
        request.provider.sent = 0
        for _ in range(0, count, batch):
            request.send(event * batch)
            request.provider.sent += piece_bytes * batch
        request.send(END)
        return KEEP
    return answer, (count + batch - 1) // batch * batch * piece_bytes


def after(seconds, answer):
    def later(request):
        time.sleep(seconds)
        return answer(request)
    return later


def slow_then(events_before, seconds, *after_that, then=KEEP):
    def answer(request):
        request.send(STREAM_HEAD + b"".join(coded(sse(e)) for e in events_before))
        time.sleep(seconds)
        request.send(b"".join(after_that))
        return then
    return answer


LONG = "0123456789abcdef" * 500_000  # 8 MB
SIZES = (64, 4096, 262_144)


def long_line(piece_bytes):
    data = coded(sse(text(LONG)))

    def answer(request):
        request.send(STREAM_HEAD)
        for i in range(0, len(data), piece_bytes):
            request.send(data[i:i + piece_bytes])
        request.send(END)
        return KEEP
    return answer


def setUpModule():
    global provider, secure, gateway, totals
    cert, key = certificate(harness.temp_dir(), "provider")
    answers, totals = {}, {}
    for size in SIZES:
        answers[f"flood-{size}"], totals[size] = flood(size)
        answers[f"brook-{size}"], totals[-size] = flood(size, 20_000_000)
    answers |= {
        "late": after(1, good), "late-429": after(1, whole({"error": {"message": "slow down"}}, "429 No", Retry_After="7")),
        "late-close": after(1, raw(then=CLOSE)), "late-end": after(1, stream()),
        "silent": raw(then=HANG), "pause": slow_then([text("Hello ")], 1, b"".join(coded(sse(e)) for e in GOOD_EVENTS[2:]), LAST_CHUNK),
        "pause-close": slow_then([text("Hello ")], 1, then=CLOSE),
        "role-pause": slow_then(GOOD_EVENTS[:1], 1, b"".join(coded(sse(e)) for e in GOOD_EVENTS[1:]), LAST_CHUNK),
        "line": long_line(1_000_000), "line-4k": long_line(4096),
        "many-lines": raw(STREAM_HEAD + coded(b"".join(sse(text("x"))[:-1] + b"\n" for _ in range(40_000))) + END),
        "too-long-line": too_long,
    }
    provider, secure = Provider(answers), Provider(answers, tls_server(cert, key))
    providers = [provider_entry(secure.url, "secure", ca_file=cert), provider_entry(provider.url, "second")]
    gateway = Gateway(config(provider, [
        {"id": "test/secure", "endpoints": [endpoint("secure")]},
        {"id": "test/pair", "endpoints": [endpoint("hasty"), endpoint("second", "good")]},
    ], providers, server={"keepalive_comment_ms": 200, "workers": 1})).start()


def too_long(request):
    request.send(STREAM_HEAD)
    data = b"data: " + b"x" * 1_000_000
    for _ in range(40):
        request.send(coded(data))
        data = b"x" * 1_000_000
    return KEEP


def tearDownModule():
    provider.stop()
    secure.stop()
    harness.finish()


class Silence(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def tearDown(self):
        self.no_leak()

    def ask(self, name, model="test/model", stream=True):
        return gateway.chat(fault(name), stream=stream, model=model)

    def test_comments_and_the_answer(self):
        r = self.ask("late")
        self.answered(r)
        self.assertTrue(r.text.startswith(COMMENT))
        self.assertTrue(3 <= r.text.count(COMMENT) <= 20, r.text.count(COMMENT))

    def test_the_first_comment_comes_in_time(self):
        with gateway.connect() as raw_client:
            began = time.monotonic()
            raw_client.request("POST", "/api/v1/chat/completions", harness.chat_body(fault("late"), True))
            self.assertEqual(raw_client.response_head().status, 200)
            self.assertEqual(raw_client.chunk().decode(), COMMENT)
            self.assertTrue(0.15 < time.monotonic() - began < 5)

    def test_comments_between_events(self):
        r = self.ask("pause")
        self.answered(r)
        self.assertTrue(3 <= r.text.count(COMMENT) <= 20)
        self.assertTrue(r.text.index("Hello") < r.text.index(COMMENT))

    def test_comments_while_only_the_role_has_come(self):
        self.answered(self.ask("role-pause"))

    def test_no_comments_in_whole_answers(self):
        self.answered(self.ask("late", stream=False))

    def test_no_comments_without_silence(self):
        self.assertNotIn(COMMENT, gateway.chat(stream=True).text)

    def test_failures_after_comments(self):
        self.broken(self.ask("late-429"), "rate_limit_exceeded", "slow down", "", code=429)
        self.broken(self.ask("late-close"), "provider_unavailable", "closed the connection without an answer", "", code=502)
        self.broken(self.ask("late-end"), "provider_unavailable", "ended its stream", "", code=502)
        self.broken(self.ask("pause-close"), "provider_unavailable", "closed the connection in the middle", "Hello ", code=502)

    def test_timeout_after_comments(self):
        r = self.ask("silent", "test/hasty")
        self.broken(r, "timeout", "Hasty no answer within 1000 ms", "", code=504, provider="Hasty")
        self.assertIn(COMMENT, r.text)

    def test_fallback_after_comments(self):
        r = self.ask("silent", "test/pair")
        row = self.answered(r)
        self.assertIn(COMMENT, r.text)
        self.assertEqual([(p["provider_name"], p["status"]) for p in row["provider_responses"]], [("Hasty", None), ("Second", 200)])


class Amounts(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def tearDown(self):
        self.no_leak()

    def open_stream(self, name, model="test/model"):
        client = gateway.connect()
        client.socket.setsockopt(harness.socket.SOL_SOCKET, harness.socket.SO_RCVBUF, 65536)
        client.request("POST", "/api/v1/chat/completions", harness.chat_body(fault(name), True, model))
        return client

    def standstill(self, of):
        """Waits until the provider can send no more; returns what it got rid of."""
        last = -1
        while (now := getattr(of, "sent", 0)) != last or not now:
            last = now
            time.sleep(0.4)
        return now

    def read_all(self, client):
        """A stream's body, and how often its text has the letter of which the flood is made."""
        self.assertEqual(client.response_head().status, 200)
        count, last = 0, b""
        while data := client.chunk():
            count += sum(len(run) for run in re.findall(rb"x{16,}", data))
            last = data
        return count, last

    def one_slow_reader(self, size, model="test/model", of=None):
        of = of or provider
        of.sent = 0
        before = gateway.rss_kb()
        client = self.open_stream(f"flood-{size}", model)
        stopped_at = self.standstill(of)
        self.assertLess(stopped_at, TOTAL // 2, "the provider was not held back")
        grown = gateway.rss_kb() - before
        print(f"{model}, events of {size}: {grown} kB more, {stopped_at} bytes taken")
        self.assertLess(grown, GROWTH_KB_MAX + (4 * size >> 10))
        count, last = self.read_all(client)
        client.close()
        self.assertTrue(last.endswith(b"data: [DONE]\n\n"), last[-200:])
        self.assertEqual(count, totals[size])
        self.assertLess(gateway.rss_kb() - before, GROWTH_KB_MAX + (8 * size >> 10))

    def test_slow_reader(self):
        gateway.chat(fault("brook-4096"), stream=True)  # what grows once, has grown
        for size in SIZES:
            with self.subTest(size):
                self.one_slow_reader(size)

    def test_slow_reader_of_tls(self):
        gateway.chat(fault("brook-4096"), stream=True, model="test/secure")
        self.one_slow_reader(4096, "test/secure", secure)

    def test_bytes_are_complete(self):
        for size in SIZES:
            for model in ("test/model", "test/secure"):
                with self.subTest(size, model=model):
                    client = self.open_stream(f"brook-{size}", model)
                    time.sleep(0.3)
                    self.assertEqual(self.read_all(client)[0], totals[-size])
                    client.close()

    def test_a_reader_that_never_reads_and_leaves(self):
        provider.sent = 0
        client = self.open_stream("flood-4096")
        self.standstill(provider)
        number = provider.requests[-1].connection_number
        client.close()
        wait_for(lambda: number in provider.closed_at, "the provider's connection to be closed")

    def test_slow_readers_are_not_the_providers_fault(self):
        """The provider's idle timeout does not run while the client is the one who is slow."""
        client = self.open_stream("brook-4096", "test/hasty")
        time.sleep(1.8)  # idle_timeout_ms is 1000, total_timeout_ms 3000
        self.assertEqual(self.read_all(client)[0], totals[-4096])
        client.close()

    def test_a_line_of_8_megabytes(self):
        for name in ("line", "line-4k"):
            with self.subTest(name):
                began = time.monotonic()
                r = gateway.chat(fault(name), stream=True)
                took = time.monotonic() - began
                self.answered(r, text=LONG)
                print(f"{name}: {took:.2f} s")
                self.assertLess(took, 20)

    def test_memory_of_a_long_line_is_given_back(self):
        gateway.chat(fault("line"), stream=True)
        before = gateway.rss_kb()
        for _ in range(3):
            gateway.chat(fault("line"), stream=True)
        self.assertLess(gateway.rss_kb() - before, GROWTH_KB_MAX + 20_000)

    def test_a_line_that_is_too_long(self):
        self.failed(gateway.chat(fault("too-long-line"), stream=True), 502, "provider_unavailable", "Mock Provider sent too large an event")

    def test_many_events_in_one_packet(self):
        r = gateway.chat(fault("many-lines"), stream=True)
        self.answered(r, text="x" * 40_000)

    def test_many_streams_at_once(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(gateway.chat(fault("pause"), stream=True))) for _ in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(answers), 50)
        for r in answers:
            self.answered(r)


if __name__ == "__main__":
    unittest.main()
