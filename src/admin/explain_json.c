#include "admin/explain_json.h"

#include "admin/health_json.h"
#include "json/json.h"

static void string_member(struct buf *out, struct str key, struct str value) {
  json_write_key(out, key);
  json_write_str(out, value);
}

static void word_member(struct buf *out, struct str key, const char *word) {
  string_member(out, key, str_from_cstr(word));
}

static void null_member(struct buf *out, struct str key) {
  json_write_key(out, key);
  buf_lit(out, "null");
}

static void number_member(struct buf *out, struct str key, double value, int digits) {
  json_write_key(out, key);
  buf_printf(out, "%.*f", digits, value);
}

static void u64_member(struct buf *out, struct str key, uint64_t value) {
  json_write_key(out, key);
  buf_u64(out, value);
}

// --- words and sentences ---

const char *explain_band(const struct routing_candidate *c) {
  static const char *const words[] = {
      [ROUTING_BAND_GOOD] = "good",         [ROUTING_BAND_SLOW] = "slow", [ROUTING_BAND_UNFIT] = "unfit",
      [ROUTING_BAND_DEGRADED] = "degraded", [ROUTING_BAND_POOR] = "poor", [ROUTING_BAND_BENCHED] = "benched",
  };
  return words[c->band];
}

const char *explain_place(const struct routing_candidate *c) {
  static const char *const words[] = {
      [ROUTING_STICKY] = "sticky", [ROUTING_ORDERED] = "ordered",   [ROUTING_SORTED] = "sorted",
      [ROUTING_DRAWN] = "drawn",   [ROUTING_BY_PRICE] = "by_price", [ROUTING_UNMEASURED] = "unmeasured",
  };
  return words[c->place];
}

void explain_tag(struct buf *out, const struct endpoint *e) {
  buf_str(out, e->provider->id);
  if (!e->tag.len) return;
  buf_char(out, '/');
  buf_str(out, e->tag);
}

static const char *sort_text(const struct routing_candidate *c) {
  switch ((enum sort_by)c->sort) {
    case SORT_PRICE: return "price";
    case SORT_THROUGHPUT: return "throughput";
    case SORT_LATENCY: return "latency";
    case SORT_EXACTO: return "quality";
    case SORT_NONE: break;
  }
  return "what was asked for";
}

static void place_text(struct buf *out, const struct routing_candidate *c) {
  switch ((enum routing_place)c->place) {
    case ROUTING_STICKY: buf_lit(out, "The conversation's prompt is cached there"); break;
    case ROUTING_ORDERED: buf_lit(out, "In provider.order"); break;
    case ROUTING_SORTED: buf_printf(out, "Sorted by %s", sort_text(c)); break;
    case ROUTING_DRAWN:
      if (c->weight > 0 && c->weight < 0.9995)
        buf_printf(out, "Drawn by 1/price\xC2\xB2 with a chance of %.1f %%", c->weight * 100);
      else
        buf_lit(out, "The only one to draw from");
      break;
    case ROUTING_BY_PRICE: buf_lit(out, "Behind those before it, by price"); break;
    case ROUTING_UNMEASURED: buf_printf(out, "Its %s is not known yet: tried, to learn it", sort_text(c));
  }
}

void explain_reason(struct buf *out, const struct routing_candidate *c) {
  static const char *const bands[] = {
      [ROUTING_BAND_GOOD] = "",
      [ROUTING_BAND_SLOW] = "; after others: it misses preferred_min_throughput or preferred_max_latency",
      [ROUTING_BAND_UNFIT] =
          "; after others: it is not known to have what is asked for (tools, response_format, verbosity), or room for "
          "what is "
          "probably the prompt",
      [ROUTING_BAND_DEGRADED] = "; after healthy ones: its uptime is below 95 %",
      [ROUTING_BAND_POOR] = "; a last resort: its uptime is below 80 %",
      [ROUTING_BAND_BENCHED] = "; last: it is benched after failures",
  };
  if (c->filter != ROUTING_FILTER_NONE) {
    struct str reason = str_from_cstr(routing_filter_reason((enum routing_filter)c->filter));
    buf_str(out, reason);
  } else {
    if (c->model) buf_lit(out, "Another model, should those before it fail. ");
    place_text(out, c);
    buf_str(out, str_from_cstr(bands[c->band]));
  }
  buf_char(out, '.');
}

