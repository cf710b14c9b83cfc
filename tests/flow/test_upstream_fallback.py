"""A model with two endpoints: the second answers when the first fails before its first token, in every way worth another try;
not when the request itself is at fault, and never after something was sent. The ledger shows both attempts.
"""

import unittest

import harness
from harness import Gateway
from upstream import (CLOSE, HANG, LAST_CHUNK, RESET, STREAM_HEAD, Expectations, Provider, chunk, coded, completion, config, endpoint,
                      fault, good, head, provider_entry, raw, sse, stream, text, whole)

ROLE = chunk({"role": "assistant", "content": ""})
ERROR = {"error": {"message": "it broke", "code": 500}}

RETRYABLE = {  # name: (answer, status the ledger shows)
    "closes": (raw(then=CLOSE), None), "resets": (raw(then=RESET), None), "garbage": (raw(b"garbage\r\n\r\n", then=CLOSE), None),
    "cut-head": (raw(b"HTTP/1.1 200 OK\r\nX", then=CLOSE), None), "hang": (raw(then=HANG), None),
    "redirect": (raw(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), 302),
    "no-content": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), 204),
    "error-in-200": (whole(ERROR), 200), "html-in-200": (whole("<html></html>", content_type="text/html"), 200),
    "context": (whole({"error": {"message": "too long", "code": "context_length_exceeded"}}, "400 Bad"), 400),
    "filter": (whole({"error": {"message": "no", "code": "content_filter"}}, "400 Bad"), 400),
} | {f"status-{s}": (whole({"error": {"message": "it broke"}}, f"{s} Oops"), s)
     for s in (401, 402, 403, 404, 408, 409, 413, 424, 429, 500, 502, 503, 504, 520, 529)}
RETRYABLE_WHOLE = {
    "cut-body": (raw(head(length=100) + b"{", then=CLOSE), 200), "hang-in-body": (raw(head(length=100) + b"{", then=HANG), 200),
    "not-json": (whole("{"), 200), "no-completion": (whole({"hello": 1}), 200),
}
RETRYABLE_STREAM = {
    "error-first": (stream(ERROR), 200), "error-after-role": (stream(ROLE, ERROR), 200), "clean-end": (stream(ROLE), 200),
    "cut": (raw(STREAM_HEAD + coded(sse(ROLE)), then=CLOSE), 200), "cut-at-once": (raw(STREAM_HEAD, then=RESET), 200),
    "hang-after-role": (raw(STREAM_HEAD + coded(sse(ROLE)), then=HANG), 200), "whole-reply": (whole(completion()), 200),
    "bad-event": (stream("{nonsense"), 200),
}
FINAL = {f"status-{s}": whole({"error": {"message": "your fault"}}, f"{s} No") for s in (400, 422)}


def setUpModule():
    global provider, second, gateway
    answers = {n: a for n, (a, _) in (RETRYABLE | RETRYABLE_WHOLE | RETRYABLE_STREAM).items()} | FINAL
    answers["cut-later"] = raw(STREAM_HEAD + coded(sse(text("Hello"))), then=CLOSE)
    provider, second = Provider(answers), Provider()
    providers = [provider_entry(second.url, "second"), provider_entry("http://127.0.0.1:1/v1", "refusing"),
                 provider_entry("http://does-not-exist.invalid/v1", "unknown")]
    gateway = Gateway(config(provider, [
        {"id": "test/pair", "endpoints": [endpoint("hasty"), endpoint("second", "good")]},
        {"id": "test/trio", "endpoints": [endpoint("refusing"), endpoint("unknown"), endpoint("second", "good")]},
        {"id": "test/doomed", "endpoints": [endpoint("refusing"), endpoint("mock"), endpoint("hasty", "fault-status-503")]},
        {"id": "test/spare", "endpoints": [endpoint("second", "good")]},
    ], providers)).start()


def tearDownModule():
    provider.stop()
    second.stop()
    harness.finish()


class Fallback(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def tearDown(self):
        self.no_leak()

    def falls_back(self, cases, streamed):
        for name, (_, status) in cases.items():
            with self.subTest(name, stream=streamed):
                before = len(second.requests)
                r = gateway.chat(fault(name), model="test/pair", stream=streamed)
                row = self.answered(r)
                self.assertEqual(len(second.requests), before + 1)
                self.assertEqual(row["provider_name"], "Second")
                self.assertEqual([(p["provider_name"], p["status"]) for p in row["provider_responses"]],
                                 [("Hasty", status), ("Second", 200)])
                shown = r.events()[0] if streamed else r.json
                self.assertEqual((shown["provider"], shown["model"]), ("Second", "test/pair"))

    def test_whole(self):
        self.falls_back(RETRYABLE | RETRYABLE_WHOLE, False)

    def test_streams(self):
        self.falls_back(RETRYABLE | RETRYABLE_STREAM, True)

    def test_unreachable_ones_are_passed_over(self):
        for streamed in (False, True):
            row = self.answered(gateway.chat(model="test/trio", stream=streamed))
            self.assertEqual([(p["provider_name"], p["status"]) for p in row["provider_responses"]],
                             [("Refusing", None), ("Unknown", None), ("Second", 200)])

    def test_the_request_is_at_fault(self):
        for name in FINAL:
            for streamed in (False, True):
                with self.subTest(name, stream=streamed):
                    before = len(second.requests)
                    row = self.failed(gateway.chat(fault(name), model="test/pair", stream=streamed),
                                      422 if name == "status-422" else 400, "unprocessable" if name == "status-422" else "invalid_request", "your fault",
                                      provider="Hasty")
                    self.assertEqual(len(second.requests), before)
                    self.assertEqual(len(row["provider_responses"]), 1)

    def test_not_after_content(self):
        before = len(second.requests)
        self.broken(gateway.chat(fault("cut-later"), model="test/pair", stream=True), "provider_unavailable", "Hasty closed",
                    "Hello", provider="Hasty")
        self.assertEqual(len(second.requests), before)

    def test_all_fail(self):
        for streamed in (False, True):
            row = self.failed(gateway.chat(fault("status-429"), model="test/doomed", stream=streamed), 503, "provider_overloaded",
                              "it broke", provider="Hasty")
            self.assertEqual([(p["provider_name"], p["status"]) for p in row["provider_responses"]],
                             [("Refusing", None), ("Mock Provider", 429), ("Hasty", 503)])

    def test_other_models_of_the_request(self):
        r = gateway.chat(fault("status-500"), model="test/model", models=["test/model", "test/spare"])
        self.answered(r)
        self.assertEqual(r.json["model"], "test/spare")

    def test_failures_are_not_paid(self):
        r = gateway.chat(fault("status-500"), model="test/pair")
        self.assertAlmostEqual(self.row(r)["total_cost"], 10 * 15e-8 + 5 * 6e-7, 12)


if __name__ == "__main__":
    unittest.main()
