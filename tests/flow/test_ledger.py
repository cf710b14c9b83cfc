"""The ledger: every request has its row at once, with the exact cost, whatever becomes of it."""

import decimal
import json
import threading
import time
import unittest

from harness import KEY, MANAGEMENT_KEY, Gateway, Mock, chat_body, config, finish, plan, wait_for
from killing import Rounds, cost_of, number_of

CHAT = "/api/v1/chat/completions"


def setUpModule():
    global mock, gateway
    mock = Mock()
    gateway = Gateway(config(mock)).start()


def tearDownModule():
    mock.stop()
    finish()


def cost_in(response):
    """usage.cost of an answer, by its digits."""
    exact = lambda text: json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
    if response.field("content-type").startswith("text/event-stream"):
        events = [exact(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
        usages = [event["usage"] for event in events if event.get("usage")]
        assert len(usages) == 1, f"{len(usages)} usages in the stream"
        return usages[0]["cost"]
    return exact(response.text)["usage"]["cost"]


class Rows(unittest.TestCase):
    def test_a_text_of_no_tokens_is_estimated(self):
        for stream in (False, True):
            r = gateway.chat(plan(usage=(3, 0)), stream=stream)
            data = gateway.generation(r.id).json["data"]
            self.assertEqual((data["tokens_prompt"], data["usage_estimated"]), (3, True))
            self.assertGreater(data["tokens_completion"], 0)
            self.assertEqual(cost_in(r), cost_of((3, data["tokens_completion"])))

    def test_generation_at_once_with_equal_cost(self):
        for stream in (False, True):
            for usage in ((1, 1), (10, 5), (123457, 999), (3, 1)):
                with self.subTest(stream=stream, usage=usage):
                    r = gateway.chat(plan(usage=usage), stream=stream)
                    self.assertEqual(r.status, 200, r)
                    found = gateway.generation(r.id)
                    self.assertEqual(found.status, 200, found)
                    self.assertEqual(cost_in(r), cost_of(usage))
                    self.assertEqual(number_of(found.text, "total_cost"), cost_of(usage))
                    data = found.json["data"]
                    self.assertEqual((data["tokens_prompt"], data["tokens_completion"]), usage)
                    self.assertEqual((data["streamed"], data["cancelled"], data["finish_reason"]), (stream, False, "stop"))
                    self.assertEqual(data["model"], "test/model")

    def test_id_is_the_same_everywhere(self):
        r = gateway.chat("x")
        self.assertTrue(r.id.startswith("gen-"))
        self.assertEqual(r.json["id"], r.id)
        r = gateway.chat("x", stream=True)
        self.assertEqual({e["id"] for e in r.events() if e != "[DONE]"}, {r.id})

    def test_other_keys_do_not_see_it(self):
        r = gateway.chat("x")
        other = gateway.cli("keys", "create", "other").stdout.strip()
        self.assertEqual(gateway.generation(r.id, other).status, 404)
        self.assertEqual(gateway.generation(r.id, MANAGEMENT_KEY).status, 200)

    def test_unknown_generation(self):
        for name in ("gen-0000000000-xxxxxxxxxxxxxxxxxxxx", "x", "%00", "'"):
            self.assertEqual(gateway.generation(name).status, 404, name)
        self.assertEqual(gateway.call("GET", "/api/v1/generation").status, 400)
        self.assertEqual(gateway.call("GET", "/api/v1/generation?id=" + "x" * 500).status, 400)

    def test_usage_of_a_key_sums_up_exactly(self):
        key = gateway.cli("keys", "create", "sum").stdout.strip()
        total = decimal.Decimal(0)
        for i in range(60):
            usage = (i * 7919 % 4001, i * 104729 % 3001)
            r = gateway.chat(plan(usage=usage), key=key, stream=i % 2 == 0)
            total += cost_in(r)
            if i % 20 == 19:
                text = gateway.call("GET", "/api/v1/key", key=key).text
                for member in ("usage", "usage_daily", "usage_weekly", "usage_monthly"):
                    self.assertEqual(f"{number_of(text, member):.12f}", f"{total:.12f}", member)
        pico = gateway.rows("SELECT sum(cost_pico) FROM generations WHERE key_id ="
                            " (SELECT id FROM keys WHERE name = 'sum')")[0][0]
        self.assertEqual(decimal.Decimal(pico) / 10**12, total)

    def test_client_gone_in_a_stream_is_cancelled(self):
        with gateway.connect() as raw:
            raw.request("POST", CHAT, chat_body(plan(chunks=100, gap=0.1), True))
            head = raw.response_head()
            raw.chunk()
        generation = wait_for(lambda: self.found(head.id), "the row of the cancelled request")
        self.assertTrue(generation["cancelled"])
        self.assertTrue(generation["usage_estimated"])
        self.assertGreater(generation["tokens_completion"], 0)

    def test_client_gone_while_waiting_is_cancelled(self):
        for stream in (False, True):
            before = self.count("fault = 'client_gone'")
            with gateway.connect() as raw:
                raw.request("POST", CHAT, chat_body(plan(delay=20), stream))
                wait_for(lambda: mock.waiting, "the request to reach the provider")
            wait_for(lambda: self.count("fault = 'client_gone'") == before + 1, "the row of the cancelled request")
            wait_for(lambda: not mock.waiting, "the provider's connection to be closed")

    def test_client_gone_in_its_body_is_recorded(self):
        before = self.count("fault = 'client_gone'")
        with gateway.connect() as raw:
            raw.send(raw.head("POST", CHAT, 1000) + b'{"model":')
            time.sleep(0.1)
        wait_for(lambda: self.count("fault = 'client_gone'") == before + 1, "the row of the request cut short")

    def test_failed_requests_are_recorded(self):
        for body, status in ((chat_body("x", model="no/model"), 400), (b"{", 400), (chat_body(plan(status=500)), 502),
                             (chat_body(plan(status=429)), 429), (chat_body(plan(status=401)), 502)):
            with self.subTest(body):
                r = gateway.call("POST", CHAT, body)
                self.assertEqual(r.status, status, r)
                found = gateway.generation(r.id)
                self.assertEqual(found.status, 200, found)
                data = found.json["data"]
                self.assertEqual((data["status"], data["total_cost"]), (status, 0))
                self.assertTrue(data["error"])

    def test_refused_keys_are_not_recorded(self):
        before = self.count("1")
        gateway.chat("x", key="sk-wrong")
        gateway.chat("x", key=None)
        self.assertEqual(self.count("1"), before)

    def test_attribution_is_kept(self):
        r = gateway.call("POST", CHAT, chat_body("x", user="end-user"), headers={
            "HTTP-Referer": "https://app.example", "X-Title": "An app", "User-Agent": "flow/1", "X-Session-Id": "s1"})
        data = gateway.generation(r.id).json["data"]
        self.assertEqual((data["http_referer"], data["app_title"], data["user_agent"], data["session_id"],
                          data["external_user"]), ("https://app.example", "An app", "flow/1", "s1", "end-user"))

    def test_usage_command(self):
        r = gateway.chat(plan(usage=(11, 22)))
        gateway.generation(r.id)
        text = gateway.cli("usage", "-n", "5").stdout
        self.assertIn("test/model", text)
        rows = json.loads(gateway.cli("usage", "--json", "-n", "3").stdout)
        rows = rows["data"] if isinstance(rows, dict) else rows
        rows = [row.get("data", row) for row in rows]
        self.assertEqual(rows[0]["id"], r.id)
        self.assertEqual(len(rows), 3)

    def test_survives_a_restart(self):
        own = Gateway(config(mock)).start()
        ids = [own.chat(plan(usage=(i, i)), stream=i % 2 == 1).id for i in range(1, 21)]
        self.assertEqual(own.stop(), 0)
        own.start()
        for i, generation_id in enumerate(ids, 1):
            self.assertEqual(number_of(own.generation(generation_id).text, "total_cost"), cost_of((i, i)))
        self.assertEqual(own.rows("SELECT count(*) FROM generations"), [(20,)])

    def test_parallel_requests_each_once(self):
        own = Gateway(config(mock)).start()
        ids = []

        def client():
            with own.connect() as raw:
                for i in range(50):
                    raw.request("POST", CHAT, chat_body("x", i % 2 == 0))
                    ids.append(raw.response().id)

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(ids)), 400)
        usage = number_of(own.call("GET", "/api/v1/key").text, "usage")
        self.assertEqual(usage, 400 * cost_of((10, 5)))
        self.assertEqual({i for i, in own.rows("SELECT id FROM generations")}, set(ids))

    @staticmethod
    def found(generation_id):
        r = gateway.generation(generation_id)
        return r.json["data"] if r.status == 200 else None

    @staticmethod
    def count(where):
        gateway.call("GET", "/api/v1/key")  # writes what is still in the spool
        return gateway.rows(f"SELECT count(*) FROM generations WHERE {where}")[0][0]


class Killed(unittest.TestCase):
    def test_kill_9_under_load(self):
        rounds = Rounds()
        rounds.run(10)
        self.assertEqual((rounds.missing[:5], rounds.doubled[:5], rounds.wrong[:5]), ([], [], []))
        self.assertGreater(len(rounds.got), 100)
        print(f"     kill -9: {rounds.rounds} rounds, {len(rounds.got)} answers checked")
