#include "admin/account_routes.h"

#include "admin/ledger_json.h"
#include "base/rand.h"
#include "base/time.h"
#include "gateway/gateway.h"
#include "json/json.h"

// --- small text helpers ---

static int hex_of(char c) {
  return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

struct str percent_decode(struct arena *arena, struct str text) {
  char *out = arena_alloc(arena, text.len + 1);
  if (!out) return (struct str){0};
  size_t n = 0;
  for (size_t i = 0; i < text.len; i++) {
    int high = text.ptr[i] == '%' && i + 2 < text.len ? hex_of(text.ptr[i + 1]) : -1;
    int low = high >= 0 ? hex_of(text.ptr[i + 2]) : -1;
    if (low >= 0) {
      out[n++] = (char)(high << 4 | low);
      i += 2;
    } else {
      out[n++] = text.ptr[i];
    }
  }
  return str_from(out, n);
}

struct str query_get(struct arena *arena, struct str query, struct str name) {
  struct str rest = query, pair;
  while (str_split(&rest, '&', &pair)) {
    size_t equals = str_find_char(pair, '=', 0);
    struct str key = equals == SIZE_MAX ? pair : str_from(pair.ptr, equals);
    if (str_eq(key, name)) return percent_decode(arena, equals == SIZE_MAX ? STR("") : str_skip(pair, equals + 1));
  }
  return (struct str){0};
}

// What a handler keeps while its job is on the store's thread.
struct account_job {
  struct str id;  // of a generation or a key
  bool found;
  struct str why;  // the store's trouble
  struct record record;
  struct key_row *rows;
  size_t row_count;
  struct key_row row;
  struct str secret;  // of a new key
};

static struct account_job *job_new(struct request *r) {
  struct account_job *j = arena_zalloc(&r->arena, sizeof *j);
  r->handler_data = j;
  if (!j) request_reply_fault(r, FAULT_INTERNAL, STR("Out of memory."));
  return j;
}

static bool answered_trouble(struct request *r) {
  struct account_job *j = r->handler_data;
  if (!j->why.len) return false;
  request_reply_fault(r, FAULT_NO_RECORD, j->why);
  return true;
}

// --- GET /generation?id= ---

static void generation_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct account_job *j = r->handler_data;
  if (!store_drain(s)) j->why = STR("The store cannot be written now; nothing is lost, try again.");
  struct str why;
  if (!store_generation(s, &r->arena, j->id, &j->record, &j->found, &why)) j->why = why;
}

static void generation_done(struct request *r) {
  struct account_job *j = r->handler_data;
  // A key sees its own requests; the management key sees all.
  bool mine = j->found && (r->key_is_management || str_eq(j->record.key_id, str_from_cstr(r->key_id)));
  if (!mine && answered_trouble(r)) return;
  if (!mine) {
    request_reply_fault(r, FAULT_NOT_FOUND,
                        arena_printf(&r->arena, "There is no generation %.*s of this key.", STR_ARGS(j->id)));
    return;
  }
  struct buf *out = worker_scratch(&r->worker->body);
  generation_json(out, &j->record);
  request_reply_json(r, 200, buf_view(out));
}

void handle_generation(struct request *r) {
  struct account_job *j = job_new(r);
  if (!j) return;
  j->id = query_get(&r->arena, r->query, STR("id"));
  if (!j->id.len || j->id.len > 128) {
    request_reply_fault(r, FAULT_BAD_REQUEST, STR("Give the generation's id: /generation?id=gen-..."));
    return;
  }
  request_store_job(r, generation_run, generation_done);
}

// --- GET /key ---

static void list_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct account_job *j = r->handler_data;
  struct str why;
  if (!store_drain(s)) j->why = STR("The store cannot be written now; nothing is lost, try again.");
  if (!store_key_list(s, &r->arena, &j->rows, &j->row_count, &why)) j->why = why;
}

static struct key_row *row_find(struct account_job *j, struct str id) {
  for (size_t i = 0; i < j->row_count; i++)
    if (str_eq(j->rows[i].id, id)) return &j->rows[i];
  return NULL;
}

// Keys of the configuration are in the store only as spending.
static struct key_row declared_row(struct request *r, struct str id) {
  struct key_row row = {.id = id, .name = STR("management key"), .prefix = STR("sk-sb-mgmt"), .management = true};
  const struct config *config = request_config(r);
  struct str name = str_starts(id, STR("config:")) ? str_skip(id, 7) : (struct str){0};
  if (!name.len) return row;
  row = (struct key_row){.id = id, .name = name, .prefix = name, .declared = true};
  for (size_t i = 0; i < config->key_count; i++)
    if (str_eq(config->keys[i].name, name)) {
      row.has_limit = config->keys[i].has_limit;
      row.limit = config->keys[i].limit;
    }
  return row;
}

