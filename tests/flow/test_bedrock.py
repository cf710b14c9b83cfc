"""Amazon Bedrock behind the gateway: who asks, by whose clock, and what is not asked in the usual way."""

import base64
import email.utils
import json
import pathlib
import time
import unittest
import urllib.parse

import expected
import harness
import recorded
import test_dialects
import test_recorded
from harness import Gateway
from test_dialects import AWS, Mock, gateway_for
from upstream import KEEP, reply

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-pro-v1:0"


def tearDownModule():
    harness.finish()


def fields_of(request):
    return {name.lower(): value for name, value in request.fields}


def signed_at(request):
    text = fields_of(request)["x-amz-date"]
    return time.mktime(time.strptime(text, "%Y%m%dT%H%M%SZ")) - time.timezone


def refusal(kind, message, status="403 X", ahead=0):
    date = email.utils.formatdate(time.time() + ahead, usegmt=True)
    return lambda r: r.send(reply({"message": message}, status, x_amzn_errortype=kind + ":http://x/", date=date)) or KEEP


class Clock(unittest.TestCase):
    def test_a_clock_that_is_wrong_is_corrected_once(self):
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, AWS)})
        mock.next = refusal("InvalidSignatureException", "Signature expired: 1 is now earlier than 2", ahead=3000)
        self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        first, second = mock.requests
        self.assertAlmostEqual(signed_at(first), time.time(), delta=60)
        self.assertAlmostEqual(signed_at(second), time.time() + 3000, delta=60)
        test_dialects.Dialects.check_signature(self, second, AWS["aws_secret_access_key"])
        # It stays so, and is corrected again when the clocks meet.
        self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        self.assertAlmostEqual(signed_at(mock.requests[-1]), time.time() + 3000, delta=60)
        mock.next = refusal("RequestExpired", "Request has expired.", "400 X")
        self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        self.assertAlmostEqual(signed_at(mock.requests[-1]), time.time(), delta=60)

    def test_a_signature_that_is_wrong_is_not_the_clocks_fault(self):
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, AWS)})
        for kind, ahead in (("InvalidSignatureException", 100), ("AccessDeniedException", 3000), ("", 3000)):
            mock.next = refusal(kind, "no", ahead=ahead)
            before = len(mock.requests)
            self.assertEqual(gateway.chat("Hi", model="b/nova").status, 502)
            self.assertEqual(len(mock.requests), before + 1)

    def test_a_clock_that_stays_wrong_is_an_error(self):
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, AWS)})
        answers = []

        def refuse(request):
            answers.append(request)
            mock.next = refuse
            return refusal("InvalidSignatureException", "no", ahead=9000 * len(answers))(request)

        mock.next = refuse
        self.assertEqual(gateway.chat("Hi", model="b/nova").status, 502)
        self.assertEqual(len(answers), 2)


class Requests(unittest.TestCase):
    def test_the_id_of_the_request_there_is_kept(self):
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, AWS)})
        mock.next = lambda r: r.send(reply(test_dialects.BEDROCK_ANSWER, x_amzn_requestid="0a1b-2c3d")) or KEEP
        made = gateway.chat("Hi", model="b/nova").json["id"]
        row = harness.wait_for(lambda: gateway.call("GET", f"/api/v1/generation?id={made}").json.get("data"), "the row")
        self.assertEqual(row["upstream_id"], "0a1b-2c3d")


