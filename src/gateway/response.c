#include "gateway/response.h"

#include <stdio.h>

#include "base/time.h"

const char *http_reason(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

// The gateway's own share: the request's last byte to the first try, and the provider's first byte to ours.
static uint64_t own_share_ns(struct request *r) {
  struct inference *in = r->inference;
  if (!in || !r->ready_ns) return 0;
  uint64_t now = in->first_ns ? in->first_ns : time_mono_ns(), own = 0;
  own = (r->sent_ns ? r->sent_ns : now) - r->ready_ns - in->waited_ns;
  if (in->at && in->at->head_ns) own += now - in->at->head_ns;
  return own;
}

static bool origin_allowed(const struct request *r) {
  const struct str_list *allowed = &request_config(r)->cors_origins;
  for (size_t i = 0; i < allowed->count; i++)
    if (str_eq(allowed->items[i], STR("*")) || str_eq_nocase(allowed->items[i], r->origin)) return true;
  return false;
}

void response_head(struct request *r, struct buf *out, unsigned status, struct str content_type, int64_t length,
                   struct str extra) {
  const struct client *c = r->client;
  if (status == 200)
    buf_lit(out, "HTTP/1.1 200 OK\r\nDate: ");
  else
    buf_printf(out, "HTTP/1.1 %u %s\r\nDate: ", status, http_reason(status));
  buf_str(out, worker_date(r->worker));
  if (content_type.len) {
    buf_lit(out, "\r\nContent-Type: ");
    buf_str(out, content_type);
  }
  if (length >= 0 && status != 204) {
    buf_lit(out, "\r\nContent-Length: ");
    buf_u64(out, (uint64_t)length);
  } else if (length < 0 && !c->http10) {
    buf_lit(out, "\r\nTransfer-Encoding: chunked\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no");
  }
  if (r->generation_id[0]) {
    uint64_t own = own_share_ns(r);
    metric_add(&r->worker->metrics, METRIC_gateway_nanoseconds_total, (int64_t)own);
    buf_lit(out, "\r\nX-Generation-Id: ");
    buf_str(out, str_from_cstr(r->generation_id));
    buf_lit(out, "\r\nx-request-id: ");
    buf_str(out, str_from_cstr(r->generation_id));
    buf_lit(out, "\r\nServer-Timing: gw;dur=");
    buf_u64(out, own / 1000000);
    uint64_t us = own / 1000 % 1000;
    char digits[4] = {'.', (char)('0' + us / 100), (char)('0' + us / 10 % 10), (char)('0' + us % 10)};
    buf_append(out, digits, sizeof digits);
  }
  if (r->origin.len && origin_allowed(r)) {
    buf_lit(out, "\r\nVary: Origin\r\nAccess-Control-Allow-Origin: ");
    buf_str(out, r->origin);
    buf_lit(out,
            "\r\nAccess-Control-Expose-Headers: X-Generation-Id, Server-Timing, Retry-After, "
            "X-OpenRouter-Cache-Status, X-OpenRouter-Cache-Age, X-OpenRouter-Cache-TTL, X-OpenRouter-Cache-Source-Id");
  }
  if (!c->keep_alive || r->worker->draining || (length < 0 && c->http10))
    buf_lit(out, "\r\nConnection: close");
  else if (c->http10)
    buf_lit(out, "\r\nConnection: keep-alive");
  buf_lit(out, "\r\n");
  buf_str(out, extra);
  buf_lit(out, "\r\n");
}

enum { CHUNK_SIZE_ROOM = 10 };  // eight hex digits and CRLF

size_t response_chunk_begin(const struct request *r, struct buf *out) {
  size_t at = out->len;
  if (!r->client->http10) buf_lit(out, "00000000\r\n");
  return at;
}

void response_chunk_end(const struct request *r, struct buf *out, size_t begun_at) {
  if (r->client->http10 || out->failed) return;
  size_t size = out->len - begun_at - CHUNK_SIZE_ROOM;
  if (!size) {
    out->len = begun_at;
    return;
  }
  static const char hex[] = "0123456789abcdef";
  for (int i = 7; i >= 0; i--, size >>= 4) out->ptr[begun_at + (size_t)i] = hex[size & 15];
  buf_lit(out, "\r\n");
}

void response_last_chunk(const struct request *r, struct buf *out) {
  if (!r->client->http10) buf_lit(out, "0\r\n\r\n");
}

void response_finish(struct request *r, const struct buf *out, struct str body) {
  struct client *c = r->client;
  struct iovec parts[2] = {{out->ptr, out->len}, {(void *)body.ptr, body.len}};
  r->client = NULL;
  c->request = NULL;
  if (out->failed)
    client_close(c);
  else if (client_send(c, parts, body.len ? 2 : 1))
    client_answered(c);
}
