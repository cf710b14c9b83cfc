#include "provider/aws_sign.h"

#include "provider/sigv4.h"

void aws_sign(const struct aws_call *call, const struct aws_credentials *credentials, struct arena *arena,
              struct buf *out) {
  struct sigv4_request request = {.method = STR("POST"),
                                  .path = call->path,
                                  .body = call->body,
                                  .region = call->region,
                                  .service = call->service,
                                  .access_key_id = credentials->access_key_id,
                                  .secret_access_key = credentials->secret_access_key};
  sigv4_time(call->unix_s, request.time);
  struct sigv4_header headers[4] = {{STR("content-type"), STR("application/json")},
                                    {STR("host"), call->host},
                                    {STR("x-amz-date"), str_from(request.time, 16)},
                                    {STR("x-amz-security-token"), credentials->session_token}};
  request.headers = headers;
  request.header_count = credentials->session_token.len ? 4 : 3;
  buf_lit(out, "\r\nX-Amz-Date: ");
  buf_append(out, request.time, 16);
  if (credentials->session_token.len) {
    buf_lit(out, "\r\nX-Amz-Security-Token: ");
    buf_str(out, credentials->session_token);
  }
  buf_lit(out, "\r\nAuthorization: ");
  if (!sigv4_authorization(&request, arena, out)) out->failed = true;
}
