"""A provider that answers with an error status: every status and every shape of body that is known of OpenAI-like services,
and what the client is told. What is wrong with the gateway's account is not the client's fault: it never sees 401 or 402.
"""

import email.utils
import json
import time
import unittest

import harness
from harness import Gateway
from upstream import CLOSE, Expectations, Provider, config, fault, head, raw, reply, whole

MESSAGE = "something particular happened"

# Shapes of an error body; each holds MESSAGE where a person would look for it.
BODIES = {
    "openai": {"error": {"message": MESSAGE, "type": "server_error", "param": None, "code": None}},
    "number": {"error": {"message": MESSAGE, "type": "some_error", "code": 17}},
    "together": {"error": {"message": MESSAGE, "type": "t", "param": None, "code": None}, "id": "x"},
    "fireworks": {"error": {"object": "error", "type": "x", "code": "x", "message": MESSAGE}},
    "flat": {"object": "error", "message": MESSAGE, "type": "SomeError", "param": None, "code": 0},
    "flat-cerebras": {"message": MESSAGE, "type": "x_error", "param": "x", "code": "x"},
    "string": {"error": MESSAGE},
    "xai": {"code": "some-code", "error": MESSAGE},
    "detail": {"detail": MESSAGE},
    "detail-list": {"detail": [{"loc": ["body", "x"], "msg": MESSAGE, "type": "value_error"}]},
    "nvidia": {"title": "Title", "status": 500, "detail": MESSAGE},
    "cloudflare": {"success": False, "errors": [{"code": 7003, "message": MESSAGE}], "messages": [], "result": None},
    "databricks": {"error_code": "X", "message": MESSAGE},
    "siliconflow": {"code": 20012, "message": MESSAGE, "data": None},
    "alibaba": {"code": "InvalidX", "message": MESSAGE, "request_id": "r"},
    "google-list": [{"error": {"code": 500, "message": MESSAGE, "status": "INTERNAL"}}],
    "zhipu": {"error": {"code": "1234", "message": MESSAGE}},
    "openrouter": {"error": {"code": 500, "message": MESSAGE, "metadata": {"provider_name": "x"}}, "user_id": "u"},
    "escaped": b'{"error":{"message":"something \\u0070articular happened"}}',
    "blank-lines": b"\n\n \n" + json.dumps({"error": {"message": MESSAGE}}).encode(),
    "text": MESSAGE.encode(),
}
SENSELESS = {
    "empty": b"", "html": b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>", "object": b"{}",
    "null-error": b'{"error":null}', "empty-error": b'{"error":{}}', "array": b"[]", "number": b"17", "string": b'"x"',
    "broken": b'{"error":{"message":"cut', "nul": b"\0\0\0", "latin1": b"caf\xe9", "deep": b"[" * 5000,
    "huge": b'{"error":{"message":"' + b"x" * 200000 + b'"}}', "numbers": b'{"error":{"message":17,"code":[]}}',
}
STATUSES = [  # the provider's status, the client's, error_type
    (400, 400, "invalid_request"), (401, 502, "provider_unavailable"), (402, 502, "provider_unavailable"),
    (403, 502, "provider_unavailable"), (404, 502, "provider_unavailable"), (405, 502, "provider_unavailable"),
    (408, 504, "timeout"), (409, 502, "provider_unavailable"), (424, 502, "provider_unavailable"), (413, 413, "payload_too_large"), (418, 400, "invalid_request"),
    (422, 422, "unprocessable"), (429, 429, "rate_limit_exceeded"), (451, 400, "content_policy_violation"),
    (498, 503, "provider_overloaded"), (500, 502, "provider_unavailable"), (501, 502, "provider_unavailable"),
    (502, 502, "provider_unavailable"), (503, 503, "provider_overloaded"), (504, 504, "timeout"),
    (520, 502, "provider_unavailable"), (529, 503, "provider_overloaded"), (599, 502, "provider_unavailable"),
]
CLASSES = [  # what a word in the body makes of a status
    (400, {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}, 400,
     "context_length_exceeded"),
    (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "type": "BadRequestError",
           "code": 400}, 400, "context_length_exceeded"),
    (400, {"error": {"code": 400, "message": "the request exceeds the available context size",
                     "type": "exceed_context_size_error"}}, 400, "context_length_exceeded"),
    (400, {"error": {"message": "x", "type": "too_many_prompt_tokens", "code": 400}}, 400, "context_length_exceeded"),
    (400, {"error": {"message": "filtered", "code": "content_filter"}}, 400, "content_policy_violation"),
    (400, {"error": {"message": "x", "code": "data_inspection_failed"}}, 400, "content_policy_violation"),
    (400, {"code": "invalid-argument", "error": "Incorrect API key provided: xa***"}, 502, "provider_unavailable"),
    (401, {"error": {"message": "bad key", "code": "invalid_api_key"}}, 502, "provider_unavailable"),
    (404, {"error": {"message": "no such model", "code": "model_not_found"}}, 502, "provider_unavailable"),
    (429, {"error": {"message": "no money", "type": "insufficient_quota", "code": "insufficient_quota"}}, 502,
     "provider_unavailable"),
    (429, {"error": {"message": "x", "type": "exceeded_current_quota_error"}}, 502, "provider_unavailable"),
    (429, {"error": {"message": "x", "type": "engine_overloaded_error"}}, 503, "provider_overloaded"),
    (400, {"code": "Arrearage", "message": "account in arrears", "request_id": "r"}, 502, "provider_unavailable"),
]


