"""Providers of other dialects: what they are sent, how they prove who asks, and what becomes of what they cannot be told.
All cases are our own; recorded traffic is in test_recorded.py.
"""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import pathlib
import subprocess
import threading
import time
import unittest
import urllib.parse

import harness
import recorded
from harness import Gateway
from upstream import CLOSE, KEEP, Provider, coded, reply

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PRICES = {"prompt": "0.000001", "completion": "0.000002", "web_search": "0.01"}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
# The awkward parts in one: an image, results in another order than the calls, parameters that no target takes whole.
QUESTION = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Paris and \"Rome\"?"},
                                     {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_a1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}},
            {"id": "call_b2", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Rome\"}"}}]},
        {"role": "tool", "tool_call_id": "call_b2", "content": "{\"c\":24}"},
        {"role": "tool", "tool_call_id": "call_a1", "content": "error: timeout"}],
    "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Current weather", "parameters": WEATHER}}],
    "tool_choice": "auto", "parallel_tool_calls": False, "max_completion_tokens": 500, "temperature": 0.2, "stop": ["END"],
    "user": "u-1",
}
ANTHROPIC_ANSWER = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                    "content": [{"type": "text", "text": "Fine."}], "usage": {"input_tokens": 7, "output_tokens": 3}}
GEMINI_ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Fine."}]}, "finishReason": "STOP", "index": 0}],
                 "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}}
