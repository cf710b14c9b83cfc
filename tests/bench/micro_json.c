// Nanoseconds to parse what passes through the gateway most often. By hand:
//   cc -std=gnu17 -O2 -Isrc tests/bench/micro_json.c src/json/*.c src/base/*.c -o micro_json && ./micro_json
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "json/json.h"

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(bool good) {
  if (!good) abort();
}

// The best of several runs of about 50 ms each: the machine may be busy.
static void measure(const char *name, struct str text, unsigned depth_max) {
  struct json_doc doc = {0};
  double best = 1;
  size_t rounds = 20000000 / (text.len + 100) + 1;
  for (int run = 0; run < 15; run++) {
    double from = seconds();
    for (size_t i = 0; i < rounds; i++) check(json_parse(&doc, text, depth_max) == JSON_OK);
    double each = (seconds() - from) / (double)rounds;
    if (each < best) best = each;
  }
  printf("%-34s %8zu bytes %6u nodes %10.0f ns %8.2f GB/s\n", name, text.len, doc.count, best * 1e9,
         (double)text.len / best * 1e-9);
  json_doc_free(&doc);
}

static const char words[] =
    "The gateway reads a request once, finds the model, forwards the bytes and counts what came back. It's plain text "
    "with commas, dots and an occasional (parenthesis); nothing in it needs to be escaped. ";

static void repeat(struct buf *out, const char *text, size_t len) {
  size_t from = out->len, piece = str_from_cstr(text).len;
  while (out->len - from + piece <= len) buf_append(out, text, piece);
}

static void chat_request(struct buf *out, const char *content, size_t len) {
  buf_lit(out,
          "{\"model\":\"openai/gpt-4o-mini\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful "
          "assistant. Answer briefly.\"},{\"role\":\"user\",\"content\":\"");
  repeat(out, content, len);
  buf_lit(out,
          "\"}],\"temperature\":0.7,\"top_p\":0.95,\"max_tokens\":512,\"stream\":true,\"stream_options\":{"
          "\"include_usage\":true},\"user\":\"user-1234\"}");
}

static void dialogue(struct buf *out) {
  buf_lit(out, "{\"model\":\"openai/gpt-4o-mini\",\"messages\":[");
  for (int i = 0; i < 12; i++)
    buf_printf(out, "%s{\"role\":\"%s\",\"content\":\"A short turn, number %d.\"}", i ? "," : "",
               i % 2 ? "assistant" : "user", i);
  buf_lit(out,
          "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\","
          "\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}}}],\"temperature\":0,\"seed\":42}");
}

static const char reply_head[] =
    "{\"id\":\"chatcmpl-BxkT2mPq8sYw4vNcR7\",\"object\":\"chat.completion\",\"created\":1753000000,\"model\":"
    "\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"";
static const char reply_tail[] =
    "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":57,"
    "\"completion_tokens\":121,\"total_tokens\":178,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},\"service_tier\":\"default\"}";
static const char chunk[] =
    "{\"id\":\"chatcmpl-BxkT2mPq8sYw4vNcR7\",\"object\":\"chat.completion.chunk\",\"created\":1753000000,\"model\":"
    "\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_34a54ae93c\",\"choices\":[{\"index\":0,\"delta\":{"
    "\"content\":\" word\"},\"finish_reason\":null}]}";

static void embeddings(struct buf *out) {
  buf_lit(out, "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[");
  for (int i = 0; i < 1536; i++) buf_printf(out, "%s%.9f", i ? "," : "", (double)(i * 7919 % 2003 - 1000) / 31337.0);
  buf_lit(out, "]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}");
}

int main(void) {
  struct buf text;
  buf_init(&text, 1 << 24);
  chat_request(&text, words, 740);
  measure("chat request 1 KB", buf_view(&text), 4);
  buf_clear(&text);
  dialogue(&text);
  measure("dialogue of 12 turns and a tool", buf_view(&text), 4);
  buf_clear(&text);
  buf_str(&text, str_from_cstr(reply_head));
  repeat(&text, words, 500);
  buf_str(&text, str_from_cstr(reply_tail));
  measure("chat reply 1 KB", buf_view(&text), 4);
  measure("stream chunk", str_from_cstr(chunk), 4);
  measure("stream chunk, no tape", str_from_cstr(chunk), 0);
  buf_clear(&text);
  chat_request(&text, words, 100000);
  measure("100 KB, one plain string", buf_view(&text), 4);
  buf_clear(&text);
  chat_request(&text, "    if (x) {\\n      print(\\\"hello\\\");\\n    }\\n", 100000);
  measure("100 KB of code, many escapes", buf_view(&text), 4);
  buf_clear(&text);
  chat_request(&text,
               "Caf\xC3\xA9 cr\xC3\xA8me, d\xC3\xA9j\xC3\xA0 vu et le na\xC3\xAF"
               "f gar\xC3\xA7on de la ville. ",
               100000);
  measure("100 KB of French", buf_view(&text), 4);
  buf_clear(&text);
  chat_request(&text, "\xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97\xE7\xAC\xA6\xE3\x80\x82", 100000);
  measure("100 KB of Chinese", buf_view(&text), 4);
  buf_clear(&text);
  embeddings(&text);
  measure("embedding of 1536 numbers", buf_view(&text), 2);
  buf_free(&text);
  return 0;
}
