#include "admin/preset_routes.h"

#include "admin/account_routes.h"
#include "admin/preset_json.h"
#include "base/time.h"
#include "gateway/gateway.h"
#include "json/json.h"
#include "policy/preset_set.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 100, NAME_MAX_BYTES = 200, DESCRIPTION_MAX_BYTES = 4096 };

// What a handler keeps while its job is on the store's thread.
struct preset_job {
  struct str slug;
  uint64_t number;  // of a version
  uint64_t offset, limit, total;
  struct str why;  // the store's trouble
  bool found, version_found, full;
  struct preset_row row, *rows;
  struct preset_version_row version, *versions;
  size_t count;
  // of a change
  bool has_name, has_description, has_status;
  struct str name, description;
  enum preset_status status;
};

static struct preset_job *job_new(struct request *r) {
  struct preset_job *j = arena_zalloc(&r->arena, sizeof *j);
  r->handler_data = j;
  if (!j) request_reply_fault(r, FAULT_INTERNAL, STR("Out of memory."));
  return j;
}

// With the slug of the path. NULL: it has been answered.
static struct preset_job *job_of_slug(struct request *r) {
  struct preset_job *j = job_new(r);
  if (!j) return NULL;
  j->slug = percent_decode(&r->arena, r->args[0]);
  if (preset_slug_valid(j->slug)) return j;
  request_reply_fault(
      r, FAULT_BAD_REQUEST,
      STR("A preset's slug has 1 to 100 letters, digits, '-', '_' and '.', and begins with a letter or a "
          "digit."));
  return NULL;
}

// Takes offset and limit from the query. False: it has been answered.
static bool read_page(struct request *r, struct preset_job *j) {
  struct str offset = query_get(&r->arena, r->query, STR("offset"));
  struct str limit = query_get(&r->arena, r->query, STR("limit"));
  j->offset = 0;
  j->limit = PAGE_DEFAULT;
  struct str trouble = {0};
  if (offset.len && !str_to_u64(offset, INT64_MAX, &j->offset))
    trouble = STR("\"offset\" must be a whole number from 0.");
  if (limit.len && (!str_to_u64(limit, PAGE_MAX, &j->limit) || !j->limit))
    trouble = STR("\"limit\" must be a whole number from 1 to 100.");
  if (trouble.len) request_reply_fault(r, FAULT_BAD_REQUEST, trouble);
  return !trouble.len;
}

// --- answers ---

// The store could not, or there is no such preset.
static bool answered(struct request *r) {
  struct preset_job *j = r->handler_data;
  if (j->why.len) {
    request_reply_fault(r, FAULT_NO_RECORD, j->why);
    return true;
  }
  if (j->found) return false;
  request_reply_fault(
      r, FAULT_NOT_FOUND,
      arena_printf(&r->arena, "There is no preset %.*s. GET /api/v1/presets lists all.", STR_ARGS(j->slug)));
  return true;
}

static void reply_preset(struct request *r) {
  struct preset_job *j = r->handler_data;
  struct buf *out = worker_scratch(&r->worker->body);
  buf_lit(out, "{\"data\":");
  preset_json(out, &j->row, j->version_found ? &j->version : NULL);
  buf_char(out, '}');
  request_reply_json(r, 200, buf_view(out));
}

typedef void write_element(struct buf *out, const struct preset_job *j, size_t i);

static void reply_list(struct request *r, write_element *write) {
  const struct preset_job *j = r->handler_data;
  if (answered(r)) return;
  struct buf *out = worker_scratch(&r->worker->body);
  buf_lit(out, "{\"data\":[");
  for (size_t i = 0; i < j->count; i++) {
    if (i) buf_char(out, ',');
    write(out, j, i);
  }
  buf_printf(out, "],\"total_count\":%llu}", (unsigned long long)j->total);
  request_reply_json(r, 200, buf_view(out));
}

// --- reading ---

static void list_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct preset_job *j = r->handler_data;
  struct str why;
  j->found = true;
  if (!store_preset_list(s, &r->arena, j->offset, j->limit, &j->rows, &j->count, &j->total, &why)) j->why = why;
}

