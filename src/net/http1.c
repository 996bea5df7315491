#include "net/http1.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http1_check.h"

#include <llhttp.h>

#include <errno.h>

/*
 * What the next bytes are.  Lines are checked here before llhttp sees them, and it
 * is fed one section at a time: so both must agree where each section ends, and
 * nothing is lost when the input goes on with another message.
 */
enum section {
	SECTION_HEAD,
	SECTION_LENGTH, /* body bytes, `left` of them */
	SECTION_UNTIL_CLOSE,
	SECTION_CHUNK_SIZE,
	SECTION_CHUNK_DATA, /* `left` of them */
	SECTION_CHUNK_END,  /* the empty line after the data */
	SECTION_TRAILERS,
};

struct http1_parser {
	llhttp_t llhttp;
	enum http1_kind kind;
	enum section section;
	struct http_message message;
	uint64_t left;
	const char *body;
	size_t body_len;
	uint32_t field_at; /* of the field that is being read */
	bool is_in_name;
	size_t section_len; /* bytes of the head or the trailers so far */
	size_t line_len;    /* bytes of the current line, CR included */
	bool was_cr;        /* the last byte of a line was CR */
	bool was_space;     /* the same in a request line */
	int spaces;         /* in the request line */
	bool is_past_first_line, saw_empty_line;
	bool is_head_response;
	bool is_inside;
	bool head_done, chunk_started, message_done; /* set by llhttp's callbacks */
	bool is_broken;
	int error_status;
	const char *problem; /* what a callback refused */
};

static const llhttp_settings_t settings;

static void begin_message(struct http1_parser *parser)
{
	llhttp_init(&parser->llhttp, parser->kind == HTTP1_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE,
	            &settings);
	parser->llhttp.data = parser;
	http_head_reset(&parser->message.head);
	http_head_reset(&parser->message.trailers);
	parser->message.body = HTTP_BODY_NONE;
	parser->message.content_length = 0;
	parser->message.is_last = false;
	parser->section = SECTION_HEAD;
	parser->section_len = parser->line_len = 0;
	parser->was_cr = parser->is_past_first_line = parser->saw_empty_line = false;
	parser->is_in_name = parser->was_space = false;
	parser->spaces = 0;
	parser->head_done = parser->chunk_started = parser->message_done = false;
	parser->is_inside = false;
	parser->body_len = 0;
}

struct http1_parser *http1_parser_new(enum http1_kind kind)
{
	struct http1_parser *parser = xcalloc(1, sizeof(*parser));

	parser->kind = kind;
	parser->message.head.text.buf = parser->message.trailers.text.buf = strbuf_empty;
	parser->error_status = 400;
	begin_message(parser);
	return parser;
}

void http1_parser_free(struct http1_parser *parser)
{
	if (!parser)
		return;
	http_head_release(&parser->message.head);
	http_head_release(&parser->message.trailers);
	free(parser);
}

struct http_message *http1_message(struct http1_parser *parser)
{
	return &parser->message;
}

const char *http1_body(const struct http1_parser *parser, size_t *ret_len)
{
	*ret_len = parser->body_len;
	return parser->body;
}

bool http1_is_inside(const struct http1_parser *parser)
{
	return parser->is_inside;
}

int http1_error_status(const struct http1_parser *parser)
{
	return parser->error_status;
}

void http1_response_to_head(struct http1_parser *parser, bool is_head)
{
	parser->is_head_response = is_head;
}

/* --- llhttp's callbacks: they gather strings and note what happened --- */

static int refuse(struct http1_parser *parser, int status, const char *problem)
{
	parser->problem = problem;
	parser->error_status = status;
	return HPE_USER;
}

static struct http_head *current_head(struct http1_parser *parser)
{
	return parser->head_done ? &parser->message.trailers : &parser->message.head;
}

/* The target or the reason is the first text of a head: target_at and reason_at stay 0. */
static int add_text(llhttp_t *llhttp, const char *at, size_t len)
{
	strbuf_add(&current_head(llhttp->data)->text, at, len);
	return 0;
}

static int end_text(llhttp_t *llhttp)
{
	strbuf_addch(&current_head(llhttp->data)->text, '\0');
	return 0;
}

