#define _GNU_SOURCE
#include "gateway/credential.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/time.h"
#include "gateway/fetch.h"
#include "gateway/path.h"
#include "json/json.h"
#include "provider/encode.h"
#include "provider/google_token.h"

enum { EARLY_S = 300, BODY_MAX = 64 * 1024, TIMEOUT_MS = 10000, AGAIN_S = 5, TOKEN_FILE_MAX = 8192 };

// https://cloud.google.com/compute/docs/access/authenticate-workloads
#define METADATA_URL "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"

struct stored_credential {
  struct stored_credential *next;
  char *provider, *source;  // its id; what the credential comes from, so that a reload is noticed
  struct fetch fetch;
  bool fetching, google;
  struct attempt *waiting;  // by next_waiting
  struct arena arena;       // of the values
  struct credential value;
  bool has_value;
  uint64_t expires_s, failed_s, asked_s;
  char why[200];
};

static uint64_t now_s(void) {
  return time_unix_us() / 1000000;
}

static struct str source_of(const struct provider *p) {
  if (p->protocol == PROTOCOL_VERTEX && !p->key_count) return p->credentials;
  if (p->protocol == PROTOCOL_BEDROCK && !p->key_count && !p->aws_access_key_id.len)
    return p->aws_role.len ? p->aws_role : p->aws_container_url;
  return (struct str){0};
}

static struct stored_credential *find(struct worker *w, const struct provider *p, struct str source) {
  for (struct stored_credential *c = w->credentials; c; c = c->next)
    if (str_eq(str_from_cstr(c->provider), p->id) && str_eq(str_from_cstr(c->source), source)) return c;
  struct stored_credential *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->provider = str_dup(p->id);
  c->source = str_dup(source);
  if (!c->provider || !c->source) {
    free(c->provider);
    free(c->source);
    free(c);
    return NULL;
  }
  c->fetch.worker = w;
  c->next = w->credentials;
  w->credentials = c;
  return c;
}

static void forget_value(struct stored_credential *c) {
  struct str secrets[] = {c->value.token, c->value.aws.secret_access_key, c->value.aws.session_token};
  for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
    if (secrets[i].len) OPENSSL_cleanse((void *)secrets[i].ptr, secrets[i].len);
  arena_free(&c->arena);
  c->value = (struct credential){0};
  c->has_value = false;
}

// --- what comes back ---

// "2026-11-23T22:10:00Z"
static uint64_t moment(struct str text) {
  char copy[32];
  struct tm tm = {0};
  snprintf(copy, sizeof copy, "%.*s", (int)(text.len < 31 ? text.len : 31), text.ptr);
  return strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm) ? (uint64_t)timegm(&tm) : now_s() + 900;
}

static bool read_aws(struct stored_credential *c, struct str body) {
  struct json_doc doc = {0};
  struct aws_credentials *aws = &c->value.aws;
  struct str end;
  bool ok = json_parse(&doc, body, 2) == JSON_OK &&
            json_string(&doc, json_get(&doc, 0, STR("AccessKeyId")), &c->arena, &aws->access_key_id) &&
            json_string(&doc, json_get(&doc, 0, STR("SecretAccessKey")), &c->arena, &aws->secret_access_key);
  if (!json_string(&doc, json_get(&doc, 0, STR("Token")), &c->arena, &aws->session_token))
    aws->session_token = (struct str){0};
  c->expires_s = now_s() + 900;
  if (json_string(&doc, json_get(&doc, 0, STR("Expiration")), &c->arena, &end)) c->expires_s = moment(end);
  // The strings may lie in the body, which goes.
  aws->access_key_id = arena_str(&c->arena, aws->access_key_id);
  aws->secret_access_key = arena_str(&c->arena, aws->secret_access_key);
  aws->session_token = arena_str(&c->arena, aws->session_token);
  json_doc_free(&doc);
  if (!ok) snprintf(c->why, sizeof c->why, "the container's endpoint gave no credentials (status %u)", c->fetch.status);
  return ok;
}

// The text of an XML element that holds nothing else.
static struct str element(struct str xml, const char *name, struct arena *arena) {
  struct str open = arena_printf(arena, "<%s>", name), close = arena_printf(arena, "</%s>", name);
  size_t from = open.ptr ? str_find(xml, open, 0) : SIZE_MAX;
  size_t to = from == SIZE_MAX || !close.ptr ? SIZE_MAX : str_find(xml, close, from);
  return to == SIZE_MAX ? (struct str){0} : str_from(xml.ptr + from + open.len, to - from - open.len);
}

