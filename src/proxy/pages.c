#include "proxy/pages.h"

#include "base/json.h"
#include "base/mem.h"

#include <strings.h>

#define STYLE                                                                                      \
	"body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:4rem auto;padding:0 1rem;" \
	"color:#222;background:#fff}h1{font-size:1.4rem}table{border-collapse:collapse}"           \
	"td{padding:.2rem 1.5rem .2rem 0}pre{background:#f4f4f4;padding:1rem;overflow:auto;"       \
	"font-size:.85rem}.dim{color:#777}"                                                        \
	"@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"                    \
	"pre{background:#262626}a{color:#8bf}}"
/* base64(sha256(STYLE)); a test compares. */
#define STYLE_HASH "/S7BcXIjlDMiSGVcg5FDzgDH1ex9wspjbYkd1Dp1fB8="

void page_release(struct page *page)
{
	strbuf_release(&page->body);
}

/* The quality of a media range: false when it is 0. */
static bool is_refused(const char *params, size_t len)
{
	for (size_t i = 0; i + 3 <= len; i++)
		if (strncasecmp(params + i, "q=0", 3) == 0)
			return strspn(params + i + 3, ".0") == strcspn(params + i + 3, ", \t;");
	return false;
}

bool page_wants_html(const struct http_head *request)
{
	static const char html[] = "text/html";

	array_foreach(field, &request->fields) {
		const char *at = http_field_value(request, field);

		if (field->id != HTTP_ACCEPT)
			continue;
		while (*at) {
			size_t range, type;

			at += strspn(at, " \t,");
			range = strcspn(at, ",");
			type = strcspn(at, ",; \t");
			if (type == sizeof(html) - 1 && strncasecmp(at, html, type) == 0)
				return !is_refused(at + type, range - type);
			at += range;
		}
	}
	return false;
}

/* --- HTML --- */

static void add_escaped(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			strbuf_adds(out, "&amp;");
		else if (c == '<')
			strbuf_adds(out, "&lt;");
		else if (c == '>')
			strbuf_adds(out, "&gt;");
		else if (c == '"')
			strbuf_adds(out, "&quot;");
		else if (c == '\'')
			strbuf_adds(out, "&#39;");
		else if (c >= ' ' || c == '\t')
			strbuf_addch(out, (char)c);
		/* Other controls (colours of a terminal) have no meaning here. */
	}
}

static void begin_html(struct page *page, const char *title)
{
	strbuf_adds(&page->body, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	                         "<meta name=\"viewport\" content=\"width=device-width\"><title>");
	add_escaped(&page->body, title);
	strbuf_adds(&page->body, "</title><style>" STYLE "</style></head>\n<body><h1>");
	add_escaped(&page->body, title);
	strbuf_adds(&page->body, "</h1>\n");
}

static void end_html(struct page *page)
{
	strbuf_adds(&page->body, "<p class=\"dim\">locald</p></body></html>\n");
}

static void add_paragraph(struct page *page, const char *text)
{
	if (!*text)
		return;
	strbuf_adds(&page->body, "<p>");
	add_escaped(&page->body, text);
	strbuf_adds(&page->body, "</p>\n");
}

static void add_url(struct strbuf *out, const struct route *route, int port)
{
	strbuf_addf(out, "http://%s", route->host);
	if (port != 80)
		strbuf_addf(out, ":%d", port);
	strbuf_addch(out, '/');
}

static void add_route_row(struct page *page, const struct route *route, int port)
{
	/* A host in normal form needs no escaping. */
	strbuf_adds(&page->body, "<tr><td><a href=\"");
	add_url(&page->body, route, port);
	strbuf_addf(&page->body, "\">%s</a></td><td>", route->host);
	add_escaped(&page->body, route->service);
	strbuf_adds(&page->body, "</td><td class=\"dim\">");
	add_escaped(&page->body, route->state);
	strbuf_adds(&page->body, "</td></tr>\n");
}

/* --- problem documents --- */

static json_t *new_problem(int status, const char *detail)
{
	json_t *problem = json_object();

	json_set_str(problem, "type", "about:blank");
	json_set_str(problem, "title", http_status_text(status));
	json_set_int(problem, "status", status);
	json_set_str(problem, "detail", detail);
	return problem;
}

static void add_problem(struct page *page, const json_t *problem)
{
	cleanup_free char *text = json_text(problem);

	strbuf_adds(&page->body, text);
	strbuf_addch(&page->body, '\n');
}

/* --- the pages --- */

