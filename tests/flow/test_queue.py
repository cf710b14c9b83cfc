"""Requests for which only full providers are left (max_concurrency): they wait, keys in turn, until there is room or their time is over;
and under twice the load that the provider can carry the queue stays short.
"""

import concurrent.futures
import threading
import time
import unittest

import harness
from harness import KEY, MANAGEMENT_KEY, Gateway, Mock, plan, wait_for

SLOTS = 2
PRICE = {"pricing": {"prompt": "0.000001", "completion": "0.000001"}}


class Counting(Mock):
    """Knows how many it had at a time."""

    def __init__(self):
        super().__init__()
        self.now, self.most, self.lock = 0, 0, threading.Lock()

    def _pause(self, connection, seconds):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            super()._pause(connection, seconds)
        finally:
            with self.lock:
                self.now -= 1


def settings(mock, slots=SLOTS, other=None, **routing):
    provider = {"id": "narrow", "protocol": "openai", "base_url": mock.url, "api_key": "sk-upstream", "max_concurrency": slots}
    endpoints = [{"provider": "narrow", "model": "m"} | PRICE]
    providers = [provider]
    if other:
        providers.append(provider | {"id": "other", "base_url": other.url})
        endpoints.append({"provider": "other", "model": "m"} | PRICE)
    made = harness.config(providers=providers) | {"models": [{"id": "test/model", "endpoints": endpoints}]}
    made["routing"] |= {"sort": "price", "health": True} | routing
    return made


def make_key(gateway, name):
    return gateway.call("POST", "/api/v1/keys", {"name": name}, MANAGEMENT_KEY).json["key"]


