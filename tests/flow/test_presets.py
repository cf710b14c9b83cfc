"""Presets: made of requests, kept in versions, looked at, switched off, deleted; and what requests get from them."""

import concurrent.futures
import json
import unittest

from harness import KEY, MANAGEMENT_KEY, Gateway, Mock, config, finish, wait_for

ENDPOINT = {"provider": "mock", "context_length": 100000, "pricing": {"prompt": "0.000001", "completion": "0.000002"}}


def setUpModule():
    global mock, gateway
    mock = Mock()
    gateway = Gateway(config(mock, models=[
        {"id": "test/model", "endpoints": [ENDPOINT | {"model": "upstream-model"}]},
        {"id": "test/other", "endpoints": [ENDPOINT | {"model": "upstream-other"}]},
    ])).start()


def tearDownModule():
    mock.stop()
    finish()


def ask(method, path, body=None, key=KEY):
    return gateway.call(method, "/api/v1/presets" + path, body, key=key)


def put(slug, body, key=KEY):
    r = ask("POST", f"/{slug}/chat/completions", body, key)
    assert r.status == 200, r
    return r.json["data"]


class Routes(unittest.TestCase):
    def refused(self, r, status, *words):
        self.assertEqual((r.status, r.json["error"]["code"]), (status, status), r)
        for word in words:
            self.assertIn(word, r.json["error"]["message"])

    def test_made_of_a_request(self):
        made = put("first", {
            "model": "openai/gpt-5.4", "temperature": 0.7, "stream": True, "user": "u", "unknown": 1,
            "messages": [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}]})
        self.assertEqual(set(made), {
            "id", "creator_user_id", "workspace_id", "name", "slug", "description", "status", "designated_version_id",
            "created_at", "updated_at", "status_updated_at", "designated_version"})
        version = made["designated_version"]
        self.assertEqual(set(version), {
            "id", "preset_id", "creator_id", "version", "system_prompt", "config", "created_at", "updated_at"})
        self.assertEqual(version["config"], {"model": "openai/gpt-5.4", "temperature": 0.7})
        self.assertEqual(version["system_prompt"], "You are a helpful assistant.")
        self.assertEqual((made["slug"], made["name"], made["status"], version["version"]), ("first", "first", "active", 1))
        self.assertEqual((version["preset_id"], version["id"]), (made["id"], made["designated_version_id"]))
        self.assertEqual((made["description"], made["status_updated_at"], made["workspace_id"]), (None, None, None))
        self.assertEqual(version["creator_id"], "config:test")
        self.assertRegex(made["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(ask("GET", "/first").json, {"data": made})
        self.assertEqual(ask("GET", "/FIRST").json, {"data": made})

    def test_versions(self):
        for n in range(1, 6):
            made = put("versions", {"model": "a/b", "seed": n})
            self.assertEqual(made["designated_version"]["version"], n)
        listed = ask("GET", "/versions/versions").json
        self.assertEqual(listed["total_count"], 5)
        self.assertEqual([v["config"]["seed"] for v in listed["data"]], [1, 2, 3, 4, 5])
        page = ask("GET", "/versions/versions?offset=1&limit=2").json
        self.assertEqual(([v["version"] for v in page["data"]], page["total_count"]), ([2, 3], 5))
        for v in listed["data"]:
            self.assertEqual(ask("GET", f"/versions/versions/{v['version']}").json, {"data": v})
        self.assertIsNone(listed["data"][0]["system_prompt"])
        self.refused(ask("GET", "/versions/versions/6"), 404, "no version 6", "newest is 5")
        for bad in ("0", "-1", "x", "1.5", "99999999999999999999"):
            self.refused(ask("GET", f"/versions/versions/{bad}"), 400, "whole number")

    def test_pages(self):
        for n in range(5):
            put(f"page-{n}", {"model": "a/b"})
        listed = ask("GET", "?limit=3").json
        self.assertEqual([p["slug"] for p in listed["data"]], ["page-4", "page-3", "page-2"])
        self.assertGreaterEqual(listed["total_count"], 5)
        self.assertNotIn("designated_version", listed["data"][0])
        put("page-1", {"model": "c/d"})
        page = ask("GET", "?offset=1&limit=1").json["data"]
        self.assertEqual([p["slug"] for p in page], ["page-4"])
        self.assertEqual(ask("GET", "?offset=100000").json["data"], [])
        for bad in ("limit=0", "limit=101", "limit=x", "offset=-1", "offset=x", "limit=-1"):
            self.refused(ask("GET", "?" + bad), 400, bad.split("=")[0])

    def test_what_is_refused(self):
        for slug in ("-x", "a%20b", "a%2Fb", "%40preset", "x" * 101, "%C3%A4", "a%00b"):
            with self.subTest(slug):
                self.refused(ask("POST", f"/{slug}/chat/completions", {"model": "a/b"}), 400, "slug")
                self.refused(ask("GET", f"/{slug}"), 400, "slug")
        for body, word in ((b"", "JSON"), (b"[]", "object"), (b'{"model":"a","model":"b"}', "JSON"), ({"model": 7}, "model"),
                           ({"temperature": 9}, "temperature"), ({"tools": "x"}, "tools"), ({"messages": 1}, "messages"),
                           ({"model": "@preset/x"}, "preset"), ({"system_prompt": "x" * 300000}, "256 KiB"),
                           ({"cache_ttl_seconds": "60"}, "cache_ttl_seconds"), ({"provider": {"sort": "beauty"}}, "provider.sort")):
            with self.subTest(str(body)[:60]):
                self.refused(ask("POST", "/refused/chat/completions", body), 400, word)
        for method, path in (("GET", "/refused"), ("GET", "/refused/versions"), ("GET", "/refused/versions/1"),
                             ("DELETE", "/refused")):
            self.refused(ask(method, path), 404, "no preset refused")
        self.refused(ask("PATCH", "/refused", {"name": "x"}), 404, "no preset refused")
        for path in ("/first/messages", "/first/responses"):
            self.refused(ask("POST", path, {}), 501)
        for method, path in (("GET", ""), ("GET", "/first"), ("POST", "/first/chat/completions"), ("DELETE", "/first")):
            self.refused(ask(method, path, b"{}" if method == "POST" else None, key="wrong"), 401)

    def test_changed_and_deleted(self):
        made = put("changed", {"model": "a/b"}, key=MANAGEMENT_KEY)
        self.assertEqual(made["creator_user_id"], "management")
        now = ask("PATCH", "/changed", {"name": "A name", "description": "what \"for\""}).json["data"]
        self.assertEqual((now["name"], now["description"], now["status"]), ("A name", "what \"for\"", "active"))
        self.assertEqual((now["slug"], now["designated_version"]), ("changed", made["designated_version"]))
        self.assertIsNone(now["status_updated_at"])
        now = ask("PATCH", "/changed", {"status": "archived", "description": None}).json["data"]
        self.assertEqual((now["name"], now["description"], now["status"]), ("A name", None, "archived"))
        self.assertEqual(now["status_updated_at"], now["updated_at"])
        self.assertEqual(put("changed", {"model": "c/d"})["status"], "archived")
        for body in (b"", b"[]", {}, {"name": ""}, {"name": None}, {"name": 1}, {"status": "gone"}, {"status": None},
                     {"name": "x" * 201}, {"description": 1}):
            with self.subTest(str(body)[:60]):
                self.refused(ask("PATCH", "/changed", body), 400)
        self.assertEqual(ask("DELETE", "/changed").json, {"deleted": True})
        self.refused(ask("DELETE", "/changed"), 404)
        self.refused(ask("GET", "/changed"), 404)

    def test_all_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: put("crowd", {"seed": n}), range(40)))
        self.assertEqual(sorted(m["designated_version"]["version"] for m in made), list(range(1, 41)))
        self.assertEqual(len({m["id"] for m in made}), 1)

    def test_from_the_command_line(self):
        put("by-cli", {"model": "a/b", "system_prompt": "Be brief."})
        self.assertIn("by-cli", gateway.cli("presets", "list").stdout)
        listed = json.loads(gateway.cli("presets", "list", "--json").stdout)
        self.assertIn("by-cli", [p["slug"] for p in listed["data"]])
        shown = gateway.cli("presets", "show", "by-cli").stdout
        for text in ("by-cli, version 1, active", '"a/b"', "Be brief."):
            self.assertIn(text, shown)
        self.assertEqual(json.loads(gateway.cli("presets", "show", "by-cli", "--json").stdout), ask("GET", "/by-cli").json)
        gateway.cli("presets", "delete", "by-cli")
        self.refused(ask("GET", "/by-cli"), 404)
        self.assertIn("no such preset", gateway.cli("presets", "show", "by-cli", status=1).stderr)
        for words in ((), ("show",), ("make", "x"), ("list", "x"), ("show", "x", "y"), ("list", "--odd")):
            gateway.cli("presets", *words, status=2)

    def test_kept_over_a_restart(self):
        other = Gateway(config(mock)).start()
        r = other.call("POST", "/api/v1/presets/kept/chat/completions", {"model": "test/model", "system_prompt": "S"})
        other.kill()
        other.start()
        self.assertEqual(other.call("GET", "/api/v1/presets/kept").json, r.json)
        other.stop()


