// Providers as requests and the configuration name them (MAP 6): "deepinfra" is all of a provider's offers,
// "deepinfra/fp8" one of them, "DeepInfra" its name for people. Case does not matter. Pure.
#pragma once
#include "llm/model.h"

enum slug_match {
  SLUG_OTHER,   // names another provider
  SLUG_BASE,    // names this one, or the part before the slash of an id that has one
  SLUG_PINNED,  // names one sub-offer of this one; *sub is which
};
enum slug_match provider_slug_match(struct str slug, const struct provider *provider, struct str *sub);
// Is this the endpoint's tag, region or quantization?
bool provider_slug_is(struct str sub, const struct endpoint *endpoint);
// Whether the list names all of the provider's offers, for lists without a '/' in them.
bool provider_slug_listed(const struct str_list *list, const struct provider *provider);
