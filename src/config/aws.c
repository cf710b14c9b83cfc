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

static size_t indent_of(struct str line) {
  size_t n = 0;
  while (n < line.len && (line.ptr[n] == ' ' || line.ptr[n] == '\t')) n++;
  return n;
}

// "[work]", "[profile work]", "[profile \"two words\"]": the profile's name; empty: the section is no profile's.
static struct str section_profile(struct str line, bool config_file) {
  struct str name = str_trim(str_from(line.ptr + 1, line.len - 1 - (line.ptr[line.len - 1] == ']')));
  bool prefixed = config_file && str_starts(name, STR("profile")) && name.len > 7 && indent_of(str_skip(name, 7));
  if (prefixed) name = str_trim(str_skip(name, 7));
  if (config_file && !prefixed && !str_eq(name, STR("default"))) return (struct str){0};
  bool quoted = name.len > 2 && (name.ptr[0] == '"' || name.ptr[0] == '\'') && name.ptr[name.len - 1] == name.ptr[0];
  return quoted ? str_from(name.ptr + 1, name.len - 2) : name;
}

// The value of a key of a profile; empty: none. *there: the profile is in the file.
static struct str profile_get(struct str text, bool config_file, struct str profile, const char *key, bool *there) {
  bool inside = false;
  size_t indent = SIZE_MAX;  // of the section's keys: what stands further in belongs to the one above
  struct str line;
  while (str_split(&text, '\n', &line)) {
    size_t in = indent_of(line);
    line = str_trim(line);
    if (line.len && line.ptr[line.len - 1] == '\r') line = str_trim(str_from(line.ptr, line.len - 1));
    if (!line.len || line.ptr[0] == '#' || line.ptr[0] == ';') continue;
    if (line.ptr[0] == '[') {
      inside = str_eq(section_profile(line, config_file), profile);
      indent = SIZE_MAX;
      if (inside) *there = true;
      continue;
    }
    size_t equals = str_find_char(line, '=', 0);
    if (!inside || in > indent || equals == SIZE_MAX) continue;
    indent = in;
    if (str_eq_nocase(str_trim(str_from(line.ptr, equals)), str_from_cstr(key)))
      return str_trim(str_skip(line, equals + 1));
  }
  return (struct str){0};
}

struct profile {
  struct str name, shared, config;  // the files' texts
  bool there;                       // in one of them
};

