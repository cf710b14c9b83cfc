// The ledger's row of a request: made once, however it ended, before its last byte goes out.
#pragma once
#include "gateway/request.h"

// `fault` FAULT_NONE: answered. `message`: of an error, for the record. Estimates the usage of an answer that was cut
// short, counts spending and metrics, and appends to the spool.
void account(struct request *r, enum fault fault, struct str message);