static void write_row(struct buf *out, const struct preset_job *j, size_t i) {
  preset_json(out, &j->rows[i], NULL);
}

static void list_done(struct request *r) {
  reply_list(r, write_row);
}

void handle_presets_list(struct request *r) {
  struct preset_job *j = job_new(r);
  if (j && read_page(r, j)) request_store_job(r, list_run, list_done);
}

// The preset and one version; number 0: the newest.
static void get_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct preset_job *j = r->handler_data;
  struct str why;
  bool ok = store_preset_find(s, &r->arena, j->slug, &j->row, &j->found, &why);
  uint64_t number = j->number ? j->number : j->row.version;
  if (ok && j->found) ok = store_preset_version(s, &r->arena, j->row.id, number, &j->version, &j->version_found, &why);
  if (!ok) j->why = why;
}

static void get_done(struct request *r) {
  if (!answered(r)) reply_preset(r);
}

void handle_presets_get(struct request *r) {
  if (job_of_slug(r)) request_store_job(r, get_run, get_done);
}

static void version_done(struct request *r) {
  struct preset_job *j = r->handler_data;
  if (answered(r)) return;
  if (!j->version_found) {
    request_reply_fault(
        r, FAULT_NOT_FOUND,
        arena_printf(&r->arena, "The preset %.*s has no version %llu; its newest is %llu.", STR_ARGS(j->row.slug),
                     (unsigned long long)j->number, (unsigned long long)j->row.version));
    return;
  }
  struct buf *out = worker_scratch(&r->worker->body);
  buf_lit(out, "{\"data\":");
  preset_version_json(out, &j->version);
  buf_char(out, '}');
  request_reply_json(r, 200, buf_view(out));
}

void handle_presets_version(struct request *r) {
  struct preset_job *j = job_of_slug(r);
  if (!j) return;
  if (str_to_u64(percent_decode(&r->arena, r->args[1]), INT64_MAX, &j->number) && j->number)
    request_store_job(r, get_run, version_done);
  else
    request_reply_fault(r, FAULT_BAD_REQUEST, STR("A version is a whole number from 1."));
}

static void versions_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct preset_job *j = r->handler_data;
  struct str why;
  bool ok = store_preset_find(s, &r->arena, j->slug, &j->row, &j->found, &why);
  if (ok && j->found)
    ok = store_preset_versions(s, &r->arena, j->row.id, j->offset, j->limit, &j->versions, &j->count, &j->total, &why);
  if (!ok) j->why = why;
}

static void write_version(struct buf *out, const struct preset_job *j, size_t i) {
  preset_version_json(out, &j->versions[i]);
}

static void versions_done(struct request *r) {
  reply_list(r, write_version);
}

void handle_presets_versions(struct request *r) {
  struct preset_job *j = job_of_slug(r);
  if (j && read_page(r, j)) request_store_job(r, versions_run, versions_done);
}

// --- changes ---

static void chat_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct preset_job *j = r->handler_data;
  struct str why;
  j->found = j->version_found = store_preset_put(s, &r->arena, j->slug, &j->row, &j->version, &j->full, &why);
  if (j->found)
    gateway_presets_refresh(r->worker->gateway, s);
  else if (!j->full)
    j->why = why;
}

static void chat_done(struct request *r) {
  struct preset_job *j = r->handler_data;
  if (j->full)
    request_reply_fault(r, FAULT_BAD_REQUEST, STR("There are 1000 presets already. Delete one that is not needed."));
  else if (!answered(r))
    reply_preset(r);
}

void handle_presets_chat(struct request *r) {
  struct preset_job *j = job_of_slug(r);
  struct chat_preset content;
  struct fault_note note;
  if (!j) return;
  if (!chat_preset_read(str_from(r->body, r->body_len), &r->arena, &content, &note)) {
    request_reply_fault(r, note.fault, note.message);
    return;
  }
  j->version.config = content.config;
  j->version.system_prompt = content.system_prompt;
  j->version.creator = str_from_cstr(r->key_id);
  j->version.created_us = time_unix_us();
  request_store_job(r, chat_run, chat_done);
}