class Whole(unittest.TestCase):
    def test_a_model_that_calls_no_tools_in_a_stream_is_asked_for_the_whole(self):
        mock = Mock()
        gateway = gateway_for(mock, {"b/llama": ("bedrock", "meta.llama3-1-70b-instruct-v1:0", AWS)})
        refused = refusal("ValidationException", "This model doesn't support tool use in streaming mode.", "400 X")
        answer = test_dialects.BEDROCK_ANSWER | {"stopReason": "tool_use", "output": {"message": {"role": "assistant", "content": [
            {"text": "Let me look."}, {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Rome"}}}]}}}

        def refuse(request):
            mock.next = lambda r: r.send(reply(answer)) or KEEP
            return refused(request)

        mock.next = refuse
        events = gateway.chat("Hi", model="b/llama", stream=True, tools=test_dialects.QUESTION["tools"]).events()
        first, second = mock.requests
        self.assertTrue(first.target.endswith("/converse-stream") and second.target.endswith("/converse"))
        self.assertEqual((first.all("accept"), second.all("accept")), (["application/vnd.amazon.eventstream"], ["application/json"]))
        self.assertEqual(first.body, second.body)
        test_dialects.Dialects.check_signature(self, second, AWS["aws_secret_access_key"])
        deltas = [c["delta"] for e in events[:-1] for c in e["choices"]]
        self.assertEqual("".join(d.get("content") or "" for d in deltas), "Let me look.")
        calls = [call for d in deltas for call in d.get("tool_calls", [])]
        self.assertEqual("".join(c["function"]["arguments"] for c in calls), "{\"city\": \"Rome\"}")
        self.assertEqual(next(c["finish_reason"] for e in events[:-1] for c in e["choices"] if c["finish_reason"]), "tool_calls")
        self.assertEqual((events[-2]["usage"]["prompt_tokens"], events[-1]), (7, "[DONE]"))
        # Refused once more, it is an error.
        mock.next = lambda r: setattr(mock, "next", refused) or refused(r)
        self.assertEqual(gateway.chat("Hi", model="b/llama", stream=True).status, 400)
        self.assertEqual(len(mock.requests), 4)


class Names(unittest.TestCase):
    def test_tools_whose_names_are_not_known_there(self):
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, AWS)})
        tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("a.b \"é\"", "plain")]

        def call(request):
            names = [t["toolSpec"]["name"] for t in request.json["toolConfig"]["tools"]]
            self.assertTrue(all(n.replace("_", "").isalnum() and n.isascii() for n in names), names)
            self.assertEqual(names[1], "plain")
            if request.target.endswith("/converse"):
                content = [{"toolUse": {"toolUseId": n, "name": n, "input": {}}} for n in names]
                body = test_dialects.BEDROCK_ANSWER | {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
                request.send(reply(body))
            else:
                events = [("messageStart", {"role": "assistant"})]
                for i, n in enumerate(names):
                    events += [("contentBlockStart", {"contentBlockIndex": i, "start": {"toolUse": {"toolUseId": n, "name": n}}}),
                               ("contentBlockStop", {"contentBlockIndex": i})]
                events += [("messageStop", {"stopReason": "tool_use"}), ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}})]
                request.send(reply(b"".join(recorded.aws_frame(*e) for e in events), content_type="application/vnd.amazon.eventstream"))
            return KEEP

        mock.next = call
        message = gateway.chat("Hi", model="b/nova", tools=tools).json["choices"][0]["message"]
        self.assertEqual([c["function"]["name"] for c in message["tool_calls"]], ["a.b \"é\"", "plain"])
        mock.next = call
        events = gateway.chat("Hi", model="b/nova", tools=tools, stream=True).events()
        found = [c["function"]["name"] for e in events[:-1] for x in e["choices"] for c in x["delta"].get("tool_calls", []) if c["function"].get("name")]
        self.assertEqual(found, ["a.b \"é\"", "plain"])


