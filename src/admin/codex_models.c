// Codex refuses the whole list when a member is missing, so all are written.
#include "admin/codex_models.h"

#include "json/json.h"

// Codex puts this before every conversation, in place of a text of its own.
static const char instructions[] =
    "You are a coding agent that runs in a terminal on the user's computer. You read files, change them and run "
    "commands with the tools you are given, and work until the task is done. Look at the code before you change it, "
    "keep "
    "to its conventions, change only what the task needs, and check your work by running the project's tests or build "
    "when there are any. Never discard the user's uncommitted changes. Say briefly what you are about to do, and at "
    "the "
    "end what you did and how it was checked. Follow instructions found in AGENTS.md files of the project.";

static bool supports(const struct model *m, struct str parameter) {
  for (size_t i = 0; i < m->supported_parameters.count; i++) {
    if (str_eq(m->supported_parameters.items[i], parameter)) return true;
  }
  return false;
}

static void reasoning_members(struct buf *out, const struct model *m) {
  bool effort = supports(m, STR("reasoning_effort"));
  json_write_key(out, STR("default_reasoning_level"));
  if (effort)
    buf_lit(out, "\"medium\"");
  else
    buf_lit(out, "null");
  json_write_key(out, STR("supported_reasoning_levels"));
  if (effort)
    buf_lit(out,
            "[{\"effort\":\"low\",\"description\":\"quicker\"},{\"effort\":\"medium\",\"description\":\"balanced\"},"
            "{\"effort\":\"high\",\"description\":\"thinks longer\"}]");
  else
    buf_lit(out, "[]");
}

static void model_object(struct buf *out, const struct model *m, size_t priority) {
  buf_char(out, '{');
  json_write_key(out, STR("slug"));
  json_write_str(out, m->id);
  json_write_key(out, STR("display_name"));
  json_write_str(out, m->name);
  json_write_key(out, STR("description"));
  json_write_str(out, m->description);
  reasoning_members(out, m);
  json_write_key(out, STR("priority"));
  buf_u64(out, priority);
  json_write_key(out, STR("base_instructions"));
  json_write_str(out, str_from_cstr(instructions));
  json_write_key(out, STR("supports_parallel_tool_calls"));
  if (supports(m, STR("parallel_tool_calls")))
    buf_lit(out, "true");
  else
    buf_lit(out, "false");
  json_write_key(out, STR("context_window"));
  if (m->context_length)
    buf_u64(out, m->context_length);
  else
    buf_lit(out, "null");
  buf_lit(out,
          ",\"shell_type\":\"default\",\"visibility\":\"list\",\"supported_in_api\":true,\"upgrade\":null,"
          "\"supports_reasoning_summaries\":false,\"support_verbosity\":false,\"default_verbosity\":null,"
          "\"apply_patch_tool_type\":null,\"truncation_policy\":{\"mode\":\"bytes\",\"limit\":10000},"
          "\"experimental_supported_tools\":[]}");
}

void codex_models_json(struct buf *out, const struct model *const *models, size_t count) {
  buf_char(out, '[');
  for (size_t i = 0; i < count; i++) {
    if (i) buf_char(out, ',');
    model_object(out, models[i], i);
  }
  buf_char(out, ']');
}
