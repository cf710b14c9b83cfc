"""More inference requests than the gateway itself can work off: some are refused at once, keys get equal parts, and the rest of the API
goes on. Long bodies cost it the most.
"""

import collections
import json
import signal
import threading
import time
import unittest

import harness
from harness import KEY, MANAGEMENT_KEY, Gateway, wait_for

CROWD, SECONDS = 32, 6
# Many messages for the built-in provider, which is the gateway's own work; of a request that is refused not even the body is read.
BODY = json.dumps({"model": "demo/echo", "messages": [{"role": "user", "content": "a b"}] * 24000}).encode()


class Overload(unittest.TestCase):
    @classmethod
    def tearDownClass(cls):
        harness.finish()

    def start(self, **server):
        return Gateway(harness.config(server={"workers": 1} | server)).start()

    def crowd(self, gateway, key, until, found):
        while time.monotonic() < until:
            try:
                response = gateway.call("POST", "/api/v1/chat/completions", BODY, key)
            except (OSError, harness.Closed):
                found.append(("closed", None))
                continue
            found.append((response.status, response))
            if response.status != 200:
                time.sleep(0.02)

    def load(self, gateway, aside):
        """Runs `aside` every now and then while the crowd asks; what the crowd got."""
        found, until = [], time.monotonic() + SECONDS
        threads = [threading.Thread(target=self.crowd, args=(gateway, KEY, until, found)) for _ in range(CROWD)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        while time.monotonic() < until:
            aside()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        return found

    def test_some_are_refused_and_no_other_key_suffers(self):
        gateway = self.start(overload_lag_ms=1)
        key = gateway.call("POST", "/api/v1/keys", {"name": "light"}, MANAGEMENT_KEY).json["key"]
        light, other = [], []

        def aside():
            light.append(gateway.chat(key=key, model="demo/echo"))
            other.append(gateway.call("GET", "/api/v1/key").status)

        found = self.load(gateway, aside)
        statuses = collections.Counter(status for status, _ in found)
        self.assertGreater(statuses[503], 10, statuses)
        self.assertGreater(statuses[200], 10, statuses)
        self.assertEqual(set(statuses) - {200, 503, "closed"}, set())
        refusal = next(r for status, r in found if status == 503)
        self.assertEqual(refusal.json["error"]["metadata"]["error_type"], "provider_overloaded")
        self.assertGreaterEqual(int(refusal.field("retry-after")), 1)
        self.assertEqual(refusal.field("x-should-retry"), "true")
        self.assertEqual(set(other), {200})
        self.assertLessEqual(sum(r.status != 200 for r in light), 1 + len(light) // 5, len(light))
        self.assertGreaterEqual(gateway.metrics()["signalbox_requests_shed_total"], statuses[503])
        self.assertIn("overloaded", gateway.stderr())
        wait_for(lambda: gateway.chat(model="demo/echo").status == 200, "an end of it")
        answered = statuses[200] + sum(r.status == 200 for r in light)
        rows = lambda: gateway.rows("select count(*) from generations where fault is null")[0][0]
        wait_for(lambda: rows() >= answered, "a record of each that was answered")

    def test_off(self):
        gateway = self.start(overload_lag_ms=0)
        found = self.load(gateway, lambda: None)
        self.assertEqual({status for status, _ in found}, {200})

    def test_what_stands_in_line_at_the_end_is_answered(self):
        """More requests than the loop reads in a turn, on connections that were idle until then, and a SIGTERM behind them."""
        gateway = self.start(overload_lag_ms=0)
        connections = [gateway.connect() for _ in range(200)]
        body = json.dumps({"model": "demo/echo", "messages": [{"role": "user", "content": "a b"}] * 1500}).encode()
        wait_for(lambda: gateway.metrics()["signalbox_connections_open"] >= len(connections), "them to be accepted")
        gateway.signal(signal.SIGSTOP)  # so that the loop hears of all in one turn
        for connection in connections:
            connection.request("POST", "/api/v1/chat/completions", body)
        gateway.signal(signal.SIGCONT)
        time.sleep(0.03)
        gateway.signal(signal.SIGTERM)
        self.assertEqual([c.response().status for c in connections], [200] * len(connections))
        self.assertEqual(gateway.process.wait(20), 0)


if __name__ == "__main__":
    unittest.main()