class Invoke(unittest.TestCase):
    """Claude asked by InvokeModel: Anthropic's own words, Amazon's signature and frames."""

    def gateway(self, mock, model=CLAUDE, api="invoke"):
        return Gateway(harness.config(f"http://127.0.0.1:{mock.port}")
                       | {"providers": [{"id": "b", "protocol": "bedrock", "base_url": f"http://127.0.0.1:{mock.port}"} | AWS],
                          "models": [{"id": "b/claude", "endpoints": [{"provider": "b", "model": model, "api": api, "context_length": 1000,
                                                                       "pricing": test_dialects.PRICES}]}]}).start()

    def test_whole(self):
        mock = Mock()
        gateway = self.gateway(mock)
        mock.next = lambda r: r.send(reply(test_dialects.ANTHROPIC_ANSWER)) or KEEP
        response = gateway.chat("Hi", model="b/claude", max_tokens=5)
        self.assertEqual(response.json["choices"][0]["message"]["content"], "Fine.")
        request, = mock.requests
        self.assertEqual(request.target, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke")
        self.assertEqual(request.json["anthropic_version"], "bedrock-2023-05-31")
        self.assertEqual(set(request.json), {"anthropic_version", "max_tokens", "messages"})
        test_dialects.Dialects.check_signature(self, request, AWS["aws_secret_access_key"])

    def test_stream(self):
        mock = Mock()
        gateway = self.gateway(mock)
        events = [{"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 7, "output_tokens": 1}}},
                  {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                  {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Fine."}},
                  {"type": "content_block_stop", "index": 0},
                  {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
                  {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 3}}]
        body = b"".join(recorded.aws_frame("chunk", {"bytes": base64.b64encode(json.dumps(e).encode()).decode(), "p": "abc"}) for e in events)
        mock.next = lambda r: r.send(reply(body, content_type="application/vnd.amazon.eventstream")) or KEEP
        answer = gateway.chat("Hi", model="b/claude", stream=True).events()
        self.assertEqual("".join(c["delta"].get("content", "") for e in answer[:-1] for c in e["choices"]), "Fine.")
        self.assertEqual((answer[-2]["usage"]["prompt_tokens"], answer[-2]["usage"]["completion_tokens"], answer[-1]), (7, 3, "[DONE]"))
        self.assertTrue(mock.requests[0].target.endswith("%3A0/invoke-with-response-stream"))
        self.assertNotIn("stream", mock.requests[0].json)
        mock.next = lambda r: r.send(reply(recorded.aws_frame("throttlingException", {"message": "Slow down"}, "exception"),
                                           content_type="application/vnd.amazon.eventstream")) or KEEP
        self.assertEqual(gateway.chat("Hi", model="b/claude", stream=True).status, 429)

    def test_recorded_replies(self):
        if not recorded.there():
            self.skipTest("no recorded traffic here")
        mock = Mock()
        gateway = self.gateway(mock)
        seen = 0
        for exchange in recorded.everything():
            if "/invoke" not in recorded.path_of(exchange):
                continue
            body, kind = exchange.body, "application/json"
            if exchange.streamed:
                body = b"".join(recorded.aws_frame("chunk", {"bytes": base64.b64encode(data.encode()).decode()}) for data in expected.sse_data(body))
                kind = "application/vnd.amazon.eventstream"
            mock.next = lambda r: r.send(reply(body, content_type=kind)) or KEEP
            found, _ = test_recorded.told(gateway.chat("Hi", model="b/claude", stream=exchange.streamed))
            wanted = expected.anthropic(exchange.body, exchange.streamed)
            for name in ("text", "reasoning", "calls", "finish", "prompt", "completion", "cached", "written"):
                self.assertEqual(getattr(found, name), getattr(wanted, name), (exchange, name))
            seen += 1
        self.assertGreater(seen, 1)
        print(f"     invoke: {seen} recorded replies")

    def test_only_claude(self):
        folder = pathlib.Path(harness.temp_dir())
        for model, api, word in ((NOVA, "invoke", "Claude"), (CLAUDE, "responses", "converse or invoke")):
            text = harness.yaml({"providers": [{"id": "b", "protocol": "bedrock"} | AWS],
                                 "models": [{"id": "b/m", "endpoints": [{"provider": "b", "model": model, "api": api}]}]})
            (folder / "c.yaml").write_text(text + "\n")
            done = harness.cli("check", "-c", str(folder / "c.yaml"), status=1)
            self.assertIn(word, done.stdout + done.stderr)


class Credentials(unittest.TestCase):
    def check(self, env, **provider):
        """What `signalbox check` says of a provider in these surroundings."""
        folder = pathlib.Path(harness.temp_dir())
        text = harness.yaml({"providers": [{"id": "b", "protocol": "bedrock"} | provider], "models": []})
        (folder / "c.yaml").write_text(text + "\n")
        empty = {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"), "AWS_CONFIG_FILE": str(folder / "none")}
        done = harness.cli("check", "-c", str(folder / "c.yaml"), env=empty | env, status=None)
        return done.returncode, done.stdout + done.stderr

    def files(self, credentials, config):
        folder = pathlib.Path(harness.temp_dir())
        (folder / "credentials").write_text(credentials)
        (folder / "config").write_text(config)
        return {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"), "AWS_CONFIG_FILE": str(folder / "config")}

    def test_profiles_that_want_more_than_keys(self):
        for key in ("role_arn = arn:aws:iam::1:role/x\nsource_profile = default", "sso_session = s", "credential_process = /bin/x",
                    "web_identity_token_file = /t"):
            env = self.files("[default]\naws_access_key_id=A\naws_secret_access_key=S\n", f"[profile work]\nregion=eu-west-1\n{key}\n")
            status, text = self.check(env | {"AWS_PROFILE": "work"})
            self.assertEqual(status, 1, text)
            self.assertIn(key.split()[0], text)
            self.assertEqual(self.check(env | {"AWS_REGION": "eu-west-1"})[0], 0)
            # Keys of the environment or the configuration need no profile.
            self.assertEqual(self.check(env | {"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"})[0], 0)
        status, text = self.check(env | {"AWS_PROFILE": "wrok", "AWS_REGION": "eu-west-1"})
        self.assertEqual(status, 1)
        self.assertIn("wrok", text)

    def test_spellings_of_the_files(self):
        env = self.files("# c\n[other]\naws_access_key_id=NO\naws_secret_access_key=NO\n[two words]\n  AWS_ACCESS_KEY_ID = AKIDTWO\r\n"
                         "  aws_secret_access_key = two=\n  aws_session_token=t\n",
                         "[profile  other]\nregion = no\n[profile \"two words\"]\ns3 =\n  region = nested\nregion = eu-north-1\n")
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, {})}, env=env | {"AWS_PROFILE": "two words"})
        self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        fields = test_dialects.Dialects.check_signature(self, mock.requests[0], "two=", "t")
        self.assertIn("AKIDTWO/", fields["authorization"])
        self.assertIn("/eu-north-1/bedrock/", fields["authorization"])

    def test_containers_are_asked_at_allowed_hosts_only(self):
        for url, good in (("http://127.0.0.1:9/x", True), ("http://localhost/x", True), ("http://[::1]:9/x", True),
                          ("http://169.254.170.23/v1/credentials", True), ("http://[fd00:ec2::23]/v1", True),
                          ("https://creds.example/x", True), ("http://creds.example/x", False), ("http://127.0.0.1.example/x", False),
                          ("http://169.254.170.2@evil.example/x", False), ("http://169.254.169.254/x", False), ("ftp://127.0.0.1/x", False)):
            status, text = self.check({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}, region="eu-west-1")
            self.assertEqual(status, 0 if good else 1, (url, text))
            if not good:
                self.assertIn("AWS_CONTAINER_CREDENTIALS_FULL_URI", text)

    def test_a_containers_token_is_read_anew_from_its_file(self):
        mock = Mock()
        token = pathlib.Path(harness.temp_dir()) / "token"
        token.write_text("first\n")
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, {"region": "eu-west-1"})},
                              env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{mock.port}/creds",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)})
        # Credentials that will run out within minutes are used, but not asked for again with each request.
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
        mock.next = lambda r: r.send(reply({"AccessKeyId": "ASIASOON", "SecretAccessKey": "s", "Token": "t", "Expiration": soon})) or KEEP
        for _ in range(2):
            self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
            self.assertIn("ASIASOON", fields_of(mock.requests[-1])["authorization"])
        # Refused ones are asked for again for the same request.
        token.write_text("second\n")
        mock.next = refusal("ExpiredTokenException", "The security token included in the request is expired")
        self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        self.assertEqual([r.all("authorization") for r in mock.requests if r.target == "/creds"], [["first"], ["second"]])
        self.assertIn("ASIAFETCHED", fields_of(mock.requests[-1])["authorization"])

    def test_a_token_that_would_split_the_head(self):
        mock = Mock()
        token = pathlib.Path(harness.temp_dir()) / "token"
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, {"region": "eu-west-1"})},
                              env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{mock.port}/creds",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)})
        response = gateway.chat("Hi", model="b/nova")
        self.assertEqual(response.status, 502)
        self.assertIn("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", response.json["error"]["message"])
        self.assertEqual(mock.requests, [])

    def test_the_role_of_a_web_identity(self):
        mock = Mock()
        token = pathlib.Path(harness.temp_dir()) / "token"
        token.write_text("ey+J/x=\n")
        xml = ("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
               "<SecretAccessKey>role/secret+</SecretAccessKey><SessionToken>role==</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
               "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")
        gateway = gateway_for(mock, {"b/nova": ("bedrock", NOVA, {"region": "eu-west-1"})},
                              env={"AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
                                   "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{mock.port}/sts"})
        mock.next = lambda r: r.send(reply("<ErrorResponse><Error><Message>Token is expired</Message></Error></ErrorResponse>", "400 X", "text/xml")) or KEEP
        response = gateway.chat("Hi", model="b/nova")
        self.assertEqual(response.status, 502)
        self.assertIn("Token is expired", response.json["error"]["message"])
        gateway.reload()
        time.sleep(5.1)  # a refusal is believed for so long
        mock.next = lambda r: r.send(reply(xml, content_type="text/xml")) or KEEP
        for _ in range(2):
            self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        asked, first, second = mock.requests[1:]
        self.assertEqual((asked.method, asked.target), ("POST", "/sts"))
        self.assertEqual(dict(urllib.parse.parse_qsl(asked.body.decode())),
                         {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleSessionName": "signalbox",
                          "RoleArn": "arn:aws:iam::1:role/r", "WebIdentityToken": "ey+J/x="})
        for request in (first, second):
            test_dialects.Dialects.check_signature(self, request, "role/secret+", "role==")

    def test_the_region_of_the_host_is_signed(self):
        status, text = self.check({"AWS_REGION": "us-east-1"}, base_url="https://vpce-1.bedrock-runtime.eu-west-3.vpce.amazonaws.com",
                                  aws_access_key_id="A", aws_secret_access_key="S")
        self.assertEqual(status, 0, text)


if __name__ == "__main__":
    unittest.main()
