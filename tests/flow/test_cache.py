"""The response cache and Idempotency-Key through the running gateway: what is kept, for whom, how long, and that a kept answer costs
nothing and asks nobody.
"""

import concurrent.futures
import json
import threading
import time
import unittest

import harness
from harness import KEY, Gateway, wait_for
from upstream import Provider, config, endpoint, good, whole

ON = {"X-OpenRouter-Cache": "true"}
SECOND_KEY = "sk-test-second-0123456789abcdef"


class Counter:
    def __init__(self, delay=0.0, answer=good):
        self.asked, self.delay, self.answer = 0, delay, answer
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.asked += 1
        time.sleep(self.delay)
        return self.answer(request)


def setUpModule():
    global counters, provider, gateway
    counters = {"plain": Counter(), "slow": Counter(0.5), "fails": Counter(0, whole({"error": {"message": "no"}}, "500 Oops")),
                "limits": Counter(0, whole({"error": {"message": "no"}}, "429 No"))}
    provider = Provider(counters)
    settings = config(provider, [{"id": f"test/{n}", "endpoints": [endpoint("mock", f"fault-{n}")]} for n in counters])
    settings["auth"]["keys"].append({"name": "second", "key": SECOND_KEY})
    gateway = Gateway(settings).start()


def tearDownModule():
    provider.stop()
    harness.finish()


def body(text, model="test/plain", **more):
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]} | more).encode()


def ask(sent, key=KEY, where=None, **fields):
    return (where or gateway).call("POST", "/api/v1/chat/completions", sent, key, ON | {n.replace("_", "-"): v for n, v in fields.items()})


