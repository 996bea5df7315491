/*
 * import - a locald.toml out of a process-compose.yaml or a compose.yaml.
 *
 * What is imported becomes lines of a draft, each with its place in the source;
 * what is not is left out with the reason (draft.h).  References to variables in
 * environments stay; elsewhere they are expanded now, with `env`.
 *
 * Reads no files and runs nothing.
 */
#pragma once

#include "config/draft.h"

struct strv;

enum import_kind { IMPORT_PROCESS_COMPOSE, IMPORT_COMPOSE };

/*
 * Adds the services of a file; of a compose.yaml with only_images those that have no
 * `build`.  -1 with err (ERR_CONFIG) and `refused` when it is not YAML, or neither of the
 * two.  `source` must outlive the draft.
 */
int import_services(struct draft *draft, const struct diag_source *source, const struct strv *env,
                    bool only_images, enum import_kind *ret_kind, struct diagnostics *refused,
                    struct error *err);
