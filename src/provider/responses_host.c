#include "provider/responses_host.h"

#include "provider/efforts.h"
#include "provider/openai_models.h"
#include "provider/table.h"

static const char *const formats[] = {
#define X(name, format, serves_custom) [RESPONSES_##name] = format,
    RESPONSES_HOSTS(X)
#undef X
};

static bool contains(struct str text, struct str word) {
  return str_find(text, word, 0) != SIZE_MAX;
}

enum responses_host responses_host(const struct endpoint *e) {
  const struct provider *p = e->provider;
  if (p->protocol == PROTOCOL_AZURE) return RESPONSES_AZURE;
  if (contains(p->base_url, STR("bedrock-mantle")))
    return contains(e->upstream_model, STR("grok")) ? RESPONSES_BEDROCK_XAI : RESPONSES_BEDROCK;
  if (str_eq(p->id, STR("xai")) || contains(p->base_url, STR("api.x.ai"))) return RESPONSES_XAI;
  if (str_eq(p->id, STR("meta-llama"))) return RESPONSES_META;
  // A provider without a row of its own is asked as if it were OpenAI.
  const struct provider_row *row = provider_row_find(p->id);
  return !row || row->quirks.openai_models ? RESPONSES_OPENAI : RESPONSES_OTHER;
}

const char *responses_format(enum responses_host host) {
  return formats[host];
}

bool responses_is_openai(enum responses_host host) {
  return host == RESPONSES_OPENAI || host == RESPONSES_AZURE || host == RESPONSES_BEDROCK;
}

enum effort responses_effort(const struct endpoint *e, enum effort wished) {
  struct efforts known = efforts_of(e);
  if (!known.known && responses_is_openai(responses_host(e)))
    known.known = openai_model_efforts(openai_model_name(e), &known.set);
  return wished && known.known ? efforts_nearest(known.set, wished) : wished;
}
