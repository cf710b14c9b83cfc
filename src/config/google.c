#define _GNU_SOURCE
#include "config/google.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/problem.h"
#include "config/read.h"
#include "json/json.h"

enum { FILE_MAX = 64 * 1024 };

static struct str env(const char *name) {
  struct str value = str_trim(str_from_cstr(getenv(name)));
  while (value.len && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r')) value.len--;
  return value;
}

// --- credentials ---

static struct str file_text(struct reader *r, struct str path) {
  char *name = path.len ? str_dup(path) : NULL, *text = name ? arena_alloc(r->arena, FILE_MAX) : NULL;
  FILE *file = text ? fopen(name, "re") : NULL;
  size_t n = file ? fread(text, 1, FILE_MAX, file) : 0;
  if (file) fclose(file);
  free(name);
  struct str found = str_trim(str_from(text, n));
  while (found.len && (found.ptr[0] == '\n' || found.ptr[0] == '\r')) found = str_skip(found, 1);
  return found;
}

static bool is_known(struct str text) {
  return text.len && text.ptr[0] == '{' &&
         (str_find(text, STR("service_account"), 0) != SIZE_MAX ||
          str_find(text, STR("authorized_user"), 0) != SIZE_MAX);
}

static void take_credentials(struct reader *r, struct config_provider *p) {
  struct str path = p->credentials_file, home = env("HOME");
  if (str_eq(path, STR("metadata"))) {
    p->credentials = path;
    return;
  }
  if (!path.len) path = env("GOOGLE_APPLICATION_CREDENTIALS");
  p->credentials = file_text(r, path);
  if (!path.len && home.len)
    p->credentials = file_text(
        r, arena_printf(r->arena, "%.*s/.config/gcloud/application_default_credentials.json", STR_ARGS(home)));
  if (is_known(p->credentials)) return;
  config_problem_add(r->arena, r->problems, p->line, p->column,
                     path.len
                         ? "provider %.*s: its credentials_file cannot be read, or is not the JSON of a service "
                           "account or an authorized user"
                         : "provider %.*s needs a credentials_file (the JSON of a service account, or metadata for "
                           "the machine's own), or an api_key",
                     STR_ARGS(p->id));
}

// --- address ---

// Letters, digits and hyphens only: it becomes a part of a URL.
static bool is_name(struct str s) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == ':' || c == '.')) return false;
  }
  return s.len != 0;
}

static struct str project_of(struct reader *r, struct str credentials) {
  static const struct str names[] = {{"project_id", 10}, {"quota_project_id", 16}};
  struct json_doc doc = {0};
  struct str project = {0};
  if (json_parse(&doc, credentials, 1) == JSON_OK)
    for (size_t i = 0; i < 2 && !project.len; i++)
      if (!json_string(&doc, json_get(&doc, 0, names[i]), r->arena, &project)) project = (struct str){0};
  json_doc_free(&doc);
  return project;
}

static struct str host_of(struct reader *r, struct str location) {
  if (str_eq(location, STR("global"))) return STR("aiplatform.googleapis.com");
  if (str_eq(location, STR("us")) || str_eq(location, STR("eu")))
    return arena_printf(r->arena, "aiplatform.%.*s.rep.googleapis.com", STR_ARGS(location));
  return arena_printf(r->arena, "%.*s-aiplatform.googleapis.com", STR_ARGS(location));
}

static void take_address(struct reader *r, struct config_provider *p) {
  struct str project = env("GOOGLE_CLOUD_PROJECT"), location = p->region;
  if (!project.len) project = project_of(r, p->credentials);
  if (!location.len) location = env("GOOGLE_CLOUD_LOCATION");
  if (!location.len) location = STR("global");
  if (p->key_count && !project.len) {
    p->base_url = STR("https://aiplatform.googleapis.com/v1");
    return;
  }
  if (!is_name(project) || !is_name(location)) {
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "provider %.*s needs a base_url, or GOOGLE_CLOUD_PROJECT and perhaps region", STR_ARGS(p->id));
    return;
  }
  p->base_url = arena_printf(r->arena, "https://%.*s/v1/projects/%.*s/locations/%.*s", STR_ARGS(host_of(r, location)),
                             STR_ARGS(project), STR_ARGS(location));
}

void google_fill(struct reader *r, struct config_provider *p) {
  if (!p->key_count) take_credentials(r, p);
  if (!p->base_url.len) take_address(r, p);
}
