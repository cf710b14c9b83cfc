// The vendors. Facts only: where they are, how their key is called, where their dialect leaves OpenAI Chat. Names are
// spelt as OpenRouter spells them in `provider_name`. A row whose base URL holds an account or a region has none here:
// it must be configured.
#include "provider/table.h"

#define OPENAI_LIKE .protocol = PROTOCOL_OPENAI
// The old name of the limit; the new one is unknown to these services and would be ignored or refused.
#define OLD_MAX_TOKENS .max_tokens_field = "max_tokens"
// Services of models that are not OpenAI's: their templates know no developer, they cache by themselves, and a tool's
// result is text.
#define OPEN_MODELS .no_developer = true, .marks = MARKS_CUT, .text_results = true
// Servers that hand the messages to a model's own template: it wants one system text, and strings.
#define TEMPLATES OPEN_MODELS, .wish = WISH_TEMPLATE, .one_system = true, .plain_text = true
// Other gateways, which know what OpenRouter's clients send.
#define GATEWAY .gateway = true, .replay = REPLAY_ALL

static const char *const cerebras_deny[] = {"frequency_penalty",
                                            "presence_penalty",
                                            "logit_bias",
                                            "parallel_tool_calls",
                                            "service_tier",
                                            "top_k",
                                            "min_p",
                                            "top_a",
                                            "repetition_penalty",
                                            NULL};
static const char *const cerebras_know[] = {"clear_thinking", "disable_reasoning", "min_tokens", NULL};
// OpenAI answers members it does not know with 400 (providers of open models know these).
static const char *const openai_deny[] = {"top_k", "min_p", "top_a", "repetition_penalty", NULL};
static const char *const openai_know[] = {"store", "moderation", "safety_identifier", "prompt_cache_retention", NULL};
static const char *const azure_know[] = {
    "store", "moderation", "safety_identifier", "prompt_cache_retention", "data_sources", "user_security_context",
    NULL};
static const char *const groq_deny[] = {"logprobs", "top_logprobs",       "logit_bias", "n",     "top_k",      "min_p",
                                        "top_a",    "repetition_penalty", "modalities", "audio", "prediction", NULL};
static const char *const groq_know[] = {
    "reasoning_format", "include_reasoning",       "search_settings", "compound_custom", "documents",
    "citation_options", "disable_tool_validation", "exclude_domains", "include_domains", NULL};
static const char *const zai_deny[] = {"n", NULL};
static const char *const sonar_deny[] = {"tools", "tool_choice", "parallel_tool_calls", "logit_bias", "n", NULL};
static const char *const ollama_deny[] = {"logprobs", "top_logprobs", "logit_bias", "n", NULL};

