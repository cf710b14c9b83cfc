"""Whole (not streamed) answers of a provider: what may come back with status 200, how it may be framed, and how it may fail
before, in and after its head. Faults of the head are tried with streams as well, since nothing has been sent by then.
"""

import gzip
import json
import time
import unittest
import zlib

import harness
from harness import Gateway, wait_for
from upstream import (CLOSE, GOOD_TEXT, HANG, KEEP, RESET, USAGE, Expectations, Provider, byte_by_byte, completion, config, fault,
                      head, raw, reply, whole)

UNAVAILABLE = (502, "provider_unavailable")
GOOD = json.dumps(completion()).encode()

# Faults before the body: answer, and what is said about it.
HEADS = {
    "closes": (raw(then=CLOSE), "Mock Provider closed the connection without an answer"),
    "resets": (raw(then=RESET), "Mock Provider (reset|closed) the connection without an answer"),
    "cut-status": (raw(b"HTTP/1.1 20", then=CLOSE), "closed the connection in the middle of the response head"),
    "cut-head": (raw(b"HTTP/1.1 200 OK\r\nContent-Ty", then=CLOSE), "closed the connection in the middle of the response head"),
    "cut-head-reset": (raw(b"HTTP/1.1 200 OK\r\nContent-Ty", then=RESET), "(reset|closed) the connection"),
    "garbage": (raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage\r\n\r\n", then=CLOSE), "no valid HTTP"),
    "ssh": (raw(b"SSH-2.0-OpenSSH_9.2p1\r\n", then=HANG), "no valid HTTP"),
    "http2": (raw(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff" + b"\0" * 40 + b"\r\n\r\n"), "no valid HTTP"),
    "status-text": (raw(b"HTTP/1.1 abc OK\r\n\r\n"), "no valid HTTP"),
    "status-99": (raw(b"HTTP/1.1 99 OK\r\n\r\n"), "no valid HTTP"),
    "version-9": (raw(b"HTTP/9.9 200 OK\r\n\r\n"), "no valid HTTP"),
    "no-colon": (raw(b"HTTP/1.1 200 OK\r\nNonsense\r\n\r\n"), "no valid HTTP"),
    "folded": (raw(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"), "no valid HTTP"),
    "nul": (raw(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"), "no valid HTTP"),
    "length-and-chunked": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "no valid HTTP"),
    "two-lengths": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), "no valid HTTP"),
    "negative-length": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), "no valid HTTP"),
    "text-length": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"), "no valid HTTP"),
    "odd-coding": (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "no valid HTTP"),
    "huge-head": (raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 4000) for i in range(40))), "no valid HTTP|too large"),
    "many-fields": (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"), "no valid HTTP"),
    "switching": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), "switched protocols"),
    "endless-continue": (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50, then=CLOSE), "closed the connection"),
}
# Bodies with status 200 that are no answer.
SENSELESS = {
    "html": ("<html><body>Welcome to our API</body></html>", "text/html"), "text": ("It works!", "text/plain"),
    "no-type": ("It works!", None), "empty": ("", "application/json"), "cut-json": (GOOD[:-20], "application/json"),
    "two-json": (GOOD + GOOD, "application/json"), "array": ("[]", "application/json"), "null": ("null", "application/json"),
    "string": ('"hello"', "application/json"), "object": ("{}", "application/json"),
    "no-choices": (completion(choices=...), "application/json"), "choices-null": (completion(choices=None), "application/json"),
    "choices-empty": (completion(choices=[]), "application/json"), "choices-text": (completion(choices="x"), "application/json"),
    "choice-text": (completion(choices=["x"]), "application/json"),
    "no-message": (completion(choices=[{"index": 0, "finish_reason": "stop"}]), "application/json"),
    "message-null": (completion(choices=[{"index": 0, "message": None, "finish_reason": "stop"}]), "application/json"),
    "message-text": (completion(choices=[{"index": 0, "message": "x"}]), "application/json"),
    "bad-utf8": (b'{"choices":[{"message":{"content":"\xff\xfe"}}]}', "application/json"),
    "nul-bytes": (b"\0" * 100, "application/json"), "deep": (b"[" * 100000, "application/json"),
    "deep-inside": (b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}", "application/json"),
    "a-stream": (b'data: {"choices":[]}\n\ndata: [DONE]\n\n', "text/event-stream"),
}
# Errors that come with status 200: body, the client's status, error_type, pattern.
ERRORS = {
    "object": ({"error": {"message": "it broke", "code": 500}}, *UNAVAILABLE, "it broke"),
    "with-choices": (completion(error={"message": "it broke"}), *UNAVAILABLE, "it broke"),
    "null-choices": ({"error": {"message": "it broke"}, "choices": None}, *UNAVAILABLE, "it broke"),
    "text": ({"error": "it broke"}, *UNAVAILABLE, "it broke"),
    "flat": ({"object": "error", "message": "it broke", "type": "InternalServerError", "code": 500}, *UNAVAILABLE, "it broke"),
    "rate": ({"error": {"message": "slow down", "code": 429}}, 429, "rate_limit_exceeded", "slow down"),
    "context": ({"error": {"message": "m", "code": "context_length_exceeded"}}, 400, "context_length_exceeded", "m"),
    "auth": ({"error": {"message": "no", "code": 401}}, *UNAVAILABLE, "no"),
    "finish": (completion(choices=[{"index": 0, "message": {"role": "assistant", "content": "so f"}, "finish_reason": "error"}]),
               *UNAVAILABLE, "error"),
    "in-choice": (completion(choices=[{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "error",
                                       "error": {"message": "it broke", "code": 502}}]), *UNAVAILABLE, "it broke"),
    "empty": ({"error": {}}, *UNAVAILABLE, "."),
}