class Inference(unittest.TestCase):
    def sent(self, **body):
        """What the provider gets of a request."""
        before = len(mock.seen)
        body.setdefault("messages", [{"role": "user", "content": "hi"}])
        r = gateway.call("POST", "/api/v1/chat/completions", body)
        self.assertEqual(r.status, 200, r)
        self.model = r.json["model"]
        self.assertEqual(len(mock.seen), before + 1)
        return mock.seen[-1][1]

    def test_three_ways_to_name_it(self):
        put("ways", {"model": "test/model", "temperature": 0.25, "system_prompt": "Be brief."})
        for body, model in (({"model": "@preset/ways"}, "model"), ({"model": "test/other@preset/ways"}, "other"),
                            ({"model": "test/other", "preset": "ways"}, "other"), ({"preset": "ways"}, "model"),
                            ({"model": "@preset/ways", "preset": "ways"}, "model")):
            with self.subTest(body):
                sent = self.sent(**body)
                self.assertEqual((sent["model"], sent["temperature"]), (f"upstream-{model}", 0.25))
                self.assertEqual(self.model, f"test/{model}")
                self.assertEqual(sent["messages"][0], {"role": "system", "content": "Be brief."})
                self.assertNotIn("preset", sent)

    def test_the_request_wins(self):
        put("wins", {"model": "test/model", "temperature": 0.25, "top_p": 0.5, "max_tokens": 10, "system_prompt": "P"})
        sent = self.sent(model="@preset/wins", temperature=1, max_completion_tokens=20,
                         messages=[{"role": "system", "content": "own"}, {"role": "user", "content": "hi"}])
        self.assertEqual((sent["temperature"], sent["top_p"]), (1, 0.5))
        self.assertEqual([m["content"] for m in sent["messages"]], ["own", "hi"])
        self.assertEqual([sent.get("max_tokens"), sent.get("max_completion_tokens")].count(20), 1)
        self.assertNotIn(10, (sent.get("max_tokens"), sent.get("max_completion_tokens")))

    def test_tools(self):
        def tool(name, **more):
            return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}} | more}

        put("tools", {"model": "test/model", "tools": [tool("f"), tool("g")]})
        sent = self.sent(model="@preset/tools", tools=[tool("h"), tool("f", description="own")])
        self.assertEqual([t["function"]["name"] for t in sent["tools"]], ["f", "g", "h"])
        self.assertEqual(sent["tools"][0]["function"]["description"], "own")

    def test_the_newest_version_at_once(self):
        for n in range(20):
            put("newest", {"model": "test/model", "seed": n})
            self.assertEqual(self.sent(model="@preset/newest")["seed"], n)

    def test_suffixes(self):
        """Behind the preset or before it: as if they stood behind the model."""
        put("suffix", {"model": "test/model", "temperature": 0.25})
        put("only-models", {"models": ["test/model", "test/other"]})
        for name, variants, models in (("@preset/suffix:floor", ["floor"], ["test/model"]),
                                       ("test/other@preset/suffix:floor", ["floor"], ["test/other"]),
                                       ("test/other:nitro@preset/suffix", ["nitro"], ["test/other"]),
                                       ("test/other:thinking@preset/suffix:floor", ["floor", "thinking"], ["test/other"]),
                                       ("@preset/only-models:nitro", ["nitro"], ["test/model", "test/other"])):
            with self.subTest(name):
                sent = self.sent(model=name)
                self.assertEqual(self.model, models[0])
                self.assertEqual("reasoning" in json.dumps(sent), "thinking" in variants)
                if "@preset/suffix" in name:
                    self.assertEqual(sent["temperature"], 0.25)
                seen = gateway.call("POST", "/api/v1/signalbox/explain",
                                    {"model": name, "messages": [{"role": "user", "content": "hi"}]}).json
                self.assertEqual(seen["models"], models)
                self.assertIn("throughput" if "nitro" in variants else "Sorted by price", seen["candidates"][0]["reason"])
        r = gateway.chat(model="@preset/suffix:fast")
        self.assertEqual(r.status, 400, r)
        self.assertIn("no variant :fast", r.json["error"]["message"])

    def test_among_models(self):
        put("listed", {"model": "test/model", "temperature": 0.25})
        put("another", {"model": "test/other"})
        for models, want in ((["@preset/listed", "test/other"], "model"), (["test/other", "@preset/listed:nitro"], "other"),
                             (["test/other@preset/listed:floor"], "other")):
            with self.subTest(models):
                sent = self.sent(models=models)
                self.assertEqual((sent["model"], sent["temperature"]), (f"upstream-{want}", 0.25))
        sent = self.sent(model="test/other", models=["@preset/listed"])
        self.assertEqual((sent["model"], sent["temperature"]), ("upstream-other", 0.25))
        r = gateway.chat(models=["@preset/listed", "@preset/another"])
        self.assertEqual(r.status, 400, r)
        for word in ("listed", "another", "name one"):
            self.assertIn(word, r.json["error"]["message"])
        r = gateway.chat(models=["test/model", "@preset/zzzzzz"])
        self.assertEqual(r.status, 404, r)

    def test_generation_tells_of_it(self):
        made = put("recorded", {"model": "test/model"})
        cached = {"X-OpenRouter-Cache": "true"}
        for body, preset, router in (({"model": "@preset/recorded"}, made["id"], None), ({"model": "test/model"}, None, None),
                                     ({"model": "openrouter/auto", "preset": "recorded"}, made["id"], "openrouter/auto"),
                                     ({"model": "signalbox/auto:floor"}, None, "signalbox/auto"),
                                     ({"model": "test/other", "models": ["signalbox/auto"]}, None, None)):
            for streamed in (False, True):
                with self.subTest(body):
                    body |= {"messages": [{"role": "user", "content": f"recorded by {preset}"}], "stream": streamed}
                    for hit in (False, True):
                        r = gateway.call("POST", "/api/v1/chat/completions", body, headers=cached)
                        self.assertEqual((r.status, r.field("x-openrouter-cache-status")), (200, "HIT" if hit else "MISS"), r)
                        row = wait_for(lambda: (g := gateway.generation(r.id)).status == 200 and g.json["data"], "the row")
                        self.assertEqual((row["preset_id"], row["router"]), (preset, router))
        bad = gateway.call("POST", "/api/v1/chat/completions",
                           {"model": "@preset/recorded", "provider": {"only": ["nobody"]}, "messages": [{"role": "user", "content": "hi"}]})
        self.assertEqual(bad.status, 404)
        row = wait_for(lambda: (g := gateway.generation(bad.id)).status == 200 and g.json["data"], "the row")
        self.assertEqual((row["preset_id"], row["router"]), (made["id"], None))

    def test_metadata_names_it(self):
        put("told", {"model": "test/model"})
        r = gateway.call("POST", "/api/v1/chat/completions",
                         {"model": "@preset/told", "messages": [{"role": "user", "content": "hi"}]},
                         headers={"X-OpenRouter-Metadata": "enabled"})
        self.assertEqual(r.json["openrouter_metadata"]["requested"], "@preset/told")
        self.assertEqual(r.json["model"], "test/model")

    def test_fallback_models(self):
        put("chain", {"models": ["test/other", "test/model"]})
        self.assertEqual(self.sent(model="@preset/chain")["model"], "upstream-other")

    def test_what_cannot_be_used(self):
        put("switched", {"model": "test/model"})
        put("modelless", {"temperature": 1})
        for body, status, word in (({"model": "@preset/swiched"}, 404, "Did you mean switched"),
                                   ({"model": "test/model@preset/zzzzzz"}, 404, "no preset"),
                                   ({"model": "test/model", "preset": "zzzzzz"}, 404, "no preset"),
                                   ({"model": "@preset/switched", "preset": "modelless"}, 400, "different"),
                                   ({"model": "@preset/modelless"}, 400, "names no model")):
            with self.subTest(body):
                r = gateway.chat(**body)
                self.assertEqual(r.status, status, r)
                self.assertIn(word, r.json["error"]["message"])
        for state, status in (("disabled", 400), ("archived", 404)):
            ask("PATCH", "/switched", {"status": state})
            r = gateway.chat(model="@preset/switched")
            self.assertEqual(r.status, status, r)
            self.assertIn(state, r.json["error"]["message"])
        ask("PATCH", "/switched", {"status": "active"})
        self.assertEqual(gateway.chat(model="@preset/switched").status, 200)
        gateway.cli("presets", "delete", "switched")
        wait_for(lambda: gateway.chat(model="@preset/switched").status == 404, "the end of the preset")

    def test_streams(self):
        put("stream", {"model": "test/model"})
        r = gateway.chat(model="@preset/stream", stream=True)
        self.assertEqual((r.status, r.events()[-1]), (200, "[DONE]"))
        self.assertEqual(r.events()[0]["model"], "test/model")