// What AssumeRoleWithWebIdentity answers.
static bool read_role(struct stored_credential *c, struct str body) {
  struct aws_credentials *aws = &c->value.aws;
  struct arena scratch = {0};
  struct str end = element(body, "Expiration", &scratch), why = element(body, "Message", &scratch);
  aws->access_key_id = arena_str(&c->arena, element(body, "AccessKeyId", &scratch));
  aws->secret_access_key = arena_str(&c->arena, element(body, "SecretAccessKey", &scratch));
  aws->session_token = arena_str(&c->arena, element(body, "SessionToken", &scratch));
  bool ok = aws->access_key_id.len && aws->secret_access_key.len && aws->session_token.len;
  c->expires_s = moment(end);
  if (!ok)
    snprintf(c->why, sizeof c->why, "AWS gave no credentials for the role (status %u): %.*s", c->fetch.status,
             (int)(why.len < 120 ? why.len : 120), why.len ? why.ptr : "");
  arena_free(&scratch);
  return ok;
}

static bool read_google(struct stored_credential *c, struct str body) {
  struct str token, why;
  uint64_t life;
  bool ok = google_token_read(body, &c->arena, &token, &life, &why);
  if (ok) {
    c->value.token = arena_str(&c->arena, token);
    c->expires_s = now_s() + life;
  } else {
    snprintf(c->why, sizeof c->why, "no access token: %.*s", (int)(why.len < 150 ? why.len : 150), why.ptr);
  }
  return ok && c->value.token.ptr;
}

static void wake(struct stored_credential *c) {
  struct attempt *waited = c->waiting;
  c->waiting = NULL;
  while (waited) {
    struct attempt *a = waited;
    waited = a->next_waiting;
    a->waits_for = NULL;
    a->next_waiting = NULL;
    attempt_prepared(a);
  }
}

static void on_fetched(struct fetch *f) {
  struct stored_credential *c = (struct stored_credential *)((char *)f - offsetof(struct stored_credential, fetch));
  bool google = c->google, role = c->source[0] == 'a', ok = false;  // an endpoint's URL begins with an h
  struct str body = buf_view(&f->body);
  c->fetching = false;
  c->failed_s = 0;
  if (f->status) {
    bool had = c->has_value;
    struct stored_credential before = *c;
    c->arena = (struct arena){0};
    c->value = (struct credential){0};
    ok = google ? read_google(c, body) : role ? read_role(c, body) : read_aws(c, body);
    if (ok) {
      c->has_value = true;
      if (had) {
        struct stored_credential old = before;
        forget_value(&old);
      }
    } else {
      arena_free(&c->arena);
      c->arena = before.arena;
      c->value = before.value;
      c->expires_s = before.expires_s;
    }
  } else {
    snprintf(c->why, sizeof c->why, "the token's service cannot be reached: %s", f->why);
  }
  if (!ok) {
    c->failed_s = now_s();
    log_warn("provider %s: %s", c->provider, c->why);
  }
  fetch_end(f);
  wake(c);
}

// --- asking ---

// A file's text without the line break at its end; it changes, and is read anew each time.
static struct str file_text(struct str name, size_t most, struct arena *arena) {
  char *path = str_dup(name), *text = arena_alloc(arena, most);
  FILE *file = path && text ? fopen(path, "re") : NULL;
  size_t n = file ? fread(text, 1, most, file) : 0;
  if (file) fclose(file);
  free(path);
  while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) n--;
  return str_from(text, n);
}

// The header field for a container's endpoint. The file goes before the variable. False: noted.
static bool container_fields(struct stored_credential *c, const struct provider *p, struct arena *arena,
                             struct str *fields) {
  bool file = p->aws_container_token_file.len != 0;
  struct str token = file ? file_text(p->aws_container_token_file, TOKEN_FILE_MAX, arena) : p->aws_container_token;
  const char *wrong = file && !token.len ? "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read, or is empty" : NULL;
  for (size_t i = 0; i < token.len && !wrong; i++)
    if (token.ptr[i] < ' ') wrong = "the container's authorization token has a line break inside";
  if (wrong) snprintf(c->why, sizeof c->why, "%s", wrong);
  if (token.len && !wrong) *fields = arena_printf(arena, "\r\nAuthorization: %.*s", STR_ARGS(token));
  return !wrong;
}

