// What providers do wrong: the scripts of the fault matrix, each with what users are promised about it.
#pragma once
#include <zlib.h>

#include "simulation.h"

enum outcome {
  FALLS_BACK,  // nothing was sent: the next endpoint answers; with none left, an error
  BREAKS,      // the client has some of the answer: an error event, nobody else is asked
  PASSES,      // it is an answer after all
  STOPS,       // nobody else would do better: the error at once
};

struct fault_case {
  const char *name;
  void (*script)(struct sim_script *s, bool stream);
  enum sim_dial dial;
  enum outcome outcome;
  const char *fault;  // of the attempt, in the row
  unsigned status;    // when nobody is left
  const char *error_type;
  unsigned least_ms, most_ms;  // for one endpoint; most 0: no time at all
  unsigned asks;               // requests that come to the endpoint; 0: one
  bool only_whole, only_stream;
  bool estimated;  // PASSES: the usage is the gateway's
};

// --- the faults ---

static void silent(struct sim_script *s, bool stream) {
  (void)stream;
  s->end = SIM_HANG;
}

static void closes(struct sim_script *s, bool stream) {
  (void)stream;
  s->end = SIM_CLOSE;
}

static void resets(struct sim_script *s, bool stream) {
  (void)stream;
  s->end = SIM_RESET;
}

static void half_a_head(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Ty");
  s->end = SIM_CLOSE;
}

static void half_a_head_silent(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Ty");
  s->end = SIM_HANG;
}

static void head_only(struct sim_script *s, bool stream) {
  if (stream)
    sim_stream_head(s);
  else
    sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n");
}

static void head_then_silence(struct sim_script *s, bool stream) {
  head_only(s, stream);
  s->end = SIM_HANG;
}

static void head_then_close(struct sim_script *s, bool stream) {
  head_only(s, stream);
  s->end = SIM_CLOSE;
}

static void head_then_reset(struct sim_script *s, bool stream) {
  head_only(s, stream);
  s->end = SIM_RESET;
}

static void role_then(struct sim_script *s, enum sim_end end) {
  sim_stream_head(s);
  sim_role(s);
  s->end = end;
}

static void role_then_silence(struct sim_script *s, bool stream) {
  (void)stream;
  role_then(s, SIM_HANG);
}

static void role_then_close(struct sim_script *s, bool stream) {
  (void)stream;
  role_then(s, SIM_CLOSE);
}

static void role_then_reset(struct sim_script *s, bool stream) {
  (void)stream;
  role_then(s, SIM_RESET);
}

static void some_of_it(struct sim_script *s, bool stream) {
  if (stream) {
    sim_stream_head(s);
    sim_role(s);
    sim_token(s, "Hello from ");
  } else {
    sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"id\":\"mock\",");
  }
}

static void all_of_it(struct sim_script *s) {
  some_of_it(s, true);
  sim_token(s, "the mock");
  sim_event(s, "", "\"stop\"");
  sim_usage(s, SIM_USAGE);
  sim_chunk(s, "data: [DONE]\n\n");
}

static void some_then_silence(struct sim_script *s, bool stream) {
  some_of_it(s, stream);
  s->end = SIM_HANG;
}

static void some_then_close(struct sim_script *s, bool stream) {
  some_of_it(s, stream);
  s->end = SIM_CLOSE;
}

static void some_then_reset(struct sim_script *s, bool stream) {
  some_of_it(s, stream);
  s->end = SIM_RESET;
}

// The body ends in order, the answer does not.
static void some_then_body_end(struct sim_script *s, bool stream) {
  (void)stream;
  some_of_it(s, true);
  sim_say(s, "0\r\n\r\n");
}

static void some_then_error(struct sim_script *s, bool stream) {
  (void)stream;
  some_of_it(s, true);
  sim_chunk(s, "data: {\"error\":{\"message\":\"the model broke\",\"code\":500}}\n\n");
  sim_say(s, "0\r\n\r\n");
}

