"""What a provider receives: the client's body byte for byte except where it must change, one credential (the provider's own),
and nothing that is only between client and gateway.
"""

import collections
import json
import unittest

import harness
from harness import KEY, MANAGEMENT_KEY, Gateway
from upstream import Expectations, Provider, config, endpoint, provider_entry

MESSAGES = '"messages":[{"role":"user","content":"Hello"}]'
# Ugly on purpose: blanks, number spellings, escapes, order and unknown members must survive.
UGLY = ('{ "temperature" :1.0e0,"messages" : [ {"content":"\\u0048i \\/ Grüße \\ud83c\\udf89","role":"user", "x":[ 1.50,-0, 1E+2 ]} ],\n'
        '\t"unknown":{"b":1,"a":[true , null]},"seed":9007199254740993 , "MODEL":"test/model"%s }')
OURS = {"provider": {"order": ["mock"]}, "models": ["test/model"], "route": "fallback", "plugins": [], "transforms": ["middle-out"],
        "usage": {"include": True}, "preset": "p", "session_id": "s", "trace": {"a": 1}, "debug": {"echo": True},
        "cache_control": {"type": "ephemeral"}}


def setUpModule():
    global provider, gateway
    provider = Provider()
    keys = [provider_entry(provider.url, "many", api_key=["sk-a", "sk-b", {"key": "sk-c", "weight": 2}]),
            {k: v for k, v in provider_entry(provider.url + "/", "keyless").items() if k != "api_key"},
            provider_entry(f"http://localhost:{provider.port}/deep/er/v1", "deep")]
    gateway = Gateway(config(provider, [{"id": "test/" + k["id"], "endpoints": [endpoint(k["id"], 'na"me/\\ü')]} for k in keys],
                             keys)).start()


def tearDownModule():
    provider.stop()
    harness.finish()


