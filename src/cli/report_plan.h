/* report_plan - what `up --plan` says: the "plan" of a result (docs/openapi.yaml) as text. */
#pragma once

#include "base/json.h"
#include "cli/style.h"

void report_plan(const json_t *plan, const struct style *style, struct strbuf *out);
