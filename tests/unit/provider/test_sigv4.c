// AWS signatures: a vector made with another implementation, and Amazon's own test suite where it is at hand
// ($SIGNALBOX_FIXTURES/sigv4, else ../shared/fixtures/sigv4).
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <openssl/evp.h>

#include "json/json.h"
#include "provider/aws_sign.h"
#include "provider/sigv4.h"

static struct arena arena;

static int teardown(void **state) {
  (void)state;
  arena_free(&arena);
  return 0;
}

static void assert_str(struct str got, struct str wanted) {
  if (!str_eq(got, wanted)) fail_msg("got\n%.*s\nwanted\n%.*s", STR_ARGS(got), STR_ARGS(wanted));
}

// --- a request to Bedrock ---

static void test_bedrock(void **state) {
  (void)state;
  static const struct {
    const char *path, *signature;
  } rows[] = {{"/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
               "dfca05a7dfc4e6794dc4f527cd1ae7b79225505ad4c015afa23539efe6374815"},
              {"/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse",
               "1d17a87dc4a4c15b455549ab1557821bdb93b91003939d092179575f5f6a47c3"}};
  struct aws_credentials credentials = {STR("AKIDEXAMPLE"), STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), {0}};
  for (size_t i = 0; i < 2; i++) {
    struct aws_call call = {
        .host = STR("bedrock-runtime.us-east-1.amazonaws.com"),
        .path = str_from_cstr(rows[i].path),
        .region = STR("us-east-1"),
        .service = STR("bedrock"),
        .body = STR("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"inferenceConfig\":{"
                    "\"maxTokens\":16}}"),
        .unix_s = 1735689600,
    };
    struct buf out;
    buf_init(&out, 4096);
    aws_sign(&call, &credentials, &arena, &out);
    assert_false(out.failed);
    struct str fields = buf_view(&out);
    assert_true(
        str_starts(fields, STR("\r\nX-Amz-Date: 20250101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential="
                               "AKIDEXAMPLE/20250101/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;"
                               "host;x-amz-date, Signature=")));
    assert_str(str_skip(fields, fields.len - 64), str_from_cstr(rows[i].signature));
    buf_free(&out);
  }
}

// --- Amazon's cases ---

static struct str file(const char *folder, const char *name, const char *part) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s/%s", folder, name, part);
  FILE *f = fopen(path, "rb");
  char *text = arena_alloc(&arena, 65536);
  if (!f || !text) return (struct str){0};
  size_t n = fread(text, 1, 65535, f);
  fclose(f);
  while (n && (text[n - 1] == '\n' || text[n - 1] == '\r')) n--;
  return str_from(text, n);
}

static struct str member(const struct json_doc *doc, uint32_t object, const char *name) {
  struct str value = {0};
  return json_string(doc, json_get(doc, object, str_from_cstr(name)), &arena, &value) ? value : (struct str){0};
}

// "POST /path?query HTTP/1.1", fields, a blank line, the body.
static void request_read(struct str text, struct sigv4_request *r, struct sigv4_header *headers) {
  struct str line, rest = text;
  assert_true(str_split(&rest, '\n', &line));
  size_t space = str_find_char(line, ' ', 0), end = line.len - 9;
  r->method = str_from(line.ptr, space);
  struct str target = str_from(line.ptr + space + 1, end - space - 1);
  size_t query = str_find_char(target, '?', 0);
  r->path = query == SIZE_MAX ? target : str_from(target.ptr, query);
  if (query != SIZE_MAX) r->query = str_skip(target, query + 1);
  while (str_split(&rest, '\n', &line) && line.len) {
    size_t colon = str_find_char(line, ':', 0);
    if ((line.ptr[0] == ' ' || line.ptr[0] == '\t') && r->header_count) continue;
    headers[r->header_count++] = (struct sigv4_header){str_from(line.ptr, colon), str_skip(line, colon + 1)};
  }
  r->body = rest.ptr ? rest : (struct str){"", 0};
}

static void check_case(const char *folder, const char *name) {
  struct json_doc doc = {0};
  struct sigv4_header headers[16] = {0};
  struct sigv4_request r = {0};
  struct buf out;
  struct str context = file(folder, name, "context.json");
  assert_int_equal(json_parse(&doc, context, 3), JSON_OK);
  uint32_t credentials = json_get(&doc, 0, STR("credentials"));
  struct str when = member(&doc, 0, "timestamp"), token = member(&doc, credentials, "token");
  request_read(file(folder, name, "request.txt"), &r, headers);
  // 2015-08-30T12:36:00Z
  char moment[32];
  snprintf(moment, sizeof moment, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", when.ptr, when.ptr + 5, when.ptr + 8, when.ptr + 11,
           when.ptr + 14, when.ptr + 17);
  memcpy(r.time, moment, sizeof r.time);
  headers[r.header_count++] = (struct sigv4_header){STR("X-Amz-Date"), str_from_cstr(r.time)};
  char digest[65];
  if (json_type(&doc, json_get(&doc, 0, STR("sign_body"))) == JSON_TRUE) {
    unsigned char bytes[32];
    assert_true(EVP_Digest(r.body.ptr, r.body.len, bytes, NULL, EVP_sha256(), NULL));
    for (int i = 0; i < 32; i++) snprintf(digest + 2 * i, 3, "%02x", bytes[i]);
    headers[r.header_count++] = (struct sigv4_header){STR("x-amz-content-sha256"), str_from_cstr(digest)};
  }
  if (token.len) headers[r.header_count++] = (struct sigv4_header){STR("X-Amz-Security-Token"), token};
  r.headers = headers;
  r.region = member(&doc, 0, "region");
  r.service = member(&doc, 0, "service");
  r.access_key_id = member(&doc, credentials, "access_key_id");
  r.secret_access_key = member(&doc, credentials, "secret_access_key");
  buf_init(&out, 1 << 20);
  assert_true(sigv4_canonical(&r, &arena, &out));
  struct str canonical = arena_str(&arena, buf_view(&out));
  assert_str(canonical, file(folder, name, "header-canonical-request.txt"));
  buf_clear(&out);
  sigv4_string_to_sign(&r, canonical, &out);
  assert_str(buf_view(&out), file(folder, name, "header-string-to-sign.txt"));
  buf_clear(&out);
  assert_true(sigv4_authorization(&r, &arena, &out));
  assert_str(str_skip(buf_view(&out), out.len - 64), file(folder, name, "header-signature.txt"));
  buf_free(&out);
  json_doc_free(&doc);
}

static void test_amazons_cases(void **state) {
  (void)state;
  char folder[400];
  const char *named = getenv("SIGNALBOX_FIXTURES");
  snprintf(folder, sizeof folder, "%s/sigv4", named ? named : "../shared/fixtures");
  DIR *dir = opendir(folder);
  if (!dir) skip();
  unsigned n = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    check_case(folder, entry->d_name);
    n++;
  }
  closedir(dir);
  assert_true(n > 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_bedrock, teardown),
                                     cmocka_unit_test_teardown(test_amazons_cases, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