// The form that asks for a role's credentials. False: noted.
static bool role_form(struct stored_credential *c, const struct provider *p, struct arena *arena, struct str *form) {
  struct str token = file_text(p->aws_web_token_file, TOKEN_FILE_MAX, arena);
  struct buf out;
  if (!token.len) {
    snprintf(c->why, sizeof c->why, "AWS_WEB_IDENTITY_TOKEN_FILE cannot be read, or is empty");
    return false;
  }
  buf_init(&out, BODY_MAX);
  buf_lit(&out, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=signalbox&RoleArn=");
  encode_path(&out, p->aws_role, "");
  buf_lit(&out, "&WebIdentityToken=");
  encode_path(&out, token, "");
  *form = arena_str(arena, buf_view(&out));
  bool ok = !out.failed && form->ptr;
  if (!ok) snprintf(c->why, sizeof c->why, "out of memory");
  if (out.ptr) OPENSSL_cleanse(out.ptr, out.len);
  buf_free(&out);
  return ok;
}

static bool ask(struct stored_credential *c, const struct provider *p) {
  struct arena arena = {0};
  struct str url = p->aws_container_url, form = {0}, why = {0}, fields = {0};
  bool ok = true;
  c->asked_s = now_s();
  c->fetch.done = on_fetched;
  c->fetch.body_max = BODY_MAX;
  c->fetch.timeout_ms = TIMEOUT_MS;
  c->google = p->protocol == PROTOCOL_VERTEX;
  if (c->google && str_eq(p->credentials, STR("metadata"))) {  // the machine's own service account
    url = STR(METADATA_URL);
    fields = STR("\r\nMetadata-Flavor: Google");
  } else if (c->google) {
    ok = google_token_ask(p->credentials, now_s(), &arena, &url, &form, &why);
    fields = STR("\r\nContent-Type: application/x-www-form-urlencoded");
    if (!ok) snprintf(c->why, sizeof c->why, "%.*s", (int)(why.len < 190 ? why.len : 190), why.ptr);
  } else if (p->aws_role.len) {
    url = p->aws_sts_url;
    ok = role_form(c, p, &arena, &form);
    fields = STR("\r\nContent-Type: application/x-www-form-urlencoded");
  } else {
    ok = container_fields(c, p, &arena, &fields);
  }
  if (ok) {
    c->fetching = true;
    if (!fetch_start(&c->fetch, url, fields, form, false)) {
      c->fetching = false;
      fetch_end(&c->fetch);
      snprintf(c->why, sizeof c->why, "the token's service: %s", c->fetch.why);
      ok = false;
    }
  }
  arena_free(&arena);
  if (!ok) c->failed_s = now_s();
  return ok;
}

enum credential_state credential_get(struct attempt *a, const struct provider *p, struct credential *out,
                                     struct str *why) {
  struct str source = source_of(p);
  struct request *r = a->request;
  if (!source.len) return CREDENTIAL_NONE;
  struct stored_credential *c = find(r->worker, p, source);
  *why = STR("out of memory");
  if (!c) return CREDENTIAL_FAILED;
  uint64_t now = now_s();
  bool usable = c->has_value && now < c->expires_s, early = c->has_value && now + EARLY_S >= c->expires_s;
  bool lately_failed = c->failed_s && now - c->failed_s < AGAIN_S;
  if (usable && early) early = now - c->asked_s >= AGAIN_S;             // some are never good for longer
  if ((!usable || early) && !c->fetching && !lately_failed) ask(c, p);  // may be answered at once
  usable = c->has_value && now < c->expires_s;
  if (usable) {
    *out = c->value;
    return CREDENTIAL_READY;
  }
  if (!c->fetching) {
    *why = arena_str(&r->arena, str_from_cstr(c->why));
    return CREDENTIAL_FAILED;
  }
  a->waits_for = c;
  a->next_waiting = c->waiting;
  c->waiting = a;
  return CREDENTIAL_WAITING;
}

bool credential_now(const struct request *r, const struct provider *p, struct credential *out) {
  struct str source = source_of(p);
  struct stored_credential *c = source.len ? find(r->worker, p, source) : NULL;
  if (!c || !c->has_value) return false;
  *out = c->value;
  return true;
}

void credential_forget_waiter(struct attempt *a) {
  struct stored_credential *c = a->waits_for;
  if (!c) return;
  struct attempt **at = &c->waiting;
  while (*at && *at != a) at = &(*at)->next_waiting;
  if (*at) *at = a->next_waiting;
  a->waits_for = NULL;
  a->next_waiting = NULL;
}

bool credential_refused(struct worker *w, const struct provider *p) {
  struct str source = source_of(p);
  if (!source.len) return false;
  for (struct stored_credential *c = w->credentials; c; c = c->next)
    if (str_eq(str_from_cstr(c->provider), p->id) && str_eq(str_from_cstr(c->source), source)) c->expires_s = 0;
  return true;
}

void credential_free_all(struct worker *w) {
  for (struct stored_credential *c = w->credentials, *next; c; c = next) {
    next = c->next;
    if (c->fetching) fetch_end(&c->fetch);
    forget_value(c);
    OPENSSL_cleanse(c->source, strlen(c->source));
    free(c->provider);
    free(c->source);
    free(c);
  }
  w->credentials = NULL;
}
