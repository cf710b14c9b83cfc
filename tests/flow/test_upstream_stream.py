"""Streams of a provider: odd but good ones, those that end early, hang or carry an error, before and after the first token.

What had come before the trouble reaches the client; then an error chunk, and no [DONE]. Before the first token there is still
a status line to tell it with.
"""

import gzip
import json
import time
import unittest

import harness
from harness import Gateway
from upstream import (CLOSE, GOOD_EVENTS, GOOD_TEXT, HANG, KEEP, LAST_CHUNK, RESET, STREAM_HEAD, USAGE, Expectations, Provider,
                      byte_by_byte, chunk, coded, config, fault, head, raw, sse, stream, text, usage_chunk, whole)

UNAVAILABLE = (502, "provider_unavailable")
ROLE = chunk({"role": "assistant", "content": ""})
PART = [ROLE, text("Hello "), text("wor")]  # what has come before the trouble
PART_TEXT = "Hello wor"
STOP = chunk({}, "stop")
GOOD_BYTES = sse(*GOOD_EVENTS)


def without(*names, events=None):
    return [{k: v for k, v in e.items() if k not in names} if isinstance(e, dict) else e for e in events or GOOD_EVENTS]


def plain(body, then=KEEP, **fields):
    """The events with a length instead of chunked coding."""
    return raw(head("200 OK", "text/event-stream", len(body), **fields) + body, then=then)


def interleaved(between):
    return b"".join(between + sse(e) for e in GOOD_EVENTS) + between


def emoji_cut():
    """Each piece of the body ends inside a character."""
    body = sse(ROLE, text("Grüße 🎉🎊 "), text("ß"), STOP, usage_chunk(), "[DONE]").replace(b"\\u", b"\\u")
    body = json_utf8(body)
    cuts = [i + 1 for i, byte in enumerate(body) if byte >= 0xC0]
    pieces = [body[a:b] for a, b in zip([0] + cuts, cuts + [len(body)])]
    return raw(STREAM_HEAD, *[coded(p) for p in pieces], LAST_CHUNK, gap=0.01)


def json_utf8(body):
    return b"\n\n".join(b"data: " + json.dumps(json.loads(e[6:]), ensure_ascii=False).encode() if e.startswith(b"data: {")
                        else e for e in body.split(b"\n\n"))


