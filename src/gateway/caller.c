#include "gateway/caller.h"

#include "base/time.h"
#include "gateway/gateway.h"

static struct str credential(const struct http_head *head) {
  struct str value = http_field_get(head, STR("authorization"));
  if (str_starts_nocase(value, STR("bearer "))) return str_trim(str_skip(value, 7));
  value = http_field_get(head, STR("x-api-key"));
  return value.len ? value : http_field_get(head, STR("api-key"));
}

static void key_id_note(struct request *r, struct str id) {
  size_t n = id.len < sizeof r->key_id - 1 ? id.len : sizeof r->key_id - 1;
  memcpy(r->key_id, id.ptr, n);
  r->key_id[n] = 0;
}

static const enum key_use uses[] = {[ACCESS_OPEN_MORE] = KEY_FOR_ACCOUNT,
                                    [ACCESS_INFERENCE] = KEY_FOR_INFERENCE,
                                    [ACCESS_ACCOUNT] = KEY_FOR_ACCOUNT,
                                    [ACCESS_MANAGEMENT] = KEY_FOR_MANAGEMENT};

// Of the text that was sent. NULL: it is not known, which is noted.
static const struct key *find_key(struct request *r, struct str text) {
  uint8_t hash[32];
  key_hasher_hash(r->worker->hasher, text, hash);
  const struct key *key = keyring_find(r->worker->keyring, hash);
  if (key) return key;
  memcpy(r->unknown_hash, hash, sizeof hash);
  r->key_unknown = true;
  return NULL;
}

// Of a route for anyone: a valid key that was sent all the same is noted.
static void recognise(struct request *r, const struct http_head *head) {
  struct str text = credential(head), why;
  const struct key *key = text.len ? find_key(r, text) : NULL;
  if (key) r->has_key = key_check(key, uses[ACCESS_OPEN_MORE], r->arrived_us / 1000000, &why) == FAULT_NONE;
}

enum fault caller_check(struct request *r, const struct http_head *head, enum route_access access, struct str *why) {
  if (access == ACCESS_OPEN) return FAULT_NONE;
  if (access == ACCESS_OPEN_MORE) {
    recognise(r, head);
    return FAULT_NONE;
  }
  struct str text = credential(head);
  if (!text.len) {
    *why = STR("No API key. Send it as \"Authorization: Bearer KEY\"; `signalbox keys create` makes one.");
    return FAULT_UNAUTHENTICATED;
  }
  const struct key *key = find_key(r, text);
  if (!key) {
    *why = STR("This API key is not known here. `signalbox keys list` shows the keys there are.");
    return FAULT_UNAUTHENTICATED;
  }
  enum fault fault = key_check(key, uses[access], r->arrived_us / 1000000, why);
  if (fault != FAULT_NONE && fault != FAULT_PAYMENT) return fault;
  r->has_key = true;
  r->key_is_management = key->management;
  r->key_spend = key->spend;
  key_id_note(r, key->id);
  return fault;
}

// --- an unknown key: another process may have made it a moment ago ---

static void key_look_up(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  gateway_keys_refresh(r->worker->gateway, s, false);
}

static void on_keys_looked_up(struct request *r) {
  struct str why = STR("This API key is not known here. `signalbox keys list` shows the keys there are.");
  const struct key *key = keyring_find(r->worker->keyring, r->unknown_hash);
  enum fault fault = FAULT_UNAUTHENTICATED;
  if (key) fault = key_check(key, uses[r->access], time_unix_us() / 1000000, &why);
  r->key_unknown = false;
  if (r->access == ACCESS_OPEN_MORE) {
    r->has_key = fault == FAULT_NONE;
    request_run(r);
    return;
  }
  if (fault != FAULT_NONE) {
    request_reply_fault(r, fault, why);
    return;
  }
  if (r->access == ACCESS_INFERENCE) request_name(r);  // somebody's now, so the ledger may have it
  r->has_key = true;
  r->key_is_management = key->management;
  r->key_spend = key->spend;
  key_id_note(r, key->id);
  request_run(r);
}

void caller_look_up(struct request *r) {
  if (r->access != ACCESS_OPEN_MORE) {
    request_store_job(r, key_look_up, on_keys_looked_up);
  } else if (!request_try_store_job(r, key_look_up, on_keys_looked_up)) {
    r->key_unknown = false;
    request_run(r);
  }
}
