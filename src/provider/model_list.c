#include "provider/model_list.h"

#include "base/limits.h"

bool model_list_target(const struct provider *provider, struct str base, struct head_target *target, struct buf *path) {
  buf_init(path, LIMIT_HEADER_LINE);
  buf_str(path, base);
  switch (provider->protocol) {
    case PROTOCOL_OPENAI:
    case PROTOCOL_MISTRAL: buf_lit(path, "/models"); break;
    case PROTOCOL_ANTHROPIC:
      buf_lit(path, "/models?limit=1");
      target->fields = STR("\r\nanthropic-version: 2023-06-01");
      break;
    case PROTOCOL_GEMINI: buf_lit(path, "/models?pageSize=1"); break;
    case PROTOCOL_COHERE:
      if (!str_ends(base, STR("/v2"))) return false;
      path->len -= 2;
      buf_lit(path, "v1/models?page_size=1");  // version 2 has none
      break;
    default: return false;
  }
  target->base = (struct str){0};
  target->path = buf_view(path);
  return !path->failed;
}
