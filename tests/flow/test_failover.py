"""Ways on while the client has seen nothing: other keys of the same provider, deadlines of the first token and of the rate, hedging,
and empty answers. What each attempt was made for stands in /generation.
"""

import collections
import concurrent.futures
import json
import time
import unittest

import harness
from harness import Gateway, wait_for
from upstream import (HANG, KEEP, STREAM_HEAD, Expectations, Provider, chunk, coded, completion, config, endpoint, fault, good, provider_entry,
                      raw, sse, stream, text, usage_chunk, whole)

ROLE = chunk({"role": "assistant", "content": ""})
REFUSED = {"error": {"message": "no"}}


def by_key(status):
    """Refuses every key but the last with the status."""
    def answer(request):
        if request.all("authorization")[0].endswith("-3"):
            return good(request)
        return whole(REFUSED, f"{status} No", **({"Retry_After": "7"} if status == 429 else {}))(request)
    return answer


def comments_only(request):
    """A head, a role and comments for ever: nothing of it is a token."""
    request.send(STREAM_HEAD + coded(sse(ROLE)))
    for _ in range(100):
        try:
            request.send(coded(b": still there\n\n"))
        except OSError:
            return HANG
        time.sleep(0.1)
    return HANG


def trickle(request):
    """Two tokens, then one letter every now and then."""
    request.send(STREAM_HEAD + coded(sse(ROLE, text("Hello "))))
    for _ in range(60):
        try:
            request.send(coded(sse(text("x"))))
        except OSError:
            return HANG
        time.sleep(0.5)
    return HANG


def slowly(request):
    time.sleep(1)
    return good(request)


def setUpModule():
    global provider, second, gateway
    empty = completion(choices=[{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": None}],
                       usage={"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10})
    provider = Provider({f"key-{s}": by_key(s) for s in (401, 402, 403, 429)} | {
        "comments": comments_only, "slowly": slowly, "trickle": trickle, "empty": whole(empty), "all-429": whole(REFUSED, "429 No", Retry_After="9"),
        "sooner-429": whole(REFUSED, "429 No", Retry_After="4")})
    second = Provider()
    keys = {"api_key": ["sk-upstream-keys-1", "sk-upstream-keys-2", "sk-upstream-keys-3"]}
    providers = [provider_entry(second.url, "second"), provider_entry(provider.url, "keys") | keys,
                 provider_entry(provider.url, "eager", first_token_timeout_ms=600),
                 provider_entry(provider.url, "brisk", min_tokens_per_second=2), provider_entry(provider.url, "narrow", max_concurrency=2)]
    gateway = Gateway(config(provider, [
        {"id": "test/keys", "endpoints": [endpoint("keys")]},
        {"id": "test/eager", "endpoints": [endpoint("eager"), endpoint("second", "good")]},
        {"id": "test/eager-alone", "endpoints": [endpoint("eager")]},
        {"id": "test/narrow", "endpoints": [endpoint("narrow", "fault-slowly"), endpoint("second", "good")]},
        {"id": "test/narrow-alone", "endpoints": [endpoint("narrow", "fault-slowly")]},
        {"id": "test/brisk", "endpoints": [endpoint("brisk")]},
        {"id": "test/pair", "endpoints": [endpoint("mock"), endpoint("second", "good")]},
        {"id": "test/limits", "endpoints": [endpoint("mock", "fault-all-429"), endpoint("mock", "fault-sooner-429")]},
    ], providers)).start()


def tearDownModule():
    provider.stop()
    second.stop()
    harness.finish()


class Failover(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def attempts(self, response):
        return [(p["provider_name"], p["status"], p.get("reason")) for p in self.row(response)["provider_responses"]]

    def test_another_key_of_the_same_provider(self):
        for status in (401, 402, 403, 429):
            for streamed in (False, True):
                with self.subTest(status, stream=streamed):
                    mark = len(provider.requests)
                    response = gateway.chat(fault(f"key-{status}"), model="test/keys", stream=streamed)
                    self.assertEqual(response.status, 200, response)
                    used = [r.all("authorization")[0] for r in provider.requests[mark:]]
                    self.assertEqual(len(used), len(set(used)), "a key that was refused is not tried again")
                    self.assertTrue(used[-1].endswith("-3"))

    def test_a_request_that_is_wrong_is_not_tried_with_every_key(self):
        mark = len(provider.requests)
        response = gateway.chat(fault("nonsense"), model="test/keys", messages=[{"role": "user"}])
        self.assertIn(response.status, (200, 400))
        self.assertLessEqual(len(provider.requests) - mark, 1)

    def test_first_token_in_time(self):
        began = time.monotonic()
        response = gateway.chat(fault("comments"), model="test/eager", stream=True)
        self.assertEqual(response.events()[-1], "[DONE]")
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual([a[0] for a in self.attempts(response)], ["Eager", "Second"])

    def test_no_first_token_and_nobody_else(self):
        response = gateway.chat(fault("comments"), model="test/eager-alone", stream=True)
        told = response.json["error"] if response.status != 200 else response.events()[-1]["error"]
        self.assertEqual(told["code"], 504)
        self.assertIn("first_token_timeout_ms", told["message"])
        self.assertIn("Eager", told["message"])

    def test_least_rate(self):
        response = gateway.chat(fault("trickle"), model="test/brisk", stream=True)
        self.assertEqual(response.status, 200)
        last = response.events()[-1]
        self.assertEqual(last["error"]["code"], 504)
        self.assertIn("min_tokens_per_second", last["error"]["message"])
        self.assertEqual(last["choices"][0]["finish_reason"], "error")
        self.assertEqual(self.row(response)["usage"], 0)

    def test_no_more_at_a_time_than_a_provider_may_have(self):
        for _ in range(2):  # what was counted is given back
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                found = collections.Counter(r.json["provider"] for r in pool.map(lambda _: gateway.chat(model="test/narrow"), range(6)))
            self.assertEqual(found, {"Narrow": 2, "Second": 4})
        gone = [gateway.connect() for _ in range(2)]
        for connection in gone:
            connection.request("POST", "/api/v1/chat/completions", harness.chat_body("x", True, "test/narrow-alone"))
        time.sleep(0.3)
        for connection in gone:
            connection.close()
        wait_for(lambda: gateway.chat(model="test/narrow-alone").status == 200, "room for another")

    def test_empty_answers(self):
        response = gateway.chat(fault("empty"), model="test/pair")
        self.assertEqual(response.json["provider"], "Second")
        response = gateway.chat(fault("empty"))
        self.assertEqual(response.status, 502)
        self.assertEqual(self.row(response)["usage"], 0)

    def test_the_shortest_wait_is_told(self):
        response = gateway.chat(model="test/limits")
        self.assertEqual((response.status, response.field("retry-after")), (429, "4"))
        errors = response.json["error"]["metadata"]["previous_errors"]
        self.assertEqual([(e["code"], e["status"]) for e in errors], [("upstream_rate", 429)])


if __name__ == "__main__":
    unittest.main()
