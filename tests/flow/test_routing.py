"""Which endpoint a request goes to, and which next: the draw by price, provider preferences, health, sessions, hedging, seen through
the running gateway with its usual settings.
"""

import collections
import concurrent.futures
import json
import random
import threading
import time
import unittest

import harness
from harness import Gateway, wait_for
from upstream import HANG, KEEP, STREAM_HEAD, Provider, chunk, coded, completion, config, endpoint, good, provider_entry, sse, text, whole

PRICES = {"cheap": "0.000001", "dear": "0.000003", "free": "0"}


def offer(provider, price="0.000001", **more):
    return endpoint(provider, "fault-switch") | {"pricing": {"prompt": price, "completion": price}} | more


def cached(tokens):
    usage = {"prompt_tokens": 2000, "completion_tokens": 5, "total_tokens": 2005, "prompt_tokens_details": {"cached_tokens": tokens}}
    return lambda request: whole(completion(usage=usage))(request)


class Switch:
    """Answers well, or as it is told to."""

    def __init__(self):
        self.fails, self.asked, self.answer, self.share = None, 0, good, 1.0
        self.random = random.Random(7)

    def __call__(self, request):
        self.asked += 1
        if self.fails and self.random.random() < self.share:
            return self.fails(request)
        return self.answer(request)


def setUpModule():
    global switches, servers
    switches = {name: Switch() for name in "abc"}
    servers = {name: Provider({"switch": switches[name]}) for name in "abc"}


def tearDownModule():
    for server in servers.values():
        server.stop()
    harness.finish()


def gateway_of(models, **routing):
    settings = config(servers["a"], models, [provider_entry(servers[n].url, n) for n in "abc"], routing=routing)
    return Gateway(settings).start()


class Case(unittest.TestCase):
    def setUp(self):
        for switch in switches.values():
            switch.fails, switch.asked, switch.answer, switch.share = None, 0, good, 1.0

    def provider_of(self, response):
        self.assertEqual(response.status, 200, response)
        return response.json["provider"].lower()

    def ask(self, model, **more):
        return self.provider_of(self.gateway.chat("Hello", model=model, **more))


