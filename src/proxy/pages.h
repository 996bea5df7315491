/*
 * pages - what the proxy says itself: a page for a person, a problem document
 * (RFC 9457) for a program.
 *
 * Every text is escaped, nothing is a script, and the policy in the head lets
 * nothing be one.  Which form: HTML for those whose Accept names it, as
 * browsers' does; JSON for all others.
 */
#pragma once

#include "base/strbuf.h"
#include "net/http_message.h"
#include "proxy/routes.h"

struct page {
	int status;
	bool is_html;
	int retry_after_s; /* 0: no use to try again soon */
	struct strbuf body;
};

void page_release(struct page *page);

/* Does the client want HTML? */
bool page_wants_html(const struct http_head *request);

/* 404 with all that is served; port is where the links go. */
void page_unknown_host(struct page *page, const struct routes *routes, const char *host, int port);
/* 502 (503 while it is coming) for a service that does not answer; why is NULL or a sentence. */
void page_unavailable(struct page *page, const struct route *route, const char *why);
/* Any status with a sentence; says nothing of what the request held. */
void page_plain(struct page *page, int status, const char *text);

/* Makes the head of the answer. */
void page_head(const struct page *page, struct http_head *head);