CALL = [chunk({"role": "assistant", "content": None, "tool_calls": [
            {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
        chunk({}, "tool_calls"), usage_chunk(), "[DONE]"]

GOOD = {  # name: (answer, what `answered` is told)
    "good": (stream(*GOOD_EVENTS), {}),
    "no-done": (stream(*GOOD_EVENTS[:-1]), {}),
    "no-done-until-close": (raw(head("200 OK", "text/event-stream") + sse(*GOOD_EVENTS[:-1]), then=CLOSE), {}),
    "done-without-blank-line": (plain(GOOD_BYTES[:-2]), {}),
    "with-length": (plain(GOOD_BYTES), {}),
    "until-close": (raw(head("200 OK", "text/event-stream") + GOOD_BYTES, then=CLOSE), {}),
    "cut-after-done": (stream(*GOOD_EVENTS, last=False, then=CLOSE), {}),
    "reset-after-done": (stream(*GOOD_EVENTS, last=False, then=RESET), {}),
    "hang-after-done": (stream(*GOOD_EVENTS, last=False, then=HANG), {}),
    "more-after-done": (stream(*GOOD_EVENTS, text("ignored"), "[DONE]"), {}),
    "bytes": (byte_by_byte(STREAM_HEAD + b"".join(coded(GOOD_BYTES[i:i + 1]) for i in range(len(GOOD_BYTES))) + LAST_CHUNK), {}),
    "one-packet": (raw(STREAM_HEAD + coded(GOOD_BYTES) + LAST_CHUNK), {}),
    "crlf": (stream(*GOOD_EVENTS, end="\r\n"), {}), "cr": (stream(*GOOD_EVENTS, end="\r"), {}),
    "cr-bytes": (byte_by_byte(STREAM_HEAD + b"".join(coded(b"%c" % c) for c in sse(*GOOD_EVENTS, end="\r")) + LAST_CHUNK), {}),
    "comments": (plain(interleaved(b": ping\n\n")), {}), "blank-lines": (plain(interleaved(b"\n\n\n")), {}),
    "comment-lines": (plain(interleaved(b":\n")), {}),
    "fields": (plain(interleaved(b"id: 1\nretry: 5\nevent: message\n")), {}),
    "no-space": (plain(GOOD_BYTES.replace(b"data: ", b"data:")), {}),
    "bom": (plain(b"\xef\xbb\xbf" + GOOD_BYTES), {}),
    "two-lines": (plain(GOOD_BYTES.replace(b', "choices"', b',\ndata: "choices"')), {}),
    "no-type": (raw(head("200 OK", None, len(GOOD_BYTES)) + GOOD_BYTES), {}),
    "plain-type": (raw(head("200 OK", "text/plain", len(GOOD_BYTES)) + GOOD_BYTES), {}),
    "type-with-charset": (raw(head("200 OK", "Text/Event-Stream; charset=utf-8", len(GOOD_BYTES)) + GOOD_BYTES), {}),
    "gzip": (plain(gzip.compress(GOOD_BYTES), Content_Encoding="gzip"), {}),
    "gzip-bytes": (byte_by_byte(STREAM_HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n" + b"".join(
        coded(b"%c" % c) for c in gzip.compress(GOOD_BYTES)) + LAST_CHUNK), {}),
    "emoji-cut": (emoji_cut(), {"text": "Grüße 🎉🎊 ß"}),
    "missing-members": (stream(*without("id", "object", "created", "model")), {}),
    "null-members": (stream(*[e | {"system_fingerprint": None, "service_tier": None, "usage": e.get("usage")} if isinstance(e, dict) else e
                              for e in GOOD_EVENTS]), {}),
    "null-in-delta": (stream(ROLE, chunk({"content": GOOD_TEXT, "tool_calls": None, "reasoning_details": None, "audio": None}), STOP,
                             usage_chunk(), "[DONE]"), {}),
    "no-role": (stream(text(GOOD_TEXT), STOP, usage_chunk(), "[DONE]"), {}),
    "no-index": (stream(chunk(choices=[{"delta": {"content": GOOD_TEXT}, "finish_reason": None}]),
                        chunk(choices=[{"delta": {}, "finish_reason": "stop"}]), usage_chunk(), "[DONE]"), {}),
    "no-finish-member": (stream(chunk(choices=[{"index": 0, "delta": {"content": GOOD_TEXT}}]), STOP, usage_chunk(), "[DONE]"), {}),
    "created-differs": (stream(*[e | {"created": 1700000000 + i, "id": f"c{i}"} if isinstance(e, dict) else e
                                 for i, e in enumerate(GOOD_EVENTS)]), {}),
    "finish-eos": (stream(text(GOOD_TEXT), chunk({}, "eos"), usage_chunk(), "[DONE]"), {}),
    "finish-empty": (stream(text(GOOD_TEXT), chunk({}, ""), usage_chunk(), "[DONE]"), {}),
    "finish-empty-everywhere": (stream(chunk({"content": "Hello "}, ""), chunk({"content": "from the mock"}, ""), chunk({}, "stop"),
                                       usage_chunk(), "[DONE]"), {}),
    "finish-never": (stream(text(GOOD_TEXT), usage_chunk(), "[DONE]"), {}),
    "finish-unknown": (stream(text(GOOD_TEXT), chunk({}, "ran_out_of_steam"), usage_chunk(), "[DONE]"), {}),
    "finish-length": (stream(text(GOOD_TEXT), chunk({}, "length"), usage_chunk(), "[DONE]"), {"finish": "length"}),
    "finish-filter": (stream(text(GOOD_TEXT), chunk({}, "content_filter"), usage_chunk(), "[DONE]"), {"finish": "content_filter"}),
    "finish-with-text": (stream(text("Hello "), chunk({"content": "from the mock"}, "stop"), usage_chunk(), "[DONE]"), {}),
    "finish-twice": (stream(text(GOOD_TEXT), STOP, STOP, usage_chunk(), "[DONE]"), {}),
    "usage-everywhere": (stream(*[e | {"usage": {"prompt_tokens": 10, "completion_tokens": min(i, 5), "total_tokens": 15}}
                                  if isinstance(e, dict) and e["choices"] else e for i, e in enumerate(GOOD_EVENTS)]), {}),
    "usage-only-cumulative": (stream(text("Hello ", usage=USAGE | {"completion_tokens": 1}),
                                     text("from the mock", usage=USAGE | {"completion_tokens": 3}),
                                     chunk({}, "stop", usage=USAGE), "[DONE]"), {}),
    "usage-with-finish": (stream(text(GOOD_TEXT), chunk({}, "stop", usage=USAGE), "[DONE]"), {}),
    "usage-before-finish": (stream(text(GOOD_TEXT), usage_chunk(), STOP, "[DONE]"), {}),
    "usage-in-groq": (stream(text(GOOD_TEXT), chunk({}, "stop", x_groq={"id": "r", "usage": USAGE}), "[DONE]"), {}),
    "usage-in-choice": (stream(text(GOOD_TEXT), chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]),
                               "[DONE]"), {}),
    "usage-missing": (stream(text(GOOD_TEXT), STOP, "[DONE]"), {"usage": None, "estimated": True}),
    "usage-null": (stream(text(GOOD_TEXT, usage=None), chunk({}, "stop", usage=None), "[DONE]"), {"usage": None, "estimated": True}),
    "empty-choices": (stream(chunk(choices=[]), *GOOD_EVENTS), {}),
    "azure-filter-first": (stream(chunk(choices=[], prompt_filter_results=[{"prompt_index": 0}]), *GOOD_EVENTS), {}),
    "perplexity": (stream(text("Hello ", usage=USAGE, citations=["a"]), text("from the mock", usage=USAGE, citations=["a"]),
                          chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop",
                                          "message": {"role": "assistant", "content": GOOD_TEXT}}],
                                object="chat.completion.done", usage=USAGE, citations=["a"])), {}),
    "error-null": (stream(*[e | {"error": None} if isinstance(e, dict) else e for e in GOOD_EVENTS]), {}),
    "unknown-events": (stream({"type": "ping"}, *GOOD_EVENTS[:2], {"object": "something.else", "x": 1}, *GOOD_EVENTS[2:]), {}),
    "pieces": (stream(*[text(c) for c in GOOD_TEXT], STOP, usage_chunk(), "[DONE]"), {}),
    "escapes": (stream(text("a\"b\\c\n\t\u2028é"), text("a\"b"), STOP, usage_chunk(), "[DONE]"), {"text": "a\"b\\c\n\t\u2028éa\"b"}),
    "done-with-blanks": (stream(*GOOD_EVENTS[:-1], " [DONE] "), {}),
    "no-text": (stream(ROLE, STOP, usage_chunk(), "[DONE]"), {"text": ""}),
}

