"""What is told of attempts: their rows in /generation and in the metadata, times without keep-alive comments, how long to
wait when all are out; what providers say of tokens; tiers and preferences by what a request asks for.
"""

import decimal
import time
import unittest

import harness
from harness import Gateway, wait_for
from upstream import KEEP, LAST_CHUNK, STREAM_HEAD, Provider, both, chunk, coded, completion, config, endpoint, good, provider_entry, sse, stream, text, whole

answers = {}


def by_model(request):
    return answers.get(request.json["model"].removeprefix("fault-"), good)(request)


def refused(status, **fields):
    return whole({"error": {"message": "no", "code": status}}, f"{status} No", **fields)


def offer(provider, name, price="0.000001", **more):
    return endpoint(provider, "fault-" + name) | {"pricing": {"prompt": price, "completion": price}} | more


def late(seconds):
    """A stream whose first token comes after that time."""
    def answer(request):
        request.send(STREAM_HEAD)
        time.sleep(seconds)
        request.send(b"".join(coded(sse(e)) for e in (text("Hi"), chunk({}, "stop"), "[DONE]")) + LAST_CHUNK)
        return KEEP
    return answer


def setUpModule():
    global provider, gateway
    names = ["one", "two", "lone", "flex", "plain", "prio", "formats", "tools"]
    provider = Provider({name: by_model for name in names})
    models = [
        {"id": "test/pair", "endpoints": [offer("a", "one", "0.000001", tag="turbo"), offer("b", "two", "0.000002", quantization="fp8")]},
        {"id": "test/lone", "endpoints": [offer("a", "lone", context_length=1000)]},
        {"id": "test/other", "endpoints": [offer("c", "lone")]},
        {"id": "test/tiers", "endpoints": [offer("a", "plain", "0.000002"), offer("a", "flex", "0.000001", tag="flex"),
                                           offer("b", "prio", "0.000009", tag="priority")]},
        {"id": "test/formats", "endpoints": [offer("a", "tools", "0.000001", supported_parameters=["tools", "temperature"]),
                                             offer("b", "formats", "0.000009", supported_parameters=["response_format"])]},
    ]
    settings = config(provider, models, [provider_entry(provider.url, n) for n in "abc"], server={"keepalive_comment_ms": 100})
    settings["routing"] = {"health": True}
    gateway = Gateway(settings).start()


def tearDownModule():
    provider.stop()
    harness.finish()