BEDROCK_ANSWER = {"output": {"message": {"role": "assistant", "content": [{"text": "Fine."}]}}, "stopReason": "end_turn",
                  "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}}
COHERE_ANSWER = {"id": "c1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "Fine."}]},
                 "usage": {"billed_units": {"input_tokens": 4, "output_tokens": 2}, "tokens": {"input_tokens": 7, "output_tokens": 3}}}
CHAT_ANSWER = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
               "choices": [{"index": 0, "message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}]}
RESPONSES_ANSWER = {"id": "resp_1", "object": "response", "status": "completed", "model": "m",
                    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Fine."}]}],
                    "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}}
ANSWERS = {"responses": RESPONSES_ANSWER, "anthropic": ANTHROPIC_ANSWER, "gemini": GEMINI_ANSWER, "vertex": GEMINI_ANSWER, "bedrock": BEDROCK_ANSWER,
           "cohere": COHERE_ANSWER, "mistral": CHAT_ANSWER, "azure": CHAT_ANSWER, "openai": CHAT_ANSWER}

tearDownModule = harness.finish


class Mock(Provider):
    """Answers each protocol's good answer by the request's path; `self.next` answers once instead."""

    def __init__(self):
        super().__init__()
        self.next = None

    def _answer(self, request):
        if self.next:
            answer, self.next = self.next, None
            return answer(request)
        path = request.target
        if path.startswith("/token"):
            body = {"access_token": f"ya29.{len(self.seen('assertion'))}", "expires_in": 3600}
        elif path.startswith("/creds"):
            body = {"AccessKeyId": "ASIAFETCHED", "SecretAccessKey": "fetched-secret", "Token": "fetched-token",
                    "Expiration": "2099-01-01T00:00:00Z"}
        elif path.startswith("/away"):
            request.send(b"HTTP/1.1 302 Found\r\nLocation: /picture?moved\r\nContent-Length: 0\r\n\r\n")
            return KEEP
        elif path.startswith("/round"):
            request.send(b"HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n")
            return KEEP
        elif path.startswith("/picture"):
            request.send(reply(base64.b64decode(PNG), content_type="image/jpeg"))  # its type is wrong
            return KEEP
        else:
            body = next(ANSWERS[kind] for mark, kind in (
                ("/messages", "anthropic"), ("rawPredict", "anthropic"), ("enerateContent", "gemini"), ("/converse", "bedrock"),
                ("/v2/chat", "cohere"), ("/responses", "responses"), ("/chat/completions", "openai")) if mark in path)
        request.send(reply(body))
        return KEEP


def gateway_for(mock, models, env=None, **settings):
    """models: {id: (protocol, upstream name, provider settings)}; each its own provider."""
    host = f"http://127.0.0.1:{mock.port}"
    bases = {"anthropic": "/v1", "gemini": "/v1beta", "vertex": "/v1/projects/p/locations/l", "cohere": "/v2", "mistral": "/v1",
             "openai": "/v1"}
    providers, made = [], []
    for name, (protocol, upstream, more) in models.items():
        slug = name.replace("/", "-").replace(".", "-")
        keyless = protocol == "bedrock" or "credentials_file" in more
        provider = ({"id": slug, "protocol": protocol, "base_url": host + bases.get(protocol, "")}
                    | ({} if keyless else {"api_key": "sk-upstream"}) | more)
        if provider not in providers:
            providers.append(provider)
        made.append({"id": name, "endpoints": [{"provider": provider["id"], "model": upstream, "context_length": 100000,
                                                "max_completion_tokens": 64000, "pricing": PRICES}
                                               | ({"api": "responses"} if name.startswith("r/") else {})]})
    return Gateway({"server": {"listen": "127.0.0.1:0", "workers": 1},
                    "auth": {"management_key": harness.MANAGEMENT_KEY, "keys": [{"name": "test", "key": harness.KEY}]},
                    "providers": providers, "models": made} | settings, env=env).start()


AWS = {"region": "us-east-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
MODELS = {
    "a/sonnet-4.6": ("anthropic", "claude-sonnet-4-6", {}),
    "a/haiku-4.5": ("anthropic", "claude-haiku-4-5", {}),
    "a/opus-5": ("anthropic", "claude-opus-5", {}),
    "a/fable": ("anthropic", "claude-fable-5", {}),
    "a/old": ("anthropic", "claude-3-opus-latest", {}),
    "g/3": ("gemini", "gemini-3-flash-preview", {}),
    "g/2.5": ("gemini", "gemini-2.5-flash", {}),
    "g/2.5-pro": ("gemini", "gemini-2.5-pro", {}),
    "v/gemini": ("vertex", "gemini-3-flash-preview", {}),
    "v/claude": ("vertex", "claude-sonnet-4-5@20250929", {}),
    "b/claude": ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", AWS),
    "b/llama": ("bedrock", "meta.llama3-70b-instruct-v1:0", AWS | {"aws_session_token": "session"}),
    "b/nova": ("bedrock", "us.amazon.nova-pro-v1:0", AWS),
    "b/mistral": ("bedrock", "mistral.mistral-large-2407-v1:0", AWS),
    "c/reasoning": ("cohere", "command-a-reasoning-08-2025", {}),
    "c/vision": ("cohere", "command-a-vision-07-2025", {}),
    "m/small": ("mistral", "mistral-small-latest", {}),
    "z/v1": ("azure", "gpt 5/mini", {}),
    "z/dated": ("azure", "gpt 5/mini", {"api_version": "2024-10-21"}),
    "o/gpt-5": ("openai", "gpt-5-mini", {"id": "openai"}),
    "o/codex": ("openai", "gpt-5-codex", {"id": "openai"}),
    "r/any": ("openai", "some-model", {}),
}


class Dialects(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.gateway = gateway_for(cls.mock, MODELS)

    def ask(self, model, status=200, **body):
        """The request the provider got, and the client's response."""
        before = len(self.mock.requests)
        body = {"messages": [{"role": "user", "content": "Hi"}]} | body
        response = self.gateway.call("POST", "/api/v1/chat/completions", json.dumps(body | {"model": model}).encode())
        self.assertEqual(response.status, status, response)
        requests = self.mock.requests[before:]
        return (requests[-1] if requests else None), response

    def sent(self, model, **body):
        return self.ask(model, **body)[0].json

    # --- the same question everywhere ---

    def test_anthropic(self):
        request, response = self.ask("a/sonnet-4.6", **QUESTION, reasoning_effort="low")
        self.assertEqual(request.json, {
            "model": "claude-sonnet-4-6", "max_tokens": 500,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Weather in Paris and \"Rome\"?"},
                                             {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "call_a1", "name": "get_weather", "input": {"city": "Paris"}},
                                                  {"type": "tool_use", "id": "call_b2", "name": "get_weather", "input": {"city": "Rome"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_b2", "content": "{\"c\":24}"},
                                             {"type": "tool_result", "tool_use_id": "call_a1", "content": "error: timeout"}]}],
            "tools": [{"name": "get_weather", "description": "Current weather", "input_schema": WEATHER}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}, "stop_sequences": ["END"],
            "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "metadata": {"user_id": "u-1"}})
        self.assertEqual(request.target, "/v1/messages")
        self.assertEqual(request.all("x-api-key"), ["sk-upstream"])
        self.assertEqual(request.all("anthropic-version"), ["2023-06-01"])
        self.assertEqual(request.all("authorization"), [])
        self.assertEqual(response.field("x-signalbox-dropped"), "temperature")
        self.assertEqual(response.json["choices"][0]["message"]["content"], "Fine.")
        self.assertEqual(response.json["usage"]["cost"], 0.000013)

    def test_web_searches_are_billed(self):
        usage = {"input_tokens": 7, "output_tokens": 3, "server_tool_use": {"web_search_requests": 2}}
        self.mock.next = lambda r: r.send(reply(ANTHROPIC_ANSWER | {"usage": usage})) or KEEP
        found = self.ask("a/haiku-4.5")[1].json["usage"]
        self.assertEqual(found["server_tool_use"], {"web_search_requests": 2})
        self.assertEqual(found["cost"], 0.020013)

    def test_gemini(self):
        request, response = self.ask("g/3", **QUESTION, reasoning_effort="low")
        self.assertEqual(request.json, {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Weather in Paris and \"Rome\"?"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
                {"role": "model", "parts": [
                    {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}, "thoughtSignature": "skip_thought_signature_validator"},
                    {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "get_weather", "response": {"output": "error: timeout"}}},
                    {"functionResponse": {"name": "get_weather", "response": {"c": 24}}}]}],
            "tools": [{"functionDeclarations": [{"name": "get_weather", "description": "Current weather", "parametersJsonSchema": WEATHER}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
            "generationConfig": {"maxOutputTokens": 500, "temperature": 0.2, "stopSequences": ["END"],
                                 "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}})
        self.assertEqual(request.target, "/v1beta/models/gemini-3-flash-preview:generateContent")
        self.assertEqual(request.all("x-goog-api-key"), ["sk-upstream"])
        self.assertEqual(response.field("x-signalbox-dropped"), "parallel_tool_calls, user")
        config = self.sent("g/2.5", **QUESTION, reasoning_effort="low")["generationConfig"]
        self.assertEqual(config["thinkingConfig"], {"thinkingBudget": 1024, "includeThoughts": True})
        self.assertEqual(self.sent("g/2.5-pro", reasoning_effort="none")["generationConfig"]["thinkingConfig"], {"thinkingBudget": 128})
        self.assertNotIn("thoughtSignature", json.dumps(self.sent("g/2.5", **QUESTION)))

    def test_bedrock(self):
        request, response = self.ask("b/claude", **QUESTION)
        self.assertEqual(request.json, {
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "Weather in Paris and \"Rome\"?"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]},
                {"role": "assistant", "content": [
                    {"toolUse": {"toolUseId": "call_a1", "name": "get_weather", "input": {"city": "Paris"}}},
                    {"toolUse": {"toolUseId": "call_b2", "name": "get_weather", "input": {"city": "Rome"}}}]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": "call_b2", "content": [{"text": "{\"c\":24}"}], "status": "success"}},
                    {"toolResult": {"toolUseId": "call_a1", "content": [{"text": "error: timeout"}], "status": "success"}}]}],
            "inferenceConfig": {"maxTokens": 500, "temperature": 0.2, "stopSequences": ["END"]},
            "toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "description": "Current weather", "inputSchema": {"json": WEATHER}}}],
                           "toolChoice": {"auto": {}}},
            "requestMetadata": {"user": "u-1"}})
        self.assertEqual(request.target, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse")
        self.assertEqual(response.json["usage"]["prompt_tokens"], 7)
        # Nothing may stand beside a tool's result there.
        more = QUESTION | {"messages": QUESTION["messages"] + [{"role": "user", "content": "And now?"}]}
        self.assertEqual([m["role"] for m in self.sent("b/llama", **more)["messages"]],
                         ["user", "assistant", "user", "assistant", "user"])
        self.assertEqual([m["role"] for m in self.sent("b/claude", **more)["messages"]], ["user", "assistant", "user"])
        ids = [b["toolUse"]["toolUseId"] for b in self.sent("b/mistral", **QUESTION)["messages"][1]["content"]]
        self.assertTrue(all(len(i) == 9 and i.isalnum() for i in ids), ids)

    def test_cohere(self):
        request, response = self.ask("c/vision", **QUESTION)
        self.assertEqual(request.json, {
            "model": "command-a-vision-07-2025",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Weather in Paris and \"Rome\"?"},
                                             {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]},
                {"role": "assistant", "tool_calls": QUESTION["messages"][2]["tool_calls"]},
                {"role": "tool", "tool_call_id": "call_b2", "content": "{\"c\":24}"},
                {"role": "tool", "tool_call_id": "call_a1", "content": "error: timeout"}],
            "tools": QUESTION["tools"], "max_tokens": 500, "temperature": 0.2, "stop_sequences": ["END"],
            "citation_options": {"mode": "disabled"}})
        self.assertEqual(request.target, "/v2/chat")
        self.assertEqual(response.field("x-signalbox-dropped"), "parallel_tool_calls, user")
        usage = response.json["usage"]
        self.assertEqual((usage["prompt_tokens"], usage["completion_tokens"], usage["cost"]), (7, 3, 0.000008))  # of 4 and 2
        self.assertEqual(self.sent("c/reasoning", reasoning_effort="low")["thinking"], {"type": "enabled", "token_budget": 2048})
        _, refused = self.ask("c/reasoning", 400, **QUESTION)
        self.assertIn("takes no images", refused.json["error"]["message"])

    def test_mistral(self):
        request, response = self.ask("m/small", **QUESTION, stream=False)
        sent = request.json
        ids = [c["id"] for c in sent["messages"][2]["tool_calls"]]
        self.assertTrue(all(len(i) == 9 and i.isalnum() for i in ids) and ids[0] != ids[1], ids)
        self.assertEqual([m["role"] for m in sent["messages"]], ["system", "user", "assistant", "tool", "tool"])
        self.assertEqual([m.get("tool_call_id") for m in sent["messages"][3:]], [ids[1], ids[0]])
        self.assertEqual({k: v for k, v in sent.items() if k != "messages"}, {
            "model": "mistral-small-latest", "tools": QUESTION["tools"], "tool_choice": "auto", "parallel_tool_calls": False,
            "max_tokens": 500, "temperature": 0.2, "stop": ["END"]})
        self.assertEqual(response.field("x-signalbox-dropped"), "user")
        more = QUESTION | {"messages": QUESTION["messages"] + [{"role": "user", "content": "And now?"}]}
        roles = [m["role"] for m in self.sent("m/small", **more)["messages"]]
        self.assertEqual(roles[-3:], ["tool", "assistant", "user"])
        self.assertEqual(ids, [c["id"] for c in self.sent("m/small", **more)["messages"][2]["tool_calls"]], "the same IDs each turn")
        # What the model is made to have said comes again, and is not told again.
        begun = [{"role": "user", "content": "How are you?"}, {"role": "assistant", "content": "Fi"}]
        request, response = self.ask("m/small", messages=begun)
        self.assertEqual(request.json["messages"][1], begun[1] | {"prefix": True})
        self.assertEqual(response.json["choices"][0]["message"]["content"], "ne.")
        chunk = lambda text, finish=None: {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
        events = [chunk("F"), chunk("ine"), chunk(".", "stop")]
        body = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events) + b"data: [DONE]\n\n"
        response = self.stream(body, model="m/small", messages=begun)
        self.assertEqual([e["choices"][0]["delta"].get("content") for e in response.events()[:2]], ["ne", "."])

    def test_azure(self):
        request, _ = self.ask("z/v1", **QUESTION)
        self.assertEqual(request.target, "/openai/v1/chat/completions")
        self.assertEqual(request.all("api-key"), ["sk-upstream"])
        # Grok there counts what came from the cache beside the prompt; its filter's results come first, without a choice.
        usage = {"prompt_tokens": 293, "completion_tokens": 58, "total_tokens": 351, "prompt_tokens_details": {"cached_tokens": 387}}
        self.mock.next = lambda r: r.send(reply(CHAT_ANSWER | {"usage": usage})) or KEEP
        counted = self.ask("z/v1")[1].json["usage"]
        self.assertEqual((counted["prompt_tokens"], counted["prompt_tokens_details"]["cached_tokens"]), (680, 387))
        chunk = lambda delta, finish=None: {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        events = [{"choices": [], "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]}, chunk({"content": "Hi"}), chunk({}, "stop")]
        response = self.stream(b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events) + b"data: [DONE]\n\n", model="z/v1")
        self.assertEqual(response.events()[0]["choices"][0]["delta"]["content"], "Hi")
        request, _ = self.ask("z/dated")
        self.assertEqual(request.target, "/openai/deployments/gpt%205%2Fmini/chat/completions?api-version=2024-10-21")

    def test_responses(self):
        request, response = self.ask("r/any", **QUESTION, reasoning_effort="low")
        self.assertEqual(request.json, {
            "model": "some-model", "store": False, "instructions": "Be brief.",
            "input": [
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "Weather in Paris and \"Rome\"?"},
                    {"type": "input_image", "image_url": "data:image/png;base64," + PNG, "detail": "auto"}]},
                {"type": "function_call", "call_id": "call_a1", "name": "get_weather", "arguments": "{\"city\":\"Paris\"}"},
                {"type": "function_call", "call_id": "call_b2", "name": "get_weather", "arguments": "{\"city\":\"Rome\"}"},
                {"type": "function_call_output", "call_id": "call_b2", "output": "{\"c\":24}"},
                {"type": "function_call_output", "call_id": "call_a1", "output": "error: timeout"}],
            "tools": [{"type": "function", "name": "get_weather", "description": "Current weather", "parameters": WEATHER, "strict": False}],
            "tool_choice": "auto", "parallel_tool_calls": False, "max_output_tokens": 500, "temperature": 0.2,
            "safety_identifier": "u-1", "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"}})
        self.assertEqual(request.target, "/v1/responses")
        self.assertEqual(response.field("x-signalbox-dropped"), "stop")
        self.assertEqual(response.json["choices"][0]["message"]["content"], "Fine.")
        self.assertEqual(self.ask("o/codex")[0].target, "/v1/responses")  # served by that API alone
        schema = {"name": "n", "schema": WEATHER, "strict": True}
        self.assertEqual(self.sent("r/any", response_format={"type": "json_schema", "json_schema": schema})["text"],
                         {"format": {"type": "json_schema"} | schema})
        # Reasoning goes back in front of the call it led to.
        output = [{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}, {"type": "summary_text", "text": "so"}],
                   "encrypted_content": "gAAA+/="},
                  {"type": "function_call", "id": "fc_1", "call_id": "call_r", "name": "get_weather", "arguments": "{}"}]
        message, sent = self.again("r/any", RESPONSES_ANSWER | {"output": output})
        self.assertEqual(message["reasoning"], "Hm\n\nso")
        self.assertEqual(sent["input"][1:3], [
            output[0],
            {"type": "function_call", "call_id": "call_r", "name": "get_weather", "arguments": "{}"}])
        # A refusal, and an answer that was cut off.
        refusal = [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]
        self.mock.next = lambda r: r.send(reply(RESPONSES_ANSWER | {"output": refusal})) or KEEP
        message = self.ask("r/any")[1].json["choices"][0]["message"]
        self.assertEqual((message["content"], message["refusal"]), (None, "No."))
        cut = RESPONSES_ANSWER | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        self.mock.next = lambda r: r.send(reply(cut)) or KEEP
        self.assertEqual(self.ask("r/any")[1].json["choices"][0]["finish_reason"], "length")

    def test_items_of_responses_come_back(self):
        search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
        output = [{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "gAAA+/="},
                  search | {"action": search["action"] | {"sources": [{"type": "url", "url": "https://example.org"}]}},
                  {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gBBB"},
                  {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
                   "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
                  {"type": "function_call", "id": "fc_1", "call_id": "call_R1", "name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}]
        _, sent = self.again("r/any", RESPONSES_ANSWER | {"output": output})
        self.assertEqual(sent["input"][1:6], [
            output[0], search, output[2],
            {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "call_id": "call_R1", "name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}])
        # What the client loses is restored, unless its call has an ID that comes again in other answers.
        for call_id, restored in (("call_R2", True), ("call_0", False)):
            output[4]["call_id"] = call_id
            self.mock.next = lambda request: request.send(reply(RESPONSES_ANSWER | {"output": output})) or KEEP
            self.ask("r/any", tools=QUESTION["tools"])
            bare = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [
                        {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": call_id, "content": "1"}]
            items = [item["type"] for item in self.sent("r/any", messages=bare, tools=QUESTION["tools"])["input"]]
            self.assertEqual(items[1:-2], ["reasoning", "web_search_call", "reasoning"] if restored else [])

    def test_models_of_openai_that_reason_are_not_steered_by_sampling(self):
        sent = self.sent("o/gpt-5", **QUESTION, top_p=0.5, logprobs=True)
        _, response = self.ask("o/gpt-5", temperature=0.5, top_k=5, stop=None)
        self.assertEqual(response.field("x-signalbox-dropped"), "temperature, top_k")
        self.assertIn("top_k", self.ask("o/gpt-5", 400, top_k=5, provider={"require_parameters": True})[1].json["error"]["message"])
        self.assertEqual({"temperature", "stop", "top_p", "logprobs"} & set(sent), set())
        self.assertEqual(sent["max_completion_tokens"], 500)

    # --- reasoning ---

    def test_effort_by_model(self):
        think = lambda model, **more: {k: v for k, v in self.sent(model, **more).items() if k in ("thinking", "output_config", "max_tokens")}
        self.assertEqual(think("a/haiku-4.5", reasoning_effort="medium", max_tokens=10000),
                         {"max_tokens": 10000, "thinking": {"type": "enabled", "budget_tokens": 5000}})
        self.assertEqual(think("a/haiku-4.5", reasoning={"max_tokens": 3000}, max_tokens=10000)["thinking"]["budget_tokens"], 3000)
        self.assertEqual(think("a/haiku-4.5", reasoning_effort="low", max_tokens=500), {"max_tokens": 500})
        self.assertEqual(think("a/opus-5", reasoning_effort="xhigh"),
                         {"max_tokens": 64000, "thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}})
        self.assertEqual(think("a/sonnet-4.6", reasoning_effort="none")["thinking"], {"type": "disabled"})
        self.assertNotIn("temperature", self.sent("a/opus-5", temperature=0.3))
        self.assertIn("temperature", self.sent("a/haiku-4.5", temperature=0.3))
        self.assertEqual(self.ask("a/fable", 400, reasoning_effort="none")[0], None)
        self.assertEqual(self.sent("b/claude", reasoning_effort="high", max_tokens=10000)["additionalModelRequestFields"],
                         {"thinking": {"type": "enabled", "budget_tokens": 8000}})

    def again(self, model, answer, more=None):
        """The assistant's message for this answer of the provider, sent back with a tool's result: what the provider is sent."""
        self.mock.next = lambda request: request.send(reply(answer)) or KEEP
        _, response = self.ask(model, tools=QUESTION["tools"], reasoning_effort="high", max_tokens=20000)
        message = response.json["choices"][0]["message"]
        messages = [{"role": "user", "content": "Hi"}, message,
                    {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "{\"c\":1}"}]
        return message, self.sent(more or model, messages=messages, tools=QUESTION["tools"], reasoning_effort="high", max_tokens=20000)

    def test_reasoning_comes_back_byte_for_byte(self):
        content = [{"type": "thinking", "thinking": "Hm, \u00e9\n\"so\"", "signature": "c2ln/+=="},
                   {"type": "redacted_thinking", "data": "RW5jcnlwdGVk"},
                   {"type": "text", "text": "Let me see."},
                   {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}]
        answer = ANTHROPIC_ANSWER | {"content": content, "stop_reason": "tool_use"}
        message, sent = self.again("a/haiku-4.5", answer)
        self.assertEqual(message["reasoning"], content[0]["thinking"])
        self.assertEqual(sent["messages"][1]["content"], content)
        self.assertEqual(sent["thinking"]["type"], "enabled")
        # Another provider does not get it.
        _, other = self.again("a/haiku-4.5", answer, "g/2.5")
        self.assertNotIn("c2ln", json.dumps(other))

    def test_reasoning_that_the_client_loses_is_restored(self):
        content = [{"type": "thinking", "thinking": "Hm \"so\"", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "RW5j"},
                   {"type": "tool_use", "id": "toolu_lost", "name": "get_weather", "input": {"city": "Oslo"}}]
        gemini = GEMINI_ANSWER | {"candidates": [{"content": {"role": "model", "parts": [
            {"functionCall": {"id": "lost2", "name": "get_weather", "args": {}}, "thoughtSignature": "Q3E="}]}, "finishReason": "STOP"}]}
        for stream in (False, True):
            answer = ANTHROPIC_ANSWER | {"content": content, "stop_reason": "tool_use"}
            def answered(request):
                if not stream:
                    request.send(reply(answer))
                    return KEEP
                events = [{"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}}]
                for i, block in enumerate(content):
                    hollow = block | ({"thinking": "", "signature": ""} if block["type"] == "thinking" else {"input": {}} if "input" in block else {})
                    events.append({"type": "content_block_start", "index": i, "content_block": hollow})
                    if block["type"] == "thinking":
                        events += [{"type": "content_block_delta", "index": i, "delta": {"thinking": piece}} for piece in ("Hm ", '"so"')]
                        events.append({"type": "content_block_delta", "index": i, "delta": {"signature": "c2ln"}})
                    if "input" in block:
                        events.append({"type": "content_block_delta", "index": i, "delta": {"partial_json": json.dumps(block["input"])}})
                    events.append({"type": "content_block_stop", "index": i})
                events += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]
                request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                             + b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events))
                return CLOSE
            self.mock.next = answered
            self.ask("a/haiku-4.5", tools=QUESTION["tools"], reasoning_effort="high", max_tokens=20000, stream=stream)
            bare = [{"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": None, "tool_calls": [
                        {"id": "toolu_lost", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
                    {"role": "tool", "tool_call_id": "toolu_lost", "content": "1"}]
            more = {"tools": QUESTION["tools"], "reasoning_effort": "high", "max_tokens": 20000}
            sent = self.sent("a/haiku-4.5", messages=bare, **more)
            self.assertEqual(sent["messages"][1]["content"], content)
            self.assertEqual(sent["thinking"]["type"], "enabled")
            self.assertNotIn("c2ln", json.dumps(self.sent("g/3", messages=bare, **more)))
        # What was never here cannot be restored: a model that insists on it is not asked to think.
        unknown = json.loads(json.dumps(bare).replace("toolu_lost", "toolu_unknown"))
        self.assertNotIn("thinking", self.sent("a/haiku-4.5", messages=unknown, **more))
        self.mock.next = lambda request: request.send(reply(gemini)) or KEEP
        self.ask("g/3", tools=QUESTION["tools"])
        bare = json.loads(json.dumps(bare).replace("toolu_lost", "lost2"))
        self.assertIn('"thoughtSignature": "Q3E="', json.dumps(self.sent("g/3", messages=bare, **more)))

    def test_signatures_of_gemini(self):
        parts = [{"text": "Thinking", "thought": True},
                 {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}, "thoughtSignature": "Q3E="},
                 {"functionCall": {"name": "get_weather", "args": {}}}]
        answer = GEMINI_ANSWER | {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}
        message, sent = self.again("g/3", answer)
        self.assertEqual([c["function"]["arguments"] for c in message["tool_calls"]], ['{"city": "Oslo"}', "{}"])
        self.assertEqual(message["tool_calls"][0]["extra_content"], {"google": {"thought_signature": "Q3E="}})
        self.assertEqual([p for c in sent["contents"] for p in c["parts"] if "functionCall" in p], parts[1:])
        # A client that keeps only reasoning_details, and one that keeps only what Google's own endpoint has.
        for lose in ("reasoning_details", "extra_content"):
            kept = json.loads(json.dumps(message))
            kept.pop(lose, None)
            kept["tool_calls"][0].pop(lose, None)
            sent = self.sent("g/3", messages=[{"role": "user", "content": "Hi"}, kept])
            self.assertIn('"thoughtSignature": "Q3E="', json.dumps(sent), lose)

    def test_redacted_reasoning_of_bedrock_is_anthropics_in_base64(self):
        blob = base64.b64encode(b"EmwKAhgBEgy==").decode()
        content = [{"reasoningContent": {"redactedContent": blob}},
                   {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
                   {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Oslo"}}}]
        answer = BEDROCK_ANSWER | {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
        _, sent = self.again("b/claude", answer)
        self.assertEqual(sent["messages"][1]["content"], content)
        _, sent = self.again("b/claude", answer, "a/haiku-4.5")
        self.assertEqual(sent["messages"][1]["content"][:2], [{"type": "redacted_thinking", "data": "EmwKAhgBEgy=="},
                                                              {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}])

    # --- structured output ---

    def test_schemas(self):
        schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "description": "How many"}}, "required": ["n"]}
        wish = {"type": "json_schema", "json_schema": {"name": "count", "schema": schema, "strict": True}}
        told = {"type": "object", "properties": {"n": {"type": "integer", "description": "How many (minimum: 1)"}}, "required": ["n"],
                "additionalProperties": False}
        self.assertEqual(self.sent("a/haiku-4.5", response_format=wish)["output_config"], {"format": {"type": "json_schema", "schema": told}})
        config = self.sent("g/3", response_format=wish)["generationConfig"]
        self.assertEqual(config, {"responseMimeType": "application/json", "responseJsonSchema": schema})
        self.assertEqual(self.sent("c/reasoning", response_format=wish)["response_format"], {"type": "json_object", "json_schema": schema})
        self.assertEqual(self.sent("m/small", response_format=wish)["response_format"], wish)
        form = self.sent("b/claude", response_format=wish)["outputConfig"]["textFormat"]
        self.assertEqual(json.loads(form["structure"]["jsonSchema"]["schema"]), told)
        # A model without a form for it calls a tool whose arguments are the answer.
        block = {"type": "tool_use", "id": "toolu_9", "name": "json_answer", "input": {"n": 3}}
        self.mock.next = lambda r: r.send(reply(ANTHROPIC_ANSWER | {"content": [block], "stop_reason": "tool_use"})) or KEEP
        request, response = self.ask("a/old", response_format=wish)
        self.assertEqual(request.json["tool_choice"], {"type": "tool", "name": "json_answer"})
        choice = response.json["choices"][0]
        self.assertEqual((json.loads(choice["message"]["content"]), choice["finish_reason"]), ({"n": 3}, "stop"))
        self.assertNotIn("tool_calls", choice["message"])

    # --- what is lost, and what is refused ---

    def test_what_is_lost_is_told(self):
        lossy = {"seed": 1, "logit_bias": {"5": 1}, "n": 1, "odd\tname": 1}
        _, response = self.ask("a/haiku-4.5", **lossy)
        self.assertEqual(response.field("x-signalbox-dropped"), "logit_bias, odd??name".replace("??", "?t") + ", seed")
        row = self.gateway.generation(response.id).json["data"]
        self.assertEqual(row["provider_responses"][-1]["dropped_parameters"][0], "logit_bias")
        _, refused = self.ask("a/haiku-4.5", 400, seed=1, provider={"require_parameters": True})
        self.assertIn("seed", refused.json["error"]["message"])
        self.ask("g/3", seed=1, provider={"require_parameters": True})
        # A stream gives its request's bytes back before it is accounted.
        for model, member in (("b/nova", "an_odd_member"), ("o/gpt-5", "top_k")):
            aws = b"".join(recorded.aws_frame(*f) for f in (
                ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}), ("messageStop", {"stopReason": "end_turn"}),
                ("metadata", {"usage": {"inputTokens": 5, "outputTokens": 2}})))
            chat = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in (
                {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
            kind, body = ("application/vnd.amazon.eventstream", aws) if model == "b/nova" else ("text/event-stream", chat + b"data: [DONE]\n\n")
            def slow(request):
                request.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
                for at in range(0, len(body), 100):
                    request.send(coded(body[at:at + 100]))
                    time.sleep(0.005)
                request.send(b"0\r\n\r\n")
                return KEEP
            self.mock.next = slow
            _, response = self.ask(model, stream=True, **{member: 5})
            self.assertEqual(response.field("x-signalbox-dropped"), member)
            row = self.gateway.generation(response.id).json["data"]
            self.assertEqual(row["provider_responses"][-1]["dropped_parameters"], [member])
        both = self.ask("a/haiku-4.5", models=["g/3"], seed=1, provider={"require_parameters": True})
        self.assertIn("generateContent", both[0].target)

    def test_the_next_endpoint_takes_what_this_one_cannot(self):
        audio = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]
        request, response = self.ask("a/haiku-4.5", messages=audio, models=["g/3"])
        self.assertEqual(request.json["contents"][0]["parts"], [{"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}])
        self.assertEqual(response.json["provider"], "g-3")
        self.assertEqual(self.ask("a/haiku-4.5", 400, messages=audio)[1].json["error"]["metadata"]["error_type"], "invalid_request")

    def test_bad_input_is_refused_with_its_place(self):
        for messages, word in (([{"role": "user", "content": [{"type": "odd"}]}], "messages[0]"),
                               ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,abc"}}]}], "base64"),
                               ([{"role": "odd", "content": "x"}], "messages[0].role"),
                               ([{"role": "tool", "content": "x"}], "tool_call_id"),
                               ([{"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]}], "function")):
            self.assertIn(word, self.ask("a/haiku-4.5", 400, messages=messages)[1].json["error"]["message"])
        self.assertIn("tool_choice", self.ask("a/haiku-4.5", 400, tool_choice={"type": "function", "function": {"name": "x"}})[1].text)
        self.assertIn("effort", self.ask("a/haiku-4.5", 400, reasoning_effort="huge")[1].text)

    def test_crooked_histories_are_straightened(self):
        messages = [{"role": "assistant", "content": "First"},
                    {"role": "user", "content": ""}, {"role": "user", "content": "  \n "},
                    {"role": "assistant", "content": None, "tool_calls": [
                        {"id": "bad id!", "type": "function", "function": {"name": "f", "arguments": "not json"}},
                        {"id": "x2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
                    {"role": "user", "content": "wait"},
                    {"role": "tool", "tool_call_id": "bad id!", "content": ""},
                    {"role": "tool", "tool_call_id": "nobody", "content": "stray"},
                    {"role": "system", "content": "Now be kind."},
                    {"role": "assistant", "content": "Well  "}]
        sent = self.sent("a/haiku-4.5", messages=messages)
        roles = [m["role"] for m in sent["messages"]]
        self.assertEqual(roles, ["user", "assistant", "user", "assistant"])
        first, result = sent["messages"][1]["content"], sent["messages"][2]["content"]
        self.assertEqual([b["type"] for b in first], ["text", "tool_use", "tool_use"])
        self.assertEqual(first[1]["input"], {"input": "not json"})
        self.assertEqual(first[2]["input"], {})
        self.assertRegex(first[1]["id"], r"^[a-zA-Z0-9_-]+$")
        self.assertEqual(result[0]["tool_use_id"], first[1]["id"])
        self.assertEqual([b["type"] for b in result], ["tool_result", "tool_result", "text", "text", "text"])
        self.assertTrue(result[1]["is_error"])
        self.assertEqual(sent["messages"][3]["content"], [{"type": "text", "text": "Well"}])
        self.assertEqual([t["name"] for t in sent["tools"]], ["f", "g"])
        for model in ("g/3", "b/nova", "m/small", "c/vision"):
            self.ask(model, messages=messages)

    def test_cache_marks(self):
        mark = {"cache_control": {"type": "ephemeral"}}
        hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
        messages = [{"role": "system", "content": [{"type": "text", "text": "Long"} | hour]},
                    {"role": "user", "content": [{"type": "text", "text": t} | mark for t in "abcd"]}]
        sent = self.sent("a/haiku-4.5", messages=messages)
        self.assertNotIn("cache_control", sent["system"][0])  # five marks are one too many: the first goes
        self.assertEqual(sum("cache_control" in b for b in sent["messages"][0]["content"]), 4)
        self.assertEqual(self.sent("a/haiku-4.5", messages=messages[:1] + [{"role": "user", "content": "x"}])["system"][0]["cache_control"],
                         {"type": "ephemeral", "ttl": "1h"})
        blocks = self.sent("b/claude", messages=messages)["messages"][0]["content"]
        self.assertEqual(blocks[:2], [{"text": "a"}, {"cachePoint": {"type": "default"}}])

    def test_requests_are_the_same_each_time(self):
        for model in MODELS:
            if model not in ("c/reasoning", "b/llama"):
                self.assertEqual(self.ask(model, **QUESTION)[0].body, self.ask(model, **QUESTION)[0].body, model)

    # --- streams and failures ---

    def stream(self, body, content_type="text/event-stream", models=None, model="a/haiku-4.5", **more):
        def answer(request):
            request.send(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
                         + coded(body) + b"0\r\n\r\n")
            return KEEP
        self.mock.next = answer
        return self.ask(model, stream=True, **({"models": models} if models else {}), **more)[1]

    def test_an_error_as_the_first_event_falls_back(self):
        begin = {"type": "message_start", "message": {"id": "m", "model": "x", "usage": {"input_tokens": 1, "output_tokens": 1}}}
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        body = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in (begin, error))
        before = len(self.mock.requests)
        answers = iter([body])
        self.mock.next = lambda r: r.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + next(answers)) or CLOSE
        _, response = self.ask("a/haiku-4.5", models=["z/v1"], stream=True, status=502)
        self.assertEqual(len(self.mock.requests) - before, 2)  # the second gave a whole reply, which is no stream

    def test_vertex_in_express_mode_and_its_tiers(self):
        express = {"api_key": "AIzaSyTest", "base_url": f"http://127.0.0.1:{self.mock.port}/v1"}
        gateway = gateway_for(self.mock, {"v/express": ("vertex", "models/gemini-3-flash-preview", express),
                                          "v/tuned": ("vertex", "endpoints/123", {}), "g/tuned": ("gemini", "tunedModels/mine-1", {})})
        self.assertEqual(gateway.chat("Hi", model="v/express", service_tier="flex").status, 200)
        request = self.mock.requests[-1]
        self.assertEqual((request.all("x-goog-api-key"), request.all("authorization")), (["AIzaSyTest"], []))
        self.assertEqual(request.target, "/v1/publishers/google/models/gemini-3-flash-preview:generateContent")
        self.assertEqual(request.all("x-vertex-ai-llm-shared-request-type"), ["flex"])
        self.assertNotIn("serviceTier", request.json)
        gateway.chat("Hi", model="v/tuned")
        request = self.mock.requests[-1]
        self.assertEqual(request.target, "/v1/projects/p/locations/l/endpoints/123:generateContent")
        self.assertEqual((request.all("authorization"), request.all("x-vertex-ai-llm-shared-request-type")), (["Bearer sk-upstream"], []))
        gateway.chat("Hi", model="g/tuned")
        self.assertEqual(self.mock.requests[-1].target, "/v1beta/tunedModels/mine-1:generateContent")
        refused = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "Consumer 'api_key:AIzaSyTest' has been suspended."}}
        self.mock.next = lambda r: r.send(reply(refused, "403 X")) or KEEP
        response = gateway.chat("Hi", model="v/express")
        self.assertEqual((response.status, response.json["error"]["message"]), (502, "Consumer 'api_key:**********' has been suspended."))

    def test_a_whole_answer_becomes_the_stream_that_was_asked_for(self):
        for body, text in ((GEMINI_ANSWER, "Fine."), ([GEMINI_ANSWER | {"candidates": [{"content": {"parts": [{"text": "A "}]}}]}, GEMINI_ANSWER], "A Fine.")):
            self.mock.next = lambda r: r.send(reply(body)) or KEEP
            _, response = self.ask("g/3", stream=True)
            events = response.events()
            self.assertEqual(events[-1], "[DONE]")
            self.assertEqual("".join(e["choices"][0]["delta"].get("content", "") for e in events[:-1] if e["choices"]), text)
            self.assertEqual([e["choices"][0]["finish_reason"] for e in events[:-1] if e["choices"]][-1], "stop")
            self.assertGreater(events[-2]["usage"]["cost"], 0)
        self.mock.next = lambda r: r.send(reply({"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}})) or KEEP
        self.ask("g/3", 503, stream=True)

    def test_a_call_that_the_model_spoils_is_asked_for_once_more(self):
        spoilt = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed function call"}], "modelVersion": "x"}
        event = b"data: " + json.dumps(spoilt).encode() + b"\r\n\r\n"
        for stream in (False, True):
            before = len(self.mock.requests)
            kind = {"content_type": "text/event-stream"} if stream else {}
            self.mock.next = lambda r: r.send(reply(event if stream else spoilt, **kind)) or KEEP
            self.ask("g/3", stream=stream)
            self.assertEqual(len(self.mock.requests) - before, 2)

            def again(request):
                self.mock.next = again if len(self.mock.requests) - before < 5 else None
                request.send(reply(event if stream else spoilt, **kind))
                return KEEP
            before = len(self.mock.requests)
            self.mock.next = again
            _, response = self.ask("g/3", 502, stream=stream)
            self.mock.next = None
            self.assertEqual(len(self.mock.requests) - before, 2)
            self.assertEqual(response.json["error"]["message"], "Malformed function call")

    def test_frames_that_are_damaged_end_the_stream_as_an_error(self):
        good = [("messageStart", {"role": "assistant"}), ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}),
                ("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": "end_turn"}),
                ("metadata", {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}})]
        frames = [recorded.aws_frame(*f) for f in good]
        whole = b"".join(frames)
        aws = "application/vnd.amazon.eventstream"
        events = self.stream(whole, aws, model="b/nova").events()
        self.assertEqual(events[-1], "[DONE]")
        self.assertEqual("".join(e["choices"][0]["delta"].get("content") or "" for e in events[:-1] if e["choices"]), "Hello")
        for spoil in (8, len(frames[0]) - 1, len(whole) - 1):  # a prelude's checksum, and messages'
            damaged = bytearray(whole)
            damaged[spoil] ^= 1
            response = self.gateway_error(bytes(damaged), aws)
            self.assertIn("error", response)
        thrown = frames[0] + frames[1] + recorded.aws_frame("throttlingException", {"message": "Slow down"}, "exception")
        self.assertEqual(self.gateway_error(thrown, aws)["error"]["metadata"]["error_type"], "rate_limit_exceeded")

    def gateway_error(self, body, content_type):
        """The error a streaming client gets, before or in its stream."""
        def answer(request):
            request.send(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
                         + coded(body) + b"0\r\n\r\n")
            return KEEP
        self.mock.next = answer
        response = self.gateway.chat("Hi", stream=True, model="b/nova")
        return response.json if response.status != 200 else response.events()[-1]

    def test_faults_by_what_the_provider_says(self):
        google = lambda code, status, message="x", **more: {"error": {"code": code, "status": status, "message": message} | more}
        day = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDay"}]}]
        wait = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}]
        bad_key = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
        for model, status, body, fields, wanted in (
                ("a/haiku-4.5", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "O"}}, {}, 503),
                ("a/haiku-4.5", 400, {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}}, {}, "context_length_exceeded"),
                ("a/haiku-4.5", 400, {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}, {}, 502),
                ("g/3", 400, google(400, "INVALID_ARGUMENT", details=bad_key), {}, 502),
                ("g/3", 400, google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."), {}, "context_length_exceeded"),
                ("g/3", 429, google(429, "RESOURCE_EXHAUSTED", details=wait), {}, 429),
                ("g/3", 429, google(429, "RESOURCE_EXHAUSTED", details=day), {}, 502),
                ("g/3", 503, google(503, "UNAVAILABLE"), {}, 503),
                ("g/3", 404, "<html>no</html>", {}, 502),
                ("b/nova", 429, {"message": "Too many requests"}, {"x_amzn_errortype": "ThrottlingException:http://x/"}, 429),
                ("b/nova", 400, {"message": "The provided model identifier is invalid."}, {"x_amzn_errortype": "ValidationException"}, 502),
                ("b/nova", 403, {"message": "The security token is invalid"}, {"x_amzn_errortype": "UnrecognizedClientException"}, 502),
                ("b/nova", 408, {"message": "slow"}, {"x_amzn_errortype": "ModelTimeoutException"}, 504),
                ("c/vision", 400, {"message": "too many tokens: size limit exceeded by 9", "error_type": "TOO_MANY_TOKENS"}, {}, "context_length_exceeded"),
                ("c/vision", 429, {"message": "You are using a Trial key, limited to 1000 API calls / month"}, {}, 502),
                ("m/small", 401, {"detail": "Unauthorized"}, {}, 502),
                ("m/small", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "Extra inputs"}]}, {}, 422),
                ("m/small", 429, {"object": "error", "type": "service_tier_capacity_exceeded", "message": "full"}, {}, 503)):
            self.mock.next = lambda r: r.send(reply(body, f"{status} X", "text/html" if isinstance(body, str) else "application/json", **fields)) or KEEP
            response = self.gateway.chat("Hi", model=model)
            found = response.json["error"]["metadata"]["error_type"] if isinstance(wanted, str) else response.status
            self.assertEqual(found, wanted, (model, body, response))
            if body == google(429, "RESOURCE_EXHAUSTED", details=wait):
                self.assertEqual(response.field("retry-after"), "35")

    # --- who asks ---

    def check_signature(self, request, secret, session=None):
        fields = {name.lower(): value for name, value in request.fields}
        authorization = fields["authorization"]
        names = authorization.split("SignedHeaders=")[1].split(",")[0]
        self.assertLessEqual({"host", "x-amz-date", "content-type"} | ({"x-amz-security-token"} if session else set()), set(names.split(";")))
        path = "/".join(urllib.parse.quote(s, safe="-_.~") for s in request.target.split("/"))
        canonical = "\n".join([request.method, path, ""] + [f"{n}:{fields[n]}" for n in names.split(";")]
                              + ["", names, hashlib.sha256(request.body).hexdigest()])
        scope = authorization.split("Credential=")[1].split(",")[0].split("/", 1)[1]
        date, region, service, _ = scope.split("/")
        text = "\n".join(["AWS4-HMAC-SHA256", fields["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in (date, region, service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        self.assertEqual(authorization.split("Signature=")[1], hmac.new(key, text.encode(), hashlib.sha256).hexdigest())
        self.assertEqual(fields.get("x-amz-security-token"), session)
        return fields

    def test_bedrock_requests_are_signed(self):
        request, _ = self.ask("b/claude", **QUESTION)
        self.check_signature(request, AWS["aws_secret_access_key"])
        request, _ = self.ask("b/llama")
        self.check_signature(request, AWS["aws_secret_access_key"], "session")

    def test_credentials_of_a_container(self):
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": ("bedrock", "us.amazon.nova-pro-v1:0", {"region": "eu-west-1"})},
                              env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{mock.port}/creds",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-token"})
        for _ in range(2):
            self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        asked, first, second = mock.requests
        self.assertEqual((asked.target, asked.all("authorization")), ("/creds", ["pod-token"]))
        for request in (first, second):
            self.check_signature(request, "fetched-secret", "fetched-token")
            self.assertIn("ASIAFETCHED", request.all("authorization")[0])

    def test_credentials_of_a_profile(self):
        mock = Mock()
        home = pathlib.Path(harness.temp_dir())
        (home / "credentials").write_text("[default]\naws_access_key_id = NO\n[work]\naws_access_key_id=AKIDWORK\naws_secret_access_key = work\n")
        (home / "config").write_text("[profile work]\nregion = eu-central-1\n")
        env = {"AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"), "AWS_CONFIG_FILE": str(home / "config"), "AWS_PROFILE": "work"}
        gateway = gateway_for(mock, {"b/nova": ("bedrock", "us.amazon.nova-pro-v1:0", {})}, env=env)
        self.assertEqual(gateway.chat("Hi", model="b/nova").status, 200)
        fields = self.check_signature(mock.requests[0], "work")
        self.assertIn("AKIDWORK/", fields["authorization"])
        self.assertIn("/eu-central-1/bedrock/", fields["authorization"])

    def test_tokens_of_a_service_account(self):
        mock = Mock()
        folder = pathlib.Path(harness.temp_dir())
        subprocess.run(["openssl", "genrsa", "-out", folder / "key.pem", "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", folder / "key.pem", "-pubout", "-out", folder / "public.pem"], check=True, capture_output=True)
        account = {"type": "service_account", "client_email": "robot@example.iam", "private_key_id": "kid1",
                   "private_key": (folder / "key.pem").read_text(), "token_uri": f"http://127.0.0.1:{mock.port}/token"}
        (folder / "account.json").write_text(json.dumps(account))
        settings = {"credentials_file": str(folder / "account.json")}
        gateway = gateway_for(mock, {"v/gemini": ("vertex", "gemini-3-flash-preview", settings),
                                     "v/claude": ("vertex", "claude-sonnet-4-5@20250929", settings)})
        for _ in range(2):
            self.assertEqual(gateway.chat("Hi", model="v/gemini").status, 200)
        asked, first, second = mock.requests
        form = dict(urllib.parse.parse_qsl(asked.body.decode()))
        self.assertEqual(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer")
        signed, _, signature = form["assertion"].rpartition(".")
        (folder / "signed").write_text(signed)
        (folder / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
        subprocess.run(["openssl", "dgst", "-sha256", "-verify", folder / "public.pem", "-signature", folder / "signature", folder / "signed"],
                       check=True, capture_output=True)
        claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        self.assertEqual((claims["iss"], claims["aud"], claims["exp"] - claims["iat"]), (account["client_email"], account["token_uri"], 3600))
        self.assertLess(abs(claims["iat"] - time.time()), 60)
        for request in (first, second):
            self.assertEqual(request.all("authorization"), ["Bearer ya29.1"])
            self.assertEqual(request.target, "/v1/projects/p/locations/l/publishers/google/models/gemini-3-flash-preview:generateContent")
        # A token that is refused is not used again: the request goes out once more with a new one.
        mock.next = lambda r: r.send(reply({"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}}, "401 X")) or KEEP
        self.assertEqual(gateway.chat("Hi", model="v/gemini").status, 200)
        self.assertEqual(mock.requests[-1].all("authorization"), ["Bearer ya29.2"])
        self.assertEqual(gateway.chat("Hi", model="v/claude").status, 200)
        self.assertEqual(mock.requests[-1].target,
                         "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict")
        self.assertEqual(mock.requests[-1].json["anthropic_version"], "vertex-2023-10-16")
        self.assertNotIn("model", mock.requests[-1].json)

    def test_requests_wait_for_one_token(self):
        mock = Mock()
        folder = pathlib.Path(harness.temp_dir())
        account = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r&=", "quota_project_id": "quota-1",
                   "token_uri": f"http://127.0.0.1:{mock.port}/token"}
        (folder / "user.json").write_text(json.dumps(account))
        gateway = gateway_for(mock, {"v/gemini": ("vertex", "gemini-3-flash-preview", {"credentials_file": str(folder / "user.json")})})
        gate = threading.Event()

        def slow(request):
            gate.wait(harness.PATIENCE_S)
            request.send(reply({"access_token": "ya29.x", "expires_in": 3600}))
            return KEEP

        mock.next = slow
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            asked = [pool.submit(gateway.chat, "Hi", model="v/gemini") for _ in range(4)]
            gone = gateway.connect()
            gone.request("POST", "/v1/chat/completions", harness.chat_body("Gone", model="v/gemini"))
            harness.wait_for(lambda: gateway.metrics().get("signalbox_inference_requests_total", 0) >= 5, "all requests")
            gone.close()
            time.sleep(0.05)
            gate.set()
            self.assertEqual([f.result().status for f in asked], [200] * 4)
        self.assertEqual(sum(r.target == "/token" for r in mock.requests), 1)
        self.assertEqual(dict(urllib.parse.parse_qsl(mock.requests[0].body.decode()))["refresh_token"], "r&=")
        self.assertEqual(len(mock.requests), 5)  # nothing was asked for the one that left
        self.assertEqual({tuple(r.all("x-goog-user-project")) for r in mock.requests[1:]}, {("quota-1",)})
        # A token that is not given is told, and asked for again a little later only.
        account["token_uri"] += "?again"
        (folder / "user.json").write_text(json.dumps(account))
        gateway.reload()
        mock.next = lambda r: r.send(reply({"error": "invalid_grant", "error_description": "Token has been revoked."}, "400 X")) or KEEP
        for _ in range(2):
            response = gateway.chat("Hi", model="v/gemini")
            self.assertEqual(response.status, 502)
            self.assertIn("revoked", response.json["error"]["message"])

    def test_the_machines_own_token(self):
        mock = Mock()
        gateway = gateway_for(mock, {"v/gemini": ("vertex", "gemini-3-flash-preview", {"credentials_file": "metadata"})},
                              env={"http_proxy": f"http://127.0.0.1:{mock.port}", "no_proxy": "127.0.0.1"})
        mock.next = lambda r: r.send(reply({"access_token": "ya29.machine", "expires_in": 3000, "token_type": "Bearer"})) or KEEP
        for _ in range(2):
            self.assertEqual(gateway.chat("Hi", model="v/gemini").status, 200)
        asked, first, second = mock.requests
        self.assertEqual(asked.target, "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token")
        self.assertEqual((asked.method, asked.all("metadata-flavor")), ("GET", ["Google"]))
        self.assertEqual([r.all("authorization") for r in (first, second)], [["Bearer ya29.machine"]] * 2)

    def test_bad_credentials_are_named_by_check(self):
        folder = pathlib.Path(harness.temp_dir())
        (folder / "account.json").write_text("{}")
        text = harness.yaml({"providers": [
            {"id": "v", "protocol": "vertex", "base_url": "http://127.0.0.1:1/x", "credentials_file": str(folder / "account.json")},
            {"id": "b", "protocol": "bedrock", "region": "eu-west-1"}], "models": []})
        (folder / "c.yaml").write_text(text + "\n")
        done = harness.cli("check", "-c", str(folder / "c.yaml"), status=1)
        self.assertIn("credentials_file", done.stdout + done.stderr)
        self.assertIn("AWS_ACCESS_KEY_ID", done.stdout + done.stderr)

    # --- files by URL ---

    def picture(self, gateway, model, url):
        content = [{"type": "image_url", "image_url": {"url": url}}]
        return gateway.call("POST", "/api/v1/chat/completions",
                            json.dumps({"model": model, "messages": [{"role": "user", "content": content}]}).encode())

    def test_pictures_by_url(self):
        url = f"http://127.0.0.1:{self.mock.port}/picture?a=1#x"
        for address in (url, url.replace("127.0.0.1", "localhost"), "http://[::1]:80/picture", "http://169.254.169.254/latest"):
            response = self.picture(self.gateway, "b/nova", address)
            self.assertEqual(response.status, 400)
            self.assertIn("data URL", response.json["error"]["message"])
        self.assertEqual([r for r in self.mock.requests if r.target.startswith("/picture")], [], "a private address was asked")
        # Anthropic fetches for itself.
        response = self.picture(self.gateway, "a/haiku-4.5", url)
        self.assertEqual(self.mock.requests[-1].json["messages"][0]["content"][0]["source"], {"type": "url", "url": url})
        mock = Mock()
        gateway = gateway_for(mock, {"b/nova": MODELS["b/nova"], "g/3": MODELS["g/3"]}, upstream={"fetch_private": "on"})
        url = f"http://127.0.0.1:{mock.port}/picture?a=1#x"
        self.assertEqual(self.picture(gateway, "b/nova", url).status, 200)
        self.assertEqual(mock.requests[0].target, "/picture?a=1")
        self.assertEqual(mock.requests[1].json["messages"][0]["content"][0], {"image": {"format": "png", "source": {"bytes": PNG}}})
        self.assertEqual(self.picture(gateway, "g/3", url).status, 200)
        self.assertEqual(mock.requests[-1].json["contents"][0]["parts"][0], {"inlineData": {"mimeType": "image/png", "data": PNG}})
        self.assertEqual(self.picture(gateway, "g/3", url.replace("/picture", "/away")).status, 200)
        self.assertEqual(mock.requests[-2].target, "/picture?moved")
        self.assertIn("status 302", self.picture(gateway, "g/3", url.replace("/picture", "/round")).json["error"]["message"])
        self.assertEqual(sum(r.target.startswith("/round") for r in mock.requests), 4)
        mock.next = lambda r: r.send(reply("gone", "404 X")) or KEEP
        self.assertIn("status 404", self.picture(gateway, "g/3", url).json["error"]["message"])
        mock.next = lambda r: r.send(reply("<html>", content_type="text/html")) or KEEP
        self.assertIn("no picture", self.picture(gateway, "g/3", url).json["error"]["message"])


if __name__ == "__main__":
    unittest.main()