// --- one endpoint ---

static void made_member(struct buf *out, struct str key, struct buf *text) {
  string_member(out, key, buf_view(text));
  out->failed |= text->failed;
  buf_clear(text);
}

static void identity_members(struct buf *out, const struct routing_candidate *c) {
  const struct endpoint *e = c->endpoint;
  struct buf text;
  buf_init(&text, 4096);
  string_member(out, STR("provider"), e->provider->id);
  string_member(out, STR("provider_name"), e->provider->name);
  string_member(out, STR("model"), e->model->id);
  explain_tag(&text, e);
  made_member(out, STR("tag"), &text);
  string_member(out, STR("upstream_model"), e->upstream_model);
  explain_reason(&text, c);
  made_member(out, STR("reason"), &text);
  buf_free(&text);
}

static void price_member(struct buf *out, struct str key, price_femto price) {
  json_write_key(out, key);
  buf_char(out, '"');
  price_write(out, price == PRICE_UNSET ? 0 : price);
  buf_char(out, '"');
}

static void prices_members(struct buf *out, const struct endpoint *e) {
  price_member(out, STR("price"), (price_femto)(routing_price(e) * 1e15 + 0.5));
  json_write_key(out, STR("pricing"));
  buf_char(out, '{');
  price_member(out, STR("prompt"), e->pricing.prompt);
  price_member(out, STR("completion"), e->pricing.completion);
  buf_char(out, '}');
}

static void figure_member(struct buf *out, struct str key, double figure, int digits) {
  if (figure > 0)
    number_member(out, key, figure, digits);
  else
    null_member(out, key);
}

static const char *state_text(enum health_state state) {
  static const char *const words[] = {
      [HEALTH_UP] = "up",           [HEALTH_DEGRADED] = "degraded", [HEALTH_POOR] = "poor",
      [HEALTH_PROBING] = "probing", [HEALTH_BENCHED] = "benched",
  };
  return words[state];
}

// null: nothing is watched here, as on the command line.
static void health_member(struct buf *out, const struct plan_query *q, const struct endpoint *e) {
  const struct health_index *h = q->health;
  struct health_record *record = h && h->endpoints ? h->endpoints[e->index] : NULL;
  if (!record) {
    null_member(out, STR("health"));
    return;
  }
  enum health_state state = health_state(record, q->now_ms);
  uint64_t until = endpoint_benched_until(h, e, q->now_ms);
  struct health_report report;
  health_report(record, q->now_ms, &report);
  if (until > q->now_ms && state < HEALTH_PROBING) state = HEALTH_BENCHED;
  json_write_key(out, STR("health"));
  buf_char(out, '{');
  word_member(out, STR("state"), state_text(state));
  figure_member(out, STR("latency_p50_ms"), health_latency_ms(record, HEALTH_P50, q->now_ms), 1);
  figure_member(out, STR("throughput_p50"), health_throughput(record, HEALTH_P50, q->now_ms), 1);
  if (report.uptime_30m >= 0)
    number_member(out, STR("uptime_30m"), report.uptime_30m, 2);
  else
    null_member(out, STR("uptime_30m"));
  u64_member(out, STR("benched_for_s"), until > q->now_ms ? (until - q->now_ms + 999) / 1000 : 0);
  buf_char(out, '}');
}

static void candidate_object(struct buf *out, const struct explain *e, unsigned n) {
  const struct routing_candidate *c = &e->plan->routing.candidates[n];
  buf_char(out, '{');
  u64_member(out, STR("position"), n + 1);
  identity_members(out, c);
  word_member(out, STR("place"), explain_place(c));
  word_member(out, STR("band"), explain_band(c));
  number_member(out, STR("weight"), c->weight, 6);
  prices_members(out, c->endpoint);
  health_member(out, e->query, c->endpoint);
  buf_char(out, '}');
}