ERROR = {"message": "it broke", "type": "server_error", "code": 500}
# Events that tell of an error: event, the client's status when it is the first, error_type, pattern.
ERRORS = {
    "object": ({"error": ERROR}, *UNAVAILABLE, "it broke"),
    "text": ({"error": "it broke"}, *UNAVAILABLE, "it broke"),
    "named": (None, *UNAVAILABLE, "it broke"),  # event: error, see below
    "flat": ({"object": "error", "message": "it broke", "type": "InternalServerError", "param": None, "code": 500}, *UNAVAILABLE, "it broke"),
    "flat-context": ({"object": "error", "message": "This model's maximum context length is 10 tokens", "type": "BadRequestError",
                      "code": 400}, 400, "context_length_exceeded", "maximum context"),
    "vllm": ({"error": {"object": "error", "message": "it broke", "type": "BadRequestError", "code": 400}}, 400, "invalid_request", "it broke"),
    "groq": ({"error": ERROR | {"status_code": 500}}, *UNAVAILABLE, "it broke"),
    "rate": ({"error": {"message": "slow down", "code": 429}}, 429, "rate_limit_exceeded", "slow down"),
    "openrouter": (chunk({"content": ""}, "error", error={"code": 502, "message": "it broke"}), *UNAVAILABLE, "it broke"),
    "in-choice": (chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "error", "error": {"message": "it broke", "code": 502}}]),
                  *UNAVAILABLE, "it broke"),
    "finish-error": (chunk({}, "error"), *UNAVAILABLE, "error"),
    "invalid-json": ("{not json", *UNAVAILABLE, "not (a )?JSON"),
    "cut-json": ('{"choices":[{"delta":{"content":"x', *UNAVAILABLE, "not (a )?JSON"),
    "json-text": ('"hello"', *UNAVAILABLE, "JSON"), "json-list": ("[]", *UNAVAILABLE, "JSON"),
    "bad-utf8": (b'{"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}', *UNAVAILABLE, "JSON"),
    "nul": (b"\0\0\0", *UNAVAILABLE, "JSON"), "deep": ("[" * 100000, *UNAVAILABLE, "JSON"),
}
NAMED = b'event: error\ndata: {"error": {"message": "it broke", "code": 500}}\n\n'