class Queue(unittest.TestCase):
    def setUp(self):
        self.mock, self.held = Counting(), []
        self.pool = concurrent.futures.ThreadPoolExecutor(64)

    def tearDown(self):
        for connection in self.held:
            connection.close()
        self.pool.shutdown()
        self.mock.stop()
        self.gateway.stop()

    def start(self, *args, **more):
        self.gateway = Gateway(settings(self.mock, *args, **more)).start()
        return self.gateway

    def ask(self, delay, key=KEY, **more):
        """The response, and when it was there."""
        response = self.gateway.chat(plan(delay=delay), key, **more)
        return response, time.monotonic()

    def asks(self, count, delay, **more):
        return [self.pool.submit(self.ask, delay, **more) for _ in range(count)]

    def hold(self, count=SLOTS):
        """Fills the places for good; returns the connections."""
        held = self.held = [self.gateway.connect() for _ in range(count)]
        for connection in held:
            connection.request("POST", "/api/v1/chat/completions", harness.chat_body(plan(delay=30)))
        wait_for(lambda: self.mock.now == count, "the places to be taken")
        return held

    def waiting(self):
        return self.gateway.metrics()["signalbox_requests_waiting"]

    def test_all_are_served_and_never_too_many_at_a_time(self):
        self.start()
        responses = [f.result()[0] for f in self.asks(9, 0.15)]
        self.assertEqual([r.status for r in responses], [200] * 9)
        self.assertEqual(self.mock.most, SLOTS)
        self.assertEqual(len(self.mock.seen), 9)
        self.assertEqual(self.waiting(), 0)
        self.assertGreaterEqual(self.gateway.metrics()["signalbox_requests_waited_total"], 1)
        rows = [self.gateway.generation(r.id).json["data"] for r in responses]
        told = [[(p["status"], p["reason"]) for p in row["provider_responses"]] for row in rows]
        self.assertIn([(None, "first"), (200, "waited")], told)
        self.assertEqual(sum(row["usage"] > 0 for row in rows), 9)

    def test_the_wait_is_not_counted_as_the_gateways_own_time(self):
        self.start(slots=1)
        responses = [f.result()[0] for f in self.asks(3, 0.3)]
        own = self.gateway.metrics()["signalbox_gateway_nanoseconds_total"] / 1e9
        self.assertEqual([r.status for r in responses], [200] * 3)
        self.assertLess(own, 0.25)

    def test_another_provider_goes_before_waiting(self):
        other = Counting()
        self.start(other=other)
        self.hold()
        response, _ = self.ask(0)
        self.assertEqual((response.status, len(other.seen)), (200, 1))
        other.stop()

    def test_room_at_any_of_those_that_were_full(self):
        other = Counting()
        self.start(other=other)
        self.hold()
        responses = [f.result()[0] for f in self.asks(6, 0.1)]
        self.assertEqual([r.status for r in responses], [200] * 6)
        self.assertEqual((len(self.mock.seen), len(other.seen), other.most), (SLOTS, 6, SLOTS))
        other.stop()

    def test_keys_are_served_in_turn(self):
        self.start(slots=1)
        light_key = make_key(self.gateway, "light")
        heavy = self.asks(12, 0.1)
        wait_for(lambda: self.waiting() >= 11, "the queue")
        light = self.asks(2, 0.1, key=light_key)
        self.assertTrue(all(f.result()[0].status == 200 for f in heavy + light))
        last_light = max(f.result()[1] for f in light)
        later = sum(f.result()[1] > last_light for f in heavy)
        self.assertGreaterEqual(later, 5, "two of another key do not wait for all twelve of the first")

    def test_deadline(self):
        self.start(queue_timeout_ms=400)
        held = self.hold()
        began = time.monotonic()
        response, ended = self.ask(0)
        self.assertEqual((response.status, response.json["error"]["metadata"]["error_type"]), (429, "rate_limit_exceeded"))
        self.assertIn("routing.queue_timeout_ms", response.json["error"]["message"])
        self.assertGreaterEqual(int(response.field("retry-after")), 1)
        self.assertEqual(response.field("x-should-retry"), "true")
        self.assertGreater(ended - began, 0.35)
        self.assertEqual(len(self.mock.seen), SLOTS)
        self.assertEqual(self.waiting(), 0)
        for connection in held:
            connection.close()
        wait_for(lambda: self.ask(0)[0].status == 200, "room again")

    def test_a_stream_waits_with_comments_and_fails_in_band(self):
        gateway = self.start(slots=1, queue_timeout_ms=1500)
        gateway.settings["server"]["keepalive_comment_ms"] = 200
        gateway.write_config(gateway.settings)
        gateway.reload()
        held = self.hold(1)
        response, _ = self.ask(0, stream=True)
        self.assertEqual(response.status, 200)
        self.assertIn(": OPENROUTER PROCESSING", response.text)
        self.assertEqual(response.events()[-1]["error"]["code"], 429)
        threading.Timer(0.5, held[0].close).start()
        response, _ = self.ask(0, stream=True)
        self.assertIn(": OPENROUTER PROCESSING", response.text)
        self.assertEqual(response.events()[-1], "[DONE]")

    def test_off(self):
        self.start(queue_timeout_ms=0)
        self.hold()
        began = time.monotonic()
        response, ended = self.ask(0)
        self.assertEqual((response.status, response.field("retry-after")), (429, "1"))
        self.assertLess(ended - began, 0.4)

    def test_bounded(self):
        self.start(queue_max=3, queue_timeout_ms=2000)
        self.hold()
        began = time.monotonic()
        took = sorted((f.result()[1] - began, f.result()[0].status) for f in self.asks(8, 0))
        self.assertEqual([status for _, status in took], [429] * 8)
        self.assertEqual(sum(seconds > 1.8 for seconds, _ in took), 3, took)

    def test_who_leaves_is_not_asked_for(self):
        self.start(slots=1)
        held = self.hold(1)
        leaver = self.gateway.connect()
        leaver.request("POST", "/api/v1/chat/completions", harness.chat_body(plan(delay=0, text="nobody's")))
        wait_for(lambda: self.waiting() == 1, "the queue")
        leaver.close()
        wait_for(lambda: self.waiting() == 0, "it to be noticed")
        stays = self.pool.submit(self.ask, 0)
        wait_for(lambda: self.waiting() == 1, "the queue")
        held[0].close()
        self.assertEqual(stays.result()[0].status, 200)
        self.assertEqual(len(self.mock.seen), 2)
        wait_for(lambda: self.gateway.rows("select count(*) from generations where fault = 'client_gone'") == [(2,)], "the rows")

    def test_leaving_at_the_moment_of_the_grant(self):
        """Places are given back whatever the order of things: afterwards all of them are there."""
        self.start()
        for round_ in range(40):
            raws = [self.gateway.connect() for _ in range(SLOTS * 3)]
            for raw in raws:
                raw.request("POST", "/api/v1/chat/completions", harness.chat_body(plan(delay=0.01)))
            time.sleep(0.001 * (round_ % 20))
            for raw in raws:
                raw.close()
        wait_for(lambda: self.mock.now == 0, "the mock to be left alone")
        self.mock.most = 0
        responses = [f.result()[0].status for f in self.asks(6, 0.2)]
        self.assertEqual(responses, [200] * 6)
        self.assertEqual(self.mock.most, SLOTS)

    def test_reload_while_they_wait(self):
        gateway = self.start(slots=1)
        running = self.asks(4, 0.3)
        wait_for(lambda: self.waiting() == 3, "the queue")
        gateway.reload()
        self.assertEqual([f.result()[0].status for f in running], [200] * 4)
        self.assertEqual(self.mock.most, 1)

    def test_twice_the_load(self):
        """The provider stays busy, and who is let in waits hardly longer than it is served."""
        service, slots, seconds = 0.2, 16, 6
        gateway = self.start(slots=slots, queue_timeout_ms=1000)
        pool = concurrent.futures.ThreadPoolExecutor(400)
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(slots + 4) as closed:
            statuses = [r.status for r, _ in closed.map(lambda _: self.ask(service), range(slots * 10))]
        peak = statuses.count(200) / (time.monotonic() - began)
        rate, begin, results = 2 * peak, time.monotonic(), []

        def one(at):
            time.sleep(max(0, begin + at - time.monotonic()))
            began = time.monotonic()
            response, ended = self.ask(service)
            results.append((at, response.status, ended - began, response.field("retry-after")))

        for f in [pool.submit(one, i / rate) for i in range(int(rate * seconds))]:
            f.result()
        pool.shutdown()
        late = [r for r in results if r[0] > 2]  # the burst before may wait longer
        took = sorted(r[2] for r in late if r[1] == 200)
        refused = [r for r in late if r[1] != 200]
        self.assertGreaterEqual(len(took), 0.9 * peak * (seconds - 2), "goodput")
        self.assertLess(took[int(len(took) * 0.99) - 1], 2 * slots / peak + 0.2, "p99 of those let in")
        self.assertTrue(refused and all(r[1] == 429 and int(r[3]) >= 1 for r in refused))
        self.assertLess(sorted(r[2] for r in refused)[len(refused) // 2], 0.15, "most are refused at once")
        self.assertLessEqual(self.mock.most, slots)
        self.assertEqual(gateway.call("GET", "/healthz").status, 200)


def tearDownModule():
    harness.finish()


if __name__ == "__main__":
    unittest.main()