static void some_then_garbage(struct sim_script *s, bool stream) {
  (void)stream;
  some_of_it(s, true);
  sim_chunk(s, "data: {\"id\":\"mock\",\"choices\":[{]}\n\n");
  s->end = SIM_HANG;
}

static void some_then_bad_utf8(struct sim_script *s, bool stream) {
  (void)stream;
  some_of_it(s, true);
  sim_token(s, "\xC3(");
  s->end = SIM_HANG;
}

static void some_then_bad_chunk(struct sim_script *s, bool stream) {
  (void)stream;
  some_of_it(s, true);
  sim_say(s, "zz\r\n");
  s->end = SIM_HANG;
}

static void some_then_bad_chunk_later(struct sim_script *s, bool stream) {
  (void)stream;
  some_of_it(s, true);
  sim_wait(s, 20);
  sim_say(s, "zz\r\n");
  s->end = SIM_HANG;
}

// All of an answer, and nonsense in the same read.
static void all_then_bad_chunk(struct sim_script *s, bool stream) {
  (void)stream;
  all_of_it(s);
  sim_say(s, "zz\r\n");
  s->end = SIM_HANG;
}

static void all_then_garbage(struct sim_script *s, bool stream) {
  (void)stream;
  all_of_it(s);
  sim_chunk(s, "data: {\"id\":\xff\n\n\x01");
  s->end = SIM_HANG;
}

static void all_then_reset(struct sim_script *s, bool stream) {
  (void)stream;
  all_of_it(s);
  s->end = SIM_RESET;
}

static void role_then_bad_chunk(struct sim_script *s, bool stream) {
  (void)stream;
  sim_stream_head(s);
  sim_role(s);
  sim_say(s, "zz\r\n");
  s->end = SIM_HANG;
}

static void some_then_bad_chunk_whole(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  sim_chunk(s, "{\"id\":\"mock\",");
  sim_say(s, "zz\r\n");
  s->end = SIM_HANG;
}

// A comment and an empty line are bytes all the same, but say nothing.
static void comments_then_silence(struct sim_script *s, bool stream) {
  (void)stream;
  sim_stream_head(s);
  sim_chunk(s, ": waiting\n\n");
  s->end = SIM_HANG;
}

static void error_event(struct sim_script *s, bool stream) {
  if (!stream) {
    sim_whole(s, "200 OK", "", "{\"error\":{\"message\":\"the model broke\",\"code\":500}}");
    return;
  }
  sim_stream_head(s);
  sim_chunk(s, "data: {\"error\":{\"message\":\"the model broke\",\"code\":500}}\n\n");
  sim_say(s, "0\r\n\r\n");
}

static void error_behind_role(struct sim_script *s, bool stream) {
  (void)stream;
  sim_stream_head(s);
  sim_role(s);
  sim_chunk(s, "data: {\"error\":{\"message\":\"too much to do\",\"code\":429}}\n\n");
  sim_say(s, "0\r\n\r\n");
}

static void garbage(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "\x16\x03\x01 this is no HTTP\r\n\r\n");
  s->end = SIM_HANG;
}

static void bad_json(struct sim_script *s, bool stream) {
  if (!stream) {
    sim_whole(s, "200 OK", "", "{\"id\":\"mock\",\"choices\":[");
    return;
  }
  sim_stream_head(s);
  sim_chunk(s, "data: {\"id\":\"mock\",\"choices\":[{]}\n\n");
  s->end = SIM_HANG;
}

static void bad_utf8(struct sim_script *s, bool stream) {
  if (!stream) {
    sim_whole(s, "200 OK", "",
              "{\"id\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\xC3(\"},"
              "\"finish_reason\":\"stop\"}]}");
    return;
  }
  sim_stream_head(s);
  sim_role(s);
  sim_token(s, "\xFF");
  s->end = SIM_HANG;
}

static void html(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<html>Please log in</html>");
}

static void plain_text(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nnot today\n");
}