def error_bytes(name):
    return NAMED if name == "named" else sse(ERRORS[name][0])


# Ends before the end: how, and what is said about it. {} stands for the pieces that came before.
ENDS = {
    "clean": (LAST_CHUNK, KEEP, "ended its stream before the answer was complete"),
    "close": (b"", CLOSE, "closed the connection in the middle of its answer"),
    "reset": (b"", RESET, "(reset|closed) the connection in the middle of its answer"),
    "close-in-event": (coded(b'data: {"choices":[{"index":0,"del'), CLOSE, "closed the connection in the middle"),
    "clean-in-event": (coded(b'data: {"choices":[{"index":0,"del') + LAST_CHUNK, KEEP, "ended its stream before|not a JSON"),
    "close-in-chunk": (b"ff\r\ndata: {", CLOSE, "closed the connection in the middle"),
    "bad-chunk": (b"zz\r\nx\r\n", KEEP, "invalid chunked coding"),
    "usage-without-finish": (coded(sse(usage_chunk())) + LAST_CHUNK, KEEP, "ended its stream before"),
}
FIRST = {  # other streams that are none: answer, pattern
    "empty": (stream(), "ended its stream"), "only-done": (stream("[DONE]"), "."), "only-comments": (raw(
        STREAM_HEAD + coded(b": hello\n\n") + LAST_CHUNK), "ended its stream"),
    "html": (whole("<html>Welcome</html>", content_type="text/html"), "."),
    "text": (whole("It works!", content_type="text/plain"), "."),
    "json-list": (whole([], content_type="application/json"), "."),
    "role-only": (stream(ROLE), "ended its stream"), "role-and-done": (stream(ROLE, "[DONE]"), "."),
    "gzip-damaged": (plain(gzip.compress(GOOD_BYTES)[:30] + b"\xff" * 30, Content_Encoding="gzip"), "damaged|ended its stream"),
    "gzip-cut": (plain(gzip.compress(GOOD_BYTES)[:40], Content_Encoding="gzip"), "."),
    "empty-error": (stream({"error": {}}), "."),
}


