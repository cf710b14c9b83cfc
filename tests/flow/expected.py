"""What a provider's reply means, read a second time and in another way than the gateway does: plain Python over the whole body.
Each function takes an answer's body and gives an Answer, or an error's class as a string.
"""

import dataclasses
import decimal
import json
import re
import struct
import zlib

PRICES = {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003", "input_cache_write": "0.00000375",
          "web_search": "0.01"}


@dataclasses.dataclass
class Answer:
    text: str = ""
    reasoning: str = ""
    calls: list = dataclasses.field(default_factory=list)  # (name, arguments as value, id; None: one that is made up)
    finish: str = "stop"
    native: str = None  # the provider's own word for it
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    written: int = 0
    reasoned: int = 0
    blobs: list = dataclasses.field(default_factory=list)  # signatures and encrypted data, in order
    refusal: str = ""
    sources: list = dataclasses.field(default_factory=list)  # (url, title, from, to): characters of the text
    logprobs: list = dataclasses.field(default_factory=list)  # of OpenAI's form
    images: list = dataclasses.field(default_factory=list)  # data URLs
    more: dict = dataclasses.field(default_factory=dict)  # what only a provider of the client's own dialect says
    others: list = dataclasses.field(default_factory=list)  # further choices, each an Answer without usage
    searches: int = 0
    billed: tuple = None  # prompt and completion tokens, where others are billed than used

    def cost(self):
        """Exactly, in dollars."""
        price = {name: decimal.Decimal(value) for name, value in PRICES.items()}
        if self.billed:  # these counts have no parts
            return self.billed[0] * price["prompt"] + self.billed[1] * price["completion"]
        prompt, completion = self.prompt, self.completion
        cached = min(self.cached, prompt)
        written = min(self.written, prompt - cached)
        return (cached * price["input_cache_read"] + written * price["input_cache_write"]
                + (prompt - cached - written) * price["prompt"] + completion * price["completion"]
                + self.searches * price["web_search"])


def web(url):
    return bool(url) and url.startswith(("http://", "https://"))


def sse_data(body):
    """The data of each event of a stream."""
    text = body.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    for block in text.split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data:
            yield "\n".join(data)


def sse_json(body, read=json.loads):
    return [read(data) for data in sse_data(body) if data.strip() != "[DONE]"]


def mended(text):
    """JSON that may lack brackets at its end: one recording does, in two of its events."""
    for missing in ("", "}", "}}"):
        try:
            return json.loads(text + missing)
        except ValueError:
            pass
    return json.loads(text)


