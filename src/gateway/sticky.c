#include "gateway/sticky.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/gateway.h"
#include "surface/chat_members.h"

enum {
  SETS = 4096,
  WAYS = 4,
  // Of a message so many bytes tell one conversation from another; its length does the rest.
  MESSAGE_MAX = 4096,
  LIFE_MS = 10 * 60 * 1000,       // most caches
  LIFE_SHORT_MS = 5 * 60 * 1000,  // Anthropic's
  LIFE_LONG_MS = 60 * 60 * 1000,  // those that are told to keep it for an hour
};

// Where a conversation is: of the endpoint both its index in the snapshot it was noted by, and what it is called in all
// others.
struct place {
  uint64_t conversation, until_ms;
  uint64_t serial;  // of the snapshot
  uint64_t identity;
  uint32_t endpoint;
};

struct sticky {
  pthread_mutex_t lock;
  struct place *places;  // SETS × WAYS; NULL: nothing was ever noted
};

struct sticky *sticky_new(void) {
  struct sticky *s = calloc(1, sizeof *s);
  if (s && pthread_mutex_init(&s->lock, NULL) != 0) {
    free(s);
    return NULL;
  }
  return s;
}

void sticky_free(struct sticky *s) {
  if (!s) return;
  pthread_mutex_destroy(&s->lock);
  free(s->places);
  free(s);
}

// --- the conversation ---

static uint64_t add(uint64_t h, struct str text) {
  h = rand_mix(h ^ text.len);
  if (text.len > MESSAGE_MAX) text.len = MESSAGE_MAX;
  for (; text.len >= 8; text = str_skip(text, 8)) {
    uint64_t word;
    memcpy(&word, text.ptr, sizeof word);
    h = rand_mix(h ^ word);
  }
  uint64_t rest = 0;
  if (text.len) memcpy(&rest, text.ptr, text.len);
  return rand_mix(h ^ rest);
}

static bool is_system(const struct chat_request *c, uint32_t message) {
  uint32_t role = json_get(&c->doc, message, STR("role"));
  return json_string_is(&c->doc, role, STR("system")) || json_string_is(&c->doc, role, STR("developer"));
}

// The first system message and the first other one, as they are written.
static uint64_t add_messages(uint64_t h, const struct chat_request *c) {
  bool system = false, other = false;
  uint32_t messages = chat_member_at(c, CHAT_MEMBER_MESSAGES);
  for (uint32_t m = json_first(&c->doc, messages); m != JSON_NONE && !(system && other);
       m = json_next(&c->doc, messages, m)) {
    bool *seen = is_system(c, m) ? &system : &other;
    if (!*seen) h = add(h, json_raw(&c->doc, m));
    *seen = true;
  }
  return h;
}

static uint64_t conversation_of(struct request *r, bool *named) {
  const struct chat_request *c = &r->inference->chat;
  struct str session = c->session_id.len ? c->session_id : r->session_id;
  uint32_t cache_key = chat_member_at(c, CHAT_MEMBER_PROMPT_CACHE_KEY);
  uint64_t h = add(add(1, str_from_cstr(r->key_id)), c->model.len     ? c->model
                                                     : c->model_count ? c->models[0]
                                                                      : c->model);
  *named = session.len != 0;
  if (session.len) return add(rand_mix(h + 1), session);
  if (json_is(&c->doc, cache_key, JSON_STRING)) return add(rand_mix(h + 2), json_raw(&c->doc, cache_key));
  return add_messages(rand_mix(h + 3), c);
}

// After a reload endpoints may have moved, or be gone: UINT32_MAX.
static uint32_t endpoint_of(const struct place *p, const struct snapshot *snapshot) {
  if (p->serial == snapshot->serial) return p->endpoint;
  for (size_t i = 0; i < snapshot->catalogue.endpoint_count; i++)
    if (snapshot->identities[i] == p->identity) return (uint32_t)i;
  return UINT32_MAX;
}

const struct endpoint *sticky_find(struct request *r) {
  struct inference *in = r->inference;
  struct sticky *s = gateway_sticky(r->worker->gateway);
  const struct catalogue *catalogue = request_catalogue(r);
  if (!s || !catalogue->model_count) return NULL;
  uint64_t now = loop_now_ms(r->worker->loop), h;
  struct place found = {0};
  in->conversation_hash = h = conversation_of(r, &in->conversation_named);
  pthread_mutex_lock(&s->lock);
  for (unsigned i = 0; s->places && i < WAYS; i++) {
    const struct place *p = &s->places[h % SETS * WAYS + i];
    if (p->conversation == h && p->until_ms > now) found = *p;
  }
  pthread_mutex_unlock(&s->lock);
  uint32_t endpoint = found.until_ms ? endpoint_of(&found, r->ws->snapshot) : UINT32_MAX;
  return endpoint < catalogue->endpoint_count ? catalogue->models[0].endpoints + endpoint : NULL;
}

// --- noting ---

static unsigned life_of(const struct attempt *a) {
  const struct usage *u = &a->reply.usage;
  enum protocol protocol = a->endpoint->provider->protocol;
  if (u->cache_write_1h) return LIFE_LONG_MS;
  bool claude = str_find(a->endpoint->upstream_model, STR("claude"), 0) != SIZE_MAX;
  return protocol == PROTOCOL_ANTHROPIC || claude ? LIFE_SHORT_MS : LIFE_MS;
}

static void put(struct sticky *s, const struct place *place, uint64_t now_ms) {
  pthread_mutex_lock(&s->lock);
  if (!s->places) s->places = calloc((size_t)SETS * WAYS, sizeof *s->places);
  struct place *set = s->places ? &s->places[place->conversation % SETS * WAYS] : NULL, *oldest = set;
  for (unsigned i = 0; set && i < WAYS; i++) {
    if (set[i].conversation == place->conversation) {
      // An answer that wrote for an hour is not forgotten because the next only read.
      struct place kept = *place;
      if (set[i].identity == place->identity && set[i].until_ms > now_ms && set[i].until_ms > place->until_ms)
        kept.until_ms = set[i].until_ms;
      set[i] = kept;
      oldest = NULL;
      break;
    }
    if (set[i].until_ms < oldest->until_ms) oldest = &set[i];
  }
  if (set && oldest) *oldest = *place;
  pthread_mutex_unlock(&s->lock);
}

void sticky_note(struct attempt *a) {
  struct request *r = a->request;
  struct inference *in = r->inference;
  struct sticky *s = gateway_sticky(r->worker->gateway);
  const struct pricing *price = &a->endpoint->pricing;
  const struct usage *u = &a->reply.usage;
  if (!s || !in->conversation_hash) return;
  bool cached = u->cached || u->cache_write;
  bool cheaper = price->input_cache_read != PRICE_UNSET && price->input_cache_read < price->prompt;
  if (!in->conversation_named && (!cached || !cheaper)) return;
  uint64_t now = loop_now_ms(r->worker->loop);
  struct place place = {.conversation = in->conversation_hash,
                        .until_ms = now + life_of(a),
                        .serial = r->ws->snapshot->serial,
                        .identity = r->ws->snapshot->identities[a->endpoint->index],
                        .endpoint = a->endpoint->index};
  put(s, &place, now);
}
