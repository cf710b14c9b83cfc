// POST /signalbox/explain: how a request would be routed. Nothing is sent, recorded or billed.
#pragma once
#include "gateway/request.h"

void handle_explain(struct request *r);