static void nothing_204(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void empty_200(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n");
}

static void redirect(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n");
}

static void whole_for_stream(struct sim_script *s, bool stream) {
  (void)stream;
  sim_good(s, false);
}

static void endless_head(struct sim_script *s, bool stream) {
  (void)stream;
  sim_say(s, "HTTP/1.1 200 OK\r\n");
  sim_say_str(s, 0, STR("X-More: and more, and more, and more, and more\r\n"), 100000);
  s->end = SIM_HANG;
}

static void huge_line(struct sim_script *s, bool stream) {
  (void)stream;
  static char block[64 * 1024];
  memset(block, 'x', sizeof block);
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"id\":\"");
  sim_say_str(s, 0, str_from(block, sizeof block), 400);  // 25 MB
  s->end = SIM_HANG;
}

static void some_then_huge_line(struct sim_script *s, bool stream) {
  static char block[64 * 1024];
  some_of_it(s, stream);
  memset(block, 'x', sizeof block);
  sim_chunk(s, "data: {\"id\":\"");
  for (int i = 0; i < 2; i++) {
    sim_say(s, "%x\r\n", 100u * (unsigned)sizeof block);
    sim_say_str(s, 0, str_from(block, sizeof block), 100);
    sim_say(s, "\r\n");
  }
  s->end = SIM_HANG;
}

static void huge_whole(struct sim_script *s, bool stream) {
  (void)stream;
  static char block[64 * 1024];
  memset(block, ' ', sizeof block);
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
  sim_say_str(s, 0, str_from(block, sizeof block), 1200);  // 75 MB
  s->end = SIM_HANG;
}

// A compressed body: `begin`, `megabytes` of blanks (a thousandth of that on the wire), `end`. `damaged`: bytes that
// nothing decodes to stand in place of the end.
static void gzip_body(struct sim_script *s, bool stream, struct str begin, int megabytes, struct str end,
                      bool damaged) {
  static char blank[1024 * 1024];
  struct buf out;
  z_stream z = {0};
  memset(blank, ' ', sizeof blank);
  buf_init(&out, 8 * 1024 * 1024);
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  for (int i = -1; i <= megabytes; i++) {
    struct str part = i < 0 ? begin : i < megabytes ? str_from(blank, sizeof blank) : end;
    z.next_in = (unsigned char *)(uintptr_t)part.ptr;
    z.avail_in = (unsigned)part.len;
    do {
      assert_true(buf_reserve(&out, 64 * 1024));
      z.next_out = (unsigned char *)out.ptr + out.len;
      z.avail_out = 64 * 1024;
      deflate(&z, i < megabytes ? (i < 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH) : damaged ? Z_SYNC_FLUSH : Z_FINISH);
      out.len += 64 * 1024 - z.avail_out;
    } while (!z.avail_out);
  }
  deflateEnd(&z);
  if (damaged) buf_lit(&out, "\xff\xff\xff\xff\xff\xff\xff\xff");
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
          stream ? "text/event-stream" : "application/json", out.len + (damaged ? 100 : 0));
  sim_say_str(s, 0, buf_view(&out), 1);
  buf_free(&out);
  if (damaged) s->end = SIM_HANG;
}

static void gzip_bomb(struct sim_script *s, bool stream) {
  gzip_body(s, stream, STR(""), 129, STR(""), false);
}

#define GZIP_CHUNK(delta, finish) \
  "data: {\"id\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
#define GZIP_SOME GZIP_CHUNK("\"role\":\"assistant\",\"content\":\"Hello from \"", "null")
#define GZIP_REST                                \
  GZIP_CHUNK("\"content\":\"the mock\"", "null") \
  GZIP_CHUNK("", "\"stop\"") "data: {\"id\":\"mock\",\"choices\":[],\"usage\":" SIM_USAGE "}\n\ndata: [DONE]\n\n"

// The token and the bomb are in one read.
static void gzip_bomb_behind_token(struct sim_script *s, bool stream) {
  gzip_body(s, stream, STR(GZIP_SOME "data: {\"id\":\""), 129, STR(""), false);
}

static void gzip_damage_behind_token(struct sim_script *s, bool stream) {
  gzip_body(s, stream, STR(GZIP_SOME), 0, STR(""), true);
}

