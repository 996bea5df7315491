#include "proxy/pages.c"

#include "base/error.h"
#include "base/sha256.h"

#include <openssl/evp.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_policy_names_the_style(void **state)
{
	unsigned char digest[32], base64[64];
	char text[SHA256_DIGEST_SIZE];

	sha256_digest_of(STYLE, sizeof(STYLE) - 1, text);
	for (size_t i = 0; i < sizeof(digest); i++)
		assert_int_equal(sscanf(text + strlen("sha256:") + i * 2, "%2hhx", &digest[i]), 1);
	EVP_EncodeBlock(base64, digest, sizeof(digest));
	assert_string_equal(base64, STYLE_HASH);
}

static bool wants(const char *accept)
{
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;

	http_head_reset(&head);
	if (accept)
		http_head_add(&head, "Accept", accept);
	return page_wants_html(&head);
}

static void html_is_for_those_who_name_it(void **state)
{
	assert_true(wants("text/html"));
	assert_true(wants("application/json , TEXT/HTML;level=1;q=0.5"));
	assert_true(wants("text/html;q=0.001"));
	assert_false(wants(NULL));
	assert_false(wants("*/*"));
	assert_false(wants("text/*"));
	assert_false(wants("text/htmlx"));
	assert_false(wants("application/json"));
	assert_false(wants("text/html;q=0"));
	assert_false(wants("text/html; q=0.00, */*"));
	assert_false(wants(",,;,"));
}

static struct route make_route(char *state)
{
	struct route route = {
		.host = (char *)"web.shop.localhost",
		.project = (char *)"shop",
		.service = (char *)"we<b>",
		.state = state,
		.detail = (char *)"it's \"bad\" & <worse>",
	};

	strv_add(&route.log, "a < b\x1b[0m");
	return route;
}

static void everything_is_escaped(void **state)
{
	struct route route = make_route((char *)"crashed");
	cleanup(page_release) struct page page = {.is_html = true, .body = STRBUF_INIT};

	page_unavailable(&page, &route, "why <i>");
	assert_int_equal(page.status, 502);
	assert_non_null(strstr(page.body.buf, "<h1>we&lt;b&gt; does not answer</h1>"));
	assert_non_null(strstr(page.body.buf, "we&lt;b&gt; of shop is crashed: it&#39;s "
	                                      "&quot;bad&quot; &amp; &lt;worse&gt;"));
	assert_non_null(strstr(page.body.buf, "<p>why &lt;i&gt;</p>"));
	assert_non_null(strstr(page.body.buf, "<pre>a &lt; b[0m\n</pre>"));
	strv_release(&route.log);
}

static void a_coming_service_is_a_503(void **state)
{
	struct route route = make_route((char *)"starting");
	cleanup(page_release) struct page page = {.is_html = true, .body = STRBUF_INIT};
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;

	page_unavailable(&page, &route, NULL);
	page_head(&page, &head);
	assert_int_equal(head.status, 503);
	assert_string_equal(http_head_get(&head, "Retry-After"), "2");
	assert_string_equal(http_head_get(&head, "Refresh"), "2");
	assert_string_equal(http_head_get(&head, "Cache-Control"), "no-store");
	strv_release(&route.log);
}

static void problems_are_json(void **state)
{
	struct route route = make_route((char *)"crashed");
	cleanup(page_release) struct page page = {.body = STRBUF_INIT};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *problem = NULL;

	page_unavailable(&page, &route, "Nobody there.");
	problem = json_parse(page.body.buf, page.body.len, &err);
	assert_non_null(problem);
	assert_int_equal(json_get_int(problem, "status", 0), 502);
	assert_string_equal(json_get_str(problem, "detail", ""),
	                    "we<b> of shop is crashed: it's \"bad\" & <worse>. Nobody there.");
	assert_int_equal(json_array_size(json_object_get(problem, "log")), 1);
	strv_release(&route.log);
}

static void the_list_may_be_empty(void **state)
{
	cleanup(page_release) struct page page = {.is_html = true, .body = STRBUF_INIT};
	struct routes routes = {0};

	page_unknown_host(&page, &routes, "x.localhost", 80);
	assert_non_null(strstr(page.body.buf, "No service is known."));
	assert_null(strstr(page.body.buf, "<table>"));
}

static void links_leave_the_usual_port_out(void **state)
{
	struct route route = make_route((char *)"running");
	struct routes routes = {.items = {.items = &route, .len = 1}};
	cleanup(page_release) struct page page = {.is_html = true, .body = STRBUF_INIT};

	page_unknown_host(&page, &routes, "x.localhost", 80);
	assert_non_null(strstr(page.body.buf, "href=\"http://web.shop.localhost/\""));
	strbuf_reset(&page.body);
	page_unknown_host(&page, &routes, "x.localhost", 8080);
	assert_non_null(strstr(page.body.buf, "href=\"http://web.shop.localhost:8080/\""));
	strv_release(&route.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_names_the_style),
		cmocka_unit_test(html_is_for_those_who_name_it),
		cmocka_unit_test(everything_is_escaped),
		cmocka_unit_test(a_coming_service_is_a_503),
		cmocka_unit_test(problems_are_json),
		cmocka_unit_test(the_list_may_be_empty),
		cmocka_unit_test(links_leave_the_usual_port_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