class Cache(unittest.TestCase):
    def status(self, response):
        self.assertEqual(response.status, 200, response)
        return response.field("x-openrouter-cache-status")

    def row(self, response, key=KEY):
        return wait_for(lambda: (r := gateway.generation(response.id, key)).status == 200 and r.json["data"], "the row")

    def test_whole(self):
        before = counters["plain"].asked
        first, second = ask(body("whole")), ask(body("whole"))
        self.assertEqual((self.status(first), self.status(second)), ("MISS", "HIT"))
        self.assertEqual(counters["plain"].asked, before + 1)
        self.assertEqual(first.field("x-openrouter-cache-ttl"), "300")
        self.assertLessEqual(int(second.field("x-openrouter-cache-ttl")), 300)
        self.assertIn(second.field("x-openrouter-cache-age"), ("0", "1"))
        self.assertEqual(second.field("x-openrouter-cache-source-id"), first.id)
        self.assertNotEqual(first.id, second.id)
        self.assertEqual(second.json["id"], second.id)
        self.assertEqual(second.json["choices"], first.json["choices"])
        usage = second.json["usage"]
        self.assertEqual((usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"], usage["cost"]), (0, 0, 0, 0))
        self.assertGreater(first.json["usage"]["cost"], 0)
        row = self.row(second)
        self.assertEqual((row["usage"], row["native_tokens_prompt"], row["response_cache_source_id"]), (0, 0, first.id))

    def test_streams(self):
        before = counters["plain"].asked
        first, second = ask(body("stream", stream=True)), ask(body("stream", stream=True))
        self.assertEqual((self.status(first), self.status(second)), ("MISS", "HIT"))
        self.assertEqual(counters["plain"].asked, before + 1)
        self.assertEqual(second.events()[-1], "[DONE]")
        texts = ["".join(e["choices"][0]["delta"].get("content") or "" for e in r.events()[:-1] if e["choices"]) for r in (first, second)]
        self.assertEqual(texts[0], texts[1])
        self.assertTrue(texts[1])
        self.assertEqual({e["id"] for e in second.events()[:-1]}, {second.id})
        self.assertEqual(second.events()[-2]["usage"]["cost"], 0)
        self.assertEqual(self.status(ask(body("stream"))), "MISS", "a whole answer is another one")

    def test_what_makes_a_difference(self):
        self.assertEqual(self.status(ask(body("same", temperature=0.5, seed=1))), "MISS")
        self.assertEqual(self.status(ask(b'{"seed":1,\n "temperature":0.5, "messages":[{"content":"same","role":"user"}],"model":"test/plain"}')),
                         "HIT")
        for other in (body("same", temperature=0.6, seed=1), body("Same", temperature=0.5, seed=1), body("same", temperature=0.5)):
            self.assertEqual(self.status(ask(other)), "MISS")
        self.assertEqual(self.status(ask(body("same", temperature=0.5, seed=1), key=SECOND_KEY)), "MISS", "never across keys")

    def test_only_when_asked(self):
        for value in ("false", "", "maybe", "0"):
            before = counters["plain"].asked
            for _ in range(2):
                response = ask(body("not asked"), X_OpenRouter_Cache=value)
                self.assertIsNone(self.status(response), value)
            self.assertEqual(counters["plain"].asked, before + 2)

    def test_a_hit_is_of_now(self):
        first = ask(body("new"))
        time.sleep(1.1)
        second = ask(body("new"))
        self.assertEqual(self.status(second), "HIT")
        self.assertGreater(second.json["created"], time.time() - 30)
        self.assertNotEqual(second.json["created"], first.json["created"])

    def test_metadata(self):
        """A hit tells that nobody was asked; what is kept knows nothing of who wanted it."""
        told = {"X_OpenRouter_Metadata": "enabled"}
        last = lambda r, stream: [e for e in r.events() if e != "[DONE]"][-1] if stream else r.json
        for stream in (False, True):
            sent = body("told", stream=stream)
            first, second, third = ask(sent, **told), ask(sent, **told), ask(sent)
            self.assertEqual([self.status(r) for r in (first, second, third)], ["MISS", "HIT", "HIT"])
            self.assertEqual(len(last(first, stream)["openrouter_metadata"]["attempts"]), 1)
            self.assertNotIn("response_cache", last(first, stream)["openrouter_metadata"])
            found = last(second, stream)["openrouter_metadata"]
            if stream:
                self.assertEqual(second.events()[-1], "[DONE]")
            kept = found.pop("response_cache")
            self.assertEqual(kept["source_id"], first.id)
            self.assertIn(kept["age_seconds"], (0, 1))
            self.assertTrue(290 < kept["ttl_seconds"] <= 300)
            self.assertIn("response cache", found.pop("summary"))
            self.assertEqual(found, {"requested": "test/plain", "strategy": "direct", "region": None, "attempt": 0, "is_byok": False,
                                     "endpoints": {"total": 0, "available": []}, "attempts": []})
            self.assertNotIn("openrouter_metadata", last(third, stream))
        sent = json.dumps({"models": ["test/fails", "test/plain"], "messages": [{"role": "user", "content": "strategy"}]}).encode()
        found = [ask(sent, **told).json["openrouter_metadata"] for _ in range(2)]
        self.assertEqual([(f["requested"], f["strategy"], len(f["attempts"])) for f in found],
                         [("test/fails", "fallback", 2), ("test/fails", "fallback", 0)])
        # By Idempotency-Key it is byte for byte what the client got.
        once = told | {"Idempotency_Key": "metadata"}
        self.assertEqual(ask(sent, **once).body, ask(sent, **once).body)

    def test_presets(self):
        for slug, says in (("cached", True), ("uncached", False)):
            made = gateway.call("POST", f"/api/v1/presets/{slug}/chat/completions", json.dumps(
                {"model": "test/plain", "cache_enabled": says, "cache_ttl_seconds": 77}).encode())
            self.assertEqual(made.status, 200, made)
        ask_preset = lambda slug, fields: gateway.call("POST", "/api/v1/chat/completions", body("by preset " + slug, f"@preset/{slug}"), KEY, fields)
        self.assertEqual([self.status(ask_preset("cached", {})) for _ in range(2)], ["MISS", "HIT"])
        self.assertIsNone(self.status(ask_preset("cached", {"X-OpenRouter-Cache": "false"})))
        self.assertIsNone(self.status(ask_preset("uncached", ON)))
        self.assertLessEqual(int(ask_preset("cached", {}).field("x-openrouter-cache-ttl")), 77)

    def test_time_to_live(self):
        for sent, told in (("60abc", "60"), ("0", "1"), ("999999", "86400"), ("abc", "300")):
            self.assertEqual(ask(body("ttl " + sent), X_OpenRouter_Cache_TTL=sent).field("x-openrouter-cache-ttl"), told)
        self.assertEqual(self.status(ask(body("short"), X_OpenRouter_Cache_TTL="1")), "MISS")
        time.sleep(1.3)
        self.assertEqual(self.status(ask(body("short"))), "MISS")

    def test_clear(self):
        first = ask(body("clear"))
        second = ask(body("clear"), X_OpenRouter_Cache_Clear="true")
        third = ask(body("clear"))
        self.assertEqual([self.status(r) for r in (first, second, third)], ["MISS", "MISS", "HIT"])
        self.assertEqual(third.field("x-openrouter-cache-source-id"), second.id)

    def test_failures_are_not_kept(self):
        before = counters["fails"].asked
        for _ in range(2):
            self.assertEqual(ask(body("x", "test/fails")).status, 502)
        self.assertEqual(counters["fails"].asked, before + 2)

    def test_many_at_once_ask_once(self):
        for streamed in (False, True):
            before = counters["slow"].asked
            with concurrent.futures.ThreadPoolExecutor(10) as pool:
                found = list(pool.map(lambda _: ask(body(f"together {streamed}", "test/slow", stream=streamed)), range(10)))
            self.assertEqual(counters["slow"].asked, before + 1)
            self.assertEqual(sorted(self.status(r) for r in found), ["HIT"] * 9 + ["MISS"])
            self.assertEqual(len({r.id for r in found}), 10)

    def test_who_leads_may_leave(self):
        for streamed in (False, True):
            sent, before = body(f"left alone {streamed}", "test/slow", stream=streamed), counters["slow"].asked
            leader = gateway.connect()
            leader.request("POST", "/api/v1/chat/completions", sent, headers=ON)
            wait_for(lambda: counters["slow"].asked == before + 1, "the leader's request")
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                waits = [pool.submit(ask, sent) for _ in range(3)]
                time.sleep(0.2)
                leader.close()
                self.assertEqual(sorted(self.status(w.result()) for w in waits), ["HIT", "HIT", "MISS"])
            self.assertEqual(counters["slow"].asked, before + 2, "the first who waited leads, and the others wait on")

    def test_by_configuration(self):
        settings = config(provider, [{"id": "test/plain", "endpoints": [endpoint("mock", "fault-plain")]}], cache={"enabled": True, "scope": "shared"})
        settings["auth"]["keys"].append({"name": "second", "key": SECOND_KEY})
        other = Gateway(settings).start()
        found = [other.call("POST", "/api/v1/chat/completions", body("shared"), key).field("x-openrouter-cache-status") for key in (KEY, SECOND_KEY)]
        self.assertEqual(found, ["MISS", "HIT"])


class Idempotency(unittest.TestCase):
    def ask(self, sent, key, **more):
        return gateway.call("POST", "/api/v1/chat/completions", sent, KEY, {"Idempotency-Key": key} | more)

    def test_the_same_outcome(self):
        for streamed in (False, True):
            before = counters["plain"].asked
            first, second = (self.ask(body("once", stream=streamed), f"key {streamed}".replace(" ", "-")) for _ in range(2))
            self.assertEqual((first.status, second.status), (200, 200))
            self.assertEqual(counters["plain"].asked, before + 1)
            self.assertEqual((first.id, first.body), (second.id, second.body))
            self.assertEqual(second.field("idempotent-replayed"), "true")
            self.assertIsNone(first.field("idempotent-replayed"))

    def test_another_body(self):
        self.assertEqual(self.ask(body("one"), "two-bodies").status, 200)
        self.assertEqual(self.ask(body("two"), "two-bodies").status, 422)

    def test_while_it_runs(self):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            first = pool.submit(self.ask, body("runs", "test/slow"), "runs")
            time.sleep(0.2)
            second = self.ask(body("runs", "test/slow"), "runs")
            self.assertEqual(second.status, 409, second)
            self.assertEqual(second.field("retry-after"), "1")
            self.assertEqual(first.result().status, 200)

    def test_failures_that_pass_are_tried_again(self):
        for model in ("test/fails", "test/limits"):
            name = model.split("/")[1]
            before = counters[name].asked
            for _ in range(2):
                self.assertGreaterEqual(self.ask(body("x", model), "again-" + name).status, 429)
            self.assertEqual(counters[name].asked, before + 2)

    def test_failures_that_stay_are_told_again(self):
        wrong = body("x", "test/nobody")
        first, second = self.ask(wrong, "stays"), self.ask(wrong, "stays")
        self.assertEqual((first.status, second.status, second.field("idempotent-replayed")), (400, 400, "true"))
        self.assertEqual(first.body, second.body)

    def test_keys_are_apart(self):
        before = counters["plain"].asked
        for key in (KEY, SECOND_KEY):
            self.assertEqual(gateway.call("POST", "/api/v1/chat/completions", body("apart"), key, {"Idempotency-Key": "apart"}).status, 200)
        self.assertEqual(counters["plain"].asked, before + 2)

    def test_bad_keys(self):
        self.assertEqual(self.ask(body("x"), "x" * 256).status, 400)
        self.assertEqual(self.ask(body("x"), "a b").status, 400)


if __name__ == "__main__":
    unittest.main()
