#include "proxy/hop.h"

#include "base/error.h"
#include "base/str.h"

#include <strings.h>

int hop_count(const struct http_head *request)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	const char *value = http_head_find(request, HTTP_LOCALD_HOPS);
	int64_t count;

	if (!value)
		return 0;
	/* Nobody but us writes it, so a bad one is somebody's trick: count it as the last hop. */
	return str_to_int(value, 0, HOP_MAX, &count, &ignored) < 0 ? HOP_MAX : (int)count;
}

bool hop_wants_upgrade(const struct http_message *request)
{
	const char *protocol = http_head_find(&request->head, HTTP_UPGRADE);

	/* An h2c upgrade would carry requests past us, unseen. */
	return protocol && request->head.version == 11 && request->body == HTTP_BODY_NONE &&
	       !http_head_has_token(&request->head, HTTP_UPGRADE, "h2c") &&
	       http_head_has_token(&request->head, HTTP_CONNECTION, "upgrade");
}

bool hop_is_idempotent(const struct http_head *request)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(request->method, methods[i]))
			return true;
	return false;
}

/* Does it speak of one connection only, or of who forwarded the request? */
static bool is_ours(enum http_name id, bool is_upgrade)
{
	switch (id) {
	case HTTP_CONNECTION:
	case HTTP_FORWARDED:
	case HTTP_HTTP2_SETTINGS:
	case HTTP_KEEP_ALIVE:
	case HTTP_LOCALD_HOPS:
	case HTTP_PROXY_AUTHORIZATION:
	case HTTP_PROXY_CONNECTION:
	case HTTP_TE:
	case HTTP_TRANSFER_ENCODING:
	case HTTP_X_FORWARDED:
	case HTTP_X_REAL_IP:
		return true;
	case HTTP_UPGRADE:
		return !is_upgrade;
	case HTTP_OTHER:
	case HTTP_ACCEPT:
	case HTTP_CONTENT_LENGTH:
	case HTTP_EXPECT:
	case HTTP_HOST:
		break;
	}
	return false;
}

static bool is_named_in_connection(const struct http_head *head, const struct http_field *field)
{
	/* Host and Content-Length belong to the message, whatever Connection says. */
	return field->id == HTTP_OTHER &&
	       http_head_has_token(head, HTTP_CONNECTION, http_field_name(head, field));
}

static void strip(struct http_head *head, bool is_upgrade)
{
	bool drop[HTTP_MAX_FIELDS] = {false};
	bool has_connection = http_head_find(head, HTTP_CONNECTION) != NULL;
	size_t kept = 0;

	array_foreach(field, &head->fields)
		drop[array_index(&head->fields, field)] =
			is_ours(field->id, is_upgrade) ||
			(has_connection && is_named_in_connection(head, field));
	array_foreach(field, &head->fields)
		if (!drop[array_index(&head->fields, field)])
			head->fields.items[kept++] = *field;
	head->fields.len = kept;
}

const char *hop_request(struct http_head *head, const struct hop *hop, bool is_upgrade)
{
	bool wants_trailers = http_head_has_token(head, HTTP_TE, "trailers");
	int hops = hop_count(head); /* below HOP_MAX, which is one digit */

	strip(head, is_upgrade);
	http_head_add(head, "X-Forwarded-For", hop->client);
	http_head_add(head, "X-Forwarded-Proto", hop->scheme);
	if (http_head_find(head, HTTP_HOST))
		http_head_addf(head, "X-Forwarded-Host", "%s", http_head_find(head, HTTP_HOST));
	http_head_add(head, "X-Forwarded-Port", hop->port);
	http_head_add(head, "X-Locald-Hops", (char[]){(char)('1' + hops), '\0'});
	if (is_upgrade)
		return "upgrade";
	if (!wants_trailers)
		return NULL;
	http_head_add(head, "TE", "trailers");
	return "TE";
}

static void drop_fields(struct http_head *head, enum http_name id)
{
	size_t kept = 0;

	array_foreach(field, &head->fields)
		if (field->id != id)
			head->fields.items[kept++] = *field;
	head->fields.len = kept;
}

void hop_response(struct http_head *head)
{
	strip(head, head->status == 101);
	/* No body can follow, and a length would only confuse somebody. */
	if (head->status < 200 || head->status == 204)
		drop_fields(head, HTTP_CONTENT_LENGTH);
}

void hop_trailers(struct http_head *trailers)
{
	strip(trailers, false);
	drop_fields(trailers, HTTP_CONTENT_LENGTH);
	drop_fields(trailers, HTTP_HOST);
}