static void key_done(struct request *r) {
  if (answered_trouble(r)) return;
  struct account_job *j = r->handler_data;
  struct str id = str_from_cstr(r->key_id);
  struct key_row *stored = row_find(j, id), row;
  if (stored && !stored->declared) {
    row = *stored;
  } else {
    row = declared_row(r, id);
    if (stored) {
      row.spent = stored->spent;
      row.spent_day = stored->spent_day;
      row.spent_week = stored->spent_week;
      row.spent_month = stored->spent_month;
    }
  }
  struct buf *out = worker_scratch(&r->worker->body);
  key_json(out, &row);
  request_reply_json(r, 200, buf_view(out));
}

void handle_key(struct request *r) {
  if (job_new(r)) request_store_job(r, list_run, key_done);
}

// --- /keys ---

// The public id of a key is its hash in hex, as OpenRouter's.
static bool hash_is(const struct key_row *row, struct str hex) {
  if (hex.len != 64) return str_eq(row->id, hex);
  for (int i = 0; i < 32; i++) {
    int high = hex_of(hex.ptr[2 * i]), low = hex_of(hex.ptr[2 * i + 1]);
    if (high < 0 || low < 0 || row->hash[i] != (high << 4 | low)) return false;
  }
  return true;
}

static struct key_row *row_by_hash(struct account_job *j, struct str hex) {
  for (size_t i = 0; i < j->row_count; i++)
    if (!j->rows[i].declared && hash_is(&j->rows[i], hex)) return &j->rows[i];
  return NULL;
}

static void reply_unknown_key(struct request *r) {
  request_reply_fault(r, FAULT_NOT_FOUND, STR("There is no such key. GET /api/v1/keys lists all."));
}

static void reply_row(struct request *r, unsigned status, const struct key_row *row, struct str secret) {
  struct buf *out = worker_scratch(&r->worker->body);
  buf_lit(out, "{\"data\":");
  keys_item_json(out, row);
  if (secret.len) {
    buf_lit(out, ",\"key\":");
    json_write_str(out, secret);
  }
  buf_char(out, '}');
  request_reply_json(r, status, buf_view(out));
}

static void keys_list_done(struct request *r) {
  if (answered_trouble(r)) return;
  struct account_job *j = r->handler_data;
  struct str all = query_get(&r->arena, r->query, STR("include_disabled"));
  bool disabled_too = !str_eq(all, STR("false"));
  struct buf *out = worker_scratch(&r->worker->body);
  buf_lit(out, "{\"data\":[");
  for (size_t i = 0, n = 0; i < j->row_count; i++) {
    if (j->rows[i].declared || (j->rows[i].disabled && !disabled_too)) continue;
    if (n++) buf_char(out, ',');
    keys_item_json(out, &j->rows[i]);
  }
  buf_lit(out, "]}");
  request_reply_json(r, 200, buf_view(out));
}

void handle_keys_list(struct request *r) {
  if (job_new(r)) request_store_job(r, list_run, keys_list_done);
}

static void keys_get_done(struct request *r) {
  if (answered_trouble(r)) return;
  struct key_row *row = row_by_hash(r->handler_data, percent_decode(&r->arena, r->args[0]));
  if (row)
    reply_row(r, 200, row, (struct str){0});
  else
    reply_unknown_key(r);
}

void handle_keys_get(struct request *r) {
  if (job_new(r)) request_store_job(r, list_run, keys_get_done);
}

// Reads the members of a create or update into *row. False: it has been answered.
static bool read_key_body(struct request *r, bool name_needed, struct key_row *row) {
  struct json_doc doc = {0};
  struct str trouble = {0};
  if (json_parse(&doc, str_from(r->body, r->body_len), 2) != JSON_OK || !json_is(&doc, 0, JSON_OBJECT)) {
    trouble = STR("The body must be a JSON object such as {\"name\":\"my app\"}.");
    goto out;
  }
  uint32_t name = json_get(&doc, 0, STR("name")), limit = json_get(&doc, 0, STR("limit"));
  if (name != JSON_NONE && (!json_string(&doc, name, &r->arena, &row->name) || !row->name.len || row->name.len > 100))
    trouble = STR("\"name\" must be a string of 1 to 100 bytes.");
  if (name == JSON_NONE && name_needed) trouble = STR("\"name\" is missing.");
  if (name != JSON_NONE) row->name = arena_str(&r->arena, row->name);
  if (json_is(&doc, limit, JSON_NUMBER)) {
    row->has_limit = money_parse(json_raw(&doc, limit), &row->limit);
    if (!row->has_limit) trouble = STR("\"limit\" must be an amount in USD, or null.");
  } else if (limit != JSON_NONE) {
    row->has_limit = false;
    if (json_type(&doc, limit) != JSON_NULL) trouble = STR("\"limit\" must be an amount in USD, or null.");
  }
  uint32_t disabled = json_get(&doc, 0, STR("disabled")), reset = json_get(&doc, 0, STR("limit_reset"));
  if (disabled != JSON_NONE && !json_bool(&doc, disabled, &row->disabled))
    trouble = STR("\"disabled\" must be true or false.");
  if (reset != JSON_NONE && json_type(&doc, reset) != JSON_NULL)
    trouble = STR("\"limit_reset\" is not in this version.");
  if (json_is(&doc, json_get(&doc, 0, STR("expires_at")), JSON_STRING))
    trouble = STR("\"expires_at\" is not in this version of the API; use `signalbox keys create --expires`.");
out:
  json_doc_free(&doc);
  if (!trouble.len) return true;
  request_reply_fault(r, FAULT_BAD_REQUEST, trouble);
  return false;
}

