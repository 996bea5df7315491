#include "proxy/site.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http_server.h"
#include "proxy/site_file.h"

#include <stdio.h>
#include <unistd.h>

#define BLOCK (64 * 1024)

struct site {
	char *root;
	struct http_server *servers[2];
	size_t count;
};

/* A file on its way to a client. */
struct transfer {
	struct http_exchange *x;
	int fd;
	uint64_t at, left;
};

static void transfer_free(struct transfer *transfer)
{
	close_fd(&transfer->fd);
	free(transfer);
}

/* Until the client is slow, or all is sent; a file that got shorter ends the connection. */
static void send_more(struct transfer *transfer)
{
	char block[BLOCK];

	while (transfer->left > 0) {
		size_t want =
			transfer->left < sizeof(block) ? (size_t)transfer->left : sizeof(block);
		ssize_t n = pread(transfer->fd, block, want, (off_t)transfer->at);

		if (n <= 0)
			break;
		transfer->at += (uint64_t)n;
		transfer->left -= (uint64_t)n;
		if (!http_stream_write(transfer->x, block, (size_t)n) && transfer->left > 0)
			return;
	}
	http_stream_end(transfer->x);
	transfer_free(transfer);
}

static void on_drain(struct http_exchange *x, void *data)
{
	send_more(data);
}

static void on_close(struct http_exchange *x, void *data)
{
	transfer_free(data);
}

static const struct http_exchange_events transfer_events = {.on_close = on_close,
                                                            .on_drain = on_drain};

static void send_file(struct http_exchange *x, struct site_file *file, int status, uint64_t first,
                      uint64_t len, bool is_head)
{
	struct transfer *transfer;

	http_stream_begin_length(x, status, file->type, len);
	if (is_head || len == 0) {
		http_stream_end(x);
		return;
	}
	transfer = xcalloc(1, sizeof(*transfer));
	*transfer = (struct transfer){x, take_fd(file->fd), first, len};
	http_exchange_watch(x, &transfer_events, transfer);
	send_more(transfer);
}

static void respond_text(struct http_exchange *x, int status)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%d %s\n", status, http_status_text(status));
	http_respond(x, status, "text/plain; charset=utf-8", text.buf, text.len);
}

static void add_validators(struct http_exchange *x, const struct site_file *file)
{
	char date[SITE_DATE_SIZE];

	site_format_date(file->changed.tv_sec, date);
	http_exchange_add_field(x, "ETag", file->etag);
	http_exchange_add_field(x, "Last-Modified", date);
	http_exchange_add_field(x, "Accept-Ranges", "bytes");
	/* What is being worked on: ask each time, and mostly hear 304. */
	http_exchange_add_field(x, "Cache-Control", "no-cache");
	http_exchange_add_field(x, "X-Content-Type-Options", "nosniff");
}

static int answer_file(struct http_exchange *x, const struct http_request *request,
                       struct site_file *file)
{
	struct site_answer answer = site_file_answer(file, request->head);
	cleanup_free char *range = NULL;

	add_validators(x, file);
	if (answer.status == 304) {
		http_respond(x, 304, NULL, NULL, 0);
		return 304;
	}
	if (answer.status == 416) {
		range = xasprintf("bytes */%llu", (unsigned long long)file->size);
		http_exchange_add_field(x, "Content-Range", range);
		respond_text(x, 416);
		return 416;
	}
	if (answer.status == 206) {
		range = xasprintf("bytes %llu-%llu/%llu", (unsigned long long)answer.first,
		                  (unsigned long long)(answer.first + answer.len - 1),
		                  (unsigned long long)file->size);
		http_exchange_add_field(x, "Content-Range", range);
	}
	send_file(x, file, answer.status, answer.first, answer.len,
	          str_eq(request->head->method, "HEAD"));
	return answer.status;
}

static int answer_missing(struct site *site, struct http_exchange *x,
                          const struct http_request *request)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(site_file_release) struct site_file file = SITE_FILE_INIT;

	if (site_file_open(site->root, "/404.html", &file, &err) == SITE_FILE)
		send_file(x, &file, 404, 0, file.size, str_eq(request->head->method, "HEAD"));
	else
		respond_text(x, 404);
	return 404;
}

/* To the same place with a slash; what came of the client goes back as it came. */
static int answer_folder(struct http_exchange *x, const char *target)
{
	size_t path = strcspn(target, "?");
	/* "//host" would be another site. */
	size_t slashes = strspn(target, "/");
	cleanup_free char *to =
		xasprintf("/%.*s/%s", (int)(path - slashes), target + slashes, target + path);

	http_exchange_add_field(x, "Location", to);
	respond_text(x, 301);
	return 301;
}

static int answer(struct site *site, struct http_exchange *x, const struct http_request *request)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(site_file_release) struct site_file file = SITE_FILE_INIT;
	const char *target = http_target(request->head);
	cleanup_free char *path = http_target_path(target);

	if (!str_eq(request->head->method, "GET") && !str_eq(request->head->method, "HEAD")) {
		http_exchange_add_field(x, "Allow", "GET, HEAD");
		respond_text(x, 405);
		return 405;
	}
	if (!path || *path != '/') {
		respond_text(x, 400);
		return 400;
	}
	switch (site_file_open(site->root, path, &file, &err)) {
	case SITE_FILE:
		return answer_file(x, request, &file);
	case SITE_FOLDER:
		return answer_folder(x, target);
	case SITE_NOT_FOUND:
		break;
	}
	return answer_missing(site, x, request);
}

static void on_request(struct http_exchange *x, const struct http_request *request, void *data)
{
	cleanup_free char *method = xstrdup(request->head->method);
	cleanup_free char *target = xstrdup(http_target(request->head));

	/* The request is gone once it is answered. */
	printf("%d %s %.500s\n", answer(data, x, request), method, target);
	fflush(stdout);
}

struct site *site_new(struct loop *loop, const char *root, int *fds, size_t count,
                      struct error *err)
{
	struct site *site = xcalloc(1, sizeof(*site));
	const struct http_server_config config = {.on_request = on_request, .data = site};

	site->root = xstrdup(root);
	for (size_t i = 0; i < count && i < ARRAY_LEN(site->servers); i++) {
		site->servers[i] = http_server_new(loop, take_fd(fds[i]), &config, err);
		if (!site->servers[i]) {
			site_free(site);
			return NULL;
		}
		site->count++;
	}
	return site;
}

void site_free(struct site *site)
{
	if (!site)
		return;
	for (size_t i = 0; i < site->count; i++)
		http_server_free(site->servers[i]);
	free(site->root);
	free(site);
}
