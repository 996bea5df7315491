/*
 * why - says in one sentence why a service is as it is: for whom it waits, down
 * the chain, what its probe sees, how it ended and when it is tried again.
 *
 * Pure: all it knows comes from the source, so tests compare its text.
 */
#pragma once

#include "base/str.h"
#include "base/strbuf.h"
#include "service/log_reader.h"
#include "service/supervisor.h"

struct daemon;
struct http_exchange;

struct why_source {
	bool (*find)(const char *service, struct service_snapshot *ret, void *data);
	/* How a run ended, from its log; false when that is not known. */
	bool (*find_exit)(const char *service, uint32_t run, struct log_exit *ret, void *data);
	void *data;
};

struct why {
	struct strbuf text, fix; /* the fix may be empty */
	struct strv chain;       /* the service, and for whom it waits, in order */
	struct strv last_lines;  /* of the last in the chain, when it crashed */
};

#define WHY_INIT                                                                                   \
	{                                                                                          \
		.text = STRBUF_INIT, .fix = STRBUF_INIT                                            \
	}

/* False: there is no such service. */
bool why_explain(const struct why_source *source, const char *service, struct why *ret);
void why_release(struct why *why);

/* GET /v1/why?root=…&service=… */
void why_reply(struct daemon *daemon, struct http_exchange *x, const char *target);
