// What the models behind Bedrock's Converse take and refuse, by their names. Where a name is an ARN that says nothing
// (an application's inference profile, an imported model), the gateway's own name of the model tells.
// Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html,
// and the refusals as the service gives them.
#pragma once
#include "llm/model.h"
#include "provider/claude.h"

// Kinds of content, as a set.
enum { BEDROCK_TEXT = 1, BEDROCK_IMAGE = 2, BEDROCK_DOCUMENT = 4, BEDROCK_TEXT_DOCUMENT = 8, BEDROCK_VIDEO = 16 };

enum bedrock_reasons {
  BEDROCK_REASONS_ITS_OWN_WAY,  // or not at all: nothing can be asked
  BEDROCK_REASONS_CLAUDE,       // thinking, output_config.effort
  BEDROCK_REASONS_EFFORT,       // {"reasoning_effort": low|medium|high}
  BEDROCK_REASONS_CONFIG,       // {"reasoning_config": low|high}
  BEDROCK_REASONS_NOVA,         // {"reasoningConfig": {"type", "maxReasoningEffort"}}
};

struct bedrock_model {
  struct claude claude;  // known: it is one
  bool nova, mistral;
  bool no_system;              // system texts become the user's
  bool first_assistant;        // a conversation may begin with the model's words
  bool choice, choice_any;     // toolChoice tool and any; any alone
  bool schema;                 // outputConfig.textFormat
  bool strict;                 // strict tools
  bool caches, caches_tools;   // cachePoint
  bool caches_hour;            // with ttl 1h
  bool no_sampling, no_stops;  // temperature and topP, stopSequences are refused
  bool no_status;              // toolResult.status is refused
  bool json_results;           // a tool's result is JSON
  bool grounding;              // the system tools nova_grounding, nova_code_interpreter
  bool reasoning_back;         // unsigned reasoning goes back
  unsigned beside;             // what may share a message with a tool's result
  unsigned inside;             // media a tool's result may hold
  enum bedrock_reasons reasons;
};
struct bedrock_model bedrock_model_of(const struct endpoint *e);