def setUpModule():
    global provider, gateway
    provider = Provider()
    for name, (answer, _) in GOOD.items():
        provider.answers["good-" + name] = answer
    before = STREAM_HEAD + b"".join(coded(sse(e)) for e in PART)
    silent = STREAM_HEAD + coded(sse(ROLE))
    for name in ERRORS:
        provider.answers["first-error-" + name] = raw(STREAM_HEAD + coded(error_bytes(name)), LAST_CHUNK)
        provider.answers["error-" + name] = raw(before, coded(error_bytes(name)) + coded(sse("[DONE]")) + LAST_CHUNK, gap=0.02)
        provider.answers["error-at-once-" + name] = raw(before + coded(error_bytes(name)) + coded(sse("[DONE]")) + LAST_CHUNK)
    for name, (end, then, _) in ENDS.items():
        provider.answers["end-" + name] = raw(before, end, gap=0.02, then=then)
        provider.answers["end-at-once-" + name] = raw(before + end, then=then)
        provider.answers["early-end-" + name] = raw(silent + end, then=then)
    for name, (answer, _) in FIRST.items():
        provider.answers["first-" + name] = answer
    provider.answers |= {
        "hang": raw(before, then=HANG), "hang-early": raw(STREAM_HEAD + coded(sse(ROLE)), then=HANG),
        "endless": endless, "comments-only": comments_only,
        "calls": stream(*CALL), "calls-bare": stream(
            chunk({"tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": ""}}]}),
            chunk({"tool_calls": [{"function": {"arguments": '{"city":'}}]}),
            chunk({"tool_calls": [{"function": {"arguments": '"Oslo"}'}}]}), chunk({}, "stop"), usage_chunk(), "[DONE]"),
        "calls-whole": stream(chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {
            "name": "weather", "arguments": '{"city":"Oslo"}'}}]}), chunk({}, ""), usage_chunk(), "[DONE]"),
        "calls-no-arguments": stream(chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {
            "name": "now", "arguments": ""}}]}), chunk({}, "tool_calls"), usage_chunk(), "[DONE]"),
        "two": stream(*[chunk(choices=[{"index": i, "delta": {"content": t}, "finish_reason": f}])
                        for i, t, f in ((0, "a", None), (1, "x", None), (0, "b", None), (1, "y", None), (1, "", "length"), (0, "", "stop"))],
                      usage_chunk(), "[DONE]"),
        "two-at-once": stream(chunk(choices=[{"index": i, "delta": {"content": t}, "finish_reason": None} for i, t in ((0, "a"), (1, "x"))]),
                              chunk(choices=[{"index": i, "delta": {}, "finish_reason": "stop"} for i in (0, 1)]), usage_chunk(), "[DONE]"),
        "reasoning": stream(ROLE, chunk({"reasoning": "hm"}), chunk({"reasoning_content": "ok"}), text("yes"), STOP, usage_chunk(), "[DONE]"),
        "billing": stream(text("x"), STOP, usage_chunk({"prompt_tokens": 1000, "completion_tokens": 7, "total_tokens": 1007,
                                                        "prompt_tokens_details": {"cached_tokens": 100}}), "[DONE]"),
    }
    gateway = Gateway(config(provider)).start()


def endless(request):
    request.send(STREAM_HEAD)
    try:
        for _ in range(400):
            request.send(coded(sse(text("x"))))
            time.sleep(0.05)
    except OSError:
        pass
    return CLOSE


def comments_only(request):
    request.send(STREAM_HEAD)
    try:
        for _ in range(30):
            request.send(coded(b": keep-alive\n\n"))
            time.sleep(0.05)
        request.send(b"".join(coded(sse(e)) for e in GOOD_EVENTS) + LAST_CHUNK)
    except OSError:
        return CLOSE
    return KEEP


def tearDownModule():
    provider.stop()
    harness.finish()


