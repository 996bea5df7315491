/*
 * http1_check - what a complete head must be, beyond its grammar.  Inner header of
 * net/http1.h.
 *
 * Both set message->body (LENGTH or CHUNKED where the fields say so) and
 * content_length.  They return NULL, or what is wrong, for a 400.
 */
#pragma once

#include "net/http_message.h"

#define HTTP1_MAX_BODY (UINT64_C(1) << 62)

/* Also turns "http://host/path" into "/path". */
const char *http1_check_request(struct http_message *message);
const char *http1_check_response(struct http_message *message);
