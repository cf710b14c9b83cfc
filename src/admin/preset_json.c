#include "admin/preset_json.h"

#include "admin/ledger_json.h"
#include "json/json.h"
#include "policy/preset_set.h"

static void text(struct buf *out, const char *name, struct str value) {
  json_write_key(out, str_from_cstr(name));
  json_write_str(out, value);
}

static void text_or_null(struct buf *out, const char *name, struct str value) {
  if (value.len) {
    text(out, name, value);
    return;
  }
  json_write_key(out, str_from_cstr(name));
  buf_lit(out, "null");
}

void preset_version_json(struct buf *out, const struct preset_version_row *row) {
  buf_char(out, '{');
  text(out, "id", row->id);
  text(out, "preset_id", row->preset_id);
  text(out, "creator_id", row->creator);
  json_write_key(out, STR("version"));
  buf_u64(out, row->version);
  text_or_null(out, "system_prompt", row->system_prompt);
  json_write_key(out, STR("config"));
  buf_str(out, row->config);
  ledger_when(out, "created_at", row->created_us);
  ledger_when(out, "updated_at", row->created_us);
  buf_char(out, '}');
}

void preset_json(struct buf *out, const struct preset_row *row, const struct preset_version_row *designated) {
  buf_char(out, '{');
  text(out, "id", row->id);
  text_or_null(out, "creator_user_id", row->creator);
  text_or_null(out, "workspace_id", (struct str){0});
  text(out, "name", row->name);
  text(out, "slug", row->slug);
  text_or_null(out, "description", row->description);
  text(out, "status", preset_status_name(row->status < PRESET_STATUSES ? row->status : PRESET_DISABLED));
  text_or_null(out, "designated_version_id", row->version_id);
  ledger_when(out, "created_at", row->created_us);
  ledger_when(out, "updated_at", row->updated_us);
  if (row->status_updated_us)
    ledger_when(out, "status_updated_at", row->status_updated_us);
  else
    text_or_null(out, "status_updated_at", (struct str){0});
  if (designated) {
    json_write_key(out, STR("designated_version"));
    preset_version_json(out, designated);
  }
  buf_char(out, '}');
}
