"""A provider's native request as the chat request that means the same: what a client of ours would have sent to get it.
Written a second time and the other way round than the gateway does it; test_round_trip.py compares the two.

What chat has no word for goes along under the provider's own name (top-level members, tools that are no functions).
"""

import base64
import json


def text_of(value):
    """JSON as a client writes a call's arguments."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def function(name, description, parameters, **more):
    made = {"name": name}
    if description:
        made["description"] = description
    if parameters is not None:
        made["parameters"] = parameters
    return {"type": "function", "function": made | {k: v for k, v in more.items() if k == "strict" and v}} | {
        k: v for k, v in more.items() if k != "strict" and v}


def call(call_id, name, arguments, signature=None):
    made = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    if signature:
        made["extra_content"] = {"google": {"thought_signature": signature}}
    return made


def data_url(media_type, data):
    return f"data:{media_type};base64,{data}"


class Assistant:
    """An assistant's message in the making."""

    def __init__(self, reasoning_format):
        self.format = reasoning_format
        self.details, self.parts, self.calls, self.more = [], [], [], {}

    def detail(self, kind, **more):
        self.details.append({"type": f"reasoning.{kind}", "format": self.format, "index": len(self.details)} | more)

    def message(self):
        made = {"role": "assistant"}
        plain = all(set(p) == {"type", "text"} for p in self.parts)
        made["content"] = (None if not self.parts else self.parts[0]["text"] if plain and len(self.parts) == 1 else self.parts)
        if self.details:
            made["reasoning_details"] = self.details
        if self.calls:
            made["tool_calls"] = self.calls
        return made | self.more


def taken(request, *names):
    return {name: value for name, value in request.items() if name not in names and value is not None}


# --- Anthropic ---


def anthropic_part(block):
    kind, source = block["type"], block.get("source", {})
    if kind == "text":
        part = {"type": "text", "text": block["text"]}
    elif kind == "image":
        part = {"type": "image_url", "image_url": {"url": source.get("url") or data_url(source["media_type"], source["data"])}}
    elif kind == "document":
        file = {"filename": block["title"]} if block.get("title") else {}
        if source["type"] == "text":
            data = data_url(source["media_type"], base64.b64encode(source["data"].encode()).decode())
        else:
            data = source.get("url") or data_url(source["media_type"], source["data"])
        part = {"type": "file", "file": file | {"file_data": data}}
        part |= {name: block[name] for name in ("citations", "context") if block.get(name)}
    else:
        raise NotImplementedError(kind)
    return part | ({"cache_control": block["cache_control"]} if block.get("cache_control") else {})