static int on_field_complete(llhttp_t *llhttp)
{
	struct http1_parser *parser = llhttp->data;
	struct http_head *head = current_head(parser);
	uint32_t name_at = parser->field_at;
	size_t name_len = head->text.len - name_at;

	if (head->fields.len >= HTTP_MAX_FIELDS)
		return refuse(parser, 431, "too many fields");
	if (!http_is_token(head->text.buf + name_at, name_len))
		return refuse(parser, 400, "malformed field name");
	parser->is_in_name = false;
	strbuf_addch(&head->text, '\0');
	*array_add(&head->fields) = (struct http_field){
		.name_at = name_at,
		.value_at = (uint32_t)head->text.len,
		.name_len = (uint16_t)name_len,
		.id = http_name_id(head->text.buf + name_at, name_len),
	};
	return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
	struct http1_parser *parser = llhttp->data;

	if (!parser->is_in_name)
		parser->field_at = (uint32_t)current_head(parser)->text.len;
	parser->is_in_name = true;
	return add_text(llhttp, at, len);
}

static int on_value_complete(llhttp_t *llhttp)
{
	struct http1_parser *parser = llhttp->data;
	struct http_head *head = current_head(parser);
	struct http_field *field = &head->fields.items[head->fields.len - 1];

	while (head->text.len > field->value_at && (head->text.buf[head->text.len - 1] == ' ' ||
	                                            head->text.buf[head->text.len - 1] == '\t'))
		strbuf_truncate(&head->text, head->text.len - 1);
	return end_text(llhttp);
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
	struct http1_parser *parser = llhttp->data;

	parser->body = at;
	parser->body_len = len;
	return 0;
}

static int on_chunk_header(llhttp_t *llhttp)
{
	struct http1_parser *parser = llhttp->data;

	parser->chunk_started = true;
	parser->left = llhttp->content_length;
	return parser->left > HTTP1_MAX_BODY ? refuse(parser, 400, "chunk size out of range") : 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
	struct http1_parser *parser = llhttp->data;

	parser->message_done = true;
	return 0;
}

/* --- the end of a head --- */

static bool has_no_body(const struct http1_parser *parser, int status)
{
	return parser->is_head_response || status / 100 == 1 || status == 204 || status == 304;
}

static const char *finish_request(struct http1_parser *parser)
{
	struct http_message *message = &parser->message;
	const char *problem = http1_check_request(message);

	if (message->body == HTTP_BODY_LENGTH && message->content_length == 0)
		message->body = HTTP_BODY_NONE;
	return problem;
}

static const char *finish_response(struct http1_parser *parser)
{
	struct http_message *message = &parser->message;
	const char *problem = http1_check_response(message);

	if (has_no_body(parser, message->head.status))
		message->body = HTTP_BODY_NONE;
	else if (message->body == HTTP_BODY_NONE)
		message->body = HTTP_BODY_UNTIL_CLOSE;
	else if (message->body == HTTP_BODY_LENGTH && message->content_length == 0)
		message->body = HTTP_BODY_NONE;
	return problem;
}

static int on_head_complete(llhttp_t *llhttp)
{
	struct http1_parser *parser = llhttp->data;
	struct http_message *message = &parser->message;
	struct http_head *head = &message->head;
	const char *problem;

	if (llhttp->http_major != 1 || llhttp->http_minor > 1)
		return refuse(parser, 505, "HTTP version");
	head->version = llhttp->http_minor == 1 ? 11 : 10;
	if (parser->kind == HTTP1_REQUESTS) {
		if (llhttp->method == HTTP_CONNECT)
			return refuse(parser, 405, "CONNECT is not served");
		str_copy(head->method, sizeof(head->method), llhttp_method_name(llhttp->method));
		problem = finish_request(parser);
	} else {
		head->status = llhttp->status_code;
		problem = finish_response(parser);
	}
	if (problem)
		return refuse(parser, 400, problem);
	message->is_last =
		http_head_has_token(head, HTTP_CONNECTION, "close") ||
		message->body == HTTP_BODY_UNTIL_CLOSE ||
		(head->version == 10 && !http_head_has_token(head, HTTP_CONNECTION, "keep-alive"));
	parser->head_done = true;
	/* What an upgrade leads to is the caller's business. */
	llhttp->upgrade = 0;
	return parser->kind == HTTP1_RESPONSES && has_no_body(parser, head->status);
}