static struct profile profile_open(struct reader *r) {
  struct profile p = {.name = env("AWS_PROFILE")};
  if (!p.name.len) p.name = env("AWS_DEFAULT_PROFILE");
  if (!p.name.len) p.name = STR("default");
  p.shared = file_text(r, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
  p.config = file_text(r, "AWS_CONFIG_FILE", ".aws/config");
  return p;
}

// From one file or the other; the credentials file goes first.
static struct str profile_value(struct profile *p, const char *key) {
  struct str value = profile_get(p->shared, false, p->name, key, &p->there);
  struct str other = profile_get(p->config, true, p->name, key, &p->there);
  return value.len ? value : other;
}

// The three belong together: they come from the same file.
static void take_profile_keys(struct reader *r, struct profile *profile, struct config_provider *p) {
  for (int config = 0; config < 2 && !p->aws_access_key_id.len; config++) {
    struct str text = config ? profile->config : profile->shared;
    bool there;
    struct str id = profile_get(text, config, profile->name, "aws_access_key_id", &there);
    struct str secret = profile_get(text, config, profile->name, "aws_secret_access_key", &there);
    if (!id.len || !secret.len) continue;
    take(r, id, &p->aws_access_key_id);
    take(r, secret, &p->aws_secret_access_key);
    take(r, profile_get(text, config, profile->name, "aws_session_token", &there), &p->aws_session_token);
  }
}

// What a profile may ask for that is not done here: whoever wrote it must hear so, or another identity would be used.
static const char *profile_unsupported(struct profile *p) {
  static const char *const keys[] = {
      "role_arn",          "sso_session",    "sso_start_url",           "sso_account_id",
      "login_session",     "source_profile", "web_identity_token_file", "credential_source",
      "credential_process"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (profile_value(p, keys[i]).len) return keys[i];
  return NULL;
}

static void take_profile(struct reader *r, struct config_provider *p, bool credentials) {
  struct profile profile = profile_open(r);
  take(r, profile_value(&profile, "region"), &p->region);
  if (!credentials) return;
  const char *unsupported = profile_unsupported(&profile);
  if (unsupported) {
    config_problem_add(
        r->arena, r->problems, p->line, p->column,
        "provider %.*s: the AWS profile %.*s has %s, which is not done here: give keys in the profile, or "
        "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        STR_ARGS(p->id), STR_ARGS(problem_show(r->arena, profile.name)), unsupported);
    return;
  }
  take_profile_keys(r, &profile, p);
  bool named = env("AWS_PROFILE").len || env("AWS_DEFAULT_PROFILE").len;
  if (named && !profile.there)
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "provider %.*s: the AWS profile %.*s is in neither the credentials file nor the config file",
                       STR_ARGS(p->id), STR_ARGS(problem_show(r->arena, profile.name)));
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

// --- a container's endpoint ---

// The host of "http://host:port/path"; empty: it is no such URL.
static struct str host_of_url(struct str url, bool *https) {
  *https = str_starts_nocase(url, STR("https://"));
  if (!*https && !str_starts_nocase(url, STR("http://"))) return (struct str){0};
  struct str rest = str_skip(url, *https ? 8 : 7);
  size_t end = 0;
  while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#') end++;
  rest.len = end;
  if (str_find_char(rest, '@', 0) != SIZE_MAX) return (struct str){0};
  if (rest.len && rest.ptr[0] == '[') {
    end = str_find_char(rest, ']', 0);
    return end == SIZE_MAX ? (struct str){0} : str_from(rest.ptr + 1, end - 1);
  }
  end = str_find_char(rest, ':', 0);
  return end == SIZE_MAX ? rest : str_from(rest.ptr, end);
}

// Whoever may set the variable must not be able to send the container's token anywhere: without TLS only to this
// machine, and to where Amazon's services give credentials.
static bool is_allowed_endpoint(struct str url) {
  static const char *const hosts[] = {"localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
  bool https;
  struct str host = host_of_url(url, &https);
  if (!host.len) return false;
  if (https) return true;
  if (str_starts(host, STR("127."))) {
    for (size_t i = 0; i < host.len; i++)
      if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9')) return false;
    return true;
  }
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
    if (str_eq_nocase(host, str_from_cstr(hosts[i]))) return true;
  return false;
}

static void take_container(struct reader *r, struct config_provider *p) {
  struct str part = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), url = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (part.len)
    url = arena_printf(r->arena, "http://169.254.170.2%s%.*s", part.ptr[0] == '/' ? "" : "/", STR_ARGS(part));
  if (!url.len) return;
  if (!is_allowed_endpoint(url)) {
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "the environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI must be an https:// URL, or an "
                       "http:// one of this machine, 169.254.170.2 or 169.254.170.23");
    return;
  }
  take(r, url, &p->aws_container_url);
  take(r, env("AWS_CONTAINER_AUTHORIZATION_TOKEN"), &p->aws_container_token);
  take(r, env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), &p->aws_container_token_file);
}

// --- a role for a web identity ---

static void take_web_identity(struct reader *r, struct config_provider *p) {
  struct str role = env("AWS_ROLE_ARN"), file = env("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (!role.len || !file.len) return;
  take(r, role, &p->aws_role);
  take(r, file, &p->aws_web_token_file);
  take(r, env("AWS_ENDPOINT_URL_STS"), &p->aws_sts_url);
  if (p->aws_sts_url.len || !p->region.len) return;
  p->aws_sts_url = arena_printf(r->arena, "https://sts.%.*s.amazonaws.com%s", STR_ARGS(p->region),
                                str_starts(p->region, STR("cn-")) ? ".cn" : "");
}

// --- all of it ---

static bool has_credentials(const struct config_provider *p) {
  return p->key_count || p->aws_access_key_id.len || p->aws_container_url.len || p->aws_role.len;
}

static void take_credentials(struct reader *r, struct config_provider *p) {
  size_t before = r->problems->count;
  take_bearer(r, p);
  if (!has_credentials(p) && env("AWS_ACCESS_KEY_ID").len && env("AWS_SECRET_ACCESS_KEY").len) {
    take(r, env("AWS_ACCESS_KEY_ID"), &p->aws_access_key_id);
    take(r, env("AWS_SECRET_ACCESS_KEY"), &p->aws_secret_access_key);
    take(r, env("AWS_SESSION_TOKEN"), &p->aws_session_token);
  }
  if (!has_credentials(p)) take_web_identity(r, p);
  take_profile(r, p, !has_credentials(p));
  if (!has_credentials(p) && r->problems->count == before) take_container(r, p);
  if (has_credentials(p) || r->problems->count != before) return;
  config_problem_add(r->arena, r->problems, p->line, p->column,
                     "provider %.*s has no credentials: give api_key, or aws_access_key_id and "
                     "aws_secret_access_key, or set AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID or AWS_PROFILE",
                     STR_ARGS(p->id));
}

void aws_fill(struct reader *r, struct config_provider *p) {
  bool own = p->key_count || p->aws_access_key_id.len;
  if (p->aws_access_key_id.len && !p->aws_secret_access_key.len)
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "providers[].aws_secret_access_key: is missing beside aws_access_key_id");
  // What is signed must name the region of the host that is asked.
  take(r, region_of_url(p->base_url), &p->region);
  take(r, env("AWS_REGION"), &p->region);
  take(r, env("AWS_DEFAULT_REGION"), &p->region);
  if (own)
    take_profile(r, p, false);
  else
    take_credentials(r, p);
  if (!p->region.len && (!p->key_count || !p->base_url.len))
    config_problem_add(r->arena, r->problems, p->line, p->column,
                       "providers[].region: is missing; set it, or AWS_REGION");
  if (!p->base_url.len && p->region.len)
    p->base_url = arena_printf(r->arena, "https://bedrock-runtime.%.*s.amazonaws.com%s", STR_ARGS(p->region),
                               str_starts(p->region, STR("cn-")) ? ".cn" : "");
}