def message(**changes):
    return completion(choices=[{"index": 0, "message": {"role": "assistant", "content": GOOD_TEXT} | changes,
                                "finish_reason": "stop"}])


def choice(**changes):
    made = {"index": 0, "message": {"role": "assistant", "content": GOOD_TEXT}, "finish_reason": "stop"} | changes
    return completion(choices=[{k: v for k, v in made.items() if v is not ...}])


# Answers that are a bit off, and must reach the client in good shape all the same: body, and what `answered` is told.
ODD = {
    "null-members": (completion(system_fingerprint=None, service_tier=None, choices=[{
        "index": 0, "logprobs": None, "finish_reason": "stop",
        "message": {"role": "assistant", "content": GOOD_TEXT, "tool_calls": None, "audio": None, "function_call": None,
                    "reasoning_details": None, "annotations": None, "refusal": None}}]), {}),
    "no-role": (completion(choices=[{"index": 0, "message": {"content": GOOD_TEXT}, "finish_reason": "stop"}]), {}),
    "no-index": (choice(index=...), {}),
    "no-object": (completion(object=...), {}), "no-created": (completion(created=...), {}),
    "no-id": (completion(id=...), {}), "no-model": (completion(model=...), {}),
    "created-text": (completion(created="yesterday"), {}), "created-fraction": (completion(created=1700000000.5), {}),
    "created-huge": (completion(created=1700000000000), {}), "id-number": (completion(id=17), {}),
    "finish-eos": (choice(finish_reason="eos"), {}), "finish-empty": (choice(finish_reason=""), {}),
    "finish-null": (choice(finish_reason=None), {}), "finish-missing": (choice(finish_reason=...), {}),
    "finish-unknown": (choice(finish_reason="ran_out_of_steam"), {}),
    "finish-length": (choice(finish_reason="max_tokens"), {"finish": "length"}),
    "finish-filter": (choice(finish_reason="content_filter"), {"finish": "content_filter"}),
    "no-usage": (completion(usage=...), {"usage": None, "estimated": True}),
    "null-usage": (completion(usage=None), {"usage": None, "estimated": True}),
    "empty-usage": (completion(usage={}), {"usage": None, "estimated": True}),
    "text-usage": (completion(usage="many"), {"usage": None, "estimated": True}),
    "negative-usage": (completion(usage={"prompt_tokens": -10, "completion_tokens": -5}), {"usage": None, "estimated": True}),
    "absurd-usage": (completion(usage={"prompt_tokens": 10 ** 12, "completion_tokens": 5}), {"usage": None, "estimated": True}),
    "usage-in-groq": (completion(usage=..., x_groq={"id": "req_1", "usage": USAGE}), {}),
    "usage-in-choice": (completion(usage=..., choices=[{"index": 0, "finish_reason": "stop", "usage": USAGE,
                                                        "message": {"role": "assistant", "content": GOOD_TEXT}}]), {}),
    "error-null": (completion(error=None), {}),
    "blank-lines": (b"\n\n  \r\n" + GOOD + b"\n\n", {}),
    "pretty": (json.dumps(completion(), indent=2).encode(), {}),
    "more-members": (completion(timings={"a": 1.5}, citations=["x"], search_results=[]), {}),
    "escapes": (GOOD.replace(b"Hello", b"\\u0048ello"), {}),
    "unicode": (message(content="Grüße 🎉 \u2028"), {"text": "Grüße 🎉 \u2028"}),
}
FRAMED = {
    "until-close": raw(head("200 OK") + GOOD, then=CLOSE),
    "long-field": raw(b"HTTP/1.1 200 OK\r\nX-Policy: " + b"y" * 60_000 + b"\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD),
    "http10": raw(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + GOOD, then=CLOSE),
    "http10-length": raw(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD, then=CLOSE),
    "connection-close": whole(completion(), Connection="close", then=CLOSE),
    "no-content-type": whole(completion(), content_type=None),
    "odd-content-type": whole(completion(), content_type="text/plain; charset=latin-1"),
    "event-type": whole(completion(), content_type="text/event-stream"),
    "no-reason": raw(reply(completion(), "200 ")), "no-reason-blank": raw(reply(completion(), "200")),
    "continue": raw(b"HTTP/1.1 100 Continue\r\n\r\n" + reply(completion())),
    "hints": raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", reply(completion()), gap=0.05),
    "bytes": byte_by_byte(reply(completion())),
    "continue-bytes": byte_by_byte(b"HTTP/1.1 100 Continue\r\n\r\n" + reply(completion())),
    "chunked-bytes": byte_by_byte(head(Transfer_Encoding="chunked") + b"".join(
        b"1\r\n" + GOOD[i:i + 1] + b"\r\n" for i in range(len(GOOD))) + b"0\r\n\r\n"),
    "chunked-trailers": raw(head(Transfer_Encoding="Chunked") + b"%X;ext=1\r\n%s\r\n0\r\nX-Trailer: y\r\n\r\n" % (len(GOOD), GOOD)),
    "gzip": whole(gzip.compress(GOOD), Content_Encoding="gzip"),
    "deflate": whole(zlib.compress(GOOD), Content_Encoding="deflate"),
    "gzip-bytes": byte_by_byte(reply(gzip.compress(GOOD), Content_Encoding="gzip")),
    "gzip-chunked": raw(head(Transfer_Encoding="chunked", Content_Encoding="gzip") + b"%x\r\n%s\r\n0\r\n\r\n" % (
        len(gzip.compress(GOOD)), gzip.compress(GOOD))),
    "gzip-until-close": raw(head(Content_Encoding="gzip") + gzip.compress(GOOD), then=CLOSE),
    "identity": whole(completion(), Content_Encoding="identity"),
}
COMPRESSED = gzip.compress(json.dumps(completion(padding="abc" * 30000)).encode())
BODIES = {  # status, body trouble, what is said
    "too-short": (raw(head(length=len(GOOD) + 100) + GOOD, then=CLOSE), "closed the connection in the middle of its answer"),
    "too-short-reset": (raw(head(length=len(GOOD) + 100) + GOOD[:40], then=RESET), "(reset|closed) the connection"),
    "no-body": (raw(head(length=100), then=CLOSE), "closed the connection in the middle of its answer"),
    "cut-chunked": (raw(head(Transfer_Encoding="chunked") + b"%x\r\n%s\r\n" % (len(GOOD), GOOD), then=CLOSE), "closed the connection in the middle"),
    "bad-chunk": (raw(head(Transfer_Encoding="chunked") + b"xyz\r\n" + GOOD), "invalid chunked coding"),
    "huge-chunk": (raw(head(Transfer_Encoding="chunked") + b"fffffffffffffffff\r\n" + GOOD), "invalid chunked coding"),
    "too-long-inside": (raw(head(length=len(GOOD) - 5) + GOOD), "not a JSON"),
    "gzip-damaged": (whole(COMPRESSED[:40] + b"\xff" * 20 + COMPRESSED[60:], Content_Encoding="gzip"), "damaged|not a JSON"),
    "gzip-cut": (whole(COMPRESSED[:60], Content_Encoding="gzip"), "damaged|not a JSON|cut"),
    "gzip-not": (whole(GOOD, Content_Encoding="gzip"), "damaged"),
    "brotli": (whole(b"\x8b\x03\x80", Content_Encoding="br"), "compressed"),
    "gzip-empty": (whole(b"", Content_Encoding="gzip"), "."),
}


def setUpModule():
    global provider, gateway
    provider = Provider()
    for name, (answer, _) in HEADS.items():
        provider.answers["head-" + name] = answer
    for name, (body, content_type) in SENSELESS.items():
        provider.answers["senseless-" + name] = whole(body, content_type=content_type)
    for name, (body, *_) in ERRORS.items():
        provider.answers["error-" + name] = whole(body)
    for name, (body, _) in ODD.items():
        provider.answers["odd-" + name] = whole(body)
    for name, answer in FRAMED.items():
        provider.answers["framed-" + name] = answer
    for name, (answer, _) in BODIES.items():
        provider.answers["body-" + name] = answer
    provider.answers |= {
        "hang": raw(then=HANG), "hang-in-head": raw(b"HTTP/1.1 200 OK\r\nX: ", then=HANG),
        "hang-after-head": raw(head(length=100), then=HANG), "hang-in-body": raw(head(length=100) + b"{", then=HANG),
        "drip": lambda request: drip(request),
        "extra": raw(reply(completion()) + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        "calls": whole(choice(finish_reason="", message={"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]})),
        "two": whole(completion(choices=[{"index": i, "message": {"role": "assistant", "content": t}, "finish_reason": f}
                                         for i, t, f in ((0, "one", "stop"), (1, "two", "length"))])),
        "large": whole(message(content="x" * 10_000_000)),
        "too-large": lambda request: too_large(request),
    }
    gateway = Gateway(config(provider)).start()


def drip(request):
    """Never silent for long, and never done."""
    request.send(head(length=1000))
    try:
        for _ in range(200):
            request.send(b" ")
            time.sleep(0.1)
    except OSError:
        pass
    return CLOSE


def too_large(request):
    request.send(head(length=80_000_000))
    for _ in range(80):
        request.send(b" " * 1_000_000)
    return KEEP


def tearDownModule():
    provider.stop()
    harness.finish()


class Whole(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def tearDown(self):
        self.no_leak()

    def each(self, names, check, streams=(False,)):
        for name in names:
            for stream in streams:
                with self.subTest(name=name, stream=stream):
                    check(name, gateway.chat(fault(name), stream=stream))

    def test_heads(self):
        for name, (_, said) in HEADS.items():
            self.each(["head-" + name], lambda _, r: self.failed(r, *UNAVAILABLE, said), (False, True))

    def test_only_one_request_is_made_on_a_fresh_connection(self):
        for i, name in enumerate(("head-closes", "head-resets")):
            other = Provider({"head-closes": raw(then=CLOSE), "head-resets": raw(then=RESET)})
            g = Gateway(config(other)).start()
            g.chat(fault(name))
            self.assertEqual(len(other.requests), 1)
            g.stop()
            other.stop()

    def test_senseless(self):
        for name in SENSELESS:
            self.each(["senseless-" + name], lambda _, r: self.failed(r, *UNAVAILABLE, "."))

    def test_errors_with_status_200(self):
        for name, (_, status, error_type, said) in ERRORS.items():
            self.each(["error-" + name], lambda _, r: self.failed(r, status, error_type, said), (False, True))

    def test_odd(self):
        for name, (_, expected) in ODD.items():
            self.each(["odd-" + name], lambda _, r: self.answered(r, **expected))

    def test_framings(self):
        self.each(("framed-" + n for n in FRAMED), lambda _, r: self.answered(r))

    def test_bodies(self):
        for name, (_, said) in BODIES.items():
            self.each(["body-" + name], lambda _, r: self.failed(r, *UNAVAILABLE, said))

    def test_a_whole_answer_to_a_request_for_a_stream(self):
        r = gateway.chat(fault("odd-no-role"), stream=True)
        self.failed(r, *UNAVAILABLE, "Mock Provider answered a request for a stream with a whole reply")

    def test_hangs(self):
        for name, said in (("hang", "no answer within 1000 ms"), ("hang-in-head", "no answer within 1000 ms"),
                           ("hang-after-head", "silent for 1000 ms"), ("hang-in-body", "silent for 1000 ms"),
                           ("drip", "no complete answer within 3000 ms")):
            with self.subTest(name):
                began = time.monotonic()
                r = gateway.chat(fault(name), model="test/hasty")
                took = time.monotonic() - began
                self.failed(r, 504, "timeout", f"Hasty {said}", provider="Hasty")
                self.assertGreater(took, 0.9)
                self.assertLess(took, 10)

    def test_hang_before_a_stream(self):
        for name in ("hang", "hang-in-head"):
            r = gateway.chat(fault(name), model="test/hasty", stream=True)
            self.failed(r, 504, "timeout", "Hasty no answer within 1000 ms", provider="Hasty")

    def test_bytes_behind_an_answer(self):
        self.answered(gateway.chat(fault("extra")))
        number = provider.requests[-1].connection_number
        wait_for(lambda: number in provider.closed_at, "the end of a connection that cannot be trusted")

    def test_finish_is_derived_from_calls(self):
        r = gateway.chat(fault("calls"))
        choice = r.json["choices"][0]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertEqual(choice["message"]["tool_calls"][0]["function"]["arguments"], "{}")
        self.assertIsNone(choice["message"]["content"])

    def test_two_choices(self):
        r = gateway.chat(fault("two"), n=2)
        self.strict_whole(r.json)
        self.assertEqual([(c["index"], c["message"]["content"], c["finish_reason"]) for c in r.json["choices"]],
                         [(0, "one", "stop"), (1, "two", "length")])

    def test_other_members_survive(self):
        r = gateway.chat(fault("odd-more-members"))
        self.assertEqual((r.json["timings"], r.json["citations"]), ({"a": 1.5}, ["x"]))

    def test_estimate(self):
        r = gateway.chat(fault("odd-no-usage", "x" * 4000))
        row = self.answered(r, usage=None, estimated=True)
        self.assertTrue(900 < row["tokens_prompt"] < 1300, row)
        self.assertTrue(3 <= row["tokens_completion"] <= 10, row)

    def test_large(self):
        self.answered(gateway.chat(fault("large")), text="x" * 10_000_000)

    def test_too_large(self):
        self.failed(gateway.chat(fault("too-large")), *UNAVAILABLE, "Mock Provider sent too large an answer")


if __name__ == "__main__":
    unittest.main()
