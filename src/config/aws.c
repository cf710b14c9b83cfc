#define _GNU_SOURCE
#include "config/aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "config/problem.h"
#include "config/read.h"

static struct str env(const char *name) {
  struct str value = str_trim(str_from_cstr(getenv(name)));
  while (value.len && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r')) value.len--;
  return value;
}

static void take(struct reader *r, struct str value, struct str *out) {
  if (!value.len || out->len) return;
  *out = arena_str(r->arena, value);
  if (!out->ptr) value_no_memory(r);
}

// --- the shared files ---

// A file's text; empty when it cannot be read.
static struct str file_text(struct reader *r, const char *variable, const char *in_home) {
  struct str path = env(variable), home = env("HOME"), text = {0};
  if (!path.len && home.len) path = arena_printf(r->arena, "%.*s/%s", STR_ARGS(home), in_home);
  char *name = path.len ? str_dup(path) : NULL;
  FILE *file = name ? fopen(name, "re") : NULL;
  free(name);
  if (!file) return text;
  char *bytes = arena_alloc(r->arena, LIMIT_CONFIG);
  if (bytes) text = str_from(bytes, fread(bytes, 1, LIMIT_CONFIG, file));
  fclose(file);
  return text;
}

// The value of a key in an INI section; empty: none.
static struct str ini_get(struct str text, struct str section, struct str key) {
  bool inside = false;
  struct str line;
  while (str_split(&text, '\n', &line)) {
    line = str_trim(line);
    if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
    if (!line.len || line.ptr[0] == '#' || line.ptr[0] == ';') continue;
    if (line.ptr[0] == '[') {
      struct str name = str_trim(str_from(line.ptr + 1, line.len - 1 - (line.ptr[line.len - 1] == ']')));
      inside = str_eq(name, section);
      continue;
    }
    size_t equals = str_find_char(line, '=', 0);
    if (inside && equals != SIZE_MAX && str_eq(str_trim(str_from(line.ptr, equals)), key))
      return str_trim(str_skip(line, equals + 1));
  }
  return (struct str){0};
}

static void take_profile(struct reader *r, struct config_provider *p, bool credentials) {
  struct str profile = env("AWS_PROFILE");
  if (!profile.len) profile = env("AWS_DEFAULT_PROFILE");
  if (!profile.len) profile = STR("default");
  struct str shared = file_text(r, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
  struct str config = file_text(r, "AWS_CONFIG_FILE", ".aws/config");
  bool plain = str_eq(profile, STR("default"));
  struct str section = plain ? profile : arena_printf(r->arena, "profile %.*s", STR_ARGS(profile));
  take(r, ini_get(config, section, STR("region")), &p->region);
  take(r, ini_get(shared, profile, STR("region")), &p->region);
  if (!credentials) return;
  const struct str files[] = {shared, config}, sections[] = {profile, section};
  for (int i = 0; i < 2 && !p->aws_access_key_id.len; i++) {
    take(r, ini_get(files[i], sections[i], STR("aws_access_key_id")), &p->aws_access_key_id);
    if (!p->aws_access_key_id.len) continue;
    take(r, ini_get(files[i], sections[i], STR("aws_secret_access_key")), &p->aws_secret_access_key);
    take(r, ini_get(files[i], sections[i], STR("aws_session_token")), &p->aws_session_token);
  }
}

// --- the environment ---

static void take_bearer(struct reader *r, struct config_provider *p) {
  struct str token = env("AWS_BEARER_TOKEN_BEDROCK");
  if (!token.len) return;
  p->keys = arena_zalloc(r->arena, sizeof *p->keys);
  if (!p->keys) {
    value_no_memory(r);
    return;
  }
  p->keys[0].weight = 1;
  take(r, token, &p->keys[0].value);
  p->key_count = 1;
}

// bedrock-runtime.us-east-1.amazonaws.com
static struct str region_of_url(struct str url) {
  size_t at = str_find(url, STR("bedrock-runtime"), 0);
  if (at == SIZE_MAX) return (struct str){0};
  size_t dot = str_find_char(url, '.', at);
  if (dot == SIZE_MAX) return (struct str){0};
  size_t end = str_find_char(url, '.', dot + 1);
  return end == SIZE_MAX ? (struct str){0} : str_from(url.ptr + dot + 1, end - dot - 1);
}

void aws_fill(struct reader *r, struct config_provider *p) {
  bool own = p->key_count || p->aws_access_key_id.len;
  if (p->aws_access_key_id.len && !p->aws_secret_access_key.len)
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "providers[].aws_secret_access_key: is missing beside aws_access_key_id");
  if (!own) take_bearer(r, p);
  if (!own && !p->key_count && env("AWS_ACCESS_KEY_ID").len && env("AWS_SECRET_ACCESS_KEY").len) {
    take(r, env("AWS_ACCESS_KEY_ID"), &p->aws_access_key_id);
    take(r, env("AWS_SECRET_ACCESS_KEY"), &p->aws_secret_access_key);
    take(r, env("AWS_SESSION_TOKEN"), &p->aws_session_token);
  }
  take(r, env("AWS_REGION"), &p->region);
  take(r, env("AWS_DEFAULT_REGION"), &p->region);
  take(r, region_of_url(p->base_url), &p->region);
  take_profile(r, p, !p->key_count && !p->aws_access_key_id.len);
  if (!p->key_count && !p->aws_access_key_id.len) {
    struct str full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI"), part = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    if (part.len && !full.len) full = arena_printf(r->arena, "http://169.254.170.2%.*s", STR_ARGS(part));
    take(r, full, &p->aws_container_url);
    take(r, env("AWS_CONTAINER_AUTHORIZATION_TOKEN"), &p->aws_container_token);
    take(r, env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), &p->aws_container_token_file);
  }
  bool any = p->key_count || p->aws_access_key_id.len || p->aws_container_url.len;
  if (!any)
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "provider %.*s has no credentials: give api_key, or aws_access_key_id and "
                       "aws_secret_access_key, or set AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID or AWS_PROFILE",
                       STR_ARGS(p->id));
  if (!p->region.len && !p->key_count)
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "providers[].region: is missing; set it, or AWS_REGION");
  if (!p->base_url.len && p->region.len)
    p->base_url = arena_printf(r->arena, "https://bedrock-runtime.%.*s.amazonaws.com%s", STR_ARGS(p->region),
                               str_starts(p->region, STR("cn-")) ? ".cn" : "");
}
