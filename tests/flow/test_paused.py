"""Anthropic runs tools itself and may pause its turn: the gateway asks it to go on, and the client gets one answer."""

import json
import threading
import time
import unittest

import harness
from test_dialects import Mock, gateway_for
from upstream import KEEP, reply

tearDownModule = harness.finish

SEARCH = [{"type": "web_search_20250305", "name": "web_search"}]
THOUGHT = {"type": "thinking", "thinking": "Look \"it\" up.", "signature": "c2ln"}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "ebb"}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
          "content": [{"type": "web_search_result", "url": "https://example.org/a", "title": "A", "encrypted_content": "Zm9v"}]}
SOURCE = {"type": "web_search_result_location", "url": "https://example.org/a", "title": "A", "cited_text": "ebb at 4",
          "encrypted_index": "aWR4"}
LAST = {"type": "text", "text": "At four.", "citations": [SOURCE]}
ROUNDS = [  # content, stop_reason, usage
    ([THOUGHT, {"type": "text", "text": "Let me see. "}, {"type": "text", "text": " "}, USE], "pause_turn",
     {"input_tokens": 10, "output_tokens": 4, "server_tool_use": {"web_search_requests": 1}}),
    ([RESULT, {"type": "text", "text": "Found. "}], "pause_turn", {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 2}),
    ([LAST], "end_turn", {"input_tokens": 30, "output_tokens": 3}),
]


def message(content, reason, usage):
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": reason,
            "usage": usage}


def events(content, reason, usage):
    """The same as a stream, each text in two pieces."""
    yield {"type": "message_start", "message": message([], None, usage | {"output_tokens": 1})}
    for index, block in enumerate(content):
        start, deltas = dict(block), []
        if block["type"] == "text":
            start, text = {"type": "text", "text": ""}, block["text"]
            deltas = [{"type": "citations_delta", "citation": c} for c in block.get("citations", [])]
            deltas += [{"type": "text_delta", "text": t} for t in (text[:3], text[3:])]
        elif block["type"] == "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}, {"type": "signature_delta", "signature": block["signature"]}]
        elif block["type"] == "server_tool_use":
            start, text = dict(block, input={}), json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": t} for t in ("", text[:4], text[4:])]
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def stream(*turn):
    body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events(*turn))
    return reply(body, content_type="text/event-stream")


