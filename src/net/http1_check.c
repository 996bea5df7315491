#include "net/http1_check.h"

#include "base/error.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

static bool is_host(const char *s)
{
	const char *c;

	for (c = s; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
		    !(*c >= '0' && *c <= '9') && !strchr("-._~:[]%", *c))
			return false;
	return c > s;
}

static const char *check_host(const struct http_head *head)
{
	size_t count = 0;

	array_foreach(field, &head->fields) {
		if (field->id != HTTP_HOST)
			continue;
		if (++count > 1)
			return "more than one Host";
		if (!is_host(http_field_value(head, field)))
			return "malformed Host";
	}
	return count == 0 && head->version == 11 ? "no Host" : NULL;
}

/* "http://host/path" becomes "/path" when the host is that of the Host field. */
static const char *check_absolute_target(struct http_head *head)
{
	const char *target = http_target(head);
	const char *host = http_head_find(head, HTTP_HOST);
	const char *authority;
	size_t len;

	if (strncasecmp(target, "http://", 7) == 0)
		authority = target + 7;
	else if (strncasecmp(target, "https://", 8) == 0)
		authority = target + 8;
	else
		return "malformed request target";
	len = strcspn(authority, "/?");
	if (!host || strlen(host) != len || strncasecmp(host, authority, len) != 0)
		return "the request target names another host than Host";
	if (authority[len] != '/')
		return "request target without a path";
	head->target_at = (uint32_t)(authority + len - head->text.buf);
	return NULL;
}

static const char *check_target(struct http_head *head)
{
	const char *target = http_target(head);

	if (strchr(target, '#'))
		return "fragment in the request target";
	if (target[0] == '/' || (str_eq(target, "*") && str_eq(head->method, "OPTIONS")))
		return NULL;
	return check_absolute_target(head);
}

static const char *read_length(struct http_message *message, const char *value)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	int64_t length;

	if (message->body == HTTP_BODY_LENGTH)
		return "more than one Content-Length";
	if (str_to_int(value, 0, (int64_t)HTTP1_MAX_BODY, &length, &ignored) < 0)
		return "malformed Content-Length";
	message->body = HTTP_BODY_LENGTH;
	message->content_length = (uint64_t)length;
	return NULL;
}

static const char *check_framing(struct http_message *message)
{
	bool is_chunked = false;

	array_foreach(field, &message->head.fields) {
		const char *value = http_field_value(&message->head, field);
		const char *problem = NULL;

		if (field->id == HTTP_CONTENT_LENGTH)
			problem = read_length(message, value);
		else if (field->id == HTTP_TRANSFER_ENCODING && is_chunked)
			problem = "more than one Transfer-Encoding";
		else if (field->id == HTTP_TRANSFER_ENCODING && strcasecmp(value, "chunked") != 0)
			problem = "unknown Transfer-Encoding";
		else if (field->id == HTTP_TRANSFER_ENCODING)
			is_chunked = true;
		if (problem)
			return problem;
	}
	if (!is_chunked)
		return NULL;
	if (message->body == HTTP_BODY_LENGTH)
		return "Transfer-Encoding beside Content-Length";
	if (message->head.version == 10)
		return "Transfer-Encoding in HTTP/1.0";
	message->body = HTTP_BODY_CHUNKED;
	return NULL;
}

const char *http1_check_request(struct http_message *message)
{
	const char *problem = check_host(&message->head);

	if (!problem)
		problem = check_target(&message->head);
	return problem ? problem : check_framing(message);
}

const char *http1_check_response(struct http_message *message)
{
	return message->head.status < 100 ? "status out of range" : check_framing(message);
}
