/*
 * http_message - an HTTP message apart from how a connection carries it.
 *
 * A head is a start line and an ordered list of fields.  Its strings live in one
 * buffer and fields are offsets into it, so a head that is reset and filled
 * again allocates nothing.  Strings it gives are borrowed and move with the next
 * addition.  Names compare without regard to case.
 *
 * The model knows nothing of chunks or frames: codecs (net/http1.h, HTTP/2
 * later) turn bytes into messages and back, and guarantee that names are tokens
 * and that no value holds CR, LF or NUL.
 *
 * Specified in RFC 9110.
 */
#pragma once

#include "base/array.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_MAX_HEAD   (64 * 1024)
#define HTTP_MAX_LINE   (16 * 1024)
#define HTTP_MAX_FIELDS 100

/* Fields that codecs and proxies must know; recognised once, when a field is added. */
enum http_name {
	HTTP_OTHER,
	HTTP_ACCEPT,
	HTTP_CONNECTION,
	HTTP_CONTENT_LENGTH,
	HTTP_EXPECT,
	HTTP_FORWARDED,
	HTTP_HOST,
	HTTP_HTTP2_SETTINGS,
	HTTP_KEEP_ALIVE,
	HTTP_LOCALD_HOPS, /* X-Locald-Hops */
	HTTP_PROXY_AUTHORIZATION,
	HTTP_PROXY_CONNECTION,
	HTTP_TE,
	HTTP_TRANSFER_ENCODING,
	HTTP_UPGRADE,
	HTTP_X_FORWARDED, /* X-Forwarded-anything */
	HTTP_X_REAL_IP,
};

struct http_field {
	uint32_t name_at, value_at; /* in head->text */
	uint16_t name_len;
	enum http_name id;
};

struct http_head {
	struct strbuf text;
	ARRAY(struct http_field) fields;
	int version;        /* 10 or 11 */
	char method[16];    /* requests */
	uint32_t target_at; /* requests: "/path?query", or "*" */
	int status;         /* responses; 0 in a request */
	uint32_t reason_at; /* responses: may be empty */
};

#define HTTP_HEAD_INIT                                                                             \
	{                                                                                          \
		.text = STRBUF_INIT                                                                \
	}

enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_UNTIL_CLOSE, /* responses only */
};

struct http_message {
	struct http_head head;
	struct http_head trailers; /* its fields only; complete when the message has ended */
	enum http_body body;
	uint64_t content_length; /* HTTP_BODY_LENGTH */
	bool is_last;            /* the sender closes, or wants us to close, after it */
};

void http_head_release(struct http_head *head);
void http_head_reset(struct http_head *head); /* keeps the storage */

void http_head_set_request(struct http_head *head, const char *method, const char *target);
/* The reason is the standard one for the status. */
void http_head_set_status(struct http_head *head, int status);
void http_head_add(struct http_head *head, const char *name, const char *value);
void http_head_addf(struct http_head *head, const char *name, const char *fmt, ...)
	printf_like(3, 4);

const char *http_target(const struct http_head *head);
const char *http_reason(const struct http_head *head);
const char *http_field_name(const struct http_head *head, const struct http_field *field);
const char *http_field_value(const struct http_head *head, const struct http_field *field);

/* The first field of that name; NULL when there is none. */
const char *http_head_get(const struct http_head *head, const char *name);
const char *http_head_find(const struct http_head *head, enum http_name id);
/* Is `token` one of the comma-separated members of any field with that id? */
bool http_head_has_token(const struct http_head *head, enum http_name id, const char *token);

/* The same question about one value; empty members are skipped. */
bool http_list_has(const char *list, const char *token, size_t len);
enum http_name http_name_id(const char *name, size_t len);
bool http_is_token(const char *s, size_t len);
/* "Not Found" for 404; "Unknown" for what has no name. */
const char *http_status_text(int status);

/*
 * Parts of a request target, percent-decoded, owned by the caller.  NULL when the
 * escapes are broken or hide a NUL, and for a query parameter that is not there.
 */
char *http_target_path(const char *target) must_check;
char *http_target_query(const char *target, const char *name) must_check;
