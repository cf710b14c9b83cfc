#include "gateway/account.h"

#include <assert.h>

#include "base/time.h"
#include "gateway/cache_step.h"
#include "gateway/path.h"
#include "json/json.h"
#include "policy/plan.h"

static void write_who(const struct endpoint *e, struct buf *out) {
  buf_lit(out, "{\"provider\":");
  json_write_str(out, e->provider->name);
  buf_lit(out, ",\"model\":");
  json_write_str(out, e->model->id);
  if (e->tag.len) {
    buf_lit(out, ",\"tag\":");
    json_write_str(out, e->tag);
  }
}

// The one that answered (a row without a fault), and what it could not be told. Its latency is that of its first token.
static void write_answered(const struct request *r, struct buf *out) {
  const struct attempt *a = r->inference->at;
  const struct translation *t = &a->translation;
  uint64_t spoke = a->spoke_ns ? a->spoke_ns : time_mono_ns();
  write_who(a->endpoint, out);
  buf_printf(out, ",\"status\":%u,\"reason\":\"%s\",\"started_ms\":%u,\"latency_ms\":%u", a->status,
             attempt_reason_name(a->reason), (unsigned)((a->started_ns - r->ready_ns) / 1000000),
             (unsigned)((spoke - a->started_ns) / 1000000));
  if (t->dropped_count) buf_lit(out, ",\"dropped\":[");
  for (unsigned i = 0; i < t->dropped_count; i++) {
    if (i) buf_char(out, ',');
    json_write_str(out, t->dropped[i]);
  }
  if (t->dropped_count) buf_char(out, ']');
  buf_char(out, '}');
}

// Only kept when there was more than one attempt or a failed one, when something was lost on the way, or when the
// provider has several offers: any other success is told by the row itself.
static struct str attempts_json(struct request *r, bool answered) {
  struct inference *in = r->inference;
  answered =
      answered && in->at && (in->attempt_count || in->at->translation.dropped_count || in->at->endpoint->tag.len);
  if (!in->attempt_count && !answered) return (struct str){0};
  struct buf out;
  buf_init(&out, 8192);
  buf_char(&out, '[');
  for (unsigned i = 0; i < in->attempt_count; i++) {
    const struct attempt_row *a = &in->attempts[i];
    if (i) buf_char(&out, ',');
    write_who(a->endpoint, &out);
    buf_printf(&out, ",\"status\":%u,\"fault\":\"%s\",\"reason\":\"%s\",\"started_ms\":%u,\"latency_ms\":%u}",
               a->status, a->fault ? fault_row(a->fault)->name : "slower", attempt_reason_name(a->reason),
               a->started_ms, a->latency_ms);
  }
  if (answered) {
    if (in->attempt_count) buf_char(&out, ',');
    write_answered(r, &out);
  }
  buf_char(&out, ']');
  struct str text = out.failed ? (struct str){0} : arena_str(&r->arena, buf_view(&out));
  buf_free(&out);
  return text;
}

// A rough count for an answer that has not come to its end: four bytes a token, the error is some ten percent for
// English text. What the provider has told so far is taken, but for the answer it may be from its beginning. Marked as
// estimated.
static void estimate(struct request *r) {
  struct inference *in = r->inference;
  struct usage *u = &in->at->reply.usage;
  uint64_t said = (in->at->reply.text_bytes + 3) / 4;
  if (!u->known) *u = (struct usage){.prompt = r->body_len / 4};
  u->estimated = true;
  if (u->completion < said) u->completion = said;
  u->total = u->prompt + u->completion;
  u->images = in->at->reply.images;
  const struct endpoint *e = in->at->endpoint;
  in->at->reply.cost = usage_cost(u, &e->pricing, in->at->reply.asked_at);
}

static void add_answer(struct request *r, struct record *row, enum fault fault) {
  struct inference *in = r->inference;
  row->streamed = in->chat.stream;
  row->user = in->chat.user;
  if (in->chat.session_id.len) row->session_id = in->chat.session_id;
  row->model = in->chat.model.len ? in->chat.model : in->chat.model_count ? in->chat.models[0] : (struct str){0};
  row->preset_id = in->preset.id;
  if (cache_step_row(r, row)) return;
  if (in->plan) row->router = plan_router(in->plan, in->at ? in->at->endpoint : NULL);
  if (!in->at) return;
  const struct endpoint *e = in->at->endpoint;
  const struct chat_reply *reply = &in->at->reply;
  row->model = e->model->id;
  row->provider = e->provider->id;
  row->provider_name = e->provider->name;
  row->upstream_model = e->upstream_model;
  row->upstream_id = str_from_cstr(reply->upstream_id);
  row->finish_reason = fault ? STR("error") : str_from_cstr(reply->finish_reason);
  row->native_finish_reason = str_from_cstr(reply->native_finish_reason);
  // A client that left is billed for what had come, as the provider will; an answer the provider broke is not billed.
  if (fault && in->spoken && !reply->priced) estimate(r);
  row->usage = reply->usage;
  if (fault == FAULT_NONE || (fault == FAULT_CLIENT_GONE && in->spoken)) row->cost = reply->cost;
  row->attempts_json = attempts_json(r, fault == FAULT_NONE);
}

void account(struct request *r, enum fault fault, struct str message) {
  struct inference *in = r->inference;
  // A whole answer has just been timed.
  uint64_t now = in && in->first_ns && !in->chat.stream ? in->first_ns : time_mono_ns();
  if (in) {
    assert(!in->recorded);
    in->recorded = true;
  }
  if (!r->generation_id[0]) return;
  struct record row = {
      .id = str_from_cstr(r->generation_id),
      .created_us = r->arrived_us,
      .key_id = str_from_cstr(r->key_id),
      .api_type = STR("completions"),
      .session_id = r->session_id,
      .app_title = r->app_title,
      .http_referer = r->http_referer,
      .user_agent = r->user_agent,
      .error = message,
      .status = (uint16_t)(in && in->head_sent ? 200
                           : fault             ? fault_row(fault)->status
                                               : 200),
      .fault = (uint16_t)fault,
      .cancelled = fault == FAULT_CLIENT_GONE,
  };
  uint64_t first = in && in->first_ns ? in->first_ns : now;
  if (!r->ready_ns) r->ready_ns = now;  // refused before its body was there
  row.latency_ms = (uint32_t)((first - r->ready_ns) / 1000000);
  row.generation_ms = (uint32_t)((now - first) / 1000000);
  if (r->sent_ns)
    row.gateway_us = (uint32_t)((r->sent_ns - r->ready_ns - (in ? in->waited_ns : 0) +
                                 (in && in->at && in->at->head_ns && !in->spoken ? now - in->at->head_ns : 0)) /
                                1000);
  if (in) add_answer(r, &row, fault);

  struct metrics *m = &r->worker->metrics;
  metric_outcome(m, fault, (now - r->ready_ns) / 1000000);
  metric_add(m, METRIC_prompt_tokens_total, (int64_t)row.usage.prompt);
  metric_add(m, METRIC_completion_tokens_total, (int64_t)row.usage.completion);
  metric_add(m, METRIC_cost_picodollars_total, row.cost.total);
  if (r->key_spend && row.cost.total)
    atomic_fetch_add_explicit(&r->key_spend->pico, row.cost.total, memory_order_relaxed);
  if (!spool_append(r->worker->spool, &row)) metric_add(m, METRIC_records_lost_total, 1);
}
