"""What people see of health: the figures of GET /models/.../endpoints, GET /signalbox/health, the counter of benches."""

import socket
import time
import unittest

import harness
from harness import KEY, MANAGEMENT_KEY, Gateway
from upstream import Provider, config, endpoint, good, provider_entry, whole

PERCENTILES = {"p50", "p75", "p90", "p99"}
MEMBERS = {"kind", "provider", "model", "tag", "key", "state", "benched_for_s", "last_fault", "uptime_5m", "requests_30m", "latency_p50_ms",
           "throughput_p50"}


def broken(request):
    return whole({"error": {"message": "broken"}}, status="500 Internal Server Error")(request)


def limited(request):
    return whole({"error": {"message": "slow down"}}, status="429 Too Many Requests", **{"Retry-After": "120"})(request)


def setUpModule():
    global server
    server = Provider({"good": good, "broken": broken, "limited": limited})


def tearDownModule():
    server.stop()
    harness.finish()


def model(name, *providers):
    return {"id": "test/" + name, "endpoints": [endpoint(p, "fault-" + name) for p in providers]}


class Case(unittest.TestCase):
    routing = {}

    def setUp(self):
        settings = config(server, [model("good", "a"), model("broken", "a"), model("limited", "b"), model("never", "c")],
                          [provider_entry(server.url, name) for name in "abc"], routing=self.routing)
        self.gateway = Gateway(settings).start()

    def tearDown(self):
        self.gateway.stop()

    def endpoint_of(self, name, key=KEY):
        response = self.gateway.call("GET", f"/api/v1/models/test/{name}/endpoints", key=key)
        self.assertEqual(response.status, 200, response)
        return response.json["data"]["endpoints"][0]

    def records(self, key=KEY):
        response = self.gateway.call("GET", "/api/v1/signalbox/health", key=key)
        self.assertEqual(response.status, 200, response)
        for record in response.json["data"]:
            self.assertEqual(set(record), MEMBERS)
        return {(r["kind"], r["provider"], r["model"], r["key"]): r for r in response.json["data"]}

    def ask(self, name, times=3):
        for _ in range(times):
            self.gateway.chat("Hello", model="test/" + name)


class Usual(Case):
    def test_nothing_known(self):
        told = self.endpoint_of("never")
        self.assertEqual(told["status"], 0)
        for member in ("uptime_last_5m", "uptime_last_30m", "uptime_last_1d", "latency_last_30m", "throughput_last_30m"):
            self.assertIsNone(told[member])
        self.assertEqual(self.records(), {})

    def test_good_endpoint(self):
        self.ask("good")
        told = self.endpoint_of("good")
        self.assertEqual(told["status"], 0)
        self.assertEqual([told["uptime_last_" + span] for span in ("5m", "30m", "1d")], [100, 100, 100])
        for member in ("latency_last_30m", "throughput_last_30m"):
            self.assertEqual(set(told[member]), PERCENTILES)
        self.assertLessEqual(told["latency_last_30m"]["p50"], told["latency_last_30m"]["p99"])
        records = self.records()
        self.assertEqual(set(records), {("endpoint", "a", "test/good", None), ("provider", "a", None, None), ("key", "a", None, 1)})
        record = records["endpoint", "a", "test/good", None]
        self.assertEqual((record["state"], record["benched_for_s"], record["last_fault"]), ("up", 0, None))
        self.assertEqual((record["uptime_5m"], record["requests_30m"]), (100, 3))

    def test_timing_only_with_a_key(self):
        self.ask("good")
        for key in (None, "wrong"):
            told = self.endpoint_of("good", key=key)
            self.assertEqual(told["uptime_last_5m"], 100)
            self.assertIsNone(told["latency_last_30m"])
            self.assertIsNone(told["throughput_last_30m"])
        self.assertIsNotNone(self.endpoint_of("good", key=MANAGEMENT_KEY)["latency_last_30m"])

    def test_a_key_made_a_moment_ago(self):
        """By another process: it is known at once. Who has none that is valid is answered all the same."""
        self.ask("good")
        for i in range(5):
            key = self.gateway.cli("keys", "create", f"fresh-{i}").stdout.strip()
            self.assertEqual(set(self.endpoint_of("good", key)["latency_last_30m"] or ()), PERCENTILES)
        key = self.gateway.cli("keys", "create", "off").stdout.strip()
        self.gateway.cli("keys", "disable", "off")
        self.assertIsNone(self.endpoint_of("good", key)["latency_last_30m"])
        self.assertEqual(self.gateway.call("GET", "/healthz", key="wrong").status, 200)

    def test_broken_endpoint(self):
        self.ask("broken")
        told = self.endpoint_of("broken")
        self.assertEqual((told["status"], told["uptime_last_5m"]), (-5, 0))
        self.assertIsNone(told["latency_last_30m"])
        self.assertEqual(self.endpoint_of("good")["status"], 0)  # of the same provider
        record = self.records()["endpoint", "a", "test/broken", None]
        self.assertEqual(record["state"], "benched")
        self.assertGreater(record["benched_for_s"], 0)
        self.assertTrue(record["last_fault"].startswith("upstream_"), record)
        self.assertGreaterEqual(self.gateway.metrics()["signalbox_benches_total"], 1)

    def test_bench_of_the_only_key(self):
        self.ask("limited", 1)
        self.assertEqual(self.endpoint_of("limited")["status"], -5)
        record = self.records()["key", "b", None, 1]
        self.assertEqual((record["state"], record["last_fault"]), ("benched", "upstream_rate"))
        self.assertTrue(100 < record["benched_for_s"] <= 120, record)

    def test_half_open(self):
        self.ask("broken")
        harness.wait_for(lambda: self.endpoint_of("broken")["status"] == -3, "the end of the bench")
        self.assertEqual(self.records()["endpoint", "a", "test/broken", None]["state"], "half_open")

    def test_needs_a_key(self):
        self.assertEqual(self.gateway.call("GET", "/api/v1/signalbox/health", key=None).status, 401)
        self.assertEqual(len(self.records(key=MANAGEMENT_KEY)), 0)