def arguments(text):
    """A call's arguments as the value they are; text that is no JSON stays text."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text


# --- Anthropic ---

ANTHROPIC_FINISH = {"max_tokens": "length", "model_context_window_exceeded": "length", "tool_use": "tool_calls",
                    "refusal": "content_filter"}


def anthropic_message(message):
    answer = Answer(native=message["stop_reason"])
    for block in message["content"]:
        kind = block["type"]
        if kind == "text":
            begin = len(answer.text)
            answer.text += block["text"]
            for citation in block.get("citations") or []:
                url = citation.get("url") or citation.get("source")
                if web(url):
                    answer.sources.append((url, citation.get("title") or "", begin, len(answer.text)))
                else:
                    answer.more.setdefault("citations", []).append(citation)
        elif kind == "thinking":
            answer.reasoning += block.get("thinking", "")
            if block.get("signature"):
                answer.blobs.append(block["signature"])
        elif kind == "redacted_thinking":
            answer.blobs.append(block["data"])
        elif kind == "tool_use":
            answer.calls.append((block["name"], block["input"], block["id"]))
    answer.finish = ANTHROPIC_FINISH.get(message["stop_reason"], "stop")
    if answer.finish == "content_filter":
        answer.refusal = (message.get("stop_details") or {}).get("explanation") or ""
    if answer.calls and answer.finish == "stop":
        answer.finish = "tool_calls"
    usage = {k: v or 0 for k, v in message["usage"].items() if not isinstance(v, (dict, list, str))}
    answer.cached = usage.get("cache_read_input_tokens", 0)
    answer.written = usage.get("cache_creation_input_tokens", 0)
    answer.prompt = usage.get("input_tokens", 0) + answer.cached + answer.written
    answer.completion = usage.get("output_tokens", 0)
    answer.reasoned = ((message["usage"].get("output_tokens_details") or {}).get("thinking_tokens")) or 0
    answer.searches = (message["usage"].get("server_tool_use") or {}).get("web_search_requests", 0)
    return answer


def anthropic(body, streamed):
    message = anthropic_whole(body, streamed)
    return message if isinstance(message, str) else anthropic_message(message)


def anthropic_whole(body, streamed):
    """The message as a whole reply would hold it, or what went wrong."""
    if not streamed:
        return json.loads(body)
    message = {"content": [], "usage": {}, "stop_reason": None}
    parts, begun = {}, None
    for event in sse_json(body):
        kind = event["type"]
        if kind == "error":
            return event["error"]["type"]
        if kind == "message_start":
            if begun not in (None, event["message"]["id"]):
                return "spliced"
            begun = event["message"]["id"]
            message["usage"].update(event["message"]["usage"])
        elif kind == "content_block_start":
            parts[event["index"]] = dict(event["content_block"]) | {"json": ""}
        elif kind == "content_block_delta":
            part, delta = parts[event["index"]], event["delta"]
            for key, target in (("text", "text"), ("thinking", "thinking"), ("signature", "signature"), ("partial_json", "json")):
                if key in delta:
                    part[target] = part.get(target, "") + delta[key]
            if "citation" in delta:
                part["citations"] = (part.get("citations") or []) + [delta["citation"]]
        elif kind == "message_delta":
            message["stop_reason"] = event["delta"].get("stop_reason") or message["stop_reason"]
            message["stop_details"] = event["delta"].get("stop_details")
            message["usage"].update({k: v for k, v in event.get("usage", {}).items() if v is not None})
        elif kind == "message_stop":
            for part in parts.values():
                if part["type"] in ("tool_use", "server_tool_use"):
                    part["input"] = arguments(part["json"]) if part["json"] else part["input"]
                del part["json"]
            message["content"] = list(parts.values())
            return message
    return "cut"


# --- Gemini ---

GEMINI_FILTERED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
                   "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
GEMINI_FAULTS = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER", "NO_IMAGE", "IMAGE_OTHER"}


def set_path(root, path, partial):
    """Puts one streamed value where its path says."""
    steps = [int(a) if a else b for a, b in re.findall(r"\[(\d+)\]|\.([^.\[]+)", path)]
    for step, following in zip(steps, steps[1:]):
        empty = [] if isinstance(following, int) else {}
        if isinstance(root, list):
            if step == len(root):
                root.append(empty)
            root = root[step]
        else:
            root = root.setdefault(step, empty)
    last = steps[-1]
    text = partial.get("stringValue")
    value = partial.get("numberValue", partial.get("boolValue", text))
    if isinstance(root, list):
        if last < len(root):
            root[last] += value
        else:
            root.append(value)
    else:
        root[last] = root[last] + value if text is not None and last in root else value


def gemini(body, streamed):
    answer, finish, usage, begun = Answer(finish=None), None, {}, False
    chunks, supports, recitations = [], [], []
    if streamed:
        text = body.decode("utf-8-sig").replace("\r\n", "\n")
        if '\n{' in text or '"error": {' in text:
            return "error"
        responses = sse_json(body)
    else:
        parsed = json.loads(body)
        responses = parsed if isinstance(parsed, list) else [parsed]
    call = None
    for response in responses:
        if "error" in response:
            return response["error"]["status"]
        for name, value in response.get("usageMetadata", {}).items():
            usage[name] = value
        if not response.get("candidates") and response.get("promptFeedback", {}).get("blockReason"):
            finish, answer.native = "SAFETY", response["promptFeedback"]["blockReason"]
        for candidate in response.get("candidates", []):
            finish = candidate.get("finishReason", finish)
            grounding = candidate.get("groundingMetadata") or {}
            chunks += grounding.get("groundingChunks", [])
            supports += grounding.get("groundingSupports", [])
            recited = candidate.get("citationMetadata") or {}
            recitations += recited.get("citations") or recited.get("citationSources", [])
            queries = len(grounding.get("webSearchQueries", []))
            answer.searches = max(answer.searches, queries if response.get("modelVersion", "") >= "gemini-3" else min(queries, 1))
            for part in candidate.get("content", {}).get("parts", []):
                begun = True
                if "functionCall" in part:
                    given = part["functionCall"]
                    if "name" in given:
                        call = given.get("args", {})
                        answer.calls.append((given["name"], call, given.get("id")))
                    for partial in given.get("partialArgs", []):
                        set_path(call, partial["jsonPath"][1:], partial)
                elif "inlineData" in part:
                    answer.images.append(f"data:{part['inlineData']['mimeType']};base64,{part['inlineData']['data']}")
                elif part.get("thought"):
                    answer.reasoning += part.get("text", "")
                else:
                    answer.text += part.get("text", "")
                if "thoughtSignature" in part:
                    answer.blobs.append(part["thoughtSignature"])
    if finish is None and (streamed or not begun):
        return "cut"
    if finish in GEMINI_FAULTS and not answer.calls:
        return finish
    answer.finish = ("content_filter" if finish in GEMINI_FILTERED else "length" if finish == "MAX_TOKENS"
                     else "tool_calls" if answer.calls else "stop")
    answer.native = answer.native or finish
    for support in supports:
        segment, data = support["segment"], answer.text.encode()
        places = [len(data[:segment.get(name, 0)].decode(errors="ignore")) for name in ("startIndex", "endIndex")]
        for number in support.get("groundingChunkIndices", []):
            if web(chunks[number].get("web", {}).get("uri")):
                answer.sources.append((chunks[number]["web"]["uri"], chunks[number]["web"].get("title", ""), *places))
    for recitation in recitations:
        data = answer.text.encode()
        places = [len(data[:recitation.get(name, 0)].decode(errors="ignore")) for name in ("startIndex", "endIndex")]
        found = (recitation.get("uri", ""), recitation.get("title", ""), *places)
        if web(found[0]) and recitation not in recitations[:recitations.index(recitation)]:
            answer.sources.append(found)
    cited = {number for support in supports for number in support.get("groundingChunkIndices", [])}
    for number, chunk in enumerate(chunks):
        if number not in cited and web(chunk.get("web", {}).get("uri")):
            answer.sources.append((chunk["web"]["uri"], chunk["web"].get("title", ""), 0, len(answer.text)))
    answer.prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    answer.reasoned = usage.get("thoughtsTokenCount", 0)
    answer.completion = usage.get("candidatesTokenCount", 0) + answer.reasoned
    answer.cached = usage.get("cachedContentTokenCount", 0)
    return answer


def vertex(body, streamed):
    return gemini(body, streamed)


# --- Bedrock ---

BEDROCK_FINISH = {"tool_use": "tool_calls", "max_tokens": "length", "model_context_window_exceeded": "length",
                  "guardrail_intervened": "content_filter", "content_filtered": "content_filter"}


def aws_events(body):
    """(event type, payload) of every message; anything but a good event ends the list with ("error", …)."""
    while body:
        if len(body) < 16:
            yield "error", "cut"
            return
        total, headers_length, crc = struct.unpack(">III", body[:12])
        if zlib.crc32(body[:8]) != crc or len(body) < total or zlib.crc32(body[:total - 4]) != struct.unpack(">I", body[total - 4:total])[0]:
            yield "error", "damaged"
            return
        headers, at = {}, 12
        while at < 12 + headers_length:
            name = body[at + 1:at + 1 + body[at]].decode()
            at += 1 + body[at]
            assert body[at] == 7
            length = struct.unpack(">H", body[at + 1:at + 3])[0]
            headers[name] = body[at + 3:at + 3 + length].decode()
            at += 3 + length
        if headers[":message-type"] != "event":
            yield "error", headers.get(":exception-type") or headers.get(":error-code")
            return
        yield headers[":event-type"], json.loads(body[12 + headers_length:total - 4])
        body = body[total:]


def bedrock_whole(body, streamed):
    """(content, usage, why it ended), or what went wrong."""
    blocks, usage, stop, done = {}, {}, None, not streamed
    if streamed:
        for kind, event in aws_events(body):
            if kind == "error":
                return event
            if kind == "contentBlockStart":
                use = event["start"].get("toolUse")
                blocks[event["contentBlockIndex"]] = {"toolUse": dict(use) | {"input": ""}} if use else {}
            elif kind == "contentBlockDelta":
                block, delta = blocks.setdefault(event["contentBlockIndex"], {}), event["delta"]
                if "text" in delta:
                    block["text"] = block.get("text", "") + delta["text"]
                if "citation" in delta:
                    block.setdefault("citations", []).append(delta["citation"])
                if "toolUse" in delta:
                    block["toolUse"]["input"] += delta["toolUse"]["input"]
                for name, value in delta.get("reasoningContent", {}).items():
                    part = block.setdefault("reasoningContent", {})
                    if name == "redactedContent":
                        part[name] = value
                    else:
                        inner = part.setdefault("reasoningText", {})
                        inner[name] = inner.get(name, "") + value
            elif kind == "messageStop":
                stop = event["stopReason"]
            elif kind == "metadata":
                usage, done = event["usage"], True
        if not done:
            return "cut"
        for block in blocks.values():
            if "toolUse" in block:
                block["toolUse"]["input"] = arguments(block["toolUse"]["input"])
        content = list(blocks.values())
    else:
        reply = json.loads(body)
        content, usage, stop = reply["output"]["message"]["content"], reply["usage"], reply["stopReason"]
    return content, usage, stop


def bedrock(body, streamed):
    whole = bedrock_whole(body, streamed)
    if isinstance(whole, str):
        return whole
    answer, (content, usage, stop) = Answer(), whole
    for block in content:
        begin = len(answer.text)
        answer.text += block.get("text", "")
        for part in block.get("citationsContent", {}).get("content", []):
            answer.text += part["text"]
        for citation in block.get("citations", []) + block.get("citationsContent", {}).get("citations", []):
            url = citation.get("location", {}).get("web", {}).get("url")
            if web(url):
                answer.sources.append((url, citation.get("title", ""), begin, len(answer.text)))
            else:
                answer.more.setdefault("citations", []).append(citation)
        reasoning = block.get("reasoningContent", {})
        answer.reasoning += reasoning.get("reasoningText", {}).get("text", "")
        answer.blobs += [blob for blob in (reasoning.get("reasoningText", {}).get("signature"), reasoning.get("redactedContent")) if blob]
        if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
            answer.calls.append((block["toolUse"]["name"], block["toolUse"]["input"], block["toolUse"]["toolUseId"]))
    answer.finish, answer.native = BEDROCK_FINISH.get(stop, "stop"), stop
    answer.cached, answer.written = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    answer.prompt = usage["inputTokens"] + answer.cached + answer.written
    answer.completion = usage["outputTokens"]
    return answer


# --- Cohere ---

COHERE_FINISH = {"MAX_TOKENS": "length", "ERROR_LIMIT": "length", "TOOL_CALL": "tool_calls", "ERROR_TOXIC": "content_filter"}


def cohere(body, streamed):
    answer, finish, usage, citations, begins = Answer(), None, {}, [], {}
    if streamed:
        calls = []
        for event in sse_json(body):
            kind, delta = event["type"], event.get("delta", {})
            message = delta.get("message", {})
            if kind in ("content-delta", "content-start"):
                begins.setdefault(event["index"], len(answer.text))
                answer.text += message["content"].get("text", "")
                answer.reasoning += message["content"].get("thinking", "")
            elif kind == "tool-plan-delta":
                answer.reasoning += message["tool_plan"]
            elif kind == "tool-call-start":
                call = message["tool_calls"]["function"]
                calls.append([call["name"], call["arguments"], message["tool_calls"]["id"]])
            elif kind == "tool-call-delta":
                calls[-1][1] += message["tool_calls"]["function"]["arguments"]
            elif kind == "citation-start":
                citations.append(message["citations"])
            elif kind == "message-end":
                if delta.get("error"):
                    return "error"
                finish, usage = delta["finish_reason"], delta["usage"]
        if finish is None:
            return "cut"
        answer.calls = [(name, arguments(text), call) for name, text, call in calls]
    else:
        reply = json.loads(body)
        message, finish, usage = reply["message"], reply["finish_reason"], reply["usage"]
        answer.reasoning = message.get("tool_plan") or ""
        for number, part in enumerate(message.get("content") or []):
            begins[number] = len(answer.text)
            answer.text += part.get("text", "")
            answer.reasoning += part.get("thinking", "")
        citations = message.get("citations") or []
        answer.calls = [(c["function"]["name"], arguments(c["function"]["arguments"]), c["id"])
                        for c in message.get("tool_calls") or []]
    answer.calls = [(name, {} if value is None else value, call) for name, value, call in answer.calls]
    for citation in citations:
        if citation.get("type", "TEXT_CONTENT") != "TEXT_CONTENT":
            continue
        begin, found = begins.get(citation.get("content_index"), 0), False
        for source in citation["sources"]:
            document = source.get("document") or source.get("tool_output") or {}
            url = next((u for u in (document.get("url"), source.get("id")) if web(u)), None)
            if url:
                found = True
                answer.sources.append((url, document.get("title", ""), begin + citation["start"], begin + citation["end"]))
        if not found:
            answer.more.setdefault("citations", []).append(citation)
    answer.finish, answer.native = COHERE_FINISH.get(finish, "stop"), finish
    if usage.get("billed_units"):
        answer.billed = usage["billed_units"].get("input_tokens", 0), usage["billed_units"].get("output_tokens", 0)
    tokens = usage["tokens"]
    answer.prompt = tokens["input_tokens"] + tokens.get("image_tokens", 0)
    answer.completion = tokens["output_tokens"]
    answer.cached, answer.reasoned = usage.get("cached_tokens", 0), tokens.get("reasoning_tokens", 0)
    return answer


# --- Mistral ---

MISTRAL_FINISH = {"model_length": "length"}


def mistral(body, streamed):
    answer, finish, usage, calls = Answer(), None, {}, {}
    replies = sse_json(body) if streamed else [json.loads(body)]
    if streamed and "[DONE]" not in [data.strip() for data in sse_data(body)]:
        return "cut"
    for reply in replies:
        usage = reply.get("usage") or usage
        choice = reply["choices"][0]
        message = choice.get("delta") or choice.get("message") or {}
        content = message.get("content")
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
            answer.text += part.get("text", "") if part["type"] == "text" else ""
            answer.reasoning += "".join(t["text"] for t in part.get("thinking", []))
        for n, call in enumerate(message.get("tool_calls") or []):
            made = calls.setdefault(call.get("index", n), ["", "", ""])
            made[0] += call["function"].get("name") or ""
            made[1] += call["function"]["arguments"]
            made[2] = made[2] or call.get("id")
        finish = choice.get("finish_reason") or finish
    answer.calls = [(name, arguments(text), call) for name, text, call in calls.values()]
    answer.finish, answer.native = MISTRAL_FINISH.get(finish, finish), finish
    answer.prompt, answer.completion = usage["prompt_tokens"], usage["completion_tokens"]
    answer.cached = usage.get("num_cached_tokens") or (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return answer


# --- Responses ---


def responses_object(response):
    answer = Answer()
    if response.get("error") or response["status"] == "failed":
        return "failed"
    for item in response["output"]:
        if item["type"] == "message":
            if item.get("phase"):
                answer.more["phase"] = item["phase"]
            for part in item["content"]:
                begin = len(answer.text)
                answer.text += part.get("text", "")
                answer.refusal += part.get("refusal", "")
                answer.logprobs += part.get("logprobs") or []
                answer.sources += [(a["url"], a["title"], begin + a["start_index"], begin + a["end_index"])
                                   for a in part.get("annotations", []) if a["type"] == "url_citation"]
        elif item["type"] == "image_generation_call" and item.get("result"):
            answer.images.append(f"data:image/{item.get('output_format', 'png')};base64,{item['result']}")
        elif item["type"] == "reasoning":
            answer.reasoning += "\n\n".join(p["text"] for p in item.get("summary") or item.get("content") or [])
            if item.get("encrypted_content"):
                answer.blobs.append(item["encrypted_content"])
        elif item["type"] in ("function_call", "custom_tool_call"):
            value = arguments(item.get("arguments") or item.get("input") or "")
            if isinstance(value, dict) and "tool_uses" in value:  # a wrapper that leaked
                answer.calls += [(use["recipient_name"].removeprefix("functions."), use["parameters"], None)
                                 for use in value["tool_uses"]]
            else:
                answer.calls.append((item["name"], value, item["call_id"]))
    reason = (response.get("incomplete_details") or {}).get("reason")
    answer.finish = ({"content_filter": "content_filter"}.get(reason, "length") if response["status"] == "incomplete"
                     else "tool_calls" if answer.calls else "stop")
    answer.native = reason or response["status"]
    answer.searches = sum(item["type"] == "web_search_call" and (item.get("action") or {}).get("type", "search") == "search"
                          for item in response["output"])
    usage = response.get("usage") or {"input_tokens": 0, "output_tokens": 0}
    answer.prompt, answer.completion = usage["input_tokens"], usage["output_tokens"]
    answer.cached = (usage.get("input_tokens_details") or {}).get("cached_tokens", 0)
    answer.written = (usage.get("input_tokens_details") or {}).get("cache_write_tokens", 0)
    answer.reasoned = (usage.get("output_tokens_details") or {}).get("reasoning_tokens", 0)
    return answer


def responses(body, streamed):
    response = responses_whole(body, streamed)
    return response if isinstance(response, str) else responses_object(response)


def responses_whole(body, streamed):
    """The response as its last event, and those before it, give it; or what went wrong."""
    if not streamed:
        return json.loads(body)
    items = {}
    for event in sse_json(body, mended):
        kind = event["type"]
        if kind in ("error", "response.failed"):
            return "failed"
        place = event.get("output_index")
        if kind in ("response.output_item.added", "response.output_item.done"):
            old = items.get(place, {})
            items[place] = event["item"]
            for key in ("arguments", "input"):
                if old.get(key) and len(event["item"].get(key) or "") < len(old[key]):
                    items[place][key] = old[key]
        elif kind.endswith(("arguments.done", "input.done")):
            key = "arguments" if "arguments" in kind else "input"
            items[place][key] = max(items[place].get(key) or "", event[key], key=len)
        elif kind in ("response.completed", "response.incomplete"):
            response = event["response"]
            for place, item in enumerate(response["output"]):
                items.setdefault(place, item)
            return response | {"output": [items[place] for place in sorted(items)]}
    return "cut"


# --- OpenAI's own ---

OPENAI_FINISH = {"function_call": "tool_calls", "sensitive": "content_filter", "insufficient_system_resource": "error",
                 "network_error": "error", "max_tokens": "length"}
# What a choice's message or delta says and Answer has a place for.
OPENAI_KNOWN = {"role", "content", "refusal", "tool_calls", "reasoning", "reasoning_content", "reasoning_details", "annotations"}
# Of a reply or chunk: what the gateway says itself, or leaves out on purpose (padding).
OPENAI_TOP = {"id", "object", "created", "model", "provider", "choices", "usage", "obfuscation", "p", "x_groq", "system_fingerprint"}
# What Azure's filter thought of the prompt comes in a chunk of its own, without a choice: clients take it for an answer.
OPENAI_SKIPPED = {"prompt_filter_results"}


def merged(old, new):
    """A member of a delta that comes in pieces: texts are joined, lists go on, all else is said once more."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: merged(old.get(name), new.get(name)) for name in old | new}
    if isinstance(old, (str, list)) and isinstance(new, type(old)):
        return old + new
    return old if new is None else new