void page_plain(struct page *page, int status, const char *text)
{
	page->status = status;
	if (page->is_html) {
		begin_html(page, http_status_text(status));
		add_paragraph(page, text);
		end_html(page);
	} else {
		cleanup_json json_t *problem = new_problem(status, text);

		add_problem(page, problem);
	}
}

static void unknown_host_html(struct page *page, const struct routes *routes, const char *text,
                              int port)
{
	begin_html(page, text);
	if (routes->items.len == 0) {
		add_paragraph(page, "No service is known. Run locald up in a project folder.");
	} else {
		add_paragraph(page, "These services are known:");
		strbuf_adds(&page->body, "<table>\n");
		array_foreach(route, &routes->items)
			add_route_row(page, route, port);
		strbuf_adds(&page->body, "</table>\n");
	}
	end_html(page);
}

static void unknown_host_problem(struct page *page, const struct routes *routes, const char *text,
                                 int port)
{
	cleanup_json json_t *problem = new_problem(404, text);
	json_t *services = json_array();

	array_foreach(route, &routes->items) {
		cleanup(strbuf_release) struct strbuf url = STRBUF_INIT;
		json_t *entry = json_object();

		add_url(&url, route, port);
		json_set_str(entry, "url", url.buf);
		json_set_str(entry, "project", route->project);
		json_set_str(entry, "service", route->service);
		json_set_str(entry, "state", route->state);
		json_array_append_new(services, entry);
	}
	json_object_set_new(problem, "services", services);
	add_problem(page, problem);
}

void page_unknown_host(struct page *page, const struct routes *routes, const char *host, int port)
{
	cleanup_free char *text = xasprintf("No service at %s", host);

	page->status = 404;
	if (page->is_html)
		unknown_host_html(page, routes, text, port);
	else
		unknown_host_problem(page, routes, text, port);
}

/* "api of shop is crashed: exit code 1" */
static char *describe(const struct route *route)
{
	return xasprintf("%s of %s is %s%s%s", route->service, route->project, route->state,
	                 *route->detail ? ": " : "", route->detail);
}

static void unavailable_html(struct page *page, const struct route *route, const char *detail,
                             const char *why)
{
	cleanup_free char *title =
		xasprintf("%s %s", route->service,
	                  page->status == 503 ? "is not ready yet" : "does not answer");

	begin_html(page, title);
	add_paragraph(page, detail);
	add_paragraph(page, why);
	if (route->log.len > 0) {
		strbuf_adds(&page->body, "<p>Its last lines:</p>\n<pre>");
		for (size_t i = 0; i < route->log.len; i++) {
			add_escaped(&page->body, route->log.items[i]);
			strbuf_addch(&page->body, '\n');
		}
		strbuf_adds(&page->body, "</pre>\n");
	}
	end_html(page);
}

void page_unavailable(struct page *page, const struct route *route, const char *why)
{
	bool is_coming = route_state(route) == ROUTE_COMING;
	cleanup_free char *detail = describe(route);

	page->status = is_coming ? 503 : 502;
	page->retry_after_s = is_coming ? 2 : 0;
	if (page->is_html) {
		unavailable_html(page, route, detail, why ? why : "");
	} else {
		cleanup_free char *text =
			xasprintf("%s%s%s", detail, why ? ". " : "", why ? why : "");
		cleanup_json json_t *problem = new_problem(page->status, text);

		json_set_str(problem, "project", route->project);
		json_set_str(problem, "service", route->service);
		json_set_str(problem, "state", route->state);
		json_object_set_new(problem, "log", json_from_strv(&route->log));
		add_problem(page, problem);
	}
}

void page_head(const struct page *page, struct http_head *head)
{
	http_head_reset(head);
	http_head_set_status(head, page->status);
	http_head_add(head, "Content-Type",
	              page->is_html ? "text/html; charset=utf-8" : "application/problem+json");
	http_head_addf(head, "Content-Length", "%zu", page->body.len);
	http_head_add(head, "Cache-Control", "no-store");
	http_head_add(head, "X-Content-Type-Options", "nosniff");
	if (page->is_html)
		http_head_add(head, "Content-Security-Policy",
		              "default-src 'none'; style-src 'sha256-" STYLE_HASH
		              "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
	if (page->status == 405)
		http_head_add(head, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
	if (page->retry_after_s)
		http_head_addf(head, "Retry-After", "%d", page->retry_after_s);
	/* A browser that shows the page tries again by itself. */
	if (page->retry_after_s && page->is_html)
		http_head_addf(head, "Refresh", "%d", page->retry_after_s);
}
