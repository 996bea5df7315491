#include "net/http_message.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>
#include <strings.h>

#define NAME(text, name_id)                                                                        \
	{                                                                                          \
		text, sizeof(text) - 1, name_id                                                    \
	}
static const struct {
	const char *name;
	size_t len;
	enum http_name id;
} known_names[] = {
	NAME("te", HTTP_TE),
	NAME("host", HTTP_HOST),
	NAME("accept", HTTP_ACCEPT),
	NAME("expect", HTTP_EXPECT),
	NAME("upgrade", HTTP_UPGRADE),
	NAME("forwarded", HTTP_FORWARDED),
	NAME("x-real-ip", HTTP_X_REAL_IP),
	NAME("connection", HTTP_CONNECTION),
	NAME("keep-alive", HTTP_KEEP_ALIVE),
	NAME("x-locald-hops", HTTP_LOCALD_HOPS),
	NAME("content-length", HTTP_CONTENT_LENGTH),
	NAME("http2-settings", HTTP_HTTP2_SETTINGS),
	NAME("proxy-connection", HTTP_PROXY_CONNECTION),
	NAME("transfer-encoding", HTTP_TRANSFER_ENCODING),
	NAME("proxy-authorization", HTTP_PROXY_AUTHORIZATION),
};

/* The only statuses that we ourselves answer with, or that a message without a reason needs. */
static const struct {
	int status;
	const char *text;
} status_texts[] = {
	{101, "Switching Protocols"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{508, "Loop Detected"},
};

const char *http_status_text(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(status_texts); i++)
		if (status_texts[i].status == status)
			return status_texts[i].text;
	return "Unknown";
}

enum http_name http_name_id(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(known_names); i++)
		if (known_names[i].len == len && strncasecmp(known_names[i].name, name, len) == 0)
			return known_names[i].id;
	if (len > 12 && strncasecmp(name, "x-forwarded-", 12) == 0)
		return HTTP_X_FORWARDED;
	return HTTP_OTHER;
}

bool http_is_token(const char *s, size_t len)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			continue;
		if (c == '\0' || !strchr(others, c))
			return false;
	}
	return len > 0;
}

void http_head_release(struct http_head *head)
{
	strbuf_release(&head->text);
	array_release(&head->fields);
}

void http_head_reset(struct http_head *head)
{
	strbuf_reset(&head->text);
	head->fields.len = 0;
	head->version = 11;
	head->method[0] = '\0';
	head->status = 0;
	head->target_at = head->reason_at = 0;
}

/* Appends a string with its NUL and says where it is. */
static uint32_t keep(struct http_head *head, const char *s, size_t len)
{
	uint32_t at = (uint32_t)head->text.len;

	strbuf_add(&head->text, s, len);
	strbuf_addch(&head->text, '\0');
	return at;
}

void http_head_set_request(struct http_head *head, const char *method, const char *target)
{
	str_copy(head->method, sizeof(head->method), method);
	head->target_at = keep(head, target, strlen(target));
}

void http_head_set_status(struct http_head *head, int status)
{
	const char *text = http_status_text(status);

	head->status = status;
	head->reason_at = keep(head, text, strlen(text));
}

void http_head_add(struct http_head *head, const char *name, const char *value)
{
	size_t name_len = strlen(name);
	uint32_t name_at = keep(head, name, name_len);
	uint32_t value_at = keep(head, value, strlen(value));

	*array_add(&head->fields) = (struct http_field){
		.name_at = name_at,
		.value_at = value_at,
		.name_len = (uint16_t)name_len,
		.id = http_name_id(name, name_len),
	};
}

void http_head_addf(struct http_head *head, const char *name, const char *fmt, ...)
{
	cleanup_free char *value = NULL;
	va_list args;

	va_start(args, fmt);
	value = xvasprintf(fmt, args);
	va_end(args);
	http_head_add(head, name, value);
}

const char *http_target(const struct http_head *head)
{
	return head->text.buf + head->target_at;
}

const char *http_reason(const struct http_head *head)
{
	return head->text.buf + head->reason_at;
}

const char *http_field_name(const struct http_head *head, const struct http_field *field)
{
	return head->text.buf + field->name_at;
}

const char *http_field_value(const struct http_head *head, const struct http_field *field)
{
	return head->text.buf + field->value_at;
}

const char *http_head_get(const struct http_head *head, const char *name)
{
	size_t len = strlen(name);

	array_foreach(field, &head->fields)
		if (field->name_len == len && strcasecmp(http_field_name(head, field), name) == 0)
			return http_field_value(head, field);
	return NULL;
}

const char *http_head_find(const struct http_head *head, enum http_name id)
{
	array_foreach(field, &head->fields)
		if (field->id == id)
			return http_field_value(head, field);
	return NULL;
}

bool http_list_has(const char *list, const char *token, size_t len)
{
	const char *at = list;

	while (*at) {
		size_t member;

		at += strspn(at, " \t,");
		member = strcspn(at, " \t,");
		if (member == len && strncasecmp(at, token, len) == 0)
			return true;
		at += member;
	}
	return false;
}

bool http_head_has_token(const struct http_head *head, enum http_name id, const char *token)
{
	size_t len = strlen(token);

	array_foreach(field, &head->fields)
		if (field->id == id && http_list_has(http_field_value(head, field), token, len))
			return true;
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static char *percent_decode(const char *s, size_t len, bool plus_is_space)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (s[i] != '%') {
			strbuf_addch(&out, plus_is_space && s[i] == '+' ? ' ' : s[i]);
			continue;
		}
		if (len - i > 2) {
			high = hex_digit(s[i + 1]);
			low = hex_digit(s[i + 2]);
		}
		if (high < 0 || low < 0 || high + low == 0)
			return NULL;
		strbuf_addch(&out, (char)(high * 16 + low));
		i += 2;
	}
	return strbuf_detach(&out);
}

char *http_target_path(const char *target)
{
	return percent_decode(target, strcspn(target, "?"), false);
}

char *http_target_query(const char *target, const char *name)
{
	size_t name_len = strlen(name);
	const char *at = strchr(target, '?');

	while (at) {
		size_t len = strcspn(++at, "&");

		if (len >= name_len && strncmp(at, name, name_len) == 0) {
			if (len == name_len)
				return xstrdup("");
			if (at[name_len] == '=')
				return percent_decode(at + name_len + 1, len - name_len - 1, true);
		}
		at = at[len] ? at + len : NULL;
	}
	return NULL;
}