class Attempts(unittest.TestCase):
    def setUp(self):
        answers.clear()
        provider.requests.clear()

    def chat(self, model, stream=False, **more):
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]} | ({"stream": True} if stream else {}) | more
        return gateway.call("POST", "/api/v1/chat/completions", body, headers={"X-OpenRouter-Metadata": "enabled"})

    def row(self, response):
        return wait_for(lambda: (r := gateway.generation(response.id)).status == 200 and r, "the row").json["data"]

    def asked(self):
        return [r.json["model"].removeprefix("fault-") for r in provider.requests]

    def test_every_attempt_has_its_row(self):
        answers["one"] = refused(451)
        for streamed in (False, True):
            response = self.chat("test/pair", streamed, provider={"order": ["a", "b"]})
            failed, answered = self.row(response)["provider_responses"]
            self.assertEqual((failed["provider_name"], failed["tag"], failed["status"], failed["reason"]), ("A", "turbo", 451, "first"))
            self.assertEqual((answered["provider_name"], answered["tag"], answered["status"], answered["reason"]), ("B", "fp8", 200, "fallback"))
            self.assertIn("fault", failed)
            self.assertNotIn("fault", answered)
            self.assertGreaterEqual(answered["started"], failed["started"])
            shown = (response.events()[-2] if streamed else response.json)["openrouter_metadata"]["attempts"]
            self.assertEqual([(a["tag"], a["status"], a["reason"]) for a in shown], [("turbo", 451, "first"), ("fp8", 200, "fallback")])
            self.assertTrue(all(isinstance(a["latency_ms"], int) for a in shown), shown)
        response = self.chat("test/lone")
        only, = self.row(response)["provider_responses"]
        self.assertEqual((only["reason"], only["started"], only["status"]), ("first", 0, 200))

    def test_comments_are_no_answer(self):
        answers["lone"] = late(0.5)
        response = self.chat("test/lone", True)
        self.assertIn(b": OPENROUTER PROCESSING", response.body)
        row = self.row(response)
        self.assertGreaterEqual(row["latency"], 450)
        self.assertLess(row["generation_time"], 300)
        self.assertGreaterEqual(row["provider_responses"][0]["latency"], 450)

    def test_waits_are_believed_up_to_ten_minutes(self):
        for field, value, want in (("Retry_After", "7", 7), ("Retry_After", "99999999", 600), ("retry_after_ms", "999999999999", 600),
                                   ("Retry_After", "Fri, 31 Dec 2100 23:59:59 GMT", 600)):
            answers["lone"] = refused(429, **{field: value})
            response = self.chat("test/lone")
            self.assertEqual((response.status, response.field("retry-after")), (429, str(want)), value)

    def test_a_wait_that_nobody_told_is_the_bench(self):
        answers["lone"] = refused(429)
        response = self.chat("test/other")
        self.assertEqual(response.status, 429)
        self.assertIn(int(response.field("retry-after")), range(9, 12))

    def test_an_order_that_nobody_fits(self):
        response = self.chat("test/pair", provider={"order": ["c"], "allow_fallbacks": False})
        self.assertEqual(response.status, 404, response)
        availability = response.json["error"]["availability"]
        self.assertEqual(availability["excluded_by"], ["allowed_providers"])
        self.assertEqual(availability["constraint"]["field"], "provider.order")
        self.assertIn("provider.order", response.json["error"]["message"])
        self.assertEqual(self.asked(), [])

    def test_a_context_that_is_too_short_for_those_that_may_be_asked(self):
        message = [{"role": "user", "content": "word " * 3000}]
        response = self.chat("test/lone", messages=message, provider={"only": ["a"]})
        self.assertEqual((response.status, response.json["error"]["metadata"]["error_type"]), (400, "context_length_exceeded"), response)
        response = self.chat("test/lone", models=["test/pair"], messages=message, provider={"ignore": ["b"], "quantizations": ["unknown"]})
        self.assertEqual(response.status, 200, response)

    def test_tiers(self):
        for tier in ("priority", "fast"):
            answers["prio"] = refused(451)
            self.assertEqual(self.chat("test/tiers", service_tier=tier).status, 200)
            self.assertEqual(self.asked(), ["prio", "plain"], tier)
            provider.requests.clear()
        answers["flex"] = refused(451)
        self.assertGreaterEqual(self.chat("test/tiers", service_tier="flex").status, 400)
        self.assertEqual(self.asked(), ["flex"])
        provider.requests.clear()
        self.assertEqual(self.chat("test/tiers").status, 200)
        self.assertEqual(self.chat("test/pair", service_tier="flex").status, 200)
        self.assertEqual(self.asked()[0], "plain")

    def test_a_tiers_endpoint_is_told_its_tier(self):
        told = lambda: [r.json.get("service_tier") for r in provider.requests]
        self.chat("test/tiers:floor")
        self.chat("test/tiers", service_tier="fast")
        self.chat("test/tiers", provider={"only": ["b/priority"]})
        self.chat("test/tiers", service_tier="default")
        self.chat("test/lone", service_tier="priority")
        self.assertEqual((self.asked(), told()), (["flex", "prio", "prio", "plain", "lone"], ["flex", "priority", "priority", "default", "priority"]))
        provider.requests.clear()
        answers["prio"] = refused(451)
        self.chat("test/tiers", service_tier="priority")
        self.assertEqual((self.asked(), told()), (["prio", "plain"], ["priority", None]))

    def test_parameters_that_an_endpoint_does_not_list_are_not_told(self):
        more = {"seed": 7, "temperature": 0.5, "stop": ["x"], "top_k": None, "max_tokens": 9, "own": 1}
        response = self.chat("test/formats", provider={"only": ["a"]}, **more)
        sent = provider.requests[-1].json
        self.assertEqual({name: sent.get(name) for name in more}, {"seed": None, "temperature": 0.5, "stop": None, "top_k": None, "max_tokens": 9, "own": 1})
        self.assertEqual(sorted(response.json["openrouter_metadata"]["dropped_parameters"]), ["seed", "stop"])
        self.assertEqual(self.chat("test/formats", provider={"only": ["a"], "require_parameters": True}, seed=7).status, 404)
        self.chat("test/lone", **more)
        self.assertEqual(provider.requests[-1].json["seed"], 7)

    def test_a_filters_verdict_alone_goes_to_the_next(self):
        usage = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}
        choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}
        whole_answer = whole(completion(choices=[choice], usage=usage))
        events = [chunk({"role": "assistant", "content": ""}), chunk({}, "content_filter"), chunk(choices=[], usage=usage), "[DONE]"]

        def apart(request):
            request.send(STREAM_HEAD)
            for event in events:
                request.send(coded(sse(event)))
                time.sleep(0.03)
            request.send(LAST_CHUNK)
            return KEEP
        for streamed in (False, True):
            for answer in (both(whole_answer, stream(*events)), both(whole_answer, apart)):
                answers["one"] = answer
                answers.pop("two", None)
                response = self.chat("test/pair", streamed, provider={"order": ["a", "b"]})
                self.assertIn("Hello ", response.text)
                self.assertNotIn("content_filter", response.text)
                failed, answered = self.row(response)["provider_responses"]
                self.assertEqual((failed["fault"], failed["status"], answered["reason"]), ("content", 200, "fallback"))
                answers["two"] = answer  # the last one's verdict is the answer
                response = self.chat("test/pair", streamed, provider={"order": ["a", "b"]})
                self.assertEqual(response.status, 200)
                self.assertEqual(self.row(response)["finish_reason"], "content_filter")
                self.assertEqual(self.row(response)["provider_name"], "B")
        events.insert(1, text("Some words"))
        answers["one"] = apart
        answers.pop("two")
        response = self.chat("test/pair", True, provider={"order": ["a", "b"]})
        self.assertIn("Some words", response.text)
        self.assertEqual(len(self.row(response)["provider_responses"]), 1)

    def test_those_that_know_the_format_go_first(self):
        self.chat("test/formats", response_format={"type": "json_object"}, provider={"sort": "price"})
        self.chat("test/formats", tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
        self.chat("test/formats", provider={"sort": "price"})
        self.assertEqual(self.asked(), ["formats", "tools", "tools"])

    def test_counts_that_are_none(self):
        for usage in ({"prompt_tokens": "10", "completion_tokens": "5"}, {"prompt_tokens": None, "completion_tokens": None},
                      {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, {"total_tokens": 9}, {"prompt_tokens": 10, "completion_tokens": 0}):
            body = completion(usage=usage)
            events = [text("Hello from the mock"), chunk({}, "stop"), chunk(choices=[], usage=usage), "[DONE]"]
            answers["lone"] = both(whole(body), stream(*events))
            for streamed in (False, True):
                response = self.chat("test/lone", streamed)
                told = (response.events()[-2] if streamed else response.json)["usage"]
                row = self.row(response)
                self.assertTrue(row["usage_estimated"], usage)
                self.assertEqual(told["completion_tokens"], 5, usage)
                self.assertGreater(told["prompt_tokens"], 0, usage)
                tokens = told["prompt_tokens"] + told["completion_tokens"]
                self.assertEqual(decimal.Decimal(str(row["total_cost"])), tokens * decimal.Decimal("0.000001"), usage)


if __name__ == "__main__":
    unittest.main()