class Draw(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = gateway_of([
            {"id": "test/two", "endpoints": [offer("a", PRICES["dear"]), offer("b", PRICES["cheap"])]},
            {"id": "test/three", "endpoints": [offer("a", "0.000002", quantization="fp8", data_policy="zdr"),
                                               offer("b", "0.000001", quantization="bf16", tag="turbo", data_policy="training"),
                                               offer("c", "0.000003", context_length=50)]},
            {"id": "test/other", "endpoints": [offer("c")]},
            {"id": "test/gratis", "endpoints": [offer("c", PRICES["free"])]},
        ])

    def test_nine_to_one(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = collections.Counter(pool.map(lambda _: self.ask("test/two"), range(400)))
        self.assertGreater(found["a"], 15, found)  # 40 expected; 15 is four sigma below
        self.assertLess(found["a"], 70, found)

    def test_preferences(self):
        p = lambda **wish: self.ask("test/three", provider=wish)
        self.assertEqual(p(order=["a"]), "a")
        self.assertEqual(p(order=["c", "a"]), "c")
        self.assertEqual(p(only=["a"]), "a")
        self.assertEqual(p(ignore=["b", "c"]), "a")
        self.assertEqual(p(sort="price"), "b")
        self.assertEqual(p(sort={"by": "price"}), "b")
        self.assertEqual(p(quantizations=["fp8"]), "a")
        self.assertEqual(p(zdr=True), "a")
        self.assertEqual(p(data_collection="deny"), "a")
        self.assertEqual(p(max_price={"prompt": 1, "completion": "1"}), "b")
        self.assertEqual(p(order=["b/turbo"], allow_fallbacks=False), "b")
        self.assertEqual(self.ask("test/three:floor"), "b")

    def test_nothing_left(self):
        for wish, reason in (({"only": ["nobody"]}, "allowed_providers"), ({"max_price": {"prompt": 0.1}}, "max_price"),
                             ({"quantizations": ["fp4"]}, "quantization"), ({"zdr": True, "ignore": ["a"]}, "data_policy:zdr")):
            with self.subTest(wish):
                response = self.gateway.chat("Hello", model="test/three", provider=wish)
                self.assertEqual(response.status, 404, response)
                self.assertIn(reason, response.json["error"]["availability"]["excluded_by"])
        response = self.gateway.chat("Hello", model="test/three:free")
        self.assertEqual(response.status, 404)

    def test_what_costs_nothing(self):
        for name in ("signalbox/free", "openrouter/free", "signalbox/auto:free", "test/gratis:free"):
            response = self.gateway.chat("Hello", model=name)
            self.assertEqual((response.status, response.json["model"], response.json["usage"]["cost"]), (200, "test/gratis", 0))

    def test_variants_that_ask_for_more(self):
        response = self.gateway.chat("Hello", model="test/other:online")
        self.assertEqual((response.status, response.field("x-signalbox-dropped")), (200, "plugins"))
        self.gateway.chat("Hello", model="test/other:thinking")
        self.assertIn("reasoning_effort", servers["c"].requests[-1].json)
        self.assertIsNone(self.gateway.chat("Hello", model="test/other", plugins=[{"id": "auto-router"}]).field("x-signalbox-dropped"))

    def test_bad_preferences(self):
        for wish in ({"order": "a"}, {"sort": "beauty"}, {"max_price": {"prompt": "much"}}, {"zdr": "yes"}, {"quantizations": ["fp7"]},
                     {"preferred_max_latency": {"p50": "soon"}}, {"allow_fallbacks": 1}, {"data_collection": "maybe"},
                     {"options": {"openai": 1}}, {"options": []}, {"alow_fallbacks": False}):
            with self.subTest(wish):
                response = self.gateway.chat("Hello", model="test/three", provider=wish)
                self.assertEqual(response.status, 400, response)
                self.assertIn(next(iter(wish)), response.json["error"]["message"])

    def test_long_prompts_go_where_they_fit(self):
        for _ in range(5):
            response = self.gateway.chat("word " * 400, model="test/three", provider={"order": ["c", "a"]})
            self.assertEqual(self.provider_of(response), "a")


class Fallbacks(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = gateway_of([{"id": "test/two", "endpoints": [offer("a", PRICES["dear"]), offer("b", PRICES["cheap"])]},
                                  {"id": "test/other", "endpoints": [offer("c")]}])

    def test_fallback_models(self):
        switches["a"].fails = switches["b"].fails = whole({"error": {"message": "down"}}, "500 Oops")
        response = self.gateway.chat("Hello", model="test/two", models=["test/other"])
        self.assertEqual((response.json["provider"], response.json["model"]), ("C", "test/other"))

    def test_each_name_has_its_variant(self):
        switches["a"].fails = switches["b"].fails = whole({"error": {"message": "down"}}, "500 Oops")
        gateway = gateway_of([{"id": "test/two", "endpoints": [offer("a"), offer("b")]},
                              {"id": "test/other", "endpoints": [offer("c")]}], health=False)
        for stream in (False, True):
            for names, want in ((["test/two:thinking", "test/other"], [True, True, False]),
                                (["test/two", "test/other:thinking"], [False, False, True]),
                                (["test/two:thinking", "test/other:thinking:nitro"], [True, True, True])):
                with self.subTest(names):
                    before = {n: len(servers[n].requests) for n in "abc"}
                    response = gateway.chat("Hello", model=names[0], models=names[1:], stream=stream)
                    self.assertEqual(response.status, 200, response)
                    asked = [servers[n].requests[before[n]:] for n in "abc"]
                    self.assertEqual([["reasoning_effort" in r.json for r in rows] for rows in asked], [[w] for w in want])

    def test_each_name_has_its_variant_in_other_dialects(self):
        messages = provider_entry(servers["a"].url, "messages") | {"protocol": "anthropic"}
        models = [{"id": f"test/{n}", "endpoints": [offer("messages") | {"model": f"claude-sonnet-4-5-fault-switch-{n}"}]} for n in "123"]
        gateway = Gateway(config(servers["a"], models, [messages])).start()
        before = len(servers["a"].requests)
        response = gateway.chat("Hello", model="test/1", models=["test/2:thinking", "test/3"])
        self.assertEqual(response.status, 502, response)  # what the provider says is of another dialect
        self.assertEqual([(r.json["model"][-1], "thinking" in r.json) for r in servers["a"].requests[before:]],
                         [("1", False), ("2", True), ("3", False)])

    def test_no_fallbacks(self):
        switches["b"].fails = whole({"error": {"message": "down"}}, "500 Oops")
        response = self.gateway.chat("Hello", model="test/two", provider={"order": ["b"], "allow_fallbacks": False})
        self.assertEqual(response.status, 502)


class Health(Case):
    def setUp(self):
        super().setUp()
        self.gateway = gateway_of([{"id": "test/pair", "endpoints": [offer("a", "0.000001"), offer("b", "0.000009")]}])

    def test_a_failing_one_is_left_alone_and_comes_back(self):
        switches["a"].fails = whole({"error": {"message": "down"}}, "500 Oops")
        for _ in range(30):
            self.assertEqual(self.ask("test/pair"), "b")
        self.assertLessEqual(switches["a"].asked, 10)
        switches["a"].fails = None
        began = time.monotonic()

        def back():
            self.ask("test/pair")
            return [self.ask("test/pair") for _ in range(3)] == ["a", "a", "a"]
        wait_for(back, "its return", 30, 0.2)
        self.assertLess(time.monotonic() - began, 30)

    def test_half_of_all_fail(self):
        switches["a"].fails, switches["a"].share = whole({"error": {"message": "down"}}, "503 Oops"), 0.5
        for _ in range(60):
            self.assertEqual(self.gateway.chat("Hello", model="test/pair").status, 200)
        self.assertLess(switches["a"].asked, 30)

    def test_a_rate_limit_is_heeded(self):
        switches["a"].fails = whole({"error": {"message": "slowly"}}, "429 No", Retry_After="3")
        for _ in range(5):
            self.assertEqual(self.ask("test/pair"), "b")
        self.assertEqual(switches["a"].asked, 1)
        time.sleep(3.1)
        switches["a"].fails = None
        self.assertIn("a", [self.ask("test/pair") for _ in range(5)])

    def test_the_clients_own_mistakes_bench_nobody(self):
        switches["a"].fails = whole({"error": {"message": "bad"}}, "400 No")
        for _ in range(10):
            self.gateway.chat("Hello", model="test/pair", provider={"only": ["a"]})
        switches["a"].fails = None
        switches["a"].asked = 0
        for _ in range(10):
            self.ask("test/pair")
        self.assertGreater(switches["a"].asked, 5)

    def test_when_all_are_out_they_are_asked_all_the_same(self):
        for name in "ab":
            switches[name].fails = whole({"error": {"message": "slowly"}}, "429 No", Retry_After="30")
        self.assertEqual(self.gateway.chat("Hello", model="test/pair").status, 429)
        for name in "ab":
            switches[name].fails = None
        self.assertEqual(self.gateway.chat("Hello", model="test/pair").status, 200)


class Sessions(Case):
    @classmethod
    def setUpClass(cls):
        prices = {"prompt": "0.000001", "completion": "0.000001", "input_cache_read": "0.0000001"}
        cls.gateway = gateway_of([{"id": "test/pair", "endpoints": [endpoint("a", "fault-switch") | {"pricing": prices},
                                                                    endpoint("b", "fault-switch") | {"pricing": prices}]}])

    def test_a_session_stays(self):
        for number in range(4):
            first = self.ask("test/pair", session_id=f"session {number}")
            self.assertEqual({self.ask("test/pair", session_id=f"session {number}") for _ in range(8)}, {first})

    def test_a_cached_conversation_stays(self):
        for switch in switches.values():
            switch.answer = cached(1500)
        system = {"role": "system", "content": "Long instructions. " * 50}
        turn = lambda *more: self.provider_of(self.gateway.chat("x", model="test/pair", messages=[system, {"role": "user", "content": "Hi"}, *more]))
        first = turn()
        later = {turn({"role": "assistant", "content": "Yes?"}, {"role": "user", "content": str(i)}) for i in range(8)}
        self.assertEqual(later, {first})

    def test_without_a_cache_nothing_stays(self):
        found = {self.ask("test/pair", messages=[{"role": "user", "content": "Not cached"}]) for _ in range(25)}
        self.assertEqual(found, {"a", "b"})

    def test_a_reload_forgets_nobody(self):
        """What is left of a configuration keeps its conversations, wherever it stands; what is gone has none."""
        price = {"pricing": {"prompt": "0.000001", "completion": "0.000001", "input_cache_read": "0.0000001"}}
        at = {n: endpoint(n, "fault-switch") | price for n in "abc"}
        gateway = gateway_of([{"id": "test/pair", "endpoints": [at["a"], at["b"]]}])
        ask = lambda n: self.provider_of(gateway.chat("Hello", model="test/pair", session_id=f"reload {n}"))
        first = [ask(n) for n in range(12)]
        self.assertEqual(set(first), {"a", "b"})

        def reload(*endpoints):
            models = [{"id": "test/new", "endpoints": [at["c"]]}, {"id": "test/pair", "endpoints": list(endpoints)}]
            gateway.write_config(gateway.settings | {"models": models})
            gateway.reload()

        for endpoints in ("cba", "bac"):
            reload(*(at[n] for n in endpoints))
            self.assertEqual([ask(n) for n in range(12)], first)
        reload(at["b"], at["c"])
        found = [ask(n) for n in range(12)]
        self.assertNotIn("a", found)
        self.assertEqual([f for f, was in zip(found, first) if was == "b"], ["b"] * first.count("b"))
        gateway.stop()

    def test_order_wins(self):
        first = self.ask("test/pair", session_id="orderly")
        other = "b" if first == "a" else "a"
        self.assertEqual(self.ask("test/pair", session_id="orderly", provider={"order": [other]}), other)


class Hedging(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = gateway_of([{"id": "test/pair", "endpoints": [offer("a", "0.000001"), offer("b", "0.000009")]}], hedge=True,
                                 hedge_max_percent=50)

    def metric(self, name):
        page = self.gateway.call("GET", "/metrics").body.decode()
        return int(next(line for line in page.splitlines() if line.startswith(f"signalbox_{name} ")).split()[1])

    def test_the_share_is_of_the_process(self):
        """However many loops there are, they share it."""
        settings = config(servers["a"], [{"id": "test/pair", "endpoints": [offer("a"), offer("b", "0.000009")]}],
                          [provider_entry(servers[n].url, n) for n in "ab"], routing={"hedge": True, "hedge_max_percent": 5})
        settings["server"] = settings.get("server", {}) | {"workers": 4}
        gateway = Gateway(settings).start()
        wish = {"order": ["a", "b"]}
        for _ in range(20):
            gateway.chat("Hello", model="test/pair", provider=wish)

        def slow(request):
            time.sleep(1.2)
            return good(request)
        switches["a"].fails = slow
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda _: gateway.chat("Hello", model="test/pair", provider=wish), range(24)))
        self.assertEqual([r.status for r in answers], [200] * 24)
        page = gateway.call("GET", "/metrics").body.decode()
        made, denied = (int(next(l for l in page.splitlines() if l.startswith(f"signalbox_hedges_{n}total ")).split()[1]) for n in ("", "denied_"))
        self.assertIn(made, (2, 3), page)  # 5 % of 44, perhaps before the last of them had come
        self.assertEqual(made + denied, 24)
        gateway.stop()

    def test_the_first_to_speak_answers(self):
        wish = {"order": ["a", "b"]}
        for _ in range(20):
            self.ask("test/pair", provider=wish)
        gone = threading.Event()

        def silent(request):
            if request.hung_up(20):
                gone.set()
            return HANG
        switches["a"].fails = silent
        for streamed in (False, True):
            began = time.monotonic()
            response = self.gateway.chat("Hello", model="test/pair", stream=streamed, provider=wish)
            shown = response.events()[0] if streamed else response.json
            self.assertEqual(shown["provider"], "B", response)
            self.assertLess(time.monotonic() - began, 10)
            self.assertTrue(gone.wait(5), "the loser is cancelled")
            gone.clear()
            row = wait_for(lambda: (r := self.gateway.generation(response.id)).status == 200 and r.json["data"], "the row")
            self.assertEqual([(a["provider_name"], a.get("fault")) for a in row["provider_responses"]], [("A", "slower"), ("B", None)])
            self.assertGreater(row["usage"], 0)
        self.assertEqual(self.metric("hedges_total"), 2)
        self.assertEqual(self.metric("hedges_won_total"), 2)
        self.assertGreater(self.metric("hedge_extra_picodollars_total"), 0)

    def test_none_at_a_full_provider(self):
        """It is no hedge then, and the provider is still asked should the first one fail."""
        providers = [provider_entry(servers["a"].url, "a"), provider_entry(servers["b"].url, "b") | {"max_concurrency": 1}]
        settings = config(servers["a"], [{"id": "test/pair", "endpoints": [offer("a"), offer("b", "0.000009")]}], providers,
                          routing={"hedge": True, "hedge_max_percent": 50, "queue_timeout_ms": 20000})
        gateway = Gateway(settings).start()
        wish = {"order": ["a", "b"]}
        for _ in range(20):
            gateway.chat("Hello", model="test/pair", provider=wish)

        def slow(request):
            time.sleep(3)
            return good(request)

        def failing(request):
            time.sleep(1)
            return whole({"error": {"message": "down"}}, "500 Oops")(request)
        switches["b"].fails = slow
        switches["a"].fails = failing
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            held = pool.submit(gateway.chat, "Hello", model="test/pair", provider={"only": ["b"]})
            wait_for(lambda: switches["b"].asked, "the place to be taken")
            response = gateway.chat("Hello", model="test/pair", provider=wish)
            self.assertEqual((held.result().status, response.status), (200, 200))
        row = wait_for(lambda: (r := gateway.generation(response.id)).status == 200 and r.json["data"], "the row")
        told = [(a["provider_name"], a["reason"]) for a in row["provider_responses"]]
        self.assertEqual(told, [("A", "first"), ("B", "fallback"), ("B", "waited")])
        self.assertEqual(gateway.metrics()["signalbox_hedges_total"], 0)
        gateway.stop()


if __name__ == "__main__":
    unittest.main()
