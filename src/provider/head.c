#include "provider/head.h"

#include "base/version.h"
#include "provider/table.h"

enum { LENGTH_ROOM = 10 };

// The request line, who is asked, who asks, and what is wished.
static void head_begin(struct buf *out, struct str method, const struct provider *provider,
                       const struct head_target *target) {
  buf_str(out, method);
  buf_str(out, target->prefix);
  buf_str(out, target->base);
  buf_str(out, target->path);
  buf_lit(out, " HTTP/1.1\r\nHost: ");
  buf_str(out, target->host);
  if (target->key.len) {
    const char *field = provider->quirks->auth_header;
    // Azure's keys have a field of their own; tokens of Entra ID, which are JSON web tokens, are bearer tokens.
    if (provider->protocol == PROTOCOL_AZURE && str_starts(target->key, STR("eyJ"))) field = NULL;
    // Vertex takes access tokens, and in express mode API keys.
    bool google = str_starts(target->key, STR("AIza")) || str_starts(target->key, STR("AQ."));
    if (provider->protocol == PROTOCOL_VERTEX && google) field = "x-goog-api-key";
    if (field) {
      buf_lit(out, "\r\n");
      buf_str(out, str_from_cstr(field));
      // One that holds its scheme already is written as it is.
      buf_str(out, str_find_char(str_from_cstr(field), ':', 0) == SIZE_MAX ? STR(": ") : STR(" "));
    } else {
      buf_lit(out, "\r\nAuthorization: Bearer ");
    }
    buf_str(out, target->key);
  }
  if (target->proxy_authorization.len) {
    buf_lit(out, "\r\nProxy-Authorization: ");
    buf_str(out, target->proxy_authorization);
  }
  buf_str(out, target->fields);
  buf_lit(out, "\r\nAccept: ");
  buf_str(out, target->accept);
  buf_lit(out, "\r\nAccept-Encoding: identity\r\nUser-Agent: signalbox/" SIGNALBOX_VERSION);
}

void head_write(struct buf *out, const struct provider *provider, const struct head_target *target, size_t *length_at) {
  head_begin(out, STR("POST "), provider, target);
  buf_lit(out, "\r\nContent-Type: application/json\r\nContent-Length: ");
  *length_at = out->len;
  buf_lit(out, "          \r\n\r\n");  // blanks before a field's value mean nothing (RFC 9110 5.5)
}

void head_write_get(struct buf *out, const struct provider *provider, const struct head_target *target) {
  head_begin(out, STR("GET "), provider, target);
  buf_lit(out, "\r\n\r\n");
}

void head_length(struct buf *out, size_t length_at, size_t body_length) {
  if (out->failed) return;
  size_t at = length_at + LENGTH_ROOM;
  do out->ptr[--at] = (char)('0' + body_length % 10);
  while ((body_length /= 10) && at > length_at);
}
