"""Rounds of load and `kill -9`: every answer whose last byte a client got must be in the store after the next start,
once, with its cost. Used by test_ledger.py for a few rounds and by kill.py for many."""

import decimal
import json
import random
import threading
import time

from harness import KEY, Closed, Gateway, Mock, chat_body, config, plan


class Rounds:
    def __init__(self, threads=8, rate=None, seed=1):
        self.mock = Mock()
        self.gateway = Gateway(config(self.mock))
        self.random = random.Random(seed)
        self.threads = threads
        self.rate = rate  # requests a second over all threads; None: as fast as they can
        self.rounds = 0
        self.got = {}  # generation id -> cost, of answers whose last byte a client got
        self.missing = []
        self.doubled = []
        self.wrong = []

    def run(self, rounds, seconds=(0.05, 0.6)):
        for _ in range(rounds):
            self.gateway.start()
            stop = threading.Event()
            clients = [threading.Thread(target=self._client, args=(stop, i)) for i in range(self.threads)]
            for client in clients:
                client.start()
            time.sleep(self.random.uniform(*seconds))
            self.gateway.kill()
            stop.set()
            for client in clients:
                client.join()
            self.rounds += 1
        self.gateway.start()
        self._check()
        self.mock.stop()

    def _client(self, stop, number):
        chance = random.Random(self.random.random() + number)
        pause = self.threads / self.rate if self.rate else 0
        due = time.monotonic() + chance.random() * pause
        try:
            raw = self.gateway.connect(5)
        except OSError:
            return
        with raw:
            while not stop.is_set():
                usage = (chance.randrange(1, 5000), chance.randrange(1, 5000))
                stream = chance.random() < 0.5
                try:
                    raw.send(self._request(usage, stream))
                    r = raw.response()
                except (OSError, Closed, ValueError):
                    return
                if r.status != 200:
                    continue
                # json turns 0.1 into a float by default: read the digits instead.
                said = r.events()[-2] if stream else r.json
                parsed = json.loads(json.dumps(said))["usage"]["cost"]
                expected = cost_of(usage)
                if abs(decimal.Decimal(repr(parsed)) - expected) > decimal.Decimal("1e-12"):
                    self.wrong.append((r.id, parsed, expected))
                self.got[r.id] = expected
                due += pause
                time.sleep(max(0, due - time.monotonic()))

    @staticmethod
    def _request(usage, stream):
        body = chat_body(plan(usage=usage, chunks=2), stream)
        return (f"POST /api/v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    def _check(self):
        for number, generation_id in enumerate(list(self.got)):
            if number < 300:  # the rest is counted in the store
                r = self.gateway.generation(generation_id)
                if r.status != 200:
                    self.missing.append((generation_id, r.status))
                elif number_of(r.text, "total_cost") != self.got[generation_id]:
                    self.wrong.append((generation_id, r.text))
        self.gateway.call("GET", "/api/v1/key")  # what the spool holds is written before it is answered
        rows = {}
        for generation_id, cost in self.gateway.rows("SELECT id, cost_pico FROM generations"):
            rows.setdefault(generation_id, []).append(cost)
        self.doubled += [i for i, costs in rows.items() if len(costs) > 1]
        for generation_id, cost in self.got.items():
            if generation_id not in rows:
                self.missing.append((generation_id, "no row"))
            elif decimal.Decimal(rows[generation_id][0]) / 10**12 != cost:
                self.wrong.append((generation_id, rows[generation_id], cost))


def cost_of(usage):
    return decimal.Decimal("0.00000015") * usage[0] + decimal.Decimal("0.0000006") * usage[1]


def number_of(text, name):
    """The exact number of a member of {"data": {...}}."""
    return json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)["data"][name]
