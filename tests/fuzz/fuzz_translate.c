// Any bytes as a chat request, translated for each dialect and a few kinds of models: it is refused with a reason, or
// what the provider is sent is JSON, and the same each time.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "provider/dialect.h"
#include "provider/table.h"
#include "surface/openai_chat.h"

static void require(bool condition) {
  if (!condition) abort();
}

static const struct {
  enum protocol protocol;
  struct str name;
} targets[] = {{PROTOCOL_ANTHROPIC, {"claude-haiku-4-5", 16}},
               {PROTOCOL_ANTHROPIC, {"claude-fable-5", 14}},
               {PROTOCOL_ANTHROPIC, {"claude-3-opus", 13}},
               {PROTOCOL_GEMINI, {"gemini-3-pro", 12}},
               {PROTOCOL_GEMINI, {"gemini-2.5-flash", 16}},
               {PROTOCOL_GEMINI, {"gemini-2.0-flash", 16}},
               {PROTOCOL_GEMINI, {"gemma-3", 7}},
               {PROTOCOL_VERTEX, {"gemini-3-flash", 14}},
               {PROTOCOL_VERTEX, {"claude-sonnet-5", 15}},
               {PROTOCOL_BEDROCK, {"us.anthropic.claude-sonnet-4-5-v1:0", 35}},
               {PROTOCOL_BEDROCK, {"meta.llama3", 11}},
               {PROTOCOL_BEDROCK, {"mistral.mistral-large", 21}},
               {PROTOCOL_BEDROCK, {"qwen.qwen3", 10}},
               {PROTOCOL_BEDROCK, {"amazon.nova-2-lite", 18}},
               {PROTOCOL_BEDROCK, {"amazon.titan-text", 17}},
               {PROTOCOL_COHERE, {"command-a-vision", 16}},
               {PROTOCOL_COHERE, {"command-a-reasoning", 19}},
               {PROTOCOL_COHERE, {"command-r-plus", 14}},
               {PROTOCOL_MISTRAL, {"magistral-small", 15}},
               {PROTOCOL_MISTRAL, {"mistral-small", 13}},
               {PROTOCOL_OPENAI, {"gpt-5.4", 7}},
               {PROTOCOL_OPENAI, {"gpt-5.6-sol", 11}},
               {PROTOCOL_OPENAI, {"gpt-4o", 6}},
               {PROTOCOL_AZURE, {"our-deployment", 14}}};

static void check_json(struct str text) {
  struct json_doc doc = {0};
  require(json_parse(&doc, text, 1) == JSON_OK && json_is(&doc, 0, JSON_OBJECT));
  json_doc_free(&doc);
}

static void translate(const struct conversation *c, size_t target) {
  static const struct provider_quirks quirks;
  struct provider provider = {
      .id = {"p", 1}, .name = {"P", 1}, .quirks = &quirks, .protocol = targets[target].protocol};
  struct model model = {.id = {"a/b", 3}};
  struct endpoint e = {
      .provider = &provider, .model = &model, .upstream_model = targets[target].name, .api = API_RESPONSES};
  const struct dialect *d = dialect_of(&e);
  struct buf out[2];
  for (int i = 0; i < 2; i++) {
    struct arena arena = {0};
    struct translation t = {.arena = &arena};
    buf_init(&out[i], SIZE_MAX / 2);
    if (d->encode(c, &e, &t, &out[i]))
      check_json(buf_view(&out[i]));
    else
      require(t.fault != FAULT_NONE && t.message.len);
    arena_free(&arena);
  }
  require(str_eq(buf_view(&out[0]), buf_view(&out[1])));
  buf_free(&out[0]);
  buf_free(&out[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct arena arena = {0};
  struct chat_request request;
  struct conversation conversation;
  struct fault_note note;
  if (chat_request_parse(&request, str_from((const char *)data, size), &arena, &note)) {
    if (chat_conversation(&request, &arena, &conversation, &note)) {
      for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) translate(&conversation, i);
    } else {
      require(note.fault != FAULT_NONE && note.message.len);
    }
  }
  chat_request_free(&request);
  arena_free(&arena);
  return 0;
}