const struct provider_row provider_rows[] = {
    {"openai", "OpenAI", OPENAI_LIKE, .data = DATA_STORES, .base_url = "https://api.openai.com/v1",
     .env_keys = {"OPENAI_API_KEY"},
     // Its reasoning models refuse max_tokens; all its models take the new name.
     .quirks = {.max_tokens_field = "max_completion_tokens",
                .openai_models = true,
                .deny = openai_deny,
                .know = openai_know,
                .strict = true,
                .replay = REPLAY_NEVER,
                .marks = MARKS_BREAKPOINT,
                .text_results = true,
                .inlines_files = true},
     .privacy_url = "https://openai.com/policies/privacy-policy/",
     .terms_url = "https://openai.com/policies/row-terms-of-use/", .status_url = "https://status.openai.com"},
    {"anthropic", "Anthropic", .protocol = PROTOCOL_ANTHROPIC, .data = DATA_STORES,
     .base_url = "https://api.anthropic.com/v1", .env_keys = {"ANTHROPIC_API_KEY"},
     .quirks = {.auth_header = "x-api-key"}, .privacy_url = "https://www.anthropic.com/legal/privacy",
     .terms_url = "https://www.anthropic.com/legal/commercial-terms", .status_url = "https://status.anthropic.com"},
    {"google-ai-studio", "Google AI Studio", .protocol = PROTOCOL_GEMINI,
     .base_url = "https://generativelanguage.googleapis.com/v1beta",
     .env_keys = {"GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"},
     .quirks = {.auth_header = "x-goog-api-key"}, .privacy_url = "https://policies.google.com/privacy",
     .terms_url = "https://ai.google.dev/gemini-api/terms"},
    {"google-vertex", "Google", .protocol = PROTOCOL_VERTEX, .data = DATA_STORES,
     .env_keys = {"GOOGLE_APPLICATION_CREDENTIALS"},
     .privacy_url = "https://cloud.google.com/terms/cloud-privacy-notice",
     .terms_url = "https://cloud.google.com/terms", .status_url = "https://status.cloud.google.com"},
    {"amazon-bedrock", "Amazon Bedrock", .protocol = PROTOCOL_BEDROCK, .data = DATA_NOTHING,
     .env_keys = {"AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID"}, .privacy_url = "https://aws.amazon.com/privacy/",
     .terms_url = "https://aws.amazon.com/service-terms/", .status_url = "https://health.aws.amazon.com/health/status"},
    {"azure", "Azure", .protocol = PROTOCOL_AZURE, .data = DATA_STORES,
     .env_keys = {"AZURE_API_KEY", "AZURE_OPENAI_API_KEY"},
     .quirks = {.max_tokens_field = "max_completion_tokens",
                .cached_outside = true /* Grok */,
                .openai_models = true,
                .deny = openai_deny,
                .know = azure_know,
                .strict = true,
                .replay = REPLAY_NEVER,
                .marks = MARKS_BREAKPOINT,
                .text_results = true,
                .auth_header = "api-key"},
     .privacy_url = "https://privacy.microsoft.com/privacystatement", .status_url = "https://status.azure.com"},
    {"mistral", "Mistral", .protocol = PROTOCOL_MISTRAL, .base_url = "https://api.mistral.ai/v1",
     .env_keys = {"MISTRAL_API_KEY"}, .quirks = {OLD_MAX_TOKENS},
     .privacy_url = "https://mistral.ai/terms/#privacy-policy", .terms_url = "https://mistral.ai/terms/#terms-of-use",
     .status_url = "https://status.mistral.ai"},
    {"cohere", "Cohere", .protocol = PROTOCOL_COHERE, .base_url = "https://api.cohere.com/v2",
     .env_keys = {"COHERE_API_KEY", "CO_API_KEY"}, .privacy_url = "https://cohere.com/privacy",
     .terms_url = "https://cohere.com/terms-of-use", .status_url = "https://status.cohere.com"},

    {"deepseek", "DeepSeek", OPENAI_LIKE, .data = DATA_TRAINS, .base_url = "https://api.deepseek.com",
     .env_keys = {"DEEPSEEK_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .wish = WISH_THINKING, .replay = REPLAY_CONTENT, .fills_replay = true,
                .plain_text = true, .auto_while_thinks = true, .object_format = true},
     .privacy_url = "https://cdn.deepseek.com/policies/en-US/deepseek-privacy-policy.html",
     .terms_url = "https://cdn.deepseek.com/policies/en-US/deepseek-terms-of-use.html",
     .status_url = "https://status.deepseek.com"},
    {"xai", "xAI", OPENAI_LIKE, .base_url = "https://api.x.ai/v1", .env_keys = {"XAI_API_KEY"},
     .quirks = {.reasoning_outside = true,
                .by_model = true,
                .replay = REPLAY_NEVER,
                .marks = MARKS_CUT,
                .text_results = true},
     .privacy_url = "https://x.ai/legal/privacy-policy", .terms_url = "https://x.ai/legal/terms-of-service",
     .status_url = "https://status.x.ai"},
    {"groq", "Groq", OPENAI_LIKE, .data = DATA_STORES, .base_url = "https://api.groq.com/openai/v1",
     .env_keys = {"GROQ_API_KEY"},
     .quirks = {.deny = groq_deny,
                .know = groq_know,
                .strict = true,
                .replay = REPLAY_REASONING,
                OPEN_MODELS,
                .no_names = true},
     .privacy_url = "https://groq.com/privacy-policy", .terms_url = "https://groq.com/terms-of-use",
     .status_url = "https://groqstatus.com"},
    {"cerebras", "Cerebras", OPENAI_LIKE, .base_url = "https://api.cerebras.ai/v1", .env_keys = {"CEREBRAS_API_KEY"},
     .quirks = {.max_tokens_field = "max_completion_tokens",
                .deny = cerebras_deny,
                .know = cerebras_know,
                .strict = true,
                .by_model = true,
                .replay = REPLAY_TAGS,
                OPEN_MODELS},
     .privacy_url = "https://www.cerebras.ai/privacy-policy", .terms_url = "https://www.cerebras.ai/terms-of-service",
     .status_url = "https://status.cerebras.ai"},
    {"together", "Together", OPENAI_LIKE, .base_url = "https://api.together.xyz/v1",
     .env_keys = {"TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .counted_logprobs = true},
     .privacy_url = "https://www.together.ai/privacy", .terms_url = "https://www.together.ai/terms-of-service",
     .status_url = "https://status.together.ai"},
    {"fireworks", "Fireworks", OPENAI_LIKE, .base_url = "https://api.fireworks.ai/inference/v1",
     .env_keys = {"FIREWORKS_API_KEY"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .replay = REPLAY_CONTENT},
     .privacy_url = "https://fireworks.ai/privacy-policy", .terms_url = "https://fireworks.ai/terms-of-service",
     .status_url = "https://status.fireworks.ai"},
    {"moonshotai", "Moonshot AI", OPENAI_LIKE, .base_url = "https://api.moonshot.ai/v1",
     .env_keys = {"MOONSHOT_API_KEY", "MOONSHOTAI_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .by_model = true, .wish = WISH_THINKING, .replay = REPLAY_CONTENT,
                .fills_replay = true, .temperature_max = 1}},
    {"moonshotai-cn", "Moonshot AI (China)", OPENAI_LIKE, .base_url = "https://api.moonshot.cn/v1",
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .by_model = true, .wish = WISH_THINKING, .replay = REPLAY_CONTENT,
                .fills_replay = true, .temperature_max = 1}},
    {"z-ai", "Z.AI", OPENAI_LIKE, .base_url = "https://api.z.ai/api/paas/v4", .env_keys = {"ZAI_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .deny = zai_deny, .by_model = true, .wish = WISH_THINKING,
                .replay = REPLAY_CONTENT, .auto_choice = true, .object_format = true, .temperature_max = 1}},
    {"zhipu", "Zhipu AI (China)", OPENAI_LIKE, .base_url = "https://open.bigmodel.cn/api/paas/v4",
     .env_keys = {"ZHIPU_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .deny = zai_deny, .by_model = true, .wish = WISH_THINKING,
                .replay = REPLAY_CONTENT, .auto_choice = true, .object_format = true, .temperature_max = 1}},
    {"alibaba", "Alibaba", OPENAI_LIKE, .base_url = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
     .env_keys = {"DASHSCOPE_API_KEY", "ALIBABA_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, .no_developer = true, .text_results = true, .wish = WISH_BUDGET,
                .replay = REPLAY_CONTENT, .marks = MARKS_CONTROL, .auto_while_thinks = true, .audio_urls = true}},
    {"alibaba-cn", "Alibaba (China)", OPENAI_LIKE, .base_url = "https://dashscope.aliyuncs.com/compatible-mode/v1",
     .quirks = {OLD_MAX_TOKENS, .no_developer = true, .text_results = true, .wish = WISH_BUDGET,
                .replay = REPLAY_CONTENT, .marks = MARKS_CONTROL, .auto_while_thinks = true, .audio_urls = true}},
    {"minimax", "Minimax", OPENAI_LIKE, .base_url = "https://api.minimax.io/v1", .env_keys = {"MINIMAX_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .replay = REPLAY_ALL, .blobs = "MiniMax"}},
    {"perplexity", "Perplexity", OPENAI_LIKE, .base_url = "https://api.perplexity.ai",
     .env_keys = {"PERPLEXITY_API_KEY"},
     // Usage comes with every event, unasked.
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .no_stream_options = true, .no_done = true, .deny = sonar_deny,
                .replay = REPLAY_NEVER, .one_system = true, .alternates = true},
     .privacy_url = "https://www.perplexity.ai/hub/legal/privacy-policy",
     .terms_url = "https://www.perplexity.ai/hub/legal/terms-of-service",
     .status_url = "https://status.perplexity.com"},
    {"openrouter", "OpenRouter", OPENAI_LIKE, .base_url = "https://openrouter.ai/api/v1",
     .env_keys = {"OPENROUTER_API_KEY"}, .quirks = {OLD_MAX_TOKENS, GATEWAY, .wish = WISH_OBJECT},
     .privacy_url = "https://openrouter.ai/privacy", .terms_url = "https://openrouter.ai/terms",
     .status_url = "https://status.openrouter.ai"},
    {"deepinfra", "DeepInfra", OPENAI_LIKE, .base_url = "https://api.deepinfra.com/v1/openai",
     .env_keys = {"DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS},
     .privacy_url = "https://deepinfra.com/privacy", .terms_url = "https://deepinfra.com/terms",
     .status_url = "https://status.deepinfra.com"},
    {"novita", "Novita", OPENAI_LIKE, .base_url = "https://api.novita.ai/openai", .env_keys = {"NOVITA_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}, .privacy_url = "https://novita.ai/legal/privacy-policy",
     .terms_url = "https://novita.ai/legal/terms-of-service"},
    {"sambanova", "SambaNova", OPENAI_LIKE, .base_url = "https://api.sambanova.ai/v1",
     .env_keys = {"SAMBANOVA_API_KEY"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"nvidia", "Nvidia", OPENAI_LIKE, .base_url = "https://integrate.api.nvidia.com/v1", .env_keys = {"NVIDIA_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, TEMPLATES}},
    {"hyperbolic", "Hyperbolic", OPENAI_LIKE, .base_url = "https://api.hyperbolic.xyz/v1",
     .env_keys = {"HYPERBOLIC_API_KEY"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"nebius", "Nebius", OPENAI_LIKE, .base_url = "https://api.tokenfactory.nebius.com/v1",
     .env_keys = {"NEBIUS_API_KEY"}, .quirks = {TEMPLATES}},
    {"baseten", "BaseTen", OPENAI_LIKE, .base_url = "https://inference.baseten.co/v1", .env_keys = {"BASETEN_API_KEY"},
     .quirks = {OPEN_MODELS}},
    {"friendli", "Friendli", OPENAI_LIKE, .base_url = "https://api.friendli.ai/serverless/v1",
     .env_keys = {"FRIENDLI_TOKEN"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"chutes", "Chutes", OPENAI_LIKE, .base_url = "https://llm.chutes.ai/v1", .env_keys = {"CHUTES_API_KEY"},
     .quirks = {OPEN_MODELS}},
    {"siliconflow", "SiliconFlow", OPENAI_LIKE, .base_url = "https://api.siliconflow.com/v1",
     .env_keys = {"SILICONFLOW_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .wish = WISH_BUDGET, .replay = REPLAY_CONTENT}},
    {"siliconflow-cn", "SiliconFlow (China)", OPENAI_LIKE, .base_url = "https://api.siliconflow.cn/v1",
     .env_keys = {"SILICONFLOW_CN_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .wish = WISH_BUDGET, .replay = REPLAY_CONTENT}},
    {"upstage", "Upstage", OPENAI_LIKE, .base_url = "https://api.upstage.ai/v1/solar", .env_keys = {"UPSTAGE_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"inference-net", "InferenceNet", OPENAI_LIKE, .base_url = "https://inference.net/v1",
     .env_keys = {"INFERENCE_API_KEY"}, .quirks = {OPEN_MODELS}},
    {"inception", "Inception", OPENAI_LIKE, .base_url = "https://api.inceptionlabs.ai/v1",
     .env_keys = {"INCEPTION_API_KEY"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"venice", "Venice", OPENAI_LIKE, .base_url = "https://api.venice.ai/api/v1", .env_keys = {"VENICE_API_KEY"},
     .quirks = {OPEN_MODELS}},
    {"stepfun", "StepFun", OPENAI_LIKE, .base_url = "https://api.stepfun.com/v1", .env_keys = {"STEPFUN_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"wandb", "WandB", OPENAI_LIKE, .base_url = "https://api.inference.wandb.ai/v1", .env_keys = {"WANDB_API_KEY"},
     .quirks = {OPEN_MODELS}},
    {"crusoe", "Crusoe", OPENAI_LIKE, .base_url = "https://api.inference.crusoecloud.com/v1",
     .env_keys = {"CRUSOE_API_KEY"}, .quirks = {OPEN_MODELS}},
    {"xiaomi", "Xiaomi", OPENAI_LIKE, .base_url = "https://api.xiaomimimo.com/v1", .env_keys = {"XIAOMI_API_KEY"},
     .quirks = {OPEN_MODELS, .replay = REPLAY_CONTENT, .fills_replay = true}},
    {"meta-llama", "Meta", OPENAI_LIKE, .base_url = "https://api.llama.com/compat/v1", .env_keys = {"LLAMA_API_KEY"},
     .quirks = {OPEN_MODELS}},
    {"huggingface", "Hugging Face", OPENAI_LIKE, .base_url = "https://router.huggingface.co/v1",
     .env_keys = {"HF_TOKEN"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}, .privacy_url = "https://huggingface.co/privacy",
     .terms_url = "https://huggingface.co/terms-of-service", .status_url = "https://status.huggingface.co"},
    {"vercel", "Vercel AI Gateway", OPENAI_LIKE, .base_url = "https://ai-gateway.vercel.sh/v1",
     .env_keys = {"AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"}, .quirks = {OLD_MAX_TOKENS, GATEWAY, .wish = WISH_OBJECT}},
    {"requesty", "Requesty", OPENAI_LIKE, .base_url = "https://router.requesty.ai/v1", .env_keys = {"REQUESTY_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, GATEWAY}},
    {"heroku", "Heroku", OPENAI_LIKE, .base_url = "https://us.inference.heroku.com/v1",
     .env_keys = {"HEROKU_INFERENCE_KEY"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"ovhcloud", "OVHcloud", OPENAI_LIKE, .base_url = "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
     .env_keys = {"OVHCLOUD_API_KEY"}, .quirks = {TEMPLATES}},
    {"scaleway", "Scaleway", OPENAI_LIKE, .base_url = "https://api.scaleway.ai/v1", .env_keys = {"SCALEWAY_API_KEY"},
     .quirks = {TEMPLATES}},
    {"stackit", "STACKIT", OPENAI_LIKE, .base_url = "https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1",
     .env_keys = {"STACKIT_API_KEY"}, .quirks = {TEMPLATES}},
    {"featherless", "Featherless", OPENAI_LIKE, .base_url = "https://api.featherless.ai/v1",
     .env_keys = {"FEATHERLESS_API_KEY"}, .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"parasail", "Parasail", OPENAI_LIKE, .base_url = "https://api.parasail.io/v1", .env_keys = {"PARASAIL_API_KEY"},
     .quirks = {OPEN_MODELS}},
    {"nscale", "Nscale", OPENAI_LIKE, .base_url = "https://inference.api.nscale.com/v1", .env_keys = {"NSCALE_API_KEY"},
     .quirks = {OPEN_MODELS}},
    {"ai21", "AI21", OPENAI_LIKE, .base_url = "https://api.ai21.com/studio/v1", .env_keys = {"AI21_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"writer", "Writer", OPENAI_LIKE, .base_url = "https://api.writer.com/v1", .env_keys = {"WRITER_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"reka", "Reka", OPENAI_LIKE, .base_url = "https://api.reka.ai/v1", .env_keys = {"REKA_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"ollama-cloud", "Ollama Cloud", OPENAI_LIKE, .base_url = "https://ollama.com/v1", .env_keys = {"OLLAMA_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .deny = ollama_deny, .replay = REPLAY_REASONING, .inlines_images = true}},
    {"cloudflare", "Cloudflare", OPENAI_LIKE, .env_keys = {"CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"},
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS}},
    {"cloudflare-gateway", "Cloudflare AI Gateway", OPENAI_LIKE, .env_keys = {"CLOUDFLARE_AI_GATEWAY_TOKEN"},
     .quirks = {.gateway = true, .replay = REPLAY_ALL, .auth_header = "cf-aig-authorization: Bearer"}},
    {"bedrock-mantle", "Amazon Bedrock Mantle", OPENAI_LIKE, .quirks = {OPEN_MODELS}},
    {"databricks", "Databricks", OPENAI_LIKE, .env_keys = {"DATABRICKS_TOKEN"},
     .quirks = {OLD_MAX_TOKENS, .no_developer = true, .text_results = true, .no_stream_options = true,
                .marks = MARKS_CONTROL}},
    {"snowflake", "Snowflake Cortex", OPENAI_LIKE, .env_keys = {"SNOWFLAKE_TOKEN", "SNOWFLAKE_CORTEX_PAT"},
     .quirks = {.no_developer = true,
                .text_results = true,
                .wish = WISH_OBJECT,
                .replay = REPLAY_ALL,
                .blobs = "anthropic-claude",
                .marks = MARKS_CONTROL,
                .no_strict = true}},

    {"ollama", "Ollama", OPENAI_LIKE, .data = DATA_NOTHING, .base_url = "http://127.0.0.1:11434/v1", .local = true,
     .local_port = 11434,
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .deny = ollama_deny, .replay = REPLAY_REASONING, .inlines_images = true}},
    {"lmstudio", "LM Studio", OPENAI_LIKE, .data = DATA_NOTHING, .base_url = "http://127.0.0.1:1234/v1",
     .env_keys = {"LMSTUDIO_API_KEY"}, .local = true, .local_port = 1234,
     .quirks = {OLD_MAX_TOKENS, OPEN_MODELS, .plain_text = true, .schema_format = true}},
    {"vllm", "vLLM", OPENAI_LIKE, .data = DATA_NOTHING, .base_url = "http://127.0.0.1:8000/v1", .local = true,
     .local_port = 8000, .quirks = {TEMPLATES}},
    {"llama.cpp", "llama.cpp", OPENAI_LIKE, .data = DATA_NOTHING, .base_url = "http://127.0.0.1:8080/v1", .local = true,
     .local_port = 8080, .quirks = {OLD_MAX_TOKENS, TEMPLATES, .replay = REPLAY_CONTENT}},
    {"sglang", "SGLang", OPENAI_LIKE, .data = DATA_NOTHING, .base_url = "http://127.0.0.1:30000/v1", .local = true,
     .local_port = 30000, .quirks = {TEMPLATES, .replay = REPLAY_CONTENT}},

    {"demo", "Demo (simulated)", .protocol = PROTOCOL_DEMO, .data = DATA_NOTHING, .base_url = "demo:"},
};
const size_t provider_row_count = sizeof provider_rows / sizeof *provider_rows;

static const char *const protocols[PROTOCOL_COUNT] = {
    [PROTOCOL_OPENAI] = "openai", [PROTOCOL_ANTHROPIC] = "anthropic", [PROTOCOL_GEMINI] = "gemini",
    [PROTOCOL_VERTEX] = "vertex", [PROTOCOL_BEDROCK] = "bedrock",     [PROTOCOL_AZURE] = "azure",
    [PROTOCOL_COHERE] = "cohere", [PROTOCOL_MISTRAL] = "mistral",     [PROTOCOL_DEMO] = "demo",
};

const struct provider_row *provider_row_find(struct str id) {
  for (size_t i = 0; i < provider_row_count; i++) {
    if (str_eq(str_from_cstr(provider_rows[i].id), id)) return &provider_rows[i];
  }
  return NULL;
}

const char *protocol_name(enum protocol protocol) {
  return protocol < PROTOCOL_COUNT ? protocols[protocol] : "unknown";
}

bool protocol_parse(struct str name, enum protocol *out) {
  for (int i = 0; i < PROTOCOL_COUNT; i++) {
    if (!str_eq(str_from_cstr(protocols[i]), name)) continue;
    *out = (enum protocol)i;
    return true;
  }
  return false;
}

const struct provider_quirks *protocol_quirks(enum protocol protocol) {
  if (protocol == PROTOCOL_OPENAI) return NULL;
  for (size_t i = 0; i < provider_row_count; i++)
    if (provider_rows[i].protocol == protocol) return &provider_rows[i].quirks;
  return NULL;
}

void provider_table_markdown(struct buf *out) {
  buf_lit(out, "| slug | name | protocol | base URL | key variables |\n|---|---|---|---|---|\n");
  for (size_t i = 0; i < provider_row_count; i++) {
    const struct provider_row *row = &provider_rows[i];
    buf_printf(out, "| `%s` | %s | %s | ", row->id, row->name, protocol_name(row->protocol));
    if (row->base_url)
      buf_printf(out, "`%s`", row->base_url);
    else
      buf_lit(out, "to be configured");
    buf_lit(out, " | ");
    for (size_t k = 0; k < 3 && row->env_keys[k]; k++) buf_printf(out, "%s`%s`", k ? ", " : "", row->env_keys[k]);
    if (!row->env_keys[0]) buf_lit(out, "-");
    buf_lit(out, " |\n");
  }
}
