/*
 * http1 - HTTP/1.0 and 1.1 to messages and back, strictly; the only file that
 * knows llhttp.
 *
 * A parser is fed whatever bytes there are and says one thing at a time:
 *
 *	ssize_t n = http1_next(parser, data, len, &what, err);
 *
 * n bytes were used; call again, with what is left (even nothing), until `what` is
 * HTTP1_MORE.  After -1 only http1_error_status() is of use.  Needs no loop.
 *
 * Refused although some accept it: bare CR or LF, NUL, folded lines, white space
 * before a colon, a Host that is missing, double or malformed, a Content-Length
 * that is not one plain number, any transfer coding but "chunked" or any at all
 * in HTTP/1.0 or beside a Content-Length, other versions.  See RFC 9112.
 */
#pragma once

#include "net/http_message.h"

#include <sys/types.h>

struct error;
struct http1_parser;

enum http1_what {
	HTTP1_MORE, /* needs more bytes */
	HTTP1_HEAD, /* message->head, body and content_length are there */
	HTTP1_BODY, /* message bytes are at http1_body() */
	HTTP1_END,  /* message->trailers are there; the next byte begins another message */
};

enum http1_kind { HTTP1_REQUESTS, HTTP1_RESPONSES };

struct http1_parser *http1_parser_new(enum http1_kind kind);
void http1_parser_free(struct http1_parser *parser);
DEFINE_FREEP(http1_parser)

ssize_t http1_next(struct http1_parser *parser, const char *data, size_t len, enum http1_what *what,
                   struct error *err);
/* No more bytes will come.  0 when that may be (the message then has ended), else -1. */
int http1_end_of_input(struct http1_parser *parser, struct error *err);
/* Before each response: the request was a HEAD, so no body follows whatever the fields say. */
void http1_response_to_head(struct http1_parser *parser, bool is_head);

/* The current message, good until http1_next() begins another; the head may be edited. */
struct http_message *http1_message(struct http1_parser *parser);
/* Points into the data of the http1_next() that said HTTP1_BODY. */
const char *http1_body(const struct http1_parser *parser, size_t *ret_len);
/* Has a byte of a message arrived that is not complete? */
bool http1_is_inside(const struct http1_parser *parser);
/* The answer a server gives for the last error: 400, 414, 431, 405, 501 or 505. */
int http1_error_status(const struct http1_parser *parser);

/*
 * Appends a head as HTTP/1.1.  Framing and connection fields are this layer's: with
 * `is_chunked` it adds Transfer-Encoding, and `connection` is the value of Connection (NULL: none);
 * a Content-Length must already be a field.
 */
void http1_write_head(struct strbuf *out, const struct http_head *head, bool is_chunked,
                      const char *connection);
void http1_write_chunk(struct strbuf *out, const void *data, size_t len);          /* len > 0 */
void http1_write_last_chunk(struct strbuf *out, const struct http_head *trailers); /* or NULL */