static const llhttp_settings_t settings = {
	.on_url = add_text,
	.on_url_complete = end_text,
	.on_status = add_text,
	.on_status_complete = end_text,
	.on_header_field = on_field,
	.on_header_field_complete = on_field_complete,
	.on_header_value = add_text,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_head_complete,
	.on_body = on_body,
	.on_chunk_header = on_chunk_header,
	.on_message_complete = on_message_complete,
};

/* --- the lines --- */

static int fail(struct http1_parser *parser, int status, struct error *err, const char *problem)
{
	parser->is_broken = true;
	parser->error_status = status;
	return error_set(err, EBADMSG, "%s", problem);
}

/* A request line has exactly two spaces; llhttp would take more. */
static bool is_stray_space(struct http1_parser *parser, unsigned char c)
{
	bool is_space = c == ' ' || c == '\t';
	bool is_stray = c == '\t' || (is_space && (parser->was_space || ++parser->spaces > 2));

	parser->was_space = is_space;
	return is_stray;
}

/*
 * The end of the current line in data: one past its LF, or len.  Checks what no
 * line may hold.  -1 when it does.
 */
static ssize_t scan_line(struct http1_parser *parser, const char *data, size_t len,
                         struct error *err)
{
	bool is_request_line = parser->kind == HTTP1_REQUESTS && !parser->is_past_first_line;
	size_t i;

	if (parser->line_len == 0 && len > 0 && (data[0] == ' ' || data[0] == '\t'))
		return fail(parser, 400, err, "line that begins with white space");
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n' && !parser->was_cr)
			return fail(parser, 400, err, "line feed without carriage return");
		if (c == '\n')
			return (ssize_t)i + 1;
		if (parser->was_cr)
			return fail(parser, 400, err, "carriage return without line feed");
		if (c == '\r')
			parser->was_cr = true;
		else if ((c < ' ' && c != '\t') || c == 0x7f)
			return fail(parser, 400, err, "control character");
		if (is_request_line && is_stray_space(parser, c))
			return fail(parser, 400, err, "malformed request line");
		if (++parser->line_len > HTTP_MAX_LINE)
			return fail(parser, parser->is_past_first_line ? 431 : 414, err,
			            "line too long");
	}
	return (ssize_t)len;
}

/* Has the line that ended been the last of its section? */
static bool ends_section(struct http1_parser *parser, bool is_empty)
{
	switch (parser->section) {
	case SECTION_CHUNK_SIZE:
	case SECTION_CHUNK_END:
		return true;
	case SECTION_HEAD:
		/* One empty line before a request is tolerated (RFC 9112, 2.2). */
		if (!is_empty)
			break;
		if (parser->section_len > 2 || parser->saw_empty_line ||
		    parser->kind == HTTP1_RESPONSES)
			return true;
		parser->saw_empty_line = true;
		parser->section_len = 0;
		break;
	case SECTION_TRAILERS:
		return is_empty;
	case SECTION_LENGTH:
	case SECTION_UNTIL_CLOSE:
	case SECTION_CHUNK_DATA:
		break;
	}
	return false;
}

/* How many of the bytes belong to this section of lines; *is_end when it ends there. */
static ssize_t scan_lines(struct http1_parser *parser, const char *data, size_t len, bool *is_end,
                          struct error *err)
{
	size_t used = 0;

	*is_end = false;
	while (used < len && !*is_end) {
		ssize_t n = scan_line(parser, data + used, len - used, err);
		bool is_empty = parser->line_len == 1;

		if (n < 0)
			return -1;
		used += (size_t)n;
		parser->section_len += (size_t)n;
		if (parser->section_len > HTTP_MAX_HEAD)
			return fail(parser, 431, err, "head too large");
		if (data[used - 1] != '\n')
			break;
		*is_end = ends_section(parser, is_empty);
		parser->is_past_first_line |= !is_empty;
		parser->line_len = 0;
		parser->was_cr = false;
	}
	return (ssize_t)used;
}

static int feed(struct http1_parser *parser, const char *data, size_t len, struct error *err)
{
	llhttp_errno_t code;

	parser->problem = NULL;
	code = llhttp_execute(&parser->llhttp, data, len);
	if (code == HPE_OK)
		return 0;
	if (parser->problem)
		return fail(parser, parser->error_status, err, parser->problem);
	return fail(parser, code == HPE_INVALID_VERSION ? 505 : 400, err,
	            llhttp_get_error_reason(&parser->llhttp));
}

