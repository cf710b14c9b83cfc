// Any bytes as a request: what is accepted goes on to providers of every kind as JSON, with their name for the model
// and none of the gateway's own members; what is refused is told in words.
#include <stdint.h>
#include <stdlib.h>

#include "../unit/surface/chat_target.h"
#include "surface/preferences.h"

static void require(bool condition) {
  if (!condition) abort();
}

static void build(const struct chat_request *r, const char *provider) {
  static const char *const gone[] = {"provider", "models", "route", "preset"};
  struct target t;
  struct buf out;
  struct json_doc doc = {0};
  target_init(&t, provider);
  buf_init(&out, SIZE_MAX / 2);
  require(chat_request_build(r, &t.endpoint, &out));
  require(json_parse(&doc, buf_view(&out), 2) == JSON_OK);
  require(json_string_is(&doc, json_get(&doc, 0, STR("model")), STR("their-model")));
  for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
    require(json_get(&doc, 0, str_from_cstr(gone[i])) == JSON_NONE);
  uint32_t options = json_get(&doc, 0, STR("stream_options"));
  if (!r->stream || t.provider.quirks->no_stream_options)
    require(options == JSON_NONE);
  else
    require(json_is(&doc, json_get(&doc, options, STR("include_usage")), JSON_TRUE));
  require(json_is(&doc, json_get(&doc, 0, STR("messages")), JSON_ARRAY));
  json_doc_free(&doc);
  buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const providers[] = {"openai", "deepseek", "groq",   "perplexity", "openrouter", "cerebras",
                                          "azure",  "alibaba",  "vllm",   "z-ai",       "snowflake",  "together",
                                          "ollama", "lmstudio", "nobody", "minimax"};
  struct arena arena = {0};
  struct chat_request r;
  struct fault_note note;
  bool ok = chat_request_parse(&r, str_from((const char *)data, size), &arena, &note);
  require(ok == (note.fault == FAULT_NONE));
  require(ok || note.message.len);
  if (ok) {
    struct preferences preferences;
    struct request_facts facts;
    require(preferences_read(&r, &arena, &preferences, &note) == (note.fault == FAULT_NONE));
    require(note.fault == FAULT_NONE || (note.message.len && str_starts(note.param, STR("provider"))));
    request_facts_of(&r, &facts);
    require(facts.prompt_tokens_least <= size && facts.prompt_tokens <= size);
  }
  for (size_t i = 0; ok && i < sizeof providers / sizeof *providers; i++) build(&r, providers[i]);
  chat_request_free(&r);
  arena_free(&arena);
  return 0;
}