static void keys_create_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct account_job *j = r->handler_data;
  struct str why;
  if (!store_key_insert(s, &j->row, &why))
    j->why = why;
  else
    gateway_keys_refresh(r->worker->gateway, s, true);
}

static void keys_create_done(struct request *r) {
  if (answered_trouble(r)) return;
  struct account_job *j = r->handler_data;
  reply_row(r, 201, &j->row, j->secret);
}

void handle_keys_create(struct request *r) {
  struct account_job *j = job_new(r);
  if (!j || !read_key_body(r, true, &j->row)) return;
  char id[20] = "key_";
  rand_alnum(&r->worker->rand, id + 4, 16);
  j->row.id = arena_str(&r->arena, str_from(id, sizeof id));
  j->secret = store_key_text(&r->arena);
  j->row.prefix = arena_printf(&r->arena, "%.13s\xe2\x80\xa6", j->secret.ptr);
  j->row.created = j->row.updated = time_unix_us() / 1000000;
  key_hasher_hash(r->worker->hasher, j->secret, j->row.hash);
  request_store_job(r, keys_create_run, keys_create_done);
}

static void keys_update_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct account_job *j = r->handler_data;
  list_run(s, job);
  struct key_row *old = j->why.len ? NULL : row_by_hash(j, j->id);
  if (!old) return;
  j->found = true;
  struct key_row change = j->row;
  j->row = *old;
  if (change.name.len) j->row.name = change.name;
  if (change.updated & 1) j->row.disabled = change.disabled;
  if (change.updated & 2) {
    j->row.has_limit = change.has_limit;
    j->row.limit = change.limit;
  }
  j->row.updated = time_unix_us() / 1000000;
  struct str why;
  if (!store_key_update(s, &j->row, &why))
    j->why = why;
  else
    gateway_keys_refresh(r->worker->gateway, s, true);
}

static void keys_update_done(struct request *r) {
  if (answered_trouble(r)) return;
  struct account_job *j = r->handler_data;
  if (j->found)
    reply_row(r, 200, &j->row, (struct str){0});
  else
    reply_unknown_key(r);
}

void handle_keys_update(struct request *r) {
  struct account_job *j = job_new(r);
  if (!j || !read_key_body(r, false, &j->row)) return;
  // Which members were given; kept in `updated` until the row is read.
  struct json_doc doc = {0};
  if (json_parse(&doc, str_from(r->body, r->body_len), 1) == JSON_OK)
    j->row.updated = (json_get(&doc, 0, STR("disabled")) != JSON_NONE ? 1u : 0u) |
                     (json_get(&doc, 0, STR("limit")) != JSON_NONE ? 2u : 0u);
  json_doc_free(&doc);
  j->id = percent_decode(&r->arena, r->args[0]);
  request_store_job(r, keys_update_run, keys_update_done);
}

static void keys_delete_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct account_job *j = r->handler_data;
  list_run(s, job);
  struct key_row *old = j->why.len ? NULL : row_by_hash(j, j->id);
  if (!old) return;
  struct str why;
  if (!store_key_delete(s, old->id, &j->found, &why))
    j->why = why;
  else
    gateway_keys_refresh(r->worker->gateway, s, true);
}

static void keys_delete_done(struct request *r) {
  if (answered_trouble(r)) return;
  struct account_job *j = r->handler_data;
  if (j->found)
    request_reply_json(r, 200, STR("{\"deleted\":true}"));
  else
    reply_unknown_key(r);
}

void handle_keys_delete(struct request *r) {
  struct account_job *j = job_new(r);
  if (!j) return;
  j->id = percent_decode(&r->arena, r->args[0]);
  request_store_job(r, keys_delete_run, keys_delete_done);
}
