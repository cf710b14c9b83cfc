// The settings. A new one is a row here and a member in config.h; nothing else knows its name.
#include "config/table.h"

#include "base/limits.h"
#include "config/config.h"

#define AT(member) .at = offsetof(struct config, member)
#define KEY_AT(member) .at = offsetof(struct config_key, member)
#define PROVIDER_AT(member) .at = offsetof(struct config_provider, member)
#define MODEL_AT(member) .at = offsetof(struct config_model, member)
#define ENDPOINT_AT(member) .at = offsetof(struct config_endpoint, member)
#define TIMES(least) .type = SETTING_TIME, .min = (least), .max = 24 * 60 * 60 * 1000
#define TOKENS .type = SETTING_COUNT, .min = 1, .max = 1000000000
#define OVERRIDE_AT(member) .at = offsetof(struct config_override, member)
#define PRICING "models[].endpoints[].pricing."
#define OVERRIDES PRICING "overrides[]."
#define PRICE(name, text) \
  { PRICING #name, SETTING_PRICE, ENDPOINT_AT(pricing.name), .help = (text) }
#define OVERRIDE(name) \
  { OVERRIDES #name, SETTING_PRICE, OVERRIDE_AT(prices.name), .help = "the same price under these conditions" }

const struct setting settings[] = {
    {"server", SETTING_SECTION, .help = "how clients reach the gateway"},
    {"server.listen", SETTING_LISTEN, AT(listen), .count_at = offsetof(struct config, listen_count),
     .default_text = "127.0.0.1:8787", .env = "SIGNALBOX_LISTEN", .fixed = true,
     .help = "one address or a list: `host:port`, `[::1]:port`, `:port` (every IPv4 address), `unix:/path`"},
    {"server.tls", SETTING_SECTION, .help = "makes the TCP addresses https"},
    {"server.tls.cert", SETTING_FILE, AT(tls_cert), .required = true, .fixed = true,
     .help = "PEM file with the certificate and its chain"},
    {"server.tls.key", SETTING_FILE, AT(tls_key), .required = true, .fixed = true,
     .help = "PEM file with the private key"},
    {"server.workers", SETTING_WORKERS, AT(workers), .default_text = "auto", .env = "SIGNALBOX_WORKERS", .fixed = true,
     .min = 1, .max = 1024, .help = "event loops; `auto` is one a core"},
    {"server.max_body_bytes", SETTING_SIZE, AT(max_body_bytes), .default_text = "32MiB", .min = 1024, .max = 1 << 30,
     .help = "the largest request body; more is refused with 413"},
    {"server.header_timeout_ms", TIMES(10), AT(header_timeout_ms), .default_text = "10s",
     .help = "for a whole request head to arrive"},
    {"server.body_timeout_ms", TIMES(10), AT(body_timeout_ms), .default_text = "60s",
     .help =
         "silence allowed while a request body arrives; after ten times as long, it must have brought 1 kB a second"},
    {"server.idle_timeout_ms", TIMES(10), AT(idle_timeout_ms), .default_text = "75s",
     .help = "how long an unused client connection is kept"},
    {"server.write_timeout_ms", TIMES(10), AT(write_timeout_ms), .default_text = "60s",
     .help = "how long a client may take nothing of its answer"},
    {"server.drain_timeout_ms", TIMES(0), AT(drain_timeout_ms), .default_text = "30s",
     .help = "for running requests to end when the program is stopped"},
    {"server.overload_lag_ms", TIMES(0), AT(overload_lag_ms), .default_text = "200ms",
     .help = "inference requests are refused with 503 while all that come have to wait longer than this for the "
             "gateway itself; keys get equal parts of what it can do; 0: never"},
    {"server.keepalive_comment_ms", TIMES(10), AT(keepalive_comment_ms), .default_text = "5s",
     .help = "silence after which a stream gets a comment, so that nothing between takes it for dead"},
    {"server.cors_origins", SETTING_ORIGINS, AT(cors_origins),
     .help = "web pages that may call the API from a browser: `https://app.example`, or `*`"},

    {"upstream", SETTING_SECTION, .help = "how the gateway reaches providers"},
    {"upstream.connect_timeout_ms", TIMES(10), AT(upstream_connect_timeout_ms), .default_text = "5s",
     .help = "for a connection, with TLS, to stand"},
    {"upstream.first_byte_timeout_ms", TIMES(10), AT(upstream_first_byte_timeout_ms), .default_text = "300s",
     .help = "from the request sent to the first byte of the answer"},
    {"upstream.first_token_timeout_ms", TIMES(10), AT(upstream_first_token_timeout_ms), .default_text = "300s",
     .help = "of a stream: from the attempt's begin to the first token; what comes before it (comments, roles) does "
             "not count"},
    {"upstream.min_tokens_per_second", SETTING_COUNT, AT(upstream_min_tokens_per_second), .default_text = "0",
     .max = 100000,
     .help = "of a stream: fewer in any ten seconds (four bytes a token) are a failure; 0: any rate will do"},
    {"upstream.idle_timeout_ms", TIMES(10), AT(upstream_idle_timeout_ms), .default_text = "120s",
     .help = "silence allowed inside an answer"},
    {"upstream.total_timeout_ms", TIMES(10), AT(upstream_total_timeout_ms), .default_text = "1800s",
     .help = "for a whole answer"},
    {"upstream.pool_idle_ms", TIMES(1), AT(upstream_pool_idle_ms), .default_text = "60s",
     .help = "how long an unused connection to a provider is kept"},

    {"upstream.max_event_bytes", SETTING_SIZE, AT(upstream_max_event_bytes), .default_text = "8MiB", .min = 64 * 1024,
     .max = 1 << 30, .help = "one event or line of a stream; a larger one is a failure of the provider"},
    {"upstream.fetch_private", SETTING_SWITCH, AT(fetch_private), .default_text = "off",
     .help = "may a picture that a client names by its URL lie at a private address"},

    {"routing", SETTING_SECTION,
     .help = "how endpoints are chosen, beside what requests say in their `provider` object"},
    {"routing.health", SETTING_SWITCH, AT(health), .default_text = "on",
     .help = "endpoints, providers and keys that fail are benched for a while: asked only when nothing better is left"},
    {"routing.probe_interval_ms", TIMES(0), AT(probe_interval_ms), .default_text = "0",
     .help = "how often a provider that is benched for an outage is asked for its list of models; an answer ends the "
             "bench early; 0: never"},
    {"routing.hedge", SETTING_SWITCH, AT(hedge), .default_text = "off",
     .help =
         "ask a second endpoint when the first is slower to speak than in 95 of 100 cases; the first to speak answers"},
    {"routing.hedge_max_percent", SETTING_COUNT, AT(hedge_max_percent), .default_text = "2", .min = 1, .max = 100,
     .help = "of a hundred requests, how many may be hedged"},
    {"routing.queue_timeout_ms", TIMES(0), AT(queue_timeout_ms), .default_text = "5s",
     .help =
         "how long a request may wait for room when all providers that could answer have `max_concurrency` requests; "
         "0: it is refused at once"},
    {"routing.queue_max", SETTING_COUNT, AT(queue_max), .default_text = "1000", .min = 1, .max = 1000000,
     .help = "how many requests may wait so at a time; keys are served in turn"},
    {"routing.sort", SETTING_SORT, AT(routing.sort),
     .help = "`price`, `throughput`, `latency` or `exacto`, for requests that give neither sort nor order; the draw by "
             "price when not given"},
    {"routing.only", SETTING_SLUGS, AT(routing.only),
     .help = "providers (`openai`) and sub-offers (`deepinfra/fp8`) that may be used at all"},
    {"routing.ignore", SETTING_SLUGS, AT(routing.ignore), .help = "those that may not"},
    {"routing.data_collection", SETTING_COLLECTION, AT(routing.deny_collection), .default_text = "allow",
     .help = "`deny`: only endpoints that are known not to learn from prompts"},
    {"routing.zdr", SETTING_SWITCH, AT(routing.zdr), .default_text = "off",
     .help = "only endpoints that are known to keep nothing"},
    {"routing.auto", SETTING_SECTION,
     .help = "`signalbox/auto`, for requests whose plugin `auto-router` does not say otherwise"},
    {"routing.auto.allowed_models", SETTING_PATTERNS, AT(auto_allowed),
     .help = "the models it may choose from, with `*` for any characters: `anthropic/*`; all when not given"},
    {"routing.auto.excluded_models", SETTING_PATTERNS, AT(auto_excluded), .help = "those it may not, even if allowed"},
    {"routing.auto.cost_tier", SETTING_COST_TIER, AT(auto_tier),
     .help = "`low`, `medium`, `high`, `xhigh` or `max`: which fifth of them by price; the whole, by difficulty, when "
             "not given"},

    {"cache", SETTING_SECTION, .help = "answers kept for requests that come again"},
    {"cache.enabled", SETTING_SWITCH, AT(cache_enabled), .default_text = "off",
     .help = "where neither `X-OpenRouter-Cache` nor a preset says anything"},
    {"cache.scope", SETTING_CACHE_SCOPE, AT(cache_shared), .default_text = "key",
     .help = "who gets a kept answer: the API key that asked first, or `shared`: every key"},
    {"cache.max_bytes", SETTING_SIZE, AT(cache_max_bytes), .default_text = "64MiB", .max = 1ull << 40,
     .help = "memory for kept answers; those not asked for the longest go first"},
    {"cache.max_entry_bytes", SETTING_SIZE, AT(cache_max_entry_bytes), .default_text = "1MiB", .max = 1 << 26,
     .help = "a longer answer is not kept"},
    {"idempotency", SETTING_SECTION, .help = "outcomes kept by `Idempotency-Key`"},
    {"idempotency.max_bytes", SETTING_SIZE, AT(idempotency_max_bytes), .default_text = "64MiB", .max = 1ull << 40,
     .help = "memory for outcomes; the oldest go first, and one of more than a quarter of it is not kept"},

    {"data_dir", SETTING_TEXT, AT(data_dir), .default_text = "./data", .env = "SIGNALBOX_DATA_DIR", .fixed = true,
     .help = "folder of the embedded store, the spool and generated secrets"},
    {"store", SETTING_STORE, AT(store), .default_text = "sqlite", .fixed = true,
     .help = "where requests are recorded; only `sqlite` in this version"},
    {"shared_state", SETTING_SHARED_STATE, AT(shared_state), .default_text = "none", .fixed = true,
     .help = "where nodes share limits and budgets; only `none` in this version"},
    {"demo", SETTING_SWITCH, AT(demo), .default_text = "on", .help = "the built-in demo provider"},

    {"auth", SETTING_SECTION, .help = "who may call"},
    {"auth.management_key", SETTING_SECRET, AT(management_key), .env = "SIGNALBOX_MANAGEMENT_KEY",
     .help = "the key for administration; made at first start when not given"},
    {"auth.keys[]", SETTING_SECTIONS, AT(keys), .count_at = offsetof(struct config, key_count),
     .size = sizeof(struct config_key), .place_at = offsetof(struct config_key, line),
     .help = "inference keys declared here; others are made by `signalbox keys create`"},
    {"auth.keys[].name", SETTING_TEXT, KEY_AT(name), .required = true, .help = "its name in lists and reports"},
    {"auth.keys[].key", SETTING_SECRET, KEY_AT(key), .required = true, .help = "the key itself"},
    {"auth.keys[].limit", SETTING_LIMIT, KEY_AT(limit), .count_at = offsetof(struct config_key, has_limit),
     .help = "USD it may spend in all"},

    {"providers[]", SETTING_SECTIONS, AT(providers), .count_at = offsetof(struct config, provider_count),
     .size = sizeof(struct config_provider), .place_at = offsetof(struct config_provider, line),
     .help = "where models are served"},
    {"providers[].id", SETTING_ID, PROVIDER_AT(id), .required = true,
     .help = "the slug used in routing; that of a known vendor brings its protocol and base_url"},
    {"providers[].name", SETTING_TEXT, PROVIDER_AT(name), .help = "shown to people"},
    {"providers[].protocol", SETTING_PROTOCOL, PROVIDER_AT(protocol),
     .count_at = offsetof(struct config_provider, protocol_given),
     .help = "what it speaks: `openai` for all that are like OpenAI; the vendor's own, else `openai`, when not given"},
    {"providers[].base_url", SETTING_URL, PROVIDER_AT(base_url),
     .help = "everything before `/chat/completions` and the like"},
    {"providers[].api_key", SETTING_SECRETS, PROVIDER_AT(keys), .count_at = offsetof(struct config_provider, key_count),
     .min = 1, .max = 1000, .help = "a key, or a list of keys or `{key, weight}` to share the load"},
    {"providers[].ca_file", SETTING_FILE, PROVIDER_AT(ca_file),
     .help = "PEM file with certificates to trust beside the system's"},
    {"providers[].connect_timeout_ms", TIMES(10), PROVIDER_AT(connect_timeout_ms),
     .help = "instead of `upstream.connect_timeout_ms`"},
    {"providers[].first_byte_timeout_ms", TIMES(10), PROVIDER_AT(first_byte_timeout_ms),
     .help = "instead of `upstream.first_byte_timeout_ms`"},
    {"providers[].first_token_timeout_ms", TIMES(10), PROVIDER_AT(first_token_timeout_ms),
     .help = "instead of `upstream.first_token_timeout_ms`"},
    {"providers[].min_tokens_per_second", SETTING_COUNT, PROVIDER_AT(min_tokens_per_second), .max = 100000,
     .help = "instead of `upstream.min_tokens_per_second`"},
    {"providers[].max_concurrency", SETTING_COUNT, PROVIDER_AT(max_concurrency), .min = 1, .max = 1000000,
     .help = "requests under way there at a time; one more goes to the next endpoint, or waits "
             "(`routing.queue_timeout_ms`)"},
    {"providers[].probe_interval_ms", TIMES(100), PROVIDER_AT(probe_interval_ms),
     .help = "instead of `routing.probe_interval_ms`"},
    {"providers[].idle_timeout_ms", TIMES(10), PROVIDER_AT(idle_timeout_ms),
     .help = "instead of `upstream.idle_timeout_ms`"},
    {"providers[].total_timeout_ms", TIMES(10), PROVIDER_AT(total_timeout_ms),
     .help = "instead of `upstream.total_timeout_ms`"},
    {"providers[].region", SETTING_ID, PROVIDER_AT(region), .help = "bedrock: the AWS region; vertex: the location"},
    {"providers[].aws_access_key_id", SETTING_SECRET, PROVIDER_AT(aws_access_key_id), .help = "bedrock"},
    {"providers[].aws_secret_access_key", SETTING_SECRET, PROVIDER_AT(aws_secret_access_key), .help = "bedrock"},
    {"providers[].aws_session_token", SETTING_SECRET, PROVIDER_AT(aws_session_token), .help = "bedrock"},
    {"providers[].credentials_file", SETTING_TEXT, PROVIDER_AT(credentials_file),
     .help = "vertex: the JSON file of a service account or a user, or `metadata`"},
    {"providers[].api_version", SETTING_ID, PROVIDER_AT(api_version), .help = "azure: as in `2024-10-21`"},
    {"providers[].data_policy", SETTING_POLICY, PROVIDER_AT(data_policy),
     .help = "of its endpoints that have none, as below; what is known of the vendor when not given"},

    {"models[]", SETTING_SECTIONS, AT(models), .count_at = offsetof(struct config, model_count),
     .size = sizeof(struct config_model), .place_at = offsetof(struct config_model, line), .shorthand = "id",
     .help = "what clients can ask for; all known models of the providers when the list is not given"},
    {"models[].id", SETTING_MODEL_ID, MODEL_AT(id), .required = true,
     .help = "what clients write: `openai/gpt-4o-mini`"},
    {"models[].name", SETTING_TEXT, MODEL_AT(name), .help = "shown to people"},
    {"models[].description", SETTING_TEXT, MODEL_AT(description), .help = "shown to people"},
    {"models[].endpoints[]", SETTING_SECTIONS, MODEL_AT(endpoints),
     .count_at = offsetof(struct config_model, endpoint_count), .size = sizeof(struct config_endpoint),
     .place_at = offsetof(struct config_endpoint, line),
     .help = "where it is served, in order of preference; the catalogue's when not given. What is left out below comes "
             "from the catalogue too"},
    {"models[].endpoints[].provider", SETTING_ID, ENDPOINT_AT(provider), .required = true,
     .help = "the id of a provider above"},
    {"models[].endpoints[].model", SETTING_TEXT, ENDPOINT_AT(model), .help = "the provider's own name for the model"},
    {"models[].endpoints[].context_length", TOKENS, ENDPOINT_AT(context_length), .help = "tokens, question and answer"},
    {"models[].endpoints[].max_completion_tokens", TOKENS, ENDPOINT_AT(max_completion_tokens),
     .help = "tokens of an answer"},
    {"models[].endpoints[].max_prompt_tokens", TOKENS, ENDPOINT_AT(max_prompt_tokens), .help = "tokens of a question"},
    {"models[].endpoints[].api", SETTING_ID, ENDPOINT_AT(api),
     .help = "openai and azure: `chat` or `responses`; chat when not given, but for models that only know the other. "
             "bedrock: `converse`, or `invoke` for Claude in Anthropic's own words"},
    {"models[].endpoints[].tag", SETTING_ID, ENDPOINT_AT(tag),
     .help = "the sub-offer it is, so that `provider/tag` names it: `turbo`, or a service tier, `priority` or `flex`; "
             "its region, else its quantization, when not given"},
    {"models[].endpoints[].quantization", SETTING_ID, ENDPOINT_AT(quantization), .help = "as in `fp8`, `bf16`"},
    {"models[].endpoints[].region", SETTING_ID, ENDPOINT_AT(region), .help = "where it runs"},
    {"models[].endpoints[].data_policy", SETTING_POLICY, ENDPOINT_AT(data_policy),
     .help = "what becomes of prompts there: `zdr` (nothing is kept), `no-training` (kept for a while), `training`, "
             "or as `{training: off, retention: off}`; else it counts as unknown. The provider's when not given"},
    {"models[].endpoints[].supported_parameters", SETTING_TEXTS, ENDPOINT_AT(supported_parameters),
     .help = "request members it understands"},
    {"models[].endpoints[].input_modalities", SETTING_TEXTS, ENDPOINT_AT(input_modalities),
     .help = "`text`, `image`, `audio`, `file` ..."},
    {"models[].endpoints[].output_modalities", SETTING_TEXTS, ENDPOINT_AT(output_modalities), .help = "the same"},
    {"models[].endpoints[].pricing", SETTING_SECTION,
     .help = "USD, exact decimals, per token where nothing else is said"},
    PRICE(prompt, "a token of the question"),
    PRICE(completion, "a token of the answer"),
    PRICE(request, "a request"),
    PRICE(image, "an image in the question, beside its tokens"),
    PRICE(image_token, "a token of an image in the question; `prompt` when not given"),
    PRICE(image_output, "a token of an image in the answer; `completion` when not given"),
    PRICE(audio, "a token of sound in the question; `prompt` when not given"),
    PRICE(audio_output, "a token of sound in the answer; `completion` when not given"),
    PRICE(input_audio_cache, "a token of sound read from the provider's cache; `input_cache_read` when not given"),
    PRICE(video, "a token of moving pictures in the question; `prompt` when not given"),
    PRICE(video_output, "a token of moving pictures in the answer; `completion` when not given"),
    PRICE(web_search, "a search that the provider made"),
    PRICE(internal_reasoning, "a token of reasoning; `completion` when not given, or 0"),
    PRICE(input_cache_read, "a token read from the provider's cache; the price of its kind when not given"),
    PRICE(input_cache_write, "a token written to it; `prompt` when not given"),
    PRICE(input_cache_write_1h, "the same, kept for an hour; `input_cache_write` when not given"),
    {PRICING "overrides[]", SETTING_SECTIONS, ENDPOINT_AT(overrides),
     .count_at = offsetof(struct config_endpoint, override_count), .size = sizeof(struct config_override),
     .place_at = offsetof(struct config_override, line),
     .help = "prices that hold instead when all conditions of an entry are met; of several such entries the later one "
             "wins, price by price"},
    {OVERRIDES "min_prompt_tokens", SETTING_COUNT, OVERRIDE_AT(min_prompt_tokens), .min = 1, .max = 1000000000,
     .help = "condition: the prompt, cached tokens included, has more tokens than this"},
    {OVERRIDES "utc_start", SETTING_CLOCK, OVERRIDE_AT(utc_start),
     .count_at = offsetof(struct config_override, has_start), .max = 2359,
     .help = "condition: the request came at this hour of the day (UTC, HHMM: `1630`) or later"},
    {OVERRIDES "utc_end", SETTING_CLOCK, OVERRIDE_AT(utc_end), .count_at = offsetof(struct config_override, has_end),
     .max = 2400, .help = "condition: and before this one, which is the next day's when it is the smaller"},
    OVERRIDE(prompt),
    OVERRIDE(completion),
    OVERRIDE(request),
    OVERRIDE(image),
    OVERRIDE(image_token),
    OVERRIDE(image_output),
    OVERRIDE(audio),
    OVERRIDE(audio_output),
    OVERRIDE(input_audio_cache),
    OVERRIDE(video),
    OVERRIDE(video_output),
    OVERRIDE(web_search),
    OVERRIDE(internal_reasoning),
    OVERRIDE(input_cache_read),
    OVERRIDE(input_cache_write),
    OVERRIDE(input_cache_write_1h),
};
const size_t setting_count = sizeof settings / sizeof *settings;

static const struct {
  const char *name, *help;  // with its article, for messages; for the documentation
} types[SETTING_TYPE_COUNT] = {
    [SETTING_SECTION] = {"a mapping of settings", "mapping"},
    [SETTING_SECTIONS] = {"a list", "list"},
    [SETTING_TEXT] = {"a text", "text"},
    [SETTING_POLICY] = {"a text or {training, retention}", "text or mapping"},
    [SETTING_ID] = {"a word", "word"},
    [SETTING_MODEL_ID] = {"a model id", "model id"},
    [SETTING_FILE] = {"a file name", "file"},
    [SETTING_URL] = {"a URL", "URL"},
    [SETTING_SECRET] = {"a secret", "secret"},
    [SETTING_SECRETS] = {"a key or a list of keys", "secret or list"},
    [SETTING_LISTEN] = {"an address or a list of addresses", "address or list"},
    [SETTING_SWITCH] = {"on or off", "on, off"},
    [SETTING_WORKERS] = {"a number or auto", "number, auto"},
    [SETTING_TIME] = {"a time", "time"},
    [SETTING_SIZE] = {"a size", "size"},
    [SETTING_COUNT] = {"a number", "number"},
    [SETTING_CLOCK] = {"an hour of the day", "HHMM"},
    [SETTING_PRICE] = {"a decimal number", "decimal"},
    [SETTING_LIMIT] = {"a decimal number", "decimal"},
    [SETTING_TEXTS] = {"a list of words", "list"},
    [SETTING_ORIGINS] = {"a list of origins", "list"},
    [SETTING_PROTOCOL] = {"the name of a protocol", "word"},
    [SETTING_SORT] = {"the name of an order", "word"},
    [SETTING_SLUGS] = {"a list of providers", "list"},
    [SETTING_COST_TIER] = {"the name of a tier", "word"},
    [SETTING_PATTERNS] = {"a list of patterns", "list"},
    [SETTING_COLLECTION] = {"allow or deny", "allow, deny"},
    [SETTING_STORE] = {"sqlite", "word"},
    [SETTING_SHARED_STATE] = {"none", "word"},
    [SETTING_CACHE_SCOPE] = {"key or shared", "key, shared"},
};

const char *setting_type_name(enum setting_type type) {
  return types[type].name;
}

bool setting_is_secret(enum setting_type type) {
  // A URL may carry a password.
  return type == SETTING_SECRET || type == SETTING_SECRETS || type == SETTING_URL || type == SETTING_STORE ||
         type == SETTING_SHARED_STATE;
}

struct str setting_key(const struct setting *setting) {
  const char *dot = strrchr(setting->path, '.');
  struct str key = str_from_cstr(dot ? dot + 1 : setting->path);
  if (str_ends(key, STR("[]"))) key.len -= 2;
  return key;
}

bool setting_in(const struct setting *setting, const char *section) {
  size_t len = strlen(section);
  if (!len) return !strchr(setting->path, '.');
  return strncmp(setting->path, section, len) == 0 && setting->path[len] == '.' &&
         !strchr(setting->path + len + 1, '.');
}

const struct setting *setting_find(const char *section, struct str key) {
  for (size_t i = 0; i < setting_count; i++) {
    if (setting_in(&settings[i], section) && str_eq(setting_key(&settings[i]), key)) return &settings[i];
  }
  return NULL;
}

static void help_row(struct buf *out, const struct setting *setting) {
  buf_printf(out, "| `%s` | %s | ", setting->path, types[setting->type].help);
  if (setting->default_text) {
    buf_printf(out, "`%s`", setting->default_text);
  } else {
    buf_printf(out, "%s", setting->required ? "required" : "");
  }
  buf_printf(out, " | %s | %s", setting->fixed ? "no" : "yes", setting->help);
  if (setting->env) buf_printf(out, " (else `$%s`)", setting->env);
  buf_lit(out, " |\n");
}

void config_help(struct buf *out) {
  buf_lit(out, "| Setting | Value | Default | Reload | Meaning |\n| --- | --- | --- | --- | --- |\n");
  for (size_t i = 0; i < setting_count; i++) help_row(out, &settings[i]);
}