// A member that may be a string or, where it can be taken away, null. False: it is something else.
static bool read_text(const struct json_doc *doc, uint32_t value, size_t most, struct arena *arena, bool *has,
                      struct str *out) {
  *has = value != JSON_NONE;
  if (!*has || json_type(doc, value) == JSON_NULL) return true;
  if (!json_string(doc, value, arena, out) || out->len > most) return false;
  *out = arena_str(arena, *out);
  return true;
}

static bool read_status(const struct json_doc *doc, uint32_t value, struct arena *arena, struct preset_job *j) {
  struct str text = {0};
  j->has_status = value != JSON_NONE;
  return !j->has_status || (json_string(doc, value, arena, &text) && preset_status_parse(text, &j->status));
}

// What is wrong with the body of an update; empty: nothing.
static struct str read_update(struct request *r, struct preset_job *j, struct json_doc *doc) {
  if (json_parse(doc, str_from(r->body, r->body_len), 1) != JSON_OK || !json_is(doc, 0, JSON_OBJECT))
    return STR("The body must be a JSON object such as {\"status\":\"disabled\"}.");
  uint32_t name = json_get(doc, 0, STR("name")), description = json_get(doc, 0, STR("description"));
  if (!read_text(doc, name, NAME_MAX_BYTES, &r->arena, &j->has_name, &j->name) || (j->has_name && !j->name.len))
    return STR("\"name\" must be a string of 1 to 200 bytes.");
  if (!read_text(doc, description, DESCRIPTION_MAX_BYTES, &r->arena, &j->has_description, &j->description))
    return STR("\"description\" must be a string of up to 4096 bytes, or null.");
  if (!read_status(doc, json_get(doc, 0, STR("status")), &r->arena, j))
    return STR("\"status\" must be active, disabled or archived.");
  if (!j->has_name && !j->has_description && !j->has_status)
    return STR(
        "Give \"name\", \"description\" or \"status\". What is in a preset is changed by a new version: POST "
        "/api/v1/presets/{slug}/chat/completions.");
  return (struct str){0};
}

static void update_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct preset_job *j = r->handler_data;
  struct str why;
  get_run(s, job);
  if (j->why.len || !j->found) return;
  struct preset_row *row = &j->row;
  row->updated_us = time_unix_us();
  if (j->has_name) row->name = j->name;
  if (j->has_description) row->description = j->description;
  if (j->has_status && row->status != j->status) {
    row->status = j->status;
    row->status_updated_us = row->updated_us;
  }
  if (store_preset_update(s, row, &why))
    gateway_presets_refresh(r->worker->gateway, s);
  else
    j->why = why;
}

void handle_presets_update(struct request *r) {
  struct preset_job *j = job_of_slug(r);
  struct json_doc doc = {0};
  if (!j) return;
  struct str trouble = read_update(r, j, &doc);
  json_doc_free(&doc);
  if (trouble.len)
    request_reply_fault(r, FAULT_BAD_REQUEST, trouble);
  else
    request_store_job(r, update_run, get_done);
}

static void delete_run(struct store *s, struct store_job *job) {
  struct request *r = request_of_job(job);
  struct preset_job *j = r->handler_data;
  struct str why;
  bool ok = store_preset_find(s, &r->arena, j->slug, &j->row, &j->found, &why);
  if (ok && j->found) ok = store_preset_delete(s, j->row.id, &j->found, &why);
  if (!ok)
    j->why = why;
  else if (j->found)
    gateway_presets_refresh(r->worker->gateway, s);
}

static void delete_done(struct request *r) {
  if (!answered(r)) request_reply_json(r, 200, STR("{\"deleted\":true}"));
}

void handle_presets_delete(struct request *r) {
  if (job_of_slug(r)) request_store_job(r, delete_run, delete_done);
}
