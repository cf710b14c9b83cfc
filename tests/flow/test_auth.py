"""Keys: who is let in, at once and no longer than meant; and that no key's text is kept anywhere."""

import contextlib
import datetime
import json
import os
import pathlib
import sqlite3
import time
import unittest

from harness import KEY, MANAGEMENT_KEY, Gateway, Mock, config, finish, wait_for


def setUpModule():
    global mock, gateway
    mock = Mock()
    gateway = Gateway(config(mock, auth={
        "management_key": MANAGEMENT_KEY,
        "keys": [{"name": "test", "key": KEY}, {"name": "poor", "key": "sk-test-poor-0123456789", "limit": "0.00001"}],
    })).start()


def tearDownModule():
    mock.stop()
    finish()


def created_by_cli(*words):
    return json.loads(gateway.cli("keys", "create", *words, "--json").stdout)


class Refused(unittest.TestCase):
    def refused(self, response, status=401):
        self.assertEqual((response.status, response.json["error"]["code"]), (status, status), response)
        self.assertTrue(response.json["error"]["message"])
        return response

    def test_bad_credentials(self):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
                        {"Authorization": ""}, {"Authorization": KEY}, {"Authorization": "Basic " + KEY},
                        {"Authorization": f"Bearer {KEY}x"}, {"Authorization": f"Bearer {KEY[:-1]}"},
                        {"Authorization": f"Bearer {KEY.upper()}"}, {"Authorization": f"Bearer {KEY} {KEY}"},
                        {"x-api-key": ""}, {"x-api-key": "wrong"}, {"Authorization": "Bearer " + "x" * 4000},
                        {"Authorization": f'Bearer "{KEY}"'}, {"Authorization": "Bearer ' OR 1=1 --"}):
            for method, path, body in (("POST", "/api/v1/chat/completions", b"{}"), ("GET", "/api/v1/key", None),
                                       ("GET", "/api/v1/keys", None)):
                with self.subTest(f"{method} {path} {str(headers)[:60]}"):
                    r = self.refused(gateway.call(method, path, body, key=None, headers=headers))
                    self.assertEqual(r.field("www-authenticate"), "Bearer")

    def test_key_does_not_pass_in_the_query(self):
        self.refused(gateway.call("GET", f"/api/v1/key?api_key={KEY}&key={KEY}", key=None))

    def test_kinds_are_apart(self):
        body = json.dumps({"model": "test/model", "messages": [{"role": "user", "content": "x"}]}).encode()
        self.refused(gateway.call("POST", "/api/v1/chat/completions", body, key=MANAGEMENT_KEY), 403)
        for method, path, body in (("GET", "/api/v1/keys", None), ("POST", "/api/v1/keys", b'{"name":"x"}'),
                                   ("DELETE", "/api/v1/keys/x", None), ("PATCH", "/api/v1/keys/x", b"{}")):
            with self.subTest(f"{method} {path}"):
                self.refused(gateway.call(method, path, body, key=KEY), 403)

    def test_limit_reached(self):
        poor = "sk-test-poor-0123456789"
        # 0.00001 USD: two of these cost 0.0000045 each, the third goes over, the next is refused.
        statuses = [gateway.chat("x", key=poor).status for _ in range(5)]
        self.assertEqual(statuses, [200, 200, 200, 402, 402])
        self.assertIn("limit", gateway.chat("x", key=poor).json["error"]["message"])
        data = gateway.call("GET", "/api/v1/key", key=poor).json["data"]
        self.assertEqual(data["limit_remaining"], 0)


class Accepted(unittest.TestCase):
    def test_other_spellings(self):
        for headers in ({"x-api-key": KEY}, {"X-Api-Key": KEY}, {"authorization": f"bearer {KEY}"},
                        {"Authorization": f"Bearer   {KEY}  "}):
            with self.subTest(headers):
                self.assertEqual(gateway.call("GET", "/api/v1/key", key=None, headers=headers).status, 200)


