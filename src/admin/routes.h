// Every HTTP route, in one table; docs/api.md is checked against it.
#pragma once
#include <stddef.h>

#include "gateway/route.h"

extern const struct route admin_routes[];
extern const size_t admin_route_count;