static void excluded_object(struct buf *out, const struct explain *e, unsigned n) {
  const struct routing *r = &e->plan->routing;
  const struct routing_candidate *c = &r->candidates[r->count + n];
  buf_char(out, '{');
  identity_members(out, c);
  word_member(out, STR("excluded_by"), routing_filter_name((enum routing_filter)c->filter));
  buf_char(out, '}');
}

// --- the whole ---

static void models_member(struct buf *out, struct str key, const struct model *const *models, unsigned count) {
  json_write_key(out, key);
  buf_char(out, '[');
  for (unsigned i = 0; i < count; i++) {
    if (i) buf_char(out, ',');
    json_write_str(out, models[i]->id);
  }
  buf_char(out, ']');
}

static void auto_member(struct buf *out, const struct plan *p) {
  const struct auto_choice *choice = &p->choice;
  if (!choice->count) {
    null_member(out, STR("auto"));
    return;
  }
  json_write_key(out, STR("auto"));
  buf_char(out, '{');
  number_member(out, STR("difficulty"), choice->difficulty, 6);
  string_member(out, STR("model"), choice->models[0]->id);
  models_member(out, STR("models"), choice->models, choice->count);
  u64_member(out, STR("pool"), choice->pool);
  word_member(out, STR("reason"), choice->reason);
  buf_char(out, '}');
}

static void sticky_member(struct buf *out, const struct endpoint *sticky) {
  if (!sticky) {
    null_member(out, STR("sticky"));
    return;
  }
  json_write_key(out, STR("sticky"));
  buf_char(out, '{');
  string_member(out, STR("provider"), sticky->provider->id);
  string_member(out, STR("model"), sticky->model->id);
  buf_char(out, '}');
}

static void error_member(struct buf *out, const struct explain *e) {
  if (!e->note) {
    null_member(out, STR("error"));
    return;
  }
  struct buf availability, error;
  buf_init(&availability, 256 * 1024);
  buf_init(&error, 256 * 1024);
  availability_write(&availability, e->plan);
  chat_error_write_with(&error, e->note->fault, e->note->message, (struct str){0}, buf_view(&availability));
  buf_char(out, ',');
  if (error.len > 2) buf_append(out, error.ptr + 1, error.len - 2);  // without its braces
  out->failed |= error.failed || availability.failed;
  buf_free(&availability);
  buf_free(&error);
}

static void candidates_members(struct buf *out, const struct explain *e) {
  const struct routing *r = &e->plan->routing;
  json_write_key(out, STR("candidates"));
  buf_char(out, '[');
  for (unsigned i = 0; i < r->count; i++) {
    if (i) buf_char(out, ',');
    candidate_object(out, e, i);
  }
  buf_char(out, ']');
  json_write_key(out, STR("excluded"));
  buf_char(out, '[');
  for (unsigned i = 0; i < r->out_count; i++) {
    if (i) buf_char(out, ',');
    excluded_object(out, e, i);
  }
  buf_char(out, ']');
}

static void facts_member(struct buf *out, const struct request_facts *f) {
  json_write_key(out, STR("request"));
  buf_char(out, '{');
  u64_member(out, STR("prompt_tokens"), f->prompt_tokens);
  if (f->max_tokens)
    u64_member(out, STR("max_tokens"), f->max_tokens);
  else
    null_member(out, STR("max_tokens"));
  json_write_key(out, STR("tools"));
  buf_str(out, f->tools ? STR("true") : STR("false"));
  buf_char(out, '}');
}

void explain_json(struct buf *out, const struct explain *e) {
  const struct plan *p = e->plan;
  buf_char(out, '{');
  string_member(out, STR("requested"), p->name.text);
  models_member(out, STR("models"), p->models, p->model_count);
  word_member(out, STR("strategy"), p->strategy);
  candidates_members(out, e);
  auto_member(out, p);
  facts_member(out, &p->facts);
  sticky_member(out, e->query->sticky);
  u64_member(out, STR("seed"), e->query->seed);
  error_member(out, e);
  buf_char(out, '}');
}
