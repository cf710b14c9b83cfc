#include "provider/azure.h"

#include "provider/encode.h"

static struct str without(struct str path, struct str end) {
  return str_ends(path, end) ? str_from(path.ptr, path.len - end.len) : path;
}

bool azure_serves_others(const struct provider *p) {
  return str_ends(p->base_url, STR("/models")) || str_find(p->base_url, STR(".models.ai.azure."), 0) != SIZE_MAX;
}

bool azure_is_dated(struct str version) {
  return version.len >= 10 && version.ptr[0] >= '0' && version.ptr[0] <= '9';
}

bool azure_is_before(struct str version, const char *day) {
  return azure_is_dated(version) && memcmp(version.ptr, day, 10) < 0;
}

// A deployment by itself, or one named in base_url already: …/openai/deployments/NAME.
static void deployment(const struct endpoint *e, struct str base, struct str api, struct buf *out) {
  // Responses name the deployment in the body.
  bool in_path = !str_eq(api, STR("/responses"));
  size_t named = str_find(base, STR("/openai/deployments/"), 0);
  if (named != SIZE_MAX && !in_path) base.len = named;
  buf_str(out, without(base, STR("/openai")));
  if (named == SIZE_MAX || !in_path) buf_lit(out, "/openai");
  if (in_path && named == SIZE_MAX) {
    buf_lit(out, "/deployments/");
    encode_path(out, e->upstream_model, "");
  }
}

void azure_path(const struct endpoint *e, struct str base, struct str api, struct buf *out) {
  struct str version = e->provider->api_version;
  base = without(base, STR("/"));
  bool models = str_ends(base, STR("/models"));  // the endpoint of models that are not OpenAI's
  base = without(base, STR("/v1"));
  if (models) {
    buf_str(out, base);
    buf_str(out, api);
    buf_lit(out, "?api-version=");
    buf_str(out, version.len ? version : STR("2024-05-01-preview"));
  } else if (azure_serves_others(e->provider)) {
    buf_str(out, base);
    buf_lit(out, "/v1");
    buf_str(out, api);
  } else if (azure_is_dated(version)) {
    deployment(e, base, api, out);
    buf_str(out, api);
    buf_lit(out, "?api-version=");
    buf_str(out, version);
  } else {
    buf_str(out, without(base, STR("/openai")));
    buf_lit(out, "/openai/v1");
    buf_str(out, api);
    if (str_eq(version, STR("preview"))) buf_lit(out, "?api-version=preview");
  }
}
