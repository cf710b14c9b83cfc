// Claude by InvokeModel: the body is Anthropic's own; what is Bedrock's stands in header fields.
#include "provider/anthropic_request.h"
#include "provider/bedrock_request.h"
#include "provider/encode.h"
#include "provider/tool_names.h"

struct writer {
  struct conversation c;  // without what has gone into fields
  struct translation *t;
  struct buf fields;
};

// A value that may stand in a header field.
static void write_field(struct writer *w, const char *name, struct str value) {
  bool good = value.len && value.len <= 2048;
  for (size_t i = 0; i < value.len && good; i++) good = value.ptr[i] > ' ' && value.ptr[i] < 0x7F;
  if (!good) return;
  buf_lit(&w->fields, "\r\n");
  buf_str(&w->fields, str_from_cstr(name));
  buf_lit(&w->fields, ": ");
  buf_str(&w->fields, value);
}

static struct str member(struct writer *w, const struct json_doc *doc, const char *name) {
  struct str value;
  return json_string(doc, json_get(doc, 0, str_from_cstr(name)), w->t->arena, &value) ? value : (struct str){0};
}

static void write_guardrail(struct writer *w, const struct json_doc *doc) {
  struct str trace = member(w, doc, "trace");
  write_field(w, "X-Amzn-Bedrock-GuardrailIdentifier", member(w, doc, "guardrailIdentifier"));
  write_field(w, "X-Amzn-Bedrock-GuardrailVersion", member(w, doc, "guardrailVersion"));
  if (str_eq(trace, STR("enabled"))) write_field(w, "X-Amzn-Bedrock-Trace", STR("ENABLED"));
  if (str_eq(trace, STR("enabled_full"))) write_field(w, "X-Amzn-Bedrock-Trace", STR("ENABLED_FULL"));
}

static void write_latency(struct writer *w, const struct json_doc *doc) {
  write_field(w, "X-Amzn-Bedrock-PerformanceConfig-Latency", member(w, doc, "latency"));
}

static void write_extra_tier(struct writer *w, const struct json_doc *doc) {
  write_field(w, "X-Amzn-Bedrock-Service-Tier", member(w, doc, "type"));
}

// A member that becomes fields. False: it does not.
static bool take_extra(struct writer *w, const struct extra *extra) {
  static const struct {
    const char *name;
    void (*write)(struct writer *w, const struct json_doc *doc);
  } rows[] = {{"guardrailConfig", write_guardrail},
              {"guardrail_config", write_guardrail},
              {"performanceConfig", write_latency},
              {"performance_config", write_latency},
              {"serviceTier", write_extra_tier}};
  struct json_doc doc = {0};
  bool taken = false;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!str_eq(extra->name, str_from_cstr(rows[i].name)) || !encode_parse(&doc, extra->json, 1, w->t)) continue;
    rows[i].write(w, &doc);
    taken = true;
  }
  json_doc_free(&doc);
  return taken;
}

// The conversation without what has become fields. False: out of memory.
static bool split(struct writer *w, const struct conversation *c) {
  static const char *const tiers[] = {"default", "flex", "priority", "reserved"};
  struct extra *left = arena_alloc(w->t->arena, (c->extra_count + 1) * sizeof *left);
  if (!left) return false;
  w->c = *c;
  w->c.extra = left;
  w->c.extra_count = 0;
  for (size_t i = 0; i < c->extra_count; i++)
    if (!take_extra(w, &c->extra[i])) left[w->c.extra_count++] = c->extra[i];
  for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
    if (!str_eq(c->service_tier, str_from_cstr(tiers[i]))) continue;
    write_field(w, "X-Amzn-Bedrock-Service-Tier", c->service_tier);
    w->c.service_tier = (struct str){0};
  }
  if (str_eq(c->service_tier, STR("auto"))) w->c.service_tier = (struct str){0};
  return true;
}

bool bedrock_invoke_request(const struct conversation *c, const struct endpoint *e, struct translation *t,
                            struct buf *out) {
  struct writer w = {.t = t};
  buf_init(&w.fields, 8192);
  c = tool_names_fit(c, (struct encode_alphabet){"_-", 1, 64}, t);
  bool ok = c && split(&w, c) && anthropic_request(&w.c, e, ANTHROPIC_BEDROCK, t, out);
  if (ok && w.fields.len) {
    t->fields = arena_str(t->arena, buf_view(&w.fields));
    ok = t->fields.ptr != NULL;
  }
  ok = ok && !w.fields.failed;
  buf_free(&w.fields);
  return ok;
}