/* A section of lines has ended and llhttp has seen it: it must have come as far. */
static int next_section(struct http1_parser *parser, struct error *err)
{
	static const enum section after_head[] = {
		[HTTP_BODY_NONE] = SECTION_HEAD,
		[HTTP_BODY_LENGTH] = SECTION_LENGTH,
		[HTTP_BODY_CHUNKED] = SECTION_CHUNK_SIZE,
		[HTTP_BODY_UNTIL_CLOSE] = SECTION_UNTIL_CLOSE,
	};
	bool agrees = true;

	switch (parser->section) {
	case SECTION_HEAD:
		agrees = parser->head_done &&
		         parser->message_done == (parser->message.body == HTTP_BODY_NONE);
		parser->section = after_head[parser->message.body];
		parser->left = parser->message.content_length;
		break;
	case SECTION_CHUNK_SIZE:
		agrees = parser->chunk_started;
		parser->chunk_started = false;
		parser->section = parser->left > 0 ? SECTION_CHUNK_DATA : SECTION_TRAILERS;
		break;
	case SECTION_CHUNK_END:
		agrees = !parser->message_done;
		parser->section = SECTION_CHUNK_SIZE;
		break;
	case SECTION_TRAILERS:
		agrees = parser->message_done;
		break;
	case SECTION_LENGTH:
	case SECTION_UNTIL_CLOSE:
	case SECTION_CHUNK_DATA:
		break;
	}
	parser->section_len = 0;
	return agrees ? 0 : fail(parser, 400, err, "malformed message");
}

static ssize_t read_lines(struct http1_parser *parser, const char *data, size_t len,
                          enum http1_what *what, struct error *err)
{
	bool is_head = parser->section == SECTION_HEAD;
	bool is_end;
	ssize_t n = scan_lines(parser, data, len, &is_end, err);

	if (n < 0 || feed(parser, data, (size_t)n, err) < 0)
		return -1;
	parser->is_inside = true;
	if (is_end && next_section(parser, err) < 0)
		return -1;
	if (is_end && is_head)
		*what = HTTP1_HEAD;
	return n;
}

static ssize_t read_body(struct http1_parser *parser, const char *data, size_t len,
                         enum http1_what *what, struct error *err)
{
	if (parser->section != SECTION_UNTIL_CLOSE && len > parser->left)
		len = (size_t)parser->left;
	if (feed(parser, data, len, err) < 0)
		return -1;
	if (parser->body_len != len)
		return fail(parser, 400, err, "malformed message");
	*what = HTTP1_BODY;
	if (parser->section == SECTION_UNTIL_CLOSE)
		return (ssize_t)len;
	parser->left -= len;
	if (parser->left == 0 && parser->section == SECTION_CHUNK_DATA)
		parser->section = SECTION_CHUNK_END;
	else if (parser->left == 0 && !parser->message_done)
		return fail(parser, 400, err, "malformed message");
	return (ssize_t)len;
}

static bool is_body_section(enum section section)
{
	return section == SECTION_LENGTH || section == SECTION_UNTIL_CLOSE ||
	       section == SECTION_CHUNK_DATA;
}

ssize_t http1_next(struct http1_parser *parser, const char *data, size_t len, enum http1_what *what,
                   struct error *err)
{
	size_t used = 0;

	if (parser->is_broken)
		return error_set(err, EBADMSG, "the message before was malformed");
	*what = HTTP1_MORE;
	/* The message was handed over by HTTP1_END at the last call. */
	if (parser->message_done && !parser->is_inside)
		begin_message(parser);
	while (used < len && *what == HTTP1_MORE && !parser->message_done) {
		ssize_t n = is_body_section(parser->section)
		                    ? read_body(parser, data + used, len - used, what, err)
		                    : read_lines(parser, data + used, len - used, what, err);

		if (n < 0)
			return -1;
		used += (size_t)n;
	}
	if (*what == HTTP1_MORE && parser->message_done) {
		*what = HTTP1_END;
		parser->is_inside = false;
	}
	return (ssize_t)used;
}

int http1_end_of_input(struct http1_parser *parser, struct error *err)
{
	if (parser->is_broken)
		return error_set(err, EBADMSG, "the message before was malformed");
	if (!parser->is_inside)
		return 0;
	if (parser->section == SECTION_UNTIL_CLOSE) {
		parser->message_done = true;
		parser->is_inside = false;
		return 0;
	}
	return fail(parser, 400, err, "the connection ended within a message");
}