class Paused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.gateway = gateway_for(cls.mock, {"a/claude": ("anthropic", "claude-sonnet-4-6", {})})

    def ask(self, rounds, **body):
        """The client's response, and the requests it took."""
        left, before = list(rounds), len(self.mock.requests)

        def answer(request):
            made = left.pop(0)
            self.mock.next = answer if left else None
            request.send(made if isinstance(made, bytes) else reply(made))
            return KEEP

        self.mock.next = answer
        body = {"model": "a/claude", "messages": [{"role": "user", "content": "When is it?"}], "stop": ["END"], "tools": SEARCH} | body
        response = self.gateway.call("POST", "/api/v1/chat/completions", json.dumps(body).encode())
        self.mock.next = None
        return response, [r.json for r in self.mock.requests[before:]]

    def check_requests(self, sent):
        self.assertEqual(len(sent), 3)
        question = sent[0]["messages"]
        first = [THOUGHT, {"type": "text", "text": "Let me see. "}, USE]
        self.assertEqual(sent[1], sent[0] | {"messages": question + [{"role": "assistant", "content": first}]})
        second = first + [RESULT, {"type": "text", "text": "Found. "}]
        self.assertEqual(sent[2], sent[0] | {"messages": question + [{"role": "assistant", "content": second}]})

    def check_usage(self, usage):
        self.assertEqual((usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]), (65, 9, 74))
        self.assertEqual(usage["prompt_tokens_details"]["cached_tokens"], 5)
        self.assertEqual(usage["cost"], 0.010083)  # one search

    def check_details(self, details):
        tools = [d for d in details if d["type"] == "reasoning.server_tool_call"]
        self.assertEqual([(d["tool_name"], d["arguments"], bool(d["result"])) for d in tools],
                         [("web_search", json.dumps(USE["input"]), False), ("web_search", "", True)])
        self.assertEqual(json.loads(tools[1]["result"]), RESULT)

    def test_a_whole_answer_goes_on(self):
        response, sent = self.ask([message(*r) for r in ROUNDS])
        self.assertEqual(response.status, 200, response)
        self.check_requests(sent)
        choice = response.json["choices"][0]
        self.assertEqual(choice["message"]["content"], "Let me see.  Found. At four.")
        self.assertEqual((choice["finish_reason"], choice["native_finish_reason"]), ("stop", "end_turn"))
        source = choice["message"]["annotations"][0]["url_citation"]
        self.assertEqual((source["url"], source["start_index"], source["end_index"]), (SOURCE["url"], 20, 28))
        self.check_details(choice["message"]["reasoning_details"])
        self.check_usage(response.json["usage"])

    def test_a_stream_goes_on(self):
        response, sent = self.ask([stream(*r) for r in ROUNDS], stream=True)
        self.check_requests([{k: v for k, v in r.items() if k != "stream"} for r in sent])
        told = response.events()
        self.assertEqual(told[-1], "[DONE]")
        chunks = [e for e in told if e != "[DONE]"]
        deltas = [c["delta"] for e in chunks for c in e["choices"]]
        self.assertEqual("".join(d.get("content") or "" for d in deltas), "Let me see.  Found. At four.")
        self.assertEqual([c["finish_reason"] for e in chunks for c in e["choices"] if c["finish_reason"]], ["stop"])
        self.assertEqual(len([e for e in chunks if e.get("usage")]), 1)
        self.assertEqual(sum(d.get("role") == "assistant" for d in deltas), 1)
        source = [a for d in deltas for a in d.get("annotations", [])][0]["url_citation"]
        self.assertEqual((source["start_index"], source["end_index"]), (20, 28))
        self.check_details([x for d in deltas for x in d.get("reasoning_details", [])])
        self.check_usage(chunks[-1]["usage"])

    def test_it_is_asked_eight_times_at_most(self):
        paused = message([{"type": "text", "text": "More. "}], "pause_turn", {"input_tokens": 1, "output_tokens": 1})
        response, sent = self.ask([paused] * 9)
        self.assertEqual(len(sent), 9)
        choice = response.json["choices"][0]
        self.assertEqual(choice["message"]["content"], "More. " * 9)
        self.assertEqual((choice["finish_reason"], choice["native_finish_reason"]), ("stop", "pause_turn"))
        self.assertEqual(response.json["usage"]["prompt_tokens"], 9)

    def test_without_tools_of_its_own_it_ends(self):
        paused = message([{"type": "text", "text": "More."}], "pause_turn", {"input_tokens": 1, "output_tokens": 1})
        response, sent = self.ask([paused], tools=[])
        self.assertEqual(len(sent), 1)
        self.assertEqual(response.json["choices"][0]["finish_reason"], "stop")

    def test_with_servers_of_the_client_it_goes_on(self):
        paused = message([{"type": "text", "text": "More."}], "pause_turn", {"input_tokens": 1, "output_tokens": 1})
        _, sent = self.ask([paused, message(*ROUNDS[-1])], tools=[],
                           mcp_servers=[{"type": "url", "url": "https://mcp.example/", "name": "tides"}])
        self.assertEqual(len(sent), 2)

    def test_an_error_on_the_way_ends_a_stream_as_an_error(self):
        trouble = reply({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "529 X")
        response, _ = self.ask([stream(*ROUNDS[0]), trouble], stream=True)
        told = response.events()
        self.assertEqual(told[-1]["error"]["metadata"]["error_type"], "provider_overloaded")
        response, _ = self.ask([message(*ROUNDS[0]), trouble])
        self.assertEqual(response.status, 503)

    def test_a_stream_cut_on_the_way_is_an_error(self):
        cut = reply("event: ping\ndata: {\"type\": \"ping\"}\n\n", content_type="text/event-stream")
        response, _ = self.ask([stream(*ROUNDS[0]), cut], stream=True)
        self.assertIn("error", response.events()[-1])

    def test_a_client_that_leaves_meanwhile(self):
        gone = threading.Event()

        def second(request):
            gone.wait(5)
            request.send(stream(*ROUNDS[2]))
            return KEEP

        def first(request):
            self.mock.next = second
            request.send(stream(*ROUNDS[0]))
            return KEEP

        self.mock.next = first
        body = {"model": "a/claude", "messages": [{"role": "user", "content": "When?"}], "tools": SEARCH, "stream": True}
        with self.gateway.connect() as raw:
            raw.request("POST", "/api/v1/chat/completions", json.dumps(body).encode())
            raw.take_until(b"Let")
        time.sleep(0.2)
        gone.set()
        self.test_a_whole_answer_goes_on()

    def test_betas(self):
        body = {"model": "a/claude", "messages": [{"role": "user", "content": "Hi"}],
                "tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}
        for field in ("anthropic-beta", "x-anthropic-beta"):
            before = len(self.mock.requests)
            self.gateway.call("POST", "/api/v1/chat/completions", json.dumps(body).encode(),
                              headers={field: "context-1m-2025-08-07, web-fetch-2025-09-10,bad value"})
            request = self.mock.requests[before:][0]
            self.assertEqual(request.all("anthropic-beta"), ["context-1m-2025-08-07,web-fetch-2025-09-10"])


if __name__ == "__main__":
    unittest.main()
