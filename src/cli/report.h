/*
 * report - what `status`, `up`, `restart` and `stop` say, from the JSON of the
 * control API to text; the same text for the same input, so tests compare it.
 *
 * All text from outside is escaped.  Input: docs/openapi.yaml.
 */
#pragma once

#include "base/json.h"
#include "cli/style.h"

/* One project of a status answer; `daemon` may be NULL (it does not run). */
void report_status(const json_t *daemon, const json_t *project, const struct style *style,
                   struct strbuf *out);

/* "shop: 4 ready in 21.4s" and the addresses, from the result of up or restart. */
void report_up(const json_t *result, int64_t ms, const struct style *style, struct strbuf *out);

/* What failed, why, and what goes on; `text` and `hint` are those of the result's error. */
void report_failure(const json_t *project, const char *text, const char *hint,
                    const struct style *style, struct strbuf *out);

/* Did any service of the project fail, as far as one can see from its state? */
/* "! api: port 20417 is held by …; now 20418" for each port that changed. */
void report_moved(const json_t *result, const struct style *style, struct strbuf *out);
bool report_any_failed(const json_t *project);
/* Did an up or restart find everything as it should be? */
bool report_did_nothing(const json_t *result);

/* The project of a status answer as `status --json` has it: services flat, each with its project.
 */
json_t *report_status_json(const json_t *status);
