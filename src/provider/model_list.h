// Where a provider lists its models: the cheapest question there is that its key is good for.
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "provider/head.h"

// Fills base, path and fields of a target; `base`: the path of base_url; *path holds the path's bytes and is to be
// freed. False: this protocol has no such list where its models are asked (Azure, Bedrock, Vertex).
bool model_list_target(const struct provider *provider, struct str base, struct head_target *target, struct buf *path);
