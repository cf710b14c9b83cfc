// Nanoseconds of what every chat request costs here: check and splice of the request, the whole reply, a chunk of a
// stream on the short way and on the general one.
//
//     cmake --build --preset release --target micro_chat && build/release/tests/bench/micro_chat [part of a name]
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "surface/openai_chat.h"

static const struct provider_quirks quirks = {.max_tokens_field = "max_completion_tokens"};
static const struct provider provider = {.id = {"openai", 6}, .name = {"OpenAI", 6}, .quirks = &quirks};
static const struct model model = {.id = {"openai/gpt-4o-mini", 18}};
static struct endpoint endpoint = {.provider = &provider, .model = &model, .upstream_model = {"gpt-4o-mini", 11}};
#define GENERATION_ID STR("gen-1753000000-AbCdEfGhIjKlMnOpQrSt")

static const char *wanted;
static struct arena arena;
static struct buf text, out;

static void check(bool good) {
  if (!good) abort();
}

static void request_once(void) {
  struct chat_request r;
  struct fault_note note;
  check(chat_request_parse(&r, buf_view(&text), &arena, &note));
  check(chat_request_build(&r, &endpoint, &out));
  chat_request_free(&r);
}

static void reply_once(void) {
  struct chat_reply reply;
  chat_reply_init(&reply, GENERATION_ID, &endpoint, 1753000000);
  check(chat_reply_whole(&reply, buf_view(&text), NULL, &out));
}

static struct chat_reply stream_reply;
static struct chat_stream *stream;

// Changes the padding, as OpenAI does.
static size_t padding_at;

static void chunk_once(void) {
  if (padding_at) text.ptr[padding_at] = text.ptr[padding_at] == 'x' ? 'y' : 'x';
  check(chat_stream_event(stream, buf_view(&text), &out) == CHAT_MORE);
}

// The best of several runs of some 20 ms each: the machine may be busy.
static void measure(const char *name, void (*once)(void)) {
  double best = 1e9;
  if (wanted && !strstr(name, wanted)) return;
  for (int run = 0; run < 15; run++) {
    struct timespec begin, end;
    const int rounds = 20000;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < rounds; i++) {
      buf_clear(&out);
      once();
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / rounds;
    if (ns < best) best = ns;
  }
  printf("%-44s %6zu bytes in, %6zu out %8.0f ns\n", name, text.len, out.len, best);
}

static void words(size_t n) {
  while (n--) buf_lit(&text, "word and more ");
}

static void begin(const char *start) {
  buf_clear(&text);
  buf_str(&text, str_from_cstr(start));
}

#define CHUNK_HEAD                                                                                                 \
  "{\"id\":\"chatcmpl-BxkT2mPq8sYw4vNcR7\",\"object\":\"chat.completion.chunk\",\"created\":1753000000,\"model\":" \
  "\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_34a54ae93c\",\"choices\":[{\"index\":0,\"delta\":"

static void streams(void) {
  chat_reply_init(&stream_reply, GENERATION_ID, &endpoint, 1753000000);
  check((stream = chat_stream_new(&stream_reply)) != NULL);
  begin(CHUNK_HEAD "{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}");
  chunk_once();
  begin(CHUNK_HEAD "{\"content\":\" word\"},\"finish_reason\":null}]}");
  measure("chunk of content, short way", chunk_once);
  begin(CHUNK_HEAD "{\"content\":\" word\"},\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"Xf3k9sQ0b\"}");
  padding_at = text.len - 5;
  measure("chunk of content with padding, short way", chunk_once);
  padding_at = 0;
  begin(CHUNK_HEAD
        "{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"\"}}]},\"finish_reason\":null}]}");
  measure("chunk that begins a tool call, general way", chunk_once);
  begin(CHUNK_HEAD
        "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\"}}]},\"finish_reason\":null}]}");
  measure("chunk of arguments", chunk_once);
  begin(CHUNK_HEAD
        "{\"content\":\" word\"},\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":9,"
        "\"completion_tokens\":12,\"total_tokens\":21}}");
  measure("chunk of content with usage, general way", chunk_once);
  chat_stream_drop(stream);
}

int main(int argc, char **argv) {
  wanted = argc > 1 ? argv[1] : NULL;
  buf_init(&text, 1 << 20);
  buf_init(&out, 1 << 20);
  endpoint.pricing = PRICING_UNSET;
  check(price_parse(STR("0.00000015"), &endpoint.pricing.prompt));
  check(price_parse(STR("0.0000006"), &endpoint.pricing.completion));

  begin(
      "{\"model\":\"openai/gpt-4o-mini\",\"messages\":[{\"role\":\"system\",\"content\":\"You are helpful.\"},"
      "{\"role\":\"user\",\"content\":\"");
  words(60);
  buf_lit(&text, "\"}],\"max_tokens\":100,\"temperature\":0.7,\"provider\":{\"sort\":\"price\"}}");
  measure("request, whole", request_once);
  text.len--;
  buf_lit(&text, ",\"stream\":true}");
  measure("request, stream", request_once);

  begin(
      "{\"id\":\"chatcmpl-BxkT2mPq8sYw4vNcR7\",\"object\":\"chat.completion\",\"created\":1753000000,\"model\":"
      "\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
  words(36);
  buf_lit(&text,
          "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{"
          "\"prompt_tokens\":200,\"completion_tokens\":120,\"total_tokens\":320,\"prompt_tokens_details\":{"
          "\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,"
          "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},"
          "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_34a54ae93c\"}");
  measure("reply, whole", reply_once);

  streams();
  buf_free(&text);
  buf_free(&out);
  arena_free(&arena);
  return 0;
}
