#include "provider/google_token.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/buf.h"
#include "json/json.h"
#include "provider/encode.h"

enum { LIFE_S = 3600 };

static bool text_of(const struct json_doc *doc, const char *name, struct arena *arena, struct str *out) {
  return json_string(doc, json_get(doc, 0, str_from_cstr(name)), arena, out) && out->len;
}

// Base64 in the alphabet of URLs, without padding (RFC 7515 2).
static struct str base64url(struct str bytes, struct arena *arena) {
  struct str text = encode_base64(bytes, arena);
  char *p = (char *)text.ptr;
  while (text.len && text.ptr[text.len - 1] == '=') text.len--;
  for (size_t i = 0; i < text.len; i++) p[i] = p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i];
  return text;
}

// RS256 (RFC 7518 3.3) of `text`; {NULL,0}: the key is none.
static struct str sign(struct str text, struct str pem, struct arena *arena) {
  struct str signature = {0};
  unsigned char bytes[1024];
  size_t n = sizeof bytes;
  BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
  EVP_MD_CTX *ctx = key ? EVP_MD_CTX_new() : NULL;
  bool ok = ctx && EVP_PKEY_get_size(key) <= (int)sizeof bytes &&
            EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
            EVP_DigestSign(ctx, bytes, &n, (const unsigned char *)text.ptr, text.len) == 1;
  if (ok) signature = base64url(str_from((char *)bytes, n), arena);
  EVP_MD_CTX_free(ctx);
  EVP_PKEY_free(key);
  BIO_free(bio);
  return signature;
}

static void form_add(struct buf *out, const char *name, struct str value) {
  if (out->len) buf_char(out, '&');
  buf_str(out, str_from_cstr(name));
  buf_char(out, '=');
  for (size_t i = 0; i < value.len; i++) {
    unsigned char c = (unsigned char)value.ptr[i];
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr("-._~", c));
    if (plain)
      buf_char(out, (char)c);
    else
      buf_printf(out, "%%%02X", c);
  }
}

static bool service_account(const struct json_doc *doc, uint64_t now, struct arena *arena, struct str url,
                            struct buf *form, struct str *why) {
  struct str email, key, key_id;
  struct buf text;
  if (!text_of(doc, "client_email", arena, &email) || !text_of(doc, "private_key", arena, &key)) {
    *why = STR("the service account's file has no client_email or no private_key");
    return false;
  }
  if (!text_of(doc, "private_key_id", arena, &key_id)) key_id = (struct str){0};
  buf_init(&text, 64 * 1024);
  buf_lit(&text, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
  if (key_id.len) encode_plain(&text, STR("kid"), key_id);
  buf_char(&text, '}');
  struct str header = base64url(buf_view(&text), arena);
  buf_clear(&text);
  buf_char(&text, '{');
  encode_plain(&text, STR("iss"), email);
  encode_plain(&text, STR("scope"), STR("https://www.googleapis.com/auth/cloud-platform"));
  encode_plain(&text, STR("aud"), url);
  encode_u64(&text, STR("iat"), now);
  encode_u64(&text, STR("exp"), now + LIFE_S);
  buf_char(&text, '}');
  struct str claims = base64url(buf_view(&text), arena);
  buf_free(&text);
  struct str both = arena_printf(arena, "%.*s.%.*s", STR_ARGS(header), STR_ARGS(claims));
  struct str signature = sign(both, key, arena);
  if (!signature.len) {
    *why = STR("the service account's private_key is no RSA key in PEM form");
    return false;
  }
  struct str jwt = arena_printf(arena, "%.*s.%.*s", STR_ARGS(both), STR_ARGS(signature));
  form_add(form, "grant_type", STR("urn:ietf:params:oauth:grant-type:jwt-bearer"));
  form_add(form, "assertion", jwt);
  return jwt.ptr != NULL;
}

static bool authorized_user(const struct json_doc *doc, struct arena *arena, struct buf *form, struct str *why) {
  struct str id, secret, token;
  if (!text_of(doc, "client_id", arena, &id) || !text_of(doc, "client_secret", arena, &secret) ||
      !text_of(doc, "refresh_token", arena, &token)) {
    *why = STR("the authorized user's file has no client_id, client_secret or refresh_token");
    return false;
  }
  form_add(form, "grant_type", STR("refresh_token"));
  form_add(form, "client_id", id);
  form_add(form, "client_secret", secret);
  form_add(form, "refresh_token", token);
  return true;
}

bool google_token_ask(struct str credentials, uint64_t unix_s, struct arena *arena, struct str *url, struct str *form,
                      struct str *why) {
  struct json_doc doc = {0};
  struct buf text;
  bool ok = false;
  buf_init(&text, 64 * 1024);
  *why = STR("the credentials file is not a JSON object");
  if (json_parse(&doc, credentials, 1) == JSON_OK && json_is(&doc, 0, JSON_OBJECT)) {
    uint32_t type = json_get(&doc, 0, STR("type"));
    if (!text_of(&doc, "token_uri", arena, url)) *url = STR("https://oauth2.googleapis.com/token");
    if (json_string_is(&doc, type, STR("service_account")))
      ok = service_account(&doc, unix_s, arena, *url, &text, why);
    else if (json_string_is(&doc, type, STR("authorized_user")))
      ok = authorized_user(&doc, arena, &text, why);
    else
      *why = STR("the credentials file's type must be service_account or authorized_user");
  }
  if (ok) *form = arena_str(arena, buf_view(&text));
  buf_free(&text);
  json_doc_free(&doc);
  return ok && form->ptr;
}

void google_quota_field(struct str credentials, struct buf *out) {
  struct json_doc doc = {0};
  if (str_find(credentials, STR("\"quota_project_id\""), 0) == SIZE_MAX) return;
  enum json_error error = json_parse(&doc, credentials, 1);
  if (error == JSON_NO_MEMORY) out->failed = true;
  if (error == JSON_OK) {
    struct str raw = json_raw(&doc, json_get(&doc, 0, STR("quota_project_id")));
    bool plain = raw.len > 2;
    for (size_t i = 1; i + 1 < raw.len; i++) plain = plain && (unsigned char)raw.ptr[i] > ' ' && raw.ptr[i] != '\\';
    if (plain) {
      buf_lit(out, "\r\nx-goog-user-project: ");
      buf_append(out, raw.ptr + 1, raw.len - 2);
    }
  }
  json_doc_free(&doc);
}

bool google_token_read(struct str body, struct arena *arena, struct str *token, uint64_t *expires_in_s,
                       struct str *why) {
  struct json_doc doc = {0};
  bool ok = json_parse(&doc, body, 2) == JSON_OK && text_of(&doc, "access_token", arena, token);
  *why = STR("its answer holds no access_token");
  if (!ok && doc.count) {
    struct str said;
    if (text_of(&doc, "error_description", arena, &said) || text_of(&doc, "error", arena, &said)) *why = said;
  }
  if (!json_u64(&doc, json_get(&doc, 0, STR("expires_in")), 1 << 30, expires_in_s)) *expires_in_s = LIFE_S;
  json_doc_free(&doc);
  return ok;
}
