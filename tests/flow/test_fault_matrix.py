"""The fault matrix of tests/unit/gateway once more over real sockets: each fault whole and streamed, at the second of three endpoints
(the first refuses connections) and at all; what the client gets, how often each is asked, one row and its cost.
The first endpoint alone is in test_upstream_fallback.py. Everything runs at the same time, with little patience.
"""

import concurrent.futures
import unittest

import harness
from harness import Gateway, chat_body
from upstream import (CLOSE, GOOD_TEXT, HANG, KEEP, LAST_CHUNK, RESET, STREAM_HEAD, Expectations, Provider, chunk, coded, config, endpoint, head,
                      provider_entry, raw, sse, stream, text, whole)

ROLE = chunk({"role": "assistant", "content": ""})
ERROR = {"error": {"message": "it broke", "code": 500}}
BEGUN = STREAM_HEAD + coded(sse(ROLE))
SPOKEN = BEGUN + coded(sse(text("Hello")))
UNAVAILABLE, TIMEOUT, LIMITED, OVERLOADED = (502, "provider_unavailable"), (504, "timeout"), (429, "rate_limit_exceeded"), (503, "provider_overloaded")

BOTH = {  # name: (answer, (status and type when all fail))
    "silent": (raw(then=HANG), TIMEOUT), "closes": (raw(then=CLOSE), UNAVAILABLE), "resets": (raw(then=RESET), UNAVAILABLE),
    "half-a-head": (raw(b"HTTP/1.1 200 OK\r\nX", then=HANG), TIMEOUT), "no-http": (raw(b"\x16\x03\x01\r\n\r\n", then=HANG), UNAVAILABLE),
    "endless-head": (raw(b"HTTP/1.1 200 OK\r\n" + b"X-More: more and more\r\n" * 10000, then=HANG), UNAVAILABLE),
    "redirect": (raw(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), UNAVAILABLE),
    "no-content": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), UNAVAILABLE),
    "log-in-page": (whole("<html></html>", content_type="text/html"), UNAVAILABLE), "error-in-200": (whole(ERROR), UNAVAILABLE),
    "s429": (whole(ERROR, "429 No", Retry_After="7"), LIMITED), "s503": (whole(ERROR, "503 No"), OVERLOADED),
    "s529": (whole(ERROR, "529 No"), OVERLOADED), "s500": (whole(ERROR, "500 No"), UNAVAILABLE), "s401": (whole(ERROR, "401 No"), UNAVAILABLE),
}
WHOLE = {"cut-body": (raw(head(length=100) + b"{", then=CLOSE), UNAVAILABLE), "stalls": (raw(head(length=100) + b"{", then=HANG), TIMEOUT)}
STREAM = {
    "head-then-silence": (raw(STREAM_HEAD, then=HANG), TIMEOUT), "role-then-silence": (raw(BEGUN, then=HANG), TIMEOUT),
    "role-then-close": (raw(BEGUN, then=CLOSE), UNAVAILABLE), "role-then-reset": (raw(BEGUN, then=RESET), UNAVAILABLE),
    "role-then-error": (stream(ROLE, ERROR), UNAVAILABLE), "bad-event": (stream("{nonsense"), UNAVAILABLE),
}
BREAKS = {  # the client has a token
    "token-then-silence": (raw(SPOKEN, then=HANG), TIMEOUT), "token-then-close": (raw(SPOKEN, then=CLOSE), UNAVAILABLE),
    "token-then-reset": (raw(SPOKEN, then=RESET), UNAVAILABLE), "token-then-end": (raw(SPOKEN + LAST_CHUNK, then=KEEP), UNAVAILABLE),
    "token-then-error": (stream(ROLE, text("Hello"), ERROR), UNAVAILABLE), "token-then-nonsense": (stream(ROLE, text("Hello"), "{x"), UNAVAILABLE),
}
ALL = BOTH | WHOLE | STREAM | BREAKS


class FaultMatrix(Expectations, unittest.TestCase):
    """Each fault has a model of its own, and providers: how one is doing is nothing to the others."""

    @classmethod
    def setUpClass(cls):
        cls.provider, cls.spare = Provider({n: a for n, (a, _) in ALL.items()}), Provider()
        hasty = {"first_byte_timeout_ms": 700, "idle_timeout_ms": 700, "total_timeout_ms": 5000}
        providers, models = [provider_entry("http://127.0.0.1:1/v1", "refusing")], []
        for name in ALL:
            for kind in ("whole", "stream"):
                for id in (f"{name}-{kind}-one", f"{name}-{kind}-two"):
                    providers.append(provider_entry(cls.provider.url, id, **hasty))
                one, two = (endpoint(f"{name}-{kind}-{n}", f"fault-{name}") for n in ("one", "two"))
                models += [{"id": f"second/{name}-{kind}", "endpoints": [endpoint("refusing"), one, endpoint("spare", "good")]},
                           {"id": f"all/{name}-{kind}", "endpoints": [endpoint("refusing"), two, one]}]
        providers.append(provider_entry(cls.spare.url, "spare"))
        cls.gateway_models = models
        cls.gateway = Gateway(config(cls.provider, models, providers)).start()

    @classmethod
    def tearDownClass(cls):
        harness.finish()

    def check(self, where, name, streamed):
        model = f"{where}/{name}-{'stream' if streamed else 'whole'}"
        mark = f"{model}."
        _, (status, error_type) = ALL[name]
        order = next(m for m in self.gateway_models if m["id"] == model)["endpoints"]
        body = chat_body(mark, streamed, model, provider={"order": [e["provider"] for e in order]})
        r = self.gateway.call("POST", "/api/v1/chat/completions", body)
        breaks = name in BREAKS
        if breaks:
            row = self.broken(r, error_type, ".", provider="", code=status)
        elif where == "second":
            row = self.answered(r, GOOD_TEXT)
        else:
            row = self.failed(r, status, error_type, ".", bare=True)
        asked = 1 if breaks or where == "second" else 2
        # A kept connection that is closed without an answer is replaced, once: which are kept here is chance.
        again = asked if name in ("closes", "resets") else 0
        self.assertIn(len(self.provider.seen(mark)), range(asked, asked + again + 1), "requests at the faulty ones")
        self.assertEqual(len(self.spare.seen(mark)), 1 if where == "second" and not breaks else 0)
        if where == "second" and not breaks:
            self.assertGreater(row["total_cost"], 0)

    def test_all(self):
        cases = [(where, name, streamed) for where in ("second", "all") for name in ALL for streamed in (False, True)
                 if name in BOTH or (name in WHOLE) != streamed]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            runs = {case: pool.submit(self.check, *case) for case in cases}
        print(f"     {len(cases)} cases")
        for case, run in runs.items():
            with self.subTest(case=case):
                run.result()
