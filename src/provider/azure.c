#include "provider/azure.h"

#include "provider/encode.h"

static struct str without(struct str path, struct str end) {
  return str_ends(path, end) ? str_from(path.ptr, path.len - end.len) : path;
}

void azure_path(const struct endpoint *e, struct str base, struct str api, struct buf *out) {
  struct str version = e->provider->api_version;
  bool models = str_ends(base, STR("/models"));  // the endpoint of models that are not OpenAI's
  base = without(without(without(base, STR("/")), STR("/v1")), STR("/openai"));
  buf_str(out, base);
  if (models) {
    buf_str(out, api);
    buf_lit(out, "?api-version=");
    buf_str(out, version.len ? version : STR("2024-05-01-preview"));
  } else if (!version.len || str_eq(version, STR("v1")) || str_eq(version, STR("preview"))) {
    buf_lit(out, "/openai/v1");
    buf_str(out, api);
    if (str_eq(version, STR("preview"))) buf_lit(out, "?api-version=preview");
  } else {
    buf_lit(out, "/openai");
    // Responses name the deployment in the body.
    if (!str_eq(api, STR("/responses"))) {
      buf_lit(out, "/deployments/");
      encode_path(out, e->upstream_model, "");
    }
    buf_str(out, api);
    buf_lit(out, "?api-version=");
    buf_str(out, version);
  }
}