class Probing(Case):
    routing = {"probe_interval_ms": "200ms"}

    def lists(self):
        return [r for r in server.requests if r.method == "GET"]

    def test_an_answer_ends_the_bench(self):
        before, began = len(self.lists()), time.monotonic()
        self.ask("broken", 1)
        self.assertEqual(self.endpoint_of("broken")["status"], -5)
        harness.wait_for(lambda: self.endpoint_of("broken")["status"] == -3, "the end of the bench", seconds=4)
        self.assertLess(time.monotonic() - began, 4)  # without, it takes 4.5 s at least
        asked = self.lists()[before:]
        self.assertEqual([r.target for r in asked], ["/v1/models"])
        self.assertEqual((asked[0].all("authorization"), asked[0].body), (["Bearer sk-upstream-a"], b""))
        metrics = self.gateway.metrics()
        self.assertEqual((metrics["signalbox_health_probes_total"], metrics["signalbox_health_probes_answered_total"]), (1, 1))
        # It is still broken, and its list said nothing about that: it is not asked again.
        self.ask("broken", 1)
        self.assertEqual(self.endpoint_of("broken")["status"], -5)
        time.sleep(1)
        self.assertEqual(len(self.lists()), before + 1)

    def test_nobody_asks_those_that_are_well_or_limited(self):
        before = len(self.lists())
        self.ask("good")
        self.ask("limited")
        time.sleep(1)
        self.assertEqual(len(self.lists()), before)

    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
        settings = config(server, [model("broken", "gone")], [provider_entry(url, "gone", probe_interval_ms=100)], routing={})
        gateway = Gateway(settings).start()
        gateway.chat("Hello", model="test/broken")
        harness.wait_for(lambda: gateway.metrics()["signalbox_health_probes_total"] >= 3, "probes")
        self.assertEqual(gateway.metrics()["signalbox_health_probes_answered_total"], 0)
        gateway.reload()
        total = gateway.metrics()["signalbox_health_probes_total"]
        harness.wait_for(lambda: gateway.metrics()["signalbox_health_probes_total"] > total, "probes after a reload")
        gateway.stop()


class Off(Case):
    routing = {"health": False}

    def test_nothing_is_noted(self):
        self.ask("broken")
        self.assertEqual(self.endpoint_of("broken")["status"], 0)
        self.assertEqual(self.records(), {})
        self.assertEqual(self.gateway.metrics()["signalbox_benches_total"], 0)


if __name__ == "__main__":
    unittest.main()