class Life(unittest.TestCase):
    def works(self, key):
        return gateway.chat("x", key=key).status == 200

    def test_made_by_cli_works_at_once(self):
        for i in range(5):
            key = gateway.cli("keys", "create", f"fresh-{i}").stdout.strip()
            self.assertTrue(self.works(key))

    def test_stranger_does_not_close_the_door(self):
        """Many wrong keys must not keep a key that has just been made from being found."""
        for i in range(200):
            gateway.chat("x", key=f"sk-wrong-{i}")
        key = gateway.cli("keys", "create", "late").stdout.strip()
        wait_for(lambda: self.works(key), "the key to work")

    def test_disabled_and_enabled_by_cli(self):
        made = created_by_cli("switch")
        key, key_id = made["key"], made["data"]["id"]
        self.assertTrue(self.works(key))
        gateway.cli("keys", "disable", key_id)
        # Each loop takes the new keys at its own turn.
        wait_for(lambda: all(gateway.chat("x", key=key).status == 401 for _ in range(8)), "the key to stop working", 10)
        gateway.cli("keys", "enable", "switch")
        wait_for(lambda: self.works(key), "the key to work again", 10)

    def test_deleted_by_cli(self):
        made = created_by_cli("short-lived")
        self.assertTrue(self.works(made["key"]))
        gateway.cli("keys", "delete", made["data"]["id"])
        wait_for(lambda: not self.works(made["key"]), "the key to stop working", 10)
        gateway.cli("keys", "delete", made["data"]["id"], status=1)

    def test_expired(self):
        tomorrow = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)).strftime("%Y-%m-%d")
        made = json.loads(gateway.cli("keys", "create", "new", "--expires", tomorrow, "--json").stdout)
        self.assertTrue(self.works(made["key"]))
        with contextlib.closing(sqlite3.connect(f"{gateway.data_dir}/signalbox.db", timeout=30)) as db, db:
            db.execute("UPDATE keys SET expires = ? WHERE id = ?", (int(time.time()) - 1, made["data"]["id"]))
        wait_for(lambda: not self.works(made["key"]), "the key to expire", 10)
        self.assertEqual(gateway.chat("x", key=made["key"]).status, 401)
        gateway.cli("keys", "create", "past", "--expires", "2020-01-01", status=2)
        gateway.cli("keys", "create", "never", "--expires", "2026-02-31", status=2)

    def test_by_the_api(self):
        r = gateway.call("POST", "/api/v1/keys", {"name": "by api", "limit": 1.5}, key=MANAGEMENT_KEY)
        self.assertEqual(r.status, 201, r)
        key, name = r.json["key"], r.json["data"]["hash"]
        self.assertEqual(r.json["data"]["limit"], 1.5)
        self.assertTrue(self.works(key))
        path = f"/api/v1/keys/{name}"
        self.assertEqual(gateway.call("GET", path, key=MANAGEMENT_KEY).json["data"]["name"], "by api")
        self.assertEqual(gateway.call("PATCH", path, {"disabled": True}, key=MANAGEMENT_KEY).status, 200)
        self.assertEqual(gateway.chat("x", key=key).status, 401)  # at once
        self.assertEqual(gateway.call("PATCH", path, {"disabled": False, "limit": None}, key=MANAGEMENT_KEY).json["data"]["limit"], None)
        self.assertTrue(self.works(key))
        self.assertEqual(gateway.call("DELETE", path, key=MANAGEMENT_KEY).status, 200)
        self.assertEqual(gateway.chat("x", key=key).status, 401)
        self.assertEqual(gateway.call("GET", path, key=MANAGEMENT_KEY).status, 404)

    def test_api_refuses_nonsense(self):
        for body in (b"", b"{", b"[]", b"{}", b'{"name":1}', b'{"name":""}', b'{"name":"x","limit":"much"}',
                     b'{"name":"x","limit":-1}', json.dumps({"name": "x" * 200}).encode()):
            with self.subTest(body):
                r = gateway.call("POST", "/api/v1/keys", body, key=MANAGEMENT_KEY)
                self.assertEqual((r.status, r.json["error"]["code"]), (400, 400), r)

    def test_limit_of_a_stored_key(self):
        key = gateway.cli("keys", "create", "thrifty", "--limit", "0.000004").stdout.strip()
        self.assertEqual([gateway.chat("x", key=key).status for _ in range(3)], [200, 402, 402])

    def test_management_key_made_by_cli(self):
        key = gateway.cli("keys", "create", "boss", "--management").stdout.strip()
        self.assertEqual(gateway.call("GET", "/api/v1/keys", key=key).status, 200)
        self.assertEqual(gateway.chat("x", key=key).status, 403)


class Secrecy(unittest.TestCase):
    def test_no_key_text_anywhere(self):
        made = [created_by_cli(f"secret-{i}")["key"] for i in range(3)]
        made.append(gateway.call("POST", "/api/v1/keys", {"name": "secret-api"}, key=MANAGEMENT_KEY).json["key"])
        for key in made:
            self.assertEqual(gateway.chat("x", key=key).status, 200)
            self.assertEqual(gateway.chat("x", key=key, model="no/such").status, 400)
        listed = gateway.call("GET", "/api/v1/keys", key=MANAGEMENT_KEY).text
        shown = listed + gateway.cli("keys", "list").stdout + gateway.cli("keys", "list", "--json").stdout
        shown += gateway.call("GET", "/api/v1/key", key=made[0]).text + gateway.stderr() + gateway.metrics().__repr__()
        files = [p for p in pathlib.Path(gateway.data_dir).rglob("*") if p.is_file()]
        self.assertGreater(len(files), 3)
        for key in (*made, KEY, MANAGEMENT_KEY):
            secret = key[len("sk-sb-v1-") + 8:]
            self.assertNotIn(secret, shown)
            for path in files:
                self.assertNotIn(secret.encode(), path.read_bytes(), path)

    def test_upstream_key_is_not_shown(self):
        gateway.chat("x")
        for path in ("/api/v1/providers", "/api/v1/models", "/api/v1/models/test/model/endpoints", "/metrics"):
            self.assertNotIn("sk-upstream", gateway.call("GET", path).text)

    def test_own_key_is_not_sent_upstream(self):
        gateway.chat("x")
        fields, _ = mock.seen[-1]
        self.assertEqual(fields["authorization"], "Bearer sk-upstream")
        self.assertNotIn(KEY, json.dumps(fields))

    def test_data_dir_is_private(self):
        self.assertEqual(os.stat(gateway.data_dir).st_mode & 0o077, 0)
        for name in ("signalbox.db", "pepper"):
            self.assertEqual(os.stat(os.path.join(gateway.data_dir, name)).st_mode & 0o077, 0, name)