class Streams(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def tearDown(self):
        self.no_leak()

    def ask(self, name, model="test/model"):
        return gateway.chat(fault(name), stream=True, model=model)

    def test_good(self):
        for name, (_, expected) in GOOD.items():
            with self.subTest(name):
                self.answered(self.ask("good-" + name), **expected)

    def test_errors_first(self):
        for name, (_, status, error_type, said) in ERRORS.items():
            with self.subTest(name):
                self.failed(self.ask("first-error-" + name), status, error_type, said)

    def test_errors_in_the_middle(self):
        for name, (_, status, error_type, said) in ERRORS.items():
            for how in ("error-", "error-at-once-"):
                with self.subTest(how + name):
                    self.broken(self.ask(how + name), error_type, said, PART_TEXT, code=status)

    def test_early_ends(self):
        for name, (_, _, said) in ENDS.items():
            with self.subTest(name):
                self.failed(self.ask("early-end-" + name), *UNAVAILABLE, "Mock Provider.*(%s)|not a JSON" % said)

    def test_ends_in_the_middle(self):
        for name, (_, _, said) in ENDS.items():
            for how in ("end-", "end-at-once-"):
                with self.subTest(how + name):
                    # What is good in a packet counts, even when the rest of it makes no sense.
                    self.broken(self.ask(how + name), "provider_unavailable", said, PART_TEXT, code=502)

    def test_no_streams(self):
        for name, (_, said) in FIRST.items():
            with self.subTest(name):
                self.failed(self.ask("first-" + name), *UNAVAILABLE, said)

    def test_hangs(self):
        began = time.monotonic()
        self.broken(self.ask("hang", "test/hasty"), "timeout", "Hasty silent for 1000 ms", PART_TEXT, code=504, provider="Hasty")
        self.assertTrue(0.9 < time.monotonic() - began < 10)
        number = provider.requests[-1].connection_number
        harness.wait_for(lambda: number in provider.closed_at, "the gateway to give the connection up")

    def test_hang_before_the_first_token(self):
        self.failed(self.ask("hang-early", "test/hasty"), 504, "timeout", "Hasty silent for 1000 ms", provider="Hasty")

    def test_total_time(self):
        began = time.monotonic()
        row = self.broken(self.ask("endless", "test/hasty"), "timeout", "Hasty no complete answer within 3000 ms", provider="Hasty")
        self.assertTrue(2.9 < time.monotonic() - began < 12)
        self.assertTrue(row["generation_time"] > 2000, row)

    def test_comments_keep_the_wait_alive(self):
        self.answered(self.ask("comments-only", "test/hasty"))

    def test_broken_streams_cost_nothing(self):
        before = gateway.call("GET", "/api/v1/key").json["data"]["usage"]
        self.ask("end-close")
        self.broken(self.ask("error-object"), "provider_unavailable", "it broke")
        self.assertEqual(gateway.call("GET", "/api/v1/key").json["data"]["usage"], before)

    def calls(self, events):
        made = {}
        for e in events[:-1]:
            for c in e["choices"]:
                for piece in c["delta"].get("tool_calls", []):
                    call = made.setdefault(piece["index"], {"arguments": ""})
                    if "id" in piece:
                        call |= {"id": piece["id"], "type": piece["type"], "name": piece["function"]["name"]}
                    call["arguments"] += piece["function"].get("arguments", "")
        return made

    def test_calls(self):
        weather = {0: {"id": "call_1", "type": "function", "name": "weather", "arguments": '{"city":"Oslo"}'}}
        now = {0: {"id": "call_1", "type": "function", "name": "now", "arguments": "{}"}}
        for name, expected in (("calls", weather), ("calls-bare", weather), ("calls-whole", weather), ("calls-no-arguments", now)):
            with self.subTest(name):
                r = self.ask(name)
                self.answered(r, text="", finish="tool_calls")
                self.assertEqual(self.calls(r.events()), expected)

    def test_two_choices(self):
        for name, expected in (("two", ("ab", "xy")), ("two-at-once", ("a", "x"))):
            with self.subTest(name):
                events = self.ask(name).events()
                self.strict_stream(events)
                self.assertEqual((self.text_of(events, 0), self.text_of(events, 1)), expected)

    def test_reasoning_passes(self):
        deltas = [c["delta"] for e in self.ask("reasoning").events()[:-1] for c in e["choices"]]
        said = "".join((d.get("reasoning") or "") + (d.get("reasoning_content") or "") for d in deltas)
        self.assertIn("hm", said)
        self.assertIn("ok", said)

    def test_cost(self):
        r = self.ask("billing")
        self.assertAlmostEqual(r.events()[-2]["usage"]["cost"], 1000 * 15e-8 + 7 * 6e-7, 12)
        self.assertEqual(self.row(r)["native_tokens_cached"], 100)

    def test_good_connections_are_kept(self):
        before = provider.connections
        for name in ("good-good", "good-no-done", "good-with-length"):
            for _ in range(5):
                self.ask(name)
        self.assertLessEqual(provider.connections - before, 2)  # one on each loop

    def test_every_answer_came_of_one_request(self):
        before = len(provider.requests)
        for name in ("end-close", "end-reset", "early-end-clean", "error-object", "first-error-object"):
            self.ask(name)
        self.assertEqual(len(provider.requests), before + 5)


if __name__ == "__main__":
    unittest.main()