static void gzip_damage_behind_all(struct sim_script *s, bool stream) {
  gzip_body(s, stream, STR(GZIP_SOME GZIP_REST), 0, STR(""), true);
}

static void gzip_in_an_answer(struct sim_script *s, bool stream) {
  if (stream)
    gzip_body(s, stream, STR(GZIP_SOME GZIP_REST), 0, STR(""), false);
  else
    gzip_body(
        s, stream,
        STR("{\"id\":\"mock\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" SIM_TEXT
            "\"},\"finish_reason\":\"stop\"}],"),
        0, STR("\"usage\":" SIM_USAGE "}"), false);
}

static void brotli(struct sim_script *s, bool stream) {
  sim_say(s,
          "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Encoding: br\r\nContent-Length: 13\r\n\r\n"
          "\x1b\xff\xff\x03\xb2\x80\x20\xf7\xf1\xff\xbf\x01\x03",
          stream ? "text/event-stream" : "application/json");
}

// Blanks and no end, with status 500.
static void endless_error(struct sim_script *s, bool stream) {
  (void)stream;
  static char block[64 * 1024];
  memset(block, ' ', sizeof block);
  sim_say(s, "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n");
  sim_say_str(s, 0, str_from(block, sizeof block), 3);
  s->end = SIM_HANG;
}

static void tiny_events(struct sim_script *s, bool stream) {
  (void)stream;
  struct buf block;
  buf_init(&block, 1024 * 1024);
  for (int i = 0; i < 1000; i++) buf_lit(&block, "2\r\n:\n\r\n1\r\n\n\r\n");
  sim_stream_head(s);
  sim_role(s);
  sim_say_str(s, 0, buf_view(&block), 1000);
  buf_free(&block);
  sim_token(s, SIM_TEXT);
  sim_event(s, "", "\"stop\"");
  sim_usage(s, SIM_USAGE);
  sim_chunk(s, "data: [DONE]\n\n");
  sim_say(s, "0\r\n\r\n");
}

static void slow_but_good(struct sim_script *s, bool stream) {
  (void)stream;
  sim_stream_head(s);
  sim_wait(s, 100000);
  sim_role(s);
  sim_wait(s, 100000);
  sim_token(s, "Hello from ");
  sim_wait(s, 100000);
  sim_token(s, "the mock");
  sim_event(s, "", "\"stop\"");
  sim_usage(s, SIM_USAGE);
  sim_chunk(s, "data: [DONE]\n\n");
  sim_say(s, "0\r\n\r\n");
}

// A token every hundred seconds is not silence, but it does end.
static void endless_drip(struct sim_script *s, bool stream) {
  sim_stream_head(s);
  sim_role(s);
  (void)stream;
  sim_token(s, "x");
  s->steps[s->count - 1].wait_ms = 100000;
  s->steps[s->count - 1].times = 1000;
  s->end = SIM_HANG;
}

static void silent_ten_minutes(struct sim_script *s, bool stream) {
  sim_wait(s, 290000);
  sim_good(s, stream);
}

#define STATUS(name, line, fields)                                                      \
  static void name(struct sim_script *s, bool stream) {                                 \
    (void)stream;                                                                       \
    sim_whole(s, line, fields, "{\"error\":{\"message\":\"not now\",\"code\":\"x\"}}"); \
  }
STATUS(status_429, "429 Too Many Requests", "")
STATUS(status_429_seconds, "429 Too Many Requests", "Retry-After: 30\r\n")
STATUS(status_429_date, "429 Too Many Requests", "Retry-After: Sun, 20 Sep 2026 23:59:59 GMT\r\n")
STATUS(status_429_ms, "429 Too Many Requests", "retry-after-ms: 1500\r\n")
STATUS(status_429_absurd, "429 Too Many Requests", "Retry-After: 99999999999999999999\r\n")
STATUS(status_529, "529 Overloaded", "")
STATUS(status_503, "503 Service Unavailable", "Retry-After: 5\r\n")
STATUS(status_500, "500 Internal Server Error", "")
STATUS(status_502, "502 Bad Gateway", "")
STATUS(status_504, "504 Gateway Timeout", "")
STATUS(status_408, "408 Request Timeout", "")
STATUS(status_409, "409 Conflict", "")
STATUS(status_425, "425 Too Early", "")
STATUS(status_401, "401 Unauthorized", "")
STATUS(status_402, "402 Payment Required", "")
STATUS(status_403, "403 Forbidden", "")
STATUS(status_404, "404 Not Found", "")
STATUS(status_400, "400 Bad Request", "")
STATUS(status_422, "422 Unprocessable Content", "")