class Requests(Expectations, unittest.TestCase):
    def setUp(self):
        self.gateway, self.provider = gateway, provider

    def sent(self, body, headers=None, key=KEY):
        """What the provider got for this body."""
        r = gateway.call("POST", "/api/v1/chat/completions", body.encode(), key, headers)
        self.assertEqual(r.status, 200, r)
        return provider.requests[-1]

    def test_head(self):
        request = self.sent('{"model":"test/model",%s}' % MESSAGES, {
            "Cookie": "secret=1", "X-Api-Key": "sk-leak", "HTTP-Referer": "https://app.example", "X-Title": "app", "X-Forwarded-For": "1.2.3.4",
            "OpenAI-Organization": "org", "X-Stainless-Lang": "js", "User-Agent": "client/1", "Accept-Encoding": "gzip, br",
            "Proxy-Authorization": "Basic x", "Via": "1.1 x"})
        self.assertEqual((request.method, request.target, request.version), ("POST", "/v1/chat/completions", "HTTP/1.1"))
        self.assertEqual(request.all("authorization"), ["Bearer sk-upstream-mock"])
        self.assertEqual(request.all("host"), [f"127.0.0.1:{provider.port}"])
        self.assertEqual(request.all("content-type"), ["application/json"])
        self.assertEqual(request.all("content-length"), [str(len(request.body))])
        self.assertEqual(request.all("accept-encoding"), ["identity"])
        self.assertEqual(request.all("accept"), ["application/json"])
        for name in ("cookie", "x-api-key", "proxy-authorization", "transfer-encoding", "openai-organization", "x-forwarded-for", "via",
                     "x-stainless-lang", "http-referer", "connection"):
            self.assertEqual(request.all(name), [], name)
        self.assertTrue(request.all("user-agent")[0].startswith("signalbox/"))
        self.assertEqual(len({k.lower() for k, _ in request.fields}), len(request.fields), "a field twice")

    def test_no_key_of_ours_goes_out(self):
        for headers, key in (({}, KEY), ({"x-api-key": KEY}, None), ({"api-key": KEY}, None)):
            request = self.sent('{"model":"test/model",%s}' % MESSAGES, headers, key)
            everything = repr(request.fields) + request.body.decode()
            self.assertNotIn(KEY, everything)
            self.assertNotIn(MANAGEMENT_KEY, everything)

    def test_streams_ask_for_events(self):
        request = self.sent('{"model":"test/model","stream":true,%s}' % MESSAGES)
        self.assertEqual(request.all("accept"), ["text/event-stream"])

    def test_base_url(self):
        self.assertEqual(self.sent('{"model":"test/keyless",%s}' % MESSAGES).target, "/v1/chat/completions")
        request = self.sent('{"model":"test/deep",%s}' % MESSAGES)
        self.assertEqual(request.target, "/deep/er/v1/chat/completions")
        self.assertEqual(request.all("host"), [f"localhost:{provider.port}"])

    def test_no_key_no_credential(self):
        self.assertEqual(self.sent('{"model":"test/keyless",%s}' % MESSAGES).all("authorization"), [])

    def test_several_keys_in_turn(self):
        counts = collections.Counter(self.sent('{"model":"test/many",%s}' % MESSAGES).all("authorization")[0] for _ in range(120))
        self.assertEqual(set(counts), {"Bearer sk-a", "Bearer sk-b", "Bearer sk-c"})
        self.assertGreater(counts["Bearer sk-c"], counts["Bearer sk-a"])

    def test_model_is_replaced_and_all_else_stays(self):
        for written in ('"test/model"', '"test\\/model"', '"\\u0074est/model"'):
            body = UGLY % f',  "model"  :  {written}'
            self.assertEqual(self.sent(body).body.decode(), UGLY % ',  "model"  :  "main"')
        first = '{"model":"test/model",' + (UGLY % "")[1:]
        self.assertEqual(self.sent(first).body.decode(), '{"model":"main",' + (UGLY % "")[1:])

    def test_odd_names(self):
        request = self.sent('{"model":"test/many",%s}' % MESSAGES)
        self.assertEqual(request.json["model"], 'na"me/\\ü')

    def test_gateway_members_are_cut(self):
        plain = {"model": "main", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0.5, "user": "u"}
        asked = {"model": "test/model"} | {k: v for k, v in plain.items() if k != "model"}
        for ours in [{n: v} for n, v in OURS.items() if n != "preset"] + [{n: v for n, v in OURS.items() if n != "preset"}]:
            for body in (ours | asked, asked | ours, {"messages": asked["messages"]} | ours | asked,
                         {k: v for pair in zip(asked.items(), list(ours.items()) * 4) for k, v in pair} | asked):
                with self.subTest(str(list(body))):
                    got = self.sent(json.dumps(body))
                    self.assertEqual(got.json, plain)
                    self.assertEqual(collections.Counter(n for n, _ in pairs(got.body)).most_common(1)[0][1], 1)

    def test_members_inside_messages_stay(self):
        inner = '"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}],"provider":"p"}]'
        got = self.sent('{"model":"test/model",%s}' % inner)
        self.assertEqual(got.body.decode(), '{"model":"main",%s}' % inner)

    def test_usage_is_asked_for(self):
        for options, expected in (("", {"include_usage": True}), (',"stream_options":{}', {"include_usage": True}),
                                  (',"stream_options":null', {"include_usage": True}),
                                  (',"stream_options":{"include_usage":false}', {"include_usage": True}),
                                  (',"stream_options":{"include_usage":true}', {"include_usage": True}),
                                  (',"stream_options":{"include_obfuscation":false}', {"include_usage": True, "include_obfuscation": False})):
            with self.subTest(options):
                got = self.sent('{"model":"test/model","stream":true,%s%s}' % (MESSAGES, options))
                self.assertEqual(got.json["stream_options"], expected)
                self.assertEqual([n for n, _ in pairs(got.body)].count("stream_options"), 1)

    def test_only_of_streams(self):
        got = self.sent('{"model":"test/model",%s,"stream":false}' % MESSAGES)
        self.assertNotIn("stream_options", got.json)

    def test_stream_options_do_not_disturb_the_rest(self):
        got = self.sent('{"model":"test/model","stream":true,"stream_options":{"include_usage":true},' + (UGLY % "")[1:])
        self.assertEqual(got.body.decode(), '{"model":"main","stream":true,"stream_options":{"include_usage":true},' + (UGLY % "")[1:])

    def test_large_body_arrives_whole(self):
        text = "".join(chr(65 + i % 26) for i in range(9_000_000))
        body = '{"model":"test/model","messages":[{"role":"user","content":"%s"}]}' % text
        self.assertEqual(self.sent(body).body.decode(), body.replace("test/model", "main"))


def pairs(body):
    return json.JSONDecoder(object_pairs_hook=lambda p: p).decode(body.decode())


if __name__ == "__main__":
    unittest.main()
