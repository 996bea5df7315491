/*
 * service_text - what reports say of a service, from the JSON of the control API.
 *
 * All text is escaped.  A function that returns char * gives the caller a new string.
 */
#pragma once

#include "base/json.h"
#include "cli/style.h"

struct service_counts {
	size_t all, ready, failed, waiting, stopped;
};

const char *service_state(const json_t *service);
bool service_is_failed(const json_t *service);
/* It runs and should have been ready after so long; 0: it is, or it still has time. */
int64_t service_overdue_ms(const json_t *service);
/* At rest as it should be: stopped, or ended well. */
bool service_is_at_rest(const json_t *service);
struct service_counts service_count(const json_t *project);
/* In a project of host services the mode is not worth a column. */
bool services_have_container(const json_t *services);

void service_add_text(struct strbuf *out, const char *text);
char *service_text(const json_t *object, const char *key, const char *def) must_check;
/* Where it can be reached: its URL, else its port on loopback. */
char *service_address(const json_t *service, const struct style *style) must_check;
/* Its state in its colour; how long it has run. */
char *service_state_cell(const json_t *service, const struct style *style) must_check;
char *service_uptime_cell(const json_t *service) must_check;
/* "exit 1, 8s ago, next try in 4s" */
void service_add_last_exit(struct strbuf *out, const json_t *service);
/* "  NAME  WARNING" for each of its warnings, one a line. */
void service_add_warnings(struct strbuf *out, const json_t *service);