static void context_too_long(struct sim_script *s, bool stream) {
  (void)stream;
  sim_whole(s, "400 Bad Request", "",
            "{\"error\":{\"message\":\"too long\",\"type\":\"invalid_request_error\","
            "\"code\":\"context_length_exceeded\"}}");
}

static void no_usage(struct sim_script *s, bool stream) {
  sim_answer_with(s, stream, NULL);
}

static void negative_usage(struct sim_script *s, bool stream) {
  sim_answer_with(s, stream, "{\"prompt_tokens\":-10,\"completion_tokens\":-5,\"total_tokens\":-15}");
}

static void absurd_usage(struct sim_script *s, bool stream) {
  sim_answer_with(s, stream,
                  "{\"prompt_tokens\":1000000000000,\"completion_tokens\":1000000000000,"
                  "\"total_tokens\":2000000000000}");
}

static void empty_reply(struct sim_script *s, bool stream) {
  if (!stream) {
    sim_whole(s, "200 OK", "", "{\"id\":\"mock\",\"object\":\"chat.completion\",\"choices\":[]}");
    return;
  }
  sim_stream_head(s);
  sim_chunk(s, "data: [DONE]\n\n");
  sim_say(s, "0\r\n\r\n");
}

enum { CONNECT_MS = 5000, FIRST_BYTE_MS = 300000, IDLE_MS = 120000, TOTAL_MS = 1800000, TICK = 40 };
#define AFTER(ms) .least_ms = (ms), .most_ms = (ms) + TICK
#define UNAVAILABLE .status = 502, .error_type = "provider_unavailable"
#define TIMES_OUT .fault = "timeout", .status = 504, .error_type = "timeout"
#define INVALID .fault = "upstream_invalid", UNAVAILABLE
#define CUT .fault = "upstream_cut", UNAVAILABLE
#define STREAM .only_stream = true
#define WHOLE .only_whole = true

