#include "admin/explain_route.h"

#include <stdlib.h>

#include "admin/explain_body.h"
#include "admin/explain_json.h"
#include "gateway/gateway.h"
#include "gateway/planning.h"
#include "gateway/sticky.h"
#include "policy/plan.h"
#include "policy/preset_set.h"

// A seed that JSON's readers take without loss: `?seed=` gives the same answer again. False: it is no such number.
static bool seed_of(struct request *r, uint64_t *seed) {
  static const uint64_t most = ((uint64_t)1 << 53) - 1;
  struct str rest = r->query, pair;
  *seed = rand_next(&r->worker->rand) & most;
  while (str_split(&rest, '&', &pair))
    if (str_starts(pair, STR("seed="))) return str_to_u64(str_skip(pair, 5), most, seed);
  return true;
}

static bool read_request(struct request *r, struct fault_note *note) {
  struct inference *in = r->inference;
  struct preset_use preset;
  struct str body = explain_body(str_from(r->body, r->body_len), &r->arena);
  in->chat_parsed = true;
  return chat_request_parse(&in->chat, body, &r->arena, note) &&
         preset_request(gateway_presets(r->worker), &in->chat, &r->arena, &preset, note);
}

// What nobody fits is an answer here: the reasons are what was asked for.
static bool is_answer(const struct plan *p) {
  return p->availability != AVAILABILITY_FINE && p->availability != AVAILABILITY_MODEL_NOT_FOUND;
}

void handle_explain(struct request *r) {
  struct worker *w = r->worker;
  struct fault_note note = {0};
  r->wants_metadata = false;  // it would tell of attempts
  r->inference = calloc(1, sizeof *r->inference);
  if (!r->inference) {
    request_reply_fault(r, FAULT_INTERNAL, STR("Out of memory."));
    return;
  }
  if (!read_request(r, &note)) {
    request_reply_fault(r, note.fault, note.message);
    return;
  }
  struct plan_query query = planning_query(r, &r->inference->chat);
  query.sticky = sticky_find(r);
  if (!seed_of(r, &query.seed)) {
    request_reply_fault(r, FAULT_BAD_REQUEST, STR("\"seed\" must be a whole number from 0 to 9007199254740991."));
    return;
  }
  query.explain = true;
  struct plan plan;
  bool good = plan_make(&query, &r->arena, &plan, &note);
  if (!good && !is_answer(&plan)) {
    request_reply_fault(r, note.fault, note.message);
    return;
  }
  struct buf *out = worker_scratch(&w->body);
  explain_json(out, &(struct explain){&plan, &query, good ? NULL : &note});
  request_reply_json(r, 200, buf_view(out));
}