def retry(**fields):
    return raw(reply({"error": {"message": MESSAGE}}, "429 Too Many Requests", **fields))


def setUpModule():
    global provider, gateway
    provider = Provider()
    for name, body in BODIES.items():
        provider.answers["body-" + name] = whole(body, "500 Oops")
    for name, body in SENSELESS.items():
        provider.answers["senseless-" + name] = whole(body, "500 Oops", "text/html")
    for status, *_ in STATUSES:
        provider.answers[f"status-{status}"] = whole({"error": {"message": MESSAGE}}, f"{status} Oops")
    for i, (status, body, *_) in enumerate(CLASSES):
        provider.answers[f"class-{i}"] = whole(body, f"{status} Oops")
    date = email.utils.formatdate(time.time() + 45, usegmt=True)
    past = email.utils.formatdate(time.time() - 45, usegmt=True)
    provider.answers |= {
        "retry-seconds": retry(Retry_After="17"), "retry-none": retry(), "retry-date": retry(Retry_After=date),
        "retry-past": retry(Retry_After=past), "retry-ms": retry(retry_after_ms="2500"),
        "retry-both": retry(Retry_After="9", retry_after_ms="2500"), "retry-senseless": retry(Retry_After="soon"),
        "retry-negative": retry(Retry_After="-5"), "retry-zero": retry(Retry_After="0"),
        "retry-huge": retry(Retry_After="99999999999999999999"), "retry-fraction": retry(Retry_After="2.5"),
        "retry-503": raw(reply({"error": {"message": MESSAGE}}, "503 Busy", Retry_After="21")),
        "until-close": raw(head("500 Oops") + json.dumps({"error": {"message": MESSAGE}}).encode(), then=CLOSE),
        "cut": raw(head("500 Oops", length=1000) + b'{"error":{"mess', then=CLOSE),
        "chunked": raw(head("500 Oops", Transfer_Encoding="chunked") + b'6\r\n{"erro\r\n', b'2c\r\n' +
                       b'r":{"message":"something particular happened' + b'\r\n3\r\n"}}\r\n0\r\n\r\n', gap=0.05),
        "redirect": raw(b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/v1\r\nContent-Length: 0\r\n\r\n"),
        "redirect-307": raw(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 5\r\n\r\nmoved"),
        "no-content": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "not-modified": raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        "accepted": whole({"status": "queued"}, "202 Accepted"),
        "created": whole({}, "201 Created"),
    }
    gateway = Gateway(config(provider)).start()


def tearDownModule():
    provider.stop()
    harness.finish()


class Errors(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider
        self.maxDiff = None

    def tearDown(self):
        self.no_leak()

    def ask(self, name, stream=False):
        return gateway.chat(fault(name), stream=stream)

    def each(self, names, check):
        for name in names:
            for stream in (False, True):
                with self.subTest(name=name, stream=stream):
                    check(self.ask(name, stream))

    def test_bodies(self):
        def check(r):
            self.failed(r, 502, "provider_unavailable", MESSAGE)
            self.assertEqual(r.json["error"]["metadata"]["provider_code"], 500)
        self.each(("body-" + n for n in BODIES), check)

    def test_senseless_bodies(self):
        def check(r):
            self.failed(r, 502, "provider_unavailable", ".")
            self.assertNotIn("<", r.json["error"]["message"])
        self.each(("senseless-" + n for n in SENSELESS), check)

    def test_statuses(self):
        for status, ours, error_type in STATUSES:
            def check(r):
                row = self.failed(r, ours, error_type, MESSAGE)
                self.assertEqual([p["status"] for p in row["provider_responses"]], [status])
                self.assertEqual(r.json["error"]["metadata"]["provider_code"], status)
            self.each([f"status-{status}"], check)

    def test_words_that_say_more_than_the_status(self):
        for i, (_, _, ours, error_type) in enumerate(CLASSES):
            self.each([f"class-{i}"], lambda r: self.failed(r, ours, error_type, "."))

    def test_retry_after(self):
        for name, low, high in (("seconds", 17, 17), ("none", 1, 5), ("date", 30, 46), ("past", 1, 1), ("ms", 3, 3),
                                ("both", 3, 3), ("senseless", 1, 60), ("negative", 1, 60), ("zero", 1, 1),
                                ("huge", 600, 600), ("fraction", 3, 3)):
            def check(r):
                self.failed(r, 429, "rate_limit_exceeded", MESSAGE)
                self.assertTrue(low <= int(r.field("retry-after")) <= high, r)
                self.assertEqual(int(r.field("retry-after-ms")) // 1000, int(r.field("retry-after")))
                self.assertEqual(r.field("x-should-retry"), "true")
            self.each(["retry-" + name], check)

    def test_retry_after_of_an_overload(self):
        def check(r):
            self.failed(r, 503, "provider_overloaded", MESSAGE)
            self.assertEqual(r.field("retry-after"), "21")
        self.each(["retry-503"], check)

    def test_framings(self):
        self.each(["until-close", "chunked"], lambda r: self.failed(r, 502, "provider_unavailable", MESSAGE))

    def test_cut_error_body(self):
        self.each(["cut"], lambda r: self.failed(
            r, 502, "provider_unavailable", "Mock Provider closed the connection in the middle"))

    def test_redirects(self):
        self.each(["redirect", "redirect-307"], lambda r: self.failed(
            r, 502, "provider_unavailable", r"Mock Provider answered with a redirect \(status 30[17]\)"))

    def test_other_statuses_that_are_no_error(self):
        self.each(["no-content", "not-modified", "accepted", "created"], lambda r: self.failed(
            r, 502, "provider_unavailable", r"Mock Provider answered with status (204|304|202|201)"))

    def test_redirects_are_not_followed(self):
        before = len(provider.requests)
        self.ask("redirect-307")
        self.assertEqual(len(provider.requests), before + 1)

    def test_the_clients_key_is_never_blamed(self):
        def check(r):
            self.assertEqual(r.status, 502)
            self.assertIsNone(r.field("www-authenticate"))
        self.each((f"status-{status}" for status in (401, 402, 403)), check)


if __name__ == "__main__":
    unittest.main()