static const struct fault_case faults[] = {
    {"R1 connection refused", NULL, SIM_REFUSES, FALLS_BACK, .fault = "connect", UNAVAILABLE, .asks = ~0u},
    {"R1 black hole", NULL, SIM_BLACK_HOLE, FALLS_BACK, TIMES_OUT, AFTER(CONNECT_MS), .asks = ~0u},
    {"R4 no answer at all", silent, .outcome = FALLS_BACK, TIMES_OUT, AFTER(FIRST_BYTE_MS)},
    {"R4 half a head, then silence", half_a_head_silent, .outcome = FALLS_BACK, TIMES_OUT, AFTER(FIRST_BYTE_MS)},
    {"R4 an answer after 290 s", silent_ten_minutes, .outcome = PASSES, AFTER(290000)},
    {"R5 head, then silence", head_then_silence, .outcome = FALLS_BACK, TIMES_OUT, AFTER(IDLE_MS)},
    {"R5 role, then silence", role_then_silence, .outcome = FALLS_BACK, TIMES_OUT, AFTER(IDLE_MS), STREAM},
    {"R5 comment, then silence", comments_then_silence, .outcome = FALLS_BACK, TIMES_OUT, AFTER(IDLE_MS), STREAM},
    {"R5 a token, then silence", some_then_silence, .outcome = BREAKS, TIMES_OUT, AFTER(IDLE_MS), STREAM},
    {"R5 half a reply, then silence", some_then_silence, .outcome = FALLS_BACK, TIMES_OUT, AFTER(IDLE_MS), WHOLE},
    {"R5 pauses below the limit", slow_but_good, .outcome = PASSES, AFTER(300000), STREAM},
    {"R5 endless, a token a hundred seconds", endless_drip, .outcome = BREAKS, TIMES_OUT, AFTER(TOTAL_MS), STREAM},
    {"R6 closes without an answer", closes, .outcome = FALLS_BACK, CUT},
    {"R6 resets without an answer", resets, .outcome = FALLS_BACK, CUT},
    {"R6 half a head, then close", half_a_head, .outcome = FALLS_BACK, CUT},
    {"R6 head, then close", head_then_close, .outcome = FALLS_BACK, CUT},
    {"R6 head, then reset", head_then_reset, .outcome = FALLS_BACK, CUT},
    {"R6 role, then close", role_then_close, .outcome = FALLS_BACK, CUT, STREAM},
    {"R6 role, then reset", role_then_reset, .outcome = FALLS_BACK, CUT, STREAM},
    {"R6 a token, then close", some_then_close, .outcome = BREAKS, CUT, STREAM},
    {"R6 a token, then reset", some_then_reset, .outcome = BREAKS, CUT, STREAM},
    {"R6 a token, then the body's end", some_then_body_end, .outcome = BREAKS, CUT, STREAM},
    {"R6 half a reply, then close", some_then_close, .outcome = FALLS_BACK, CUT, WHOLE},
    {"R6 half a reply, then reset", some_then_reset, .outcome = FALLS_BACK, CUT, WHOLE},
    {"R6 a token, then an error event", some_then_error, .outcome = BREAKS, .fault = "upstream_error", UNAVAILABLE,
     STREAM},
    {"R7 no HTTP", garbage, .outcome = FALLS_BACK, INVALID},
    {"R7 bad JSON", bad_json, .outcome = FALLS_BACK, INVALID},
    {"R7 bad UTF-8", bad_utf8, .outcome = FALLS_BACK, INVALID},
    {"R7 a token, then bad JSON", some_then_garbage, .outcome = BREAKS, INVALID, STREAM},
    {"R7 a token, then bad UTF-8", some_then_bad_utf8, .outcome = BREAKS, INVALID, STREAM},
    {"R7 a token, then bad chunked coding", some_then_bad_chunk, .outcome = BREAKS, INVALID, STREAM},
    {"R7 a token, later bad chunked coding", some_then_bad_chunk_later, .outcome = BREAKS, INVALID, AFTER(20), STREAM},
    {"R7 role, then bad chunked coding", role_then_bad_chunk, .outcome = FALLS_BACK, INVALID, STREAM},
    {"R7 half a reply, then bad chunked coding", some_then_bad_chunk_whole, .outcome = FALLS_BACK, INVALID, WHOLE},
    {"R7 all of it, then bad chunked coding", all_then_bad_chunk, .outcome = PASSES, STREAM},
    {"R7 all of it, then garbage", all_then_garbage, .outcome = PASSES, STREAM},
    {"R6 all of it, then reset", all_then_reset, .outcome = PASSES, STREAM},
    {"R8 endless head", endless_head, .outcome = FALLS_BACK, INVALID},
    {"R8 huge line", huge_line, .outcome = FALLS_BACK, INVALID, STREAM},
    {"R8 a token, then a huge line", some_then_huge_line, .outcome = BREAKS, INVALID, STREAM},
    {"R8 huge reply", huge_whole, .outcome = FALLS_BACK, INVALID, WHOLE},
    {"R8 endless error", endless_error, .outcome = FALLS_BACK, .fault = "upstream_error", UNAVAILABLE},
    {"R8 gzip bomb", gzip_bomb, .outcome = FALLS_BACK, INVALID},
    {"R8 a token, then a gzip bomb", gzip_bomb_behind_token, .outcome = BREAKS, INVALID, STREAM},
    {"R8 a token, then damaged gzip", gzip_damage_behind_token, .outcome = BREAKS, INVALID, STREAM},
    {"R8 all of it, then damaged gzip", gzip_damage_behind_all, .outcome = PASSES, STREAM},
    {"R8 gzip that nobody asked for", gzip_in_an_answer, .outcome = PASSES},
    {"R8 brotli that nobody asked for", brotli, .outcome = FALLS_BACK, INVALID},
    {"R8 a million tiny comments", tiny_events, .outcome = PASSES, STREAM},
    {"R9 an error with status 200", error_event, .outcome = FALLS_BACK, .fault = "upstream_error", UNAVAILABLE},
    {"R9 role, then an error event", error_behind_role, .outcome = FALLS_BACK, .fault = "upstream_rate", .status = 429,
     .error_type = "rate_limit_exceeded", STREAM},
    {"R9 a log-in page", html, .outcome = FALLS_BACK, INVALID},
    {"R9 plain text", plain_text, .outcome = FALLS_BACK, INVALID, WHOLE},
    {"R9 plain text", plain_text, .outcome = FALLS_BACK, CUT, STREAM},
    {"R9 204", nothing_204, .outcome = FALLS_BACK, INVALID},
    {"R9 200 without a body", empty_200, .outcome = FALLS_BACK, INVALID},
    {"R9 redirect", redirect, .outcome = FALLS_BACK, INVALID},
    {"R9 a whole answer for a stream", whole_for_stream, .outcome = FALLS_BACK, INVALID, STREAM},
#define LIMITED .outcome = FALLS_BACK, .fault = "upstream_rate", .status = 429, .error_type = "rate_limit_exceeded"
    {"R10 429", status_429, LIMITED},
    {"R10 429 with seconds", status_429_seconds, LIMITED},
    {"R10 429 with a date", status_429_date, LIMITED},
    {"R10 429 with milliseconds", status_429_ms, LIMITED},
    {"R10 429 with an absurd time", status_429_absurd, LIMITED},
#define OVERLOADED \
  .outcome = FALLS_BACK, .fault = "upstream_overload", .status = 503, .error_type = "provider_overloaded"
    {"R10 529", status_529, OVERLOADED},
    {"R10 503", status_503, OVERLOADED},
    {"R10 500", status_500, .outcome = FALLS_BACK, .fault = "upstream_error", UNAVAILABLE},
    {"R10 502", status_502, .outcome = FALLS_BACK, .fault = "upstream_error", UNAVAILABLE},
    {"R10 504", status_504, .outcome = FALLS_BACK, TIMES_OUT},
    {"R10 408", status_408, .outcome = FALLS_BACK, TIMES_OUT},
    {"R10 409", status_409, .outcome = FALLS_BACK, .fault = "upstream_error", UNAVAILABLE},
    {"R10 425", status_425, .outcome = FALLS_BACK, .fault = "upstream_error", UNAVAILABLE},
    {"R10 401", status_401, .outcome = FALLS_BACK, .fault = "upstream_auth", UNAVAILABLE},
    {"R10 402", status_402, .outcome = FALLS_BACK, .fault = "upstream_billing", UNAVAILABLE},
    {"R10 403", status_403, .outcome = FALLS_BACK, .fault = "upstream_auth", UNAVAILABLE},
    {"R10 404", status_404, .outcome = FALLS_BACK, .fault = "upstream_model", UNAVAILABLE},
    {"R10 400", status_400, .outcome = STOPS, .fault = "bad_request", .status = 400, .error_type = "invalid_request"},
    {"R10 422", status_422, .outcome = STOPS, .fault = "unprocessable", .status = 422, .error_type = "unprocessable"},
    {"R10 context too long", context_too_long, .outcome = FALLS_BACK, .fault = "context", .status = 400,
     .error_type = "context_length_exceeded"},
    {"R15 no usage", no_usage, .outcome = PASSES, .estimated = true},
    {"R15 negative usage", negative_usage, .outcome = PASSES, .estimated = true},
    {"R15 absurd usage", absurd_usage, .outcome = PASSES, .estimated = true},
    {"R9 an empty answer", empty_reply, .outcome = FALLS_BACK, INVALID, WHOLE},
    {"R9 an empty answer", empty_reply, .outcome = FALLS_BACK, CUT, STREAM},
};
