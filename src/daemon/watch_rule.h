/*
 * watch_rule - which files restart a service: patterns, what they leave out, and
 * what nobody means (repositories, dependencies, caches, files of editors).
 *
 * Paths are absolute.  Looks at no disk.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

struct error;
struct service_config;

struct watch_rule {
	struct strv patterns; /* absolute */
	struct strv ignored;  /* absolute, or a name at any depth */
	int debounce_ms;
};

/* Empty when the service has no `watch`. */
void watch_rule_init(struct watch_rule *rule, const struct service_config *service);
void watch_rule_copy(struct watch_rule *dst, const struct watch_rule *src);
void watch_rule_release(struct watch_rule *rule);

bool watch_rule_matches(const struct watch_rule *rule, const char *path);
/* Can there be something that matches in this folder? */
bool watch_rule_leads_to(const struct watch_rule *rule, const char *folder);

json_t *watch_rule_to_json(const struct watch_rule *rule);
int watch_rule_from_json(const json_t *object, struct watch_rule *rule, struct error *err);
