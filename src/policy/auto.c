// A first form: by price alone. The easier half of prompts goes to the cheapest model of the pool, the rest to the
// dearest.
#include "policy/auto.h"

#include "policy/routing.h"

static bool fits(struct str text, struct str pattern) {
  size_t star = str_find_char(pattern, '*', 0);
  if (star == SIZE_MAX) return str_eq_nocase(text, pattern);
  struct str rest = str_skip(pattern, star + 1);
  if (!str_starts_nocase(text, str_from(pattern.ptr, star))) return false;
  for (size_t at = star; at <= text.len; at++)
    if (fits(str_skip(text, at), rest)) return true;
  return false;
}

static bool fits_any(struct str text, struct str_list patterns) {
  for (size_t i = 0; i < patterns.count; i++)
    if (fits(text, patterns.items[i])) return true;
  return false;
}

static bool answers_text(const struct model *m) {
  for (size_t i = 0; i < m->output_modalities.count; i++)
    if (str_eq(m->output_modalities.items[i], STR("text"))) return true;
  return !m->output_modalities.count;
}

static bool can(const struct model *m, const struct request_facts *facts) {
  if (!answers_text(m) || m->endpoints[0].provider->protocol == PROTOCOL_DEMO) return false;
  const struct endpoint_facts *e = &m->endpoints[0].facts;
  if (m->context_length && facts->prompt_tokens > m->context_length) return false;
  return !e->input_modalities || !(facts->input_modalities & ~e->input_modalities);
}

bool auto_choose(const struct catalogue *c, const struct auto_wish *wish, const struct request_facts *facts,
                 const struct preferences *preferences, double difficulty, const struct model *pinned,
                 struct arena *arena, struct auto_choice *out, struct str *why) {
  (void)preferences;
  (void)arena;
  const struct model *cheap = NULL, *dear = NULL;
  *out = (struct auto_choice){.difficulty = difficulty};
  bool pinned_stays = false;
  for (size_t i = 0; i < c->model_count; i++) {
    const struct model *m = &c->models[i];
    if (!can(m, facts) || fits_any(m->id, wish->excluded)) continue;
    if (wish->allowed.count && !fits_any(m->id, wish->allowed)) continue;
    out->pool++;
    pinned_stays |= m == pinned;
    if (!cheap || routing_price(m->endpoints) < routing_price(cheap->endpoints)) cheap = m;
    if (!dear || routing_price(m->endpoints) > routing_price(dear->endpoints)) dear = m;
  }
  if (!cheap) {
    *why = STR("no model is allowed and can take it.");
    return false;
  }
  bool hard = difficulty >= 0.5;
  out->models[out->count++] = pinned_stays ? pinned : hard ? dear : cheap;
  if (dear != cheap && !pinned_stays) out->models[out->count++] = hard ? cheap : dear;
  out->reason = pinned_stays ? "It answered this conversation before."
                : hard       ? "The prompt is hard: the strongest of the pool."
                             : "The prompt is easy: the cheapest of the pool.";
  return true;
}

unsigned auto_free(const struct catalogue *c, const struct request_facts *facts, uint64_t seed,
                   const struct model **models, unsigned max) {
  unsigned n = 0;
  for (size_t i = 0; i < c->model_count; i++) {
    const struct model *m = &c->models[i];
    if (!can(m, facts) || m->endpoints[0].pricing.prompt != 0 || m->endpoints[0].pricing.completion != 0) continue;
    if (n < max) {
      models[n++] = m;
    } else {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      if ((seed >> 33) % (i + 1) < max) models[(seed >> 33) % max] = m;
    }
  }
  for (unsigned i = n; i > 1; i--) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    unsigned k = (unsigned)((seed >> 33) % i);
    const struct model *other = models[k];
    models[k] = models[i - 1];
    models[i - 1] = other;
  }
  return n;
}