def openai_usage(answer, usage, row):
    details = usage.get("prompt_tokens_details") or {}
    answer.prompt, answer.completion = usage["prompt_tokens"], usage["completion_tokens"]
    answer.cached = details.get("cached_tokens") or usage.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0
    answer.written = details.get("cache_write_tokens") or 0
    answer.reasoned = ((usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or usage.get("reasoning_tokens") or 0)
    if answer.reasoned and usage.get("total_tokens") == answer.prompt + answer.completion + answer.reasoned:
        answer.completion += answer.reasoned  # they are beside
    answer.reasoned = min(answer.reasoned, answer.completion)
    if answer.cached > answer.prompt:  # Grok at Azure: beside, too
        answer.prompt += answer.cached


def openai_choice(message, choice, row):
    answer = Answer(text=message.get("content") or "", refusal=message.get("refusal") or "",
                    reasoning=message.get("reasoning") or message.get("reasoning_content") or
                    "".join(d.get("text") or d.get("summary") or "" for d in message.get("reasoning_details") or []))
    answer.calls = [(c["function"]["name"], arguments(c["function"]["arguments"]), c.get("id") or None)
                    for c in message.get("tool_calls") or []]
    answer.native = choice.get("finish_reason") or None
    answer.finish = OPENAI_FINISH.get(answer.native, answer.native)
    if answer.finish not in ("stop", "length", "tool_calls", "content_filter", "error"):
        answer.finish = "stop"
    if answer.calls and answer.finish == "stop" and not (row == "openai" and answer.native):
        answer.finish = "tool_calls"
    answer.native = choice.get("native_finish_reason") or answer.native
    cited = [a["url_citation"] for a in message.get("annotations") or [] if a.get("type") == "url_citation"]
    answer.sources = [(c["url"], c.get("title", ""), c.get("start_index"), c.get("end_index")) for c in cited]
    for detail in message.get("reasoning_details") or []:
        blob = detail.get("signature") or detail.get("data")
        if blob:
            answer.blobs.append(blob)
    logprobs = choice.get("logprobs") or {}
    answer.logprobs = logprobs.get("content") or []
    answer.more = {name: value for name, value in message.items() if name not in OPENAI_KNOWN and value is not None}
    return answer


def openai_message(chunks):
    """The choices of a stream, each put together from its deltas."""
    choices = {}
    for chunk in chunks:
        for piece in chunk.get("choices") or []:
            whole = choices.setdefault(piece.get("index", 0), {"index": piece.get("index", 0), "message": {}, "calls": {}})
            delta = dict(piece.get("delta") or {})
            for call in delta.pop("tool_calls", None) or []:
                made = whole["calls"].setdefault(call.get("index", len(whole["calls"])), {"id": "", "name": "", "arguments": "", "more": {}})
                made["more"] |= {name: value for name, value in call.items() if name not in ("index", "id", "function")}
                made["id"] = made["id"] or call.get("id") or ""
                made["name"] = made["name"] or call["function"].get("name") or ""
                made["arguments"] += call["function"].get("arguments") or ""
            delta.pop("role", None)
            whole["message"] = merged(whole["message"], delta)
            whole["finish_reason"] = piece.get("finish_reason") or whole.get("finish_reason")
            whole["native_finish_reason"] = piece.get("native_finish_reason") or whole.get("native_finish_reason")
            whole["logprobs"] = merged(whole.get("logprobs"), piece.get("logprobs"))
    for whole in choices.values():
        whole["message"]["tool_calls"] = [c["more"] | {"id": c["id"], "function": {"name": c["name"], "arguments": c["arguments"]}}
                                          for c in whole["calls"].values()]
    return [choices[index] for index in sorted(choices)]


def openai(body, streamed, row="openai"):
    if not streamed:
        try:
            chunks = [json.loads(body)]
        except ValueError:
            return "no JSON"
        if chunks[0].get("error") or not chunks[0].get("choices"):
            return "error"
        choices = chunks[0]["choices"]
    else:
        chunks = sse_json(body)
        if any(chunk.get("error") for chunk in chunks):
            return "error"
        choices = openai_message(chunks)
        done = "[DONE]" in [data.strip() for data in sse_data(body)]
        if not choices or not (done or all(c.get("finish_reason") for c in choices)):
            return "cut"
    answer, *others = (openai_choice(choice.get("message") or {}, choice, row) for choice in choices)
    answer.others = others
    skipped = OPENAI_SKIPPED if streamed else set()
    for chunk in chunks:
        usage = (chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
                 or next((c["usage"] for c in chunk.get("choices") or [] if c.get("usage")), None))
        if usage:
            openai_usage(answer, usage, row)
        answer.more |= {name: value for name, value in chunk.items() if name not in OPENAI_TOP | skipped and value is not None}
    return answer


def azure(body, streamed):
    return openai(body, streamed, "azure")


# --- errors ---

CONTEXT = re.compile(r"context_length_exceeded|prompt is too long|exceeds? the maximum number of tokens|maximum context length|too many tokens|"
                     r"TOO_MANY_TOKENS|Input Tokens? Exceeded|exceed context limit|too_many_prompt_tokens|exceeds the context window", re.I)
FILTERED = re.compile(r"content_filter|content_policy|ResponsibleAIPolicyViolation", re.I)


def error(status, body, fields):
    """(type, status) that the client is told of a provider's error, and words of it that it is told, by providers/README.md 5."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = {}
    parsed = parsed[0] if isinstance(parsed, list) else parsed
    inner = parsed.get("error") or parsed
    if isinstance(inner, str):
        inner = {"message": inner}
    words = inner.get("message") or inner.get("Message") or inner.get("detail") or ""
    signs = " ".join(str(v) for v in (inner.get("code"), inner.get("type"), inner.get("status"), parsed.get("error_type"),
                                      parsed.get("code"), fields.get("x-amzn-errortype"), words, inner.get("innererror")))
    if re.search("insufficient_quota|PerDay", signs) or "PerDay" in str(inner.get("details")) or status == 402:
        return ("provider_unavailable", 502), words
    if status == 429:
        return ("rate_limit_exceeded", 429), words
    if status in (401, 403) or "API_KEY_INVALID" in str(inner) or re.search("Incorrect API key", signs):
        return ("provider_unavailable", 502), words
    if CONTEXT.search(signs):
        return ("context_length_exceeded", 400), words
    if FILTERED.search(signs):
        return ("content_policy_violation", 400), words
    if status == 404 or re.search("model_not_found|model identifier is invalid|tool_use_failed", signs):
        return ("provider_unavailable", 502), words
    if status in (503, 529):
        return ("provider_overloaded", 503), words
    return (("provider_unavailable", 502) if status >= 500 else ("invalid_request", 400)), words