def anthropic_blocks(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def anthropic_assistant(blocks):
    made, servers = Assistant("anthropic-claude-v1"), {}
    for block in blocks:
        kind = block["type"]
        if kind == "thinking":
            made.detail("text", text=block["thinking"], signature=block["signature"])
        elif kind == "redacted_thinking":
            made.detail("encrypted", data=block["data"])
        elif kind == "tool_use":
            made.calls.append(call(block["id"], block["name"], text_of(block["input"])))
        elif kind == "server_tool_use":
            made.detail("server_tool_call", tool_name=block["name"], tool_call_id=block["id"], arguments=text_of(block["input"]))
            servers[block["id"]] = made.details[-1]
        elif kind.endswith("_tool_result"):
            servers[block["tool_use_id"]]["result"] = text_of(block["content"])
        else:
            made.parts.append(anthropic_part(block))
    return made.message()


def anthropic(request):
    messages = []
    if request.get("system"):
        messages.append({"role": "system", "content": [anthropic_part(b) for b in anthropic_blocks(request["system"])]})
    for message in request["messages"]:
        blocks = anthropic_blocks(message["content"])
        if message["role"] == "assistant":
            messages.append(anthropic_assistant(blocks))
            continue
        results = [b for b in blocks if b["type"] == "tool_result"]
        for result in results:
            messages.append({"role": "tool", "tool_call_id": result["tool_use_id"],
                             "content": [anthropic_part(b) for b in anthropic_blocks(result.get("content") or "")]})
        if len(results) < len(blocks):
            messages.append({"role": message["role"], "content": [anthropic_part(b) for b in blocks if b["type"] != "tool_result"]})
    made = {"messages": messages} | taken(request, "messages", "system", "tools", "tool_choice", "stop_sequences", "thinking",
                                          "output_config", "metadata", "anthropic_version", "model")
    if "stop_sequences" in request:
        made["stop"] = request["stop_sequences"]
    if request.get("metadata", {}).get("user_id"):
        made["user"] = request["metadata"]["user_id"]
    if request.get("tools"):
        made["tools"] = [
            function(t["name"], t.get("description"), t["input_schema"], strict=t.get("strict"), cache_control=t.get("cache_control"))
            if "input_schema" in t else {name: value for name, value in t.items() if value is not None} for t in request["tools"]]
    choice = request.get("tool_choice")
    if choice:
        made["tool_choice"] = {"any": "required", "tool": {"type": "function", "function": {"name": choice.get("name")}}}.get(
            choice["type"], choice["type"])
        if choice.get("disable_parallel_tool_use"):
            made["parallel_tool_calls"] = False
    thinking, output = request.get("thinking") or {}, request.get("output_config") or {}
    if thinking.get("type") == "enabled":
        made["reasoning"] = {"max_tokens": thinking["budget_tokens"]}
    elif thinking.get("type") == "disabled":
        made["reasoning"] = {"effort": "none"}
    elif output.get("effort"):
        made["reasoning"] = {"effort": output["effort"]}
    elif thinking:
        made["thinking"] = thinking  # thinking as it likes: chat has no word for that
    if output.get("format"):
        made["response_format"] = {"type": "json_schema", "json_schema": {
            "name": "answer", "schema": output["format"]["schema"], "strict": True}}
    return made


# --- Gemini ---


def camel(value, keep=False):
    """Its snake_case names, which the service takes too, as camelCase; schemas, arguments and results are left alone."""
    if isinstance(value, list):
        return [camel(v) for v in value]
    if not isinstance(value, dict) or keep:
        return value
    made = {}
    for name, inner in value.items():
        head, *rest = name.split("_")
        name = head + "".join(word.capitalize() for word in rest)
        made[name] = camel(inner, name in ("parameters", "parametersJsonSchema", "args", "response", "responseSchema",
                                           "responseJsonSchema", "labels"))
    return made


def json_schema(schema):
    """Google's own schema form as JSON Schema: types in lower case."""
    if isinstance(schema, list):
        return [json_schema(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: value.lower() if name == "type" and isinstance(value, str) else json_schema(value)
            for name, value in schema.items()}


def gemini_part(part):
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    if "inlineData" in part:
        kind, data = part["inlineData"]["mimeType"], part["inlineData"]["data"]
        if kind.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": data_url(kind, data)}}
        if kind.startswith("audio/"):
            return {"type": "input_audio", "input_audio": {"data": data, "format": kind.removeprefix("audio/")}}
        if kind.startswith("video/"):
            return {"type": "video_url", "video_url": {"url": data_url(kind, data)}}
        return {"type": "file", "file": {"file_data": data_url(kind, data)}}
    if "fileData" in part:
        return {"type": "image_url", "image_url": {"url": part["fileData"]["fileUri"]}}
    raise NotImplementedError(list(part))


def gemini_model_turn(parts, turn, ids):
    made, n = Assistant("google-gemini-v1"), 0
    for part in parts:
        if "functionCall" in part:
            given = part["functionCall"]
            ids.append(given.get("id") or f"call_{turn:020}_{n}")  # as the gateway makes them
            made.calls.append(call(ids[-1], given["name"], text_of(given.get("args", {})), part.get("thoughtSignature")))
            n += 1
            continue
        if part.get("thought"):
            made.detail("text", text=part["text"])
        elif part.get("text") or "text" not in part:
            made.parts.append(gemini_part(part))
        if part.get("thoughtSignature"):
            made.detail("encrypted", data=part["thoughtSignature"])
    return made.message()


def gemini(request, stream=False):
    request = camel(request)
    messages, ids = [], []
    system = request.get("systemInstruction")
    if system:
        messages.append({"role": "system", "content": [gemini_part(p) for p in system["parts"]]})
    for turn, content in enumerate(request["contents"]):
        if content.get("role") == "model":
            ids.clear()
            messages.append(gemini_model_turn(content["parts"], turn, ids))
            continue
        others = []
        for part in content["parts"]:
            if "functionResponse" in part:
                messages.append({"role": "tool", "tool_call_id": ids.pop(0), "content": text_of(part["functionResponse"]["response"])})
            else:
                others.append(gemini_part(part))
        if others:
            messages.append({"role": "user", "content": others})
    config = dict(request.get("generationConfig") or {})
    made = {"messages": messages, "stream": stream} | taken(request, "contents", "systemInstruction", "generationConfig", "tools",
                                                            "toolConfig", "labels")
    for chat, native in (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK"), ("max_tokens", "maxOutputTokens"),
                         ("stop", "stopSequences"), ("n", "candidateCount"), ("seed", "seed"), ("logprobs", "responseLogprobs"),
                         ("top_logprobs", "logprobs"), ("presence_penalty", "presencePenalty"),
                         ("frequency_penalty", "frequencyPenalty")):
        if native in config:
            made[chat] = config.pop(native)
    if "responseModalities" in config:
        made["modalities"] = [m.lower() for m in config.pop("responseModalities")]
    if config.pop("responseMimeType", None) == "application/json":
        schema = config.pop("responseJsonSchema", None) or json_schema(config.pop("responseSchema", None))
        made["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}} if schema else {
            "type": "json_object"}
    thinking = config.pop("thinkingConfig", {})
    if "thinkingBudget" in thinking:
        made["reasoning"] = {"max_tokens": thinking["thinkingBudget"]} if thinking["thinkingBudget"] else {"effort": "none"}
    elif "thinkingLevel" in thinking:
        made["reasoning"] = {"effort": thinking["thinkingLevel"].lower()}
    elif thinking:
        config["thinkingConfig"] = thinking
    if config:
        made["generationConfig"] = config
    if request.get("labels"):
        made["metadata"] = request["labels"]
    tools = request.get("tools") or []
    for tool in tools if isinstance(tools, list) else [tools]:
        for declaration in tool.get("functionDeclarations", []):
            schema = declaration.get("parametersJsonSchema") or json_schema(declaration.get("parameters"))
            made.setdefault("tools", []).append(function(declaration["name"], declaration.get("description"), schema))
        if set(tool) - {"functionDeclarations"}:
            made.setdefault("tools", []).append(taken(tool, "functionDeclarations"))
    calling = (request.get("toolConfig") or {}).get("functionCallingConfig", {})
    if calling:
        named = calling.get("allowedFunctionNames") or []
        every = [t["function"]["name"] for t in made.get("tools", []) if "function" in t]
        made["tool_choice"] = {"AUTO": "auto", "NONE": "none", "VALIDATED": "auto"}.get(calling["mode"], "required")
        if len(named) == 1 and len(every) > 1:
            made["tool_choice"] = {"type": "function", "function": {"name": named[0]}}
    return made


def vertex(request, stream=False):
    return gemini(request, stream)


# --- Bedrock ---

BEDROCK_TYPES = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html"}


def bedrock_part(block):
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    if "image" in block:
        return {"type": "image_url", "image_url": {"url": data_url("image/" + block["image"]["format"], block["image"]["source"]["bytes"])}}
    if "document" in block:
        document = block["document"]
        data = document["source"].get("bytes") or base64.b64encode(document["source"]["text"].encode()).decode()
        return {"type": "file", "file": {"filename": document["name"] + "." + document["format"],
                                         "file_data": data_url(BEDROCK_TYPES[document["format"]], data)}} | (
            {"citations": document["citations"]} if "citations" in document else {})
    raise NotImplementedError(list(block))


def bedrock_parts(blocks):
    """A cache point marks what stands before it."""
    made = []
    for block in blocks:
        if "cachePoint" in block:
            made[-1]["cache_control"] = {"type": "ephemeral"} | ({"ttl": block["cachePoint"]["ttl"]} if block["cachePoint"].get("ttl") else {})
        else:
            made.append(bedrock_part(block))
    return made


def bedrock_assistant(blocks, reasoning_format):
    made = Assistant(reasoning_format)
    for block in blocks:
        reasoning = block.get("reasoningContent", {})
        if "reasoningText" in reasoning:
            made.detail("text", **reasoning["reasoningText"])
        elif "redactedContent" in reasoning:
            made.detail("encrypted", data=reasoning["redactedContent"])
        elif "toolUse" in block:
            made.calls.append(call(block["toolUse"]["toolUseId"], block["toolUse"]["name"], text_of(block["toolUse"]["input"])))
        elif "citationsContent" in block:
            made.parts += [{"type": "text", "text": part["text"]} for part in block["citationsContent"]["content"]]
        else:
            made.parts += bedrock_parts([block])
    return made.message()


def bedrock(request, stream=False, claude=True):
    messages = []
    if request.get("system"):
        messages.append({"role": "system", "content": bedrock_parts(request["system"])})
    for message in request["messages"]:
        if message["role"] == "assistant":
            messages.append(bedrock_assistant(message["content"], "anthropic-claude-v1" if claude else "unknown"))
            continue
        for block in message["content"]:
            if "toolResult" in block:
                result = block["toolResult"]
                content = [{"type": "text", "text": text_of(p["json"])} if "json" in p else bedrock_part(p) for p in result["content"]]
                messages.append({"role": "tool", "tool_call_id": result["toolUseId"], "content": content})
        rest = [b for b in message["content"] if "toolResult" not in b]
        if rest:
            messages.append({"role": "user", "content": bedrock_parts(rest)})
    made = {"messages": messages, "stream": stream} | taken(request, "messages", "system", "inferenceConfig", "toolConfig", "outputConfig",
                                                            "additionalModelRequestFields", "requestMetadata", "serviceTier")
    inference = request.get("inferenceConfig") or {}
    for chat, native in (("max_tokens", "maxTokens"), ("temperature", "temperature"), ("top_p", "topP"), ("stop", "stopSequences")):
        if native in inference:
            made[chat] = inference[native]
    more = dict(request.get("additionalModelRequestFields") or {})
    thinking = more.pop("thinking", {})
    if thinking.get("type") == "enabled":
        made["reasoning"] = {"max_tokens": thinking["budget_tokens"]}
    if "reasoning_config" in more:
        made["reasoning"] = {"effort": more.pop("reasoning_config")}
    if "reasoning_effort" in more:
        made["reasoning"] = {"effort": more.pop("reasoning_effort")}
    if "top_k" in more:
        made["top_k"] = more.pop("top_k")
    if more:
        made["additionalModelRequestFields"] = more
    tools = request.get("toolConfig") or {}
    for tool in tools.get("tools", []):
        if "cachePoint" in tool:
            made["tools"][-1]["cache_control"] = {"type": "ephemeral"}
            continue
        spec = tool["toolSpec"]
        made.setdefault("tools", []).append(function(spec["name"], spec.get("description"), spec["inputSchema"]["json"],
                                                     strict=spec.get("strict")))
    choice = tools.get("toolChoice") or {}
    if choice:
        made["tool_choice"] = ("auto" if "auto" in choice else "required" if "any" in choice
                               else {"type": "function", "function": {"name": choice["tool"]["name"]}})
    form = (request.get("outputConfig") or {}).get("textFormat")
    if form:
        given = form["structure"]["jsonSchema"]
        made["response_format"] = {"type": "json_schema", "json_schema": {"name": given["name"], "schema": json.loads(given["schema"])} | (
            {"description": given["description"]} if given.get("description") else {})}
    if request.get("requestMetadata"):
        made["metadata"] = request["requestMetadata"]
    if request.get("serviceTier"):
        made["service_tier"] = request["serviceTier"]["type"]
    return made


# --- Cohere ---


def cohere(request):
    messages = []
    for message in request["messages"]:
        message = dict(message)
        if message["role"] == "assistant":
            made = Assistant("unknown")
            content = message.get("content") or []
            for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                if part["type"] == "thinking":
                    made.more["reasoning_content"] = made.more.get("reasoning_content", "") + part["thinking"]
                else:
                    made.parts.append(part)
            made.calls = message.get("tool_calls") or []
            message = made.message()
        messages.append(message)
    made = {"messages": messages} | taken(request, "messages", "model", "response_format", "stop_sequences", "p", "k", "tool_choice",
                                          "strict_tools", "thinking")
    for chat, native in (("stop", "stop_sequences"), ("top_p", "p"), ("top_k", "k")):
        if native in request:
            made[chat] = request[native]
    form = request.get("response_format")
    if form:
        made["response_format"] = ({"type": "json_schema", "json_schema": {"name": "answer", "schema": form["json_schema"]}}
                                   if "json_schema" in form else form)
    if request.get("tool_choice"):
        made["tool_choice"] = {"REQUIRED": "required", "NONE": "none"}[request["tool_choice"]]
    thinking = request.get("thinking")
    if thinking:
        made["reasoning"] = ({"effort": "none"} if thinking["type"] == "disabled" else {"max_tokens": thinking["token_budget"]})
    return made


# --- Mistral ---


def mistral(request):
    messages = []
    for message in request["messages"]:
        message = {name: value for name, value in message.items() if value not in (None, [], False)}
        content = message.get("content")
        if message["role"] == "assistant" and isinstance(content, list):
            thinking = [p for p in content if p["type"] == "thinking"]
            texts = [p for p in content if p["type"] == "text"]
            if thinking:
                message["reasoning_content"] = "".join(t["text"] for p in thinking for t in p["thinking"])
            message["content"] = texts
        messages.append(message)
    made = {"messages": messages} | taken(request, "messages", "model", "random_seed")
    if "random_seed" in request:
        made["seed"] = request["random_seed"]
    return made


# --- Responses ---


def responses_part(part):
    kind, marks = part["type"], {name: part[name] for name in ("prompt_cache_breakpoint",) if name in part}
    if kind in ("input_text", "output_text"):
        return {"type": "text", "text": part["text"]} | marks
    if kind == "input_image":
        return {"type": "image_url", "image_url": {"url": part["image_url"]} | ({"detail": part["detail"]} if part.get("detail") else {})} | marks
    if kind == "input_file":
        return {"type": "file", "file": {n: part[n] for n in ("filename", "file_data", "file_id", "file_url") if part.get(n)}} | marks
    raise NotImplementedError(kind)


def responses_reasoning(made, item):
    """Its summary, its text, and what only the provider can read: all under the item's id."""
    named = {"id": item["id"]} if item.get("id") else {}
    for part in item.get("summary") or []:
        made.detail("summary", summary=part["text"], **named)
    for part in item.get("content") or []:
        made.detail("text", text=part["text"], **named)
    if item.get("encrypted_content"):
        made.detail("encrypted", data=item["encrypted_content"], **named)


def responses_assistant(items):
    made = Assistant("openai-responses-v1")
    for item in items:
        kind = item.get("type", "message")
        if kind == "reasoning":
            responses_reasoning(made, item)
        elif kind in ("function_call", "custom_tool_call"):
            made.calls.append(call(item["call_id"], item["name"], item.get("arguments", item.get("input"))))
        elif kind == "message":
            content = item["content"]
            made.parts += [{"type": "text", "text": content}] if isinstance(content, str) else [responses_part(p) for p in content]
            if item.get("phase"):
                made.more["phase"] = item["phase"]
        elif kind.endswith("_call"):
            made.detail("server_tool_call", tool_name=kind.removesuffix("_call"), tool_call_id=item["id"],
                        arguments=text_of(item.get("action") or {}), result=text_of(item))
        else:
            raise NotImplementedError(kind)
    return made.message()


def responses(request):
    messages, own = [], []
    if request.get("instructions"):
        messages.append({"role": "system", "content": request["instructions"]})
    items = request["input"] if isinstance(request["input"], list) else [{"role": "user", "content": request["input"]}]
    for item in items + [None]:
        kind = item.get("type", "message") if item else None
        if item and (item.get("role") == "assistant" or kind not in ("message", "function_call_output")):
            own.append(item)
            continue
        if own:
            messages.append(responses_assistant(own))
            own = []
        if kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
        elif item:
            content = item["content"]
            messages.append({"role": item["role"], "content": content if isinstance(content, str) else [responses_part(p) for p in content]})
    made = {"messages": messages} | taken(request, "input", "instructions", "model", "tools", "text", "max_output_tokens", "reasoning",
                                          "tool_choice", "store", "safety_identifier")
    if request.get("max_output_tokens"):
        made["max_tokens"] = request["max_output_tokens"]
    if request.get("reasoning"):
        made["reasoning"] = request["reasoning"]
    if request.get("tools"):
        made["tools"] = [function(t["name"], t.get("description"), t["parameters"], strict=t.get("strict"))
                         if t["type"] == "function" else t for t in request["tools"]]
    choice = request.get("tool_choice")
    if choice:
        made["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", "function": {"name": choice["name"]}}
    text = request.get("text") or {}
    if text.get("verbosity"):
        made["verbosity"] = text["verbosity"]
    form = text.get("format", {})
    if form.get("type") == "json_schema":
        made["response_format"] = {"type": "json_schema", "json_schema": taken(form, "type")}
    elif form.get("type") == "json_object":
        made["response_format"] = form
    return made
