#include "oci/registry_session.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>
#include <time.h>

#define CONNECT_TIMEOUT_S 15L
#define STALL_TIMEOUT_S   30L
#define REDIRECTS_MAX     5L
#define TOKEN_MAX         (64 * 1024)

int registry_session_init(struct registry_session *session, const struct reference *reference,
                          const char *ca_file, const char *auth_file, struct error *err)
{
	*session = (struct registry_session){.reference = reference, .ca_file = ca_file};
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, ERR_FAILED, "libcurl does not start");
	return credentials_find(auth_file, reference->registry, reference->repository,
	                        &session->credentials, err);
}

void registry_session_release(struct registry_session *session)
{
	credentials_release(&session->credentials);
	free(session->token);
	session->token = NULL;
}

static const char *scheme_of(const struct registry_session *session)
{
	return reference_is_loopback(session->reference) ? "http" : "https";
}

/* Only a registry on this machine is spoken to, or may redirect, without TLS. */
static CURL *easy_new(const struct registry_session *session, const char *url)
{
	CURL *easy = curl_easy_init();
	bool is_local = reference_is_loopback(session->reference);
	const char *protocols = is_local ? "http,https" : "https";

	if (!easy)
		abort(); /* out of memory */
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "locald/" LOCALD_VERSION);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
	if (is_local)
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (session->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, session->ca_file);
	return easy;
}

static void use_basic(const struct registry_session *session, CURL *easy)
{
	if (!session->credentials.user)
		return;
	curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(easy, CURLOPT_USERNAME, session->credentials.user);
	curl_easy_setopt(easy, CURLOPT_PASSWORD, session->credentials.password);
}

CURL *registry_session_easy(const struct registry_session *session, const char *path)
{
	cleanup_free char *url = xasprintf("%s://%s/v2/%s/%s", scheme_of(session),
	                                   reference_api_host(session->reference),
	                                   session->reference->repository, path);
	CURL *easy = easy_new(session, url);

	if (session->is_basic)
		use_basic(session, easy);
	if (session->token) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, session->token);
	}
	return easy;
}

bool registry_is_transient(CURLcode code, long status)
{
	switch ((int)code) {
	case CURLE_OK:
		return status >= 500 || status == 429;
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

int64_t registry_backoff_ms(int attempt)
{
	return 100LL << (attempt < 5 ? attempt : 5);
}

int registry_status_error(const struct registry_session *session, long status, const char *what,
                          struct error *err)
{
	const char *registry = session->reference->registry;

	switch (status) {
	case 404:
		return error_set(err, ERR_NOT_FOUND, "%s: not found in %s", what, registry);
	case 401:
	case 403:
		error_set(err, EACCES, "%s: %s refuses access (HTTP %ld)", what, registry, status);
		if (session->credentials.user)
			return error_hint(err,
			                  "the stored credentials of user \"%s\" are not enough",
			                  session->credentials.user);
		return error_hint(err,
		                  "the image may not exist, or be private: log in with "
		                  "\"podman login %s\" or \"docker login %s\"",
		                  registry, registry);
	case 429:
		error_set(err, ERR_FAILED, "%s: %s wants fewer requests (HTTP 429)", what,
		          registry);
		return error_hint(err, "try again later, or log in for a higher limit");
	default:
		return error_set(err, ERR_FAILED, "%s: %s answers HTTP %ld", what, registry,
		                 status);
	}
}

int registry_curl_error(const struct registry_session *session, CURLcode code, const char *what,
                        struct error *err)
{
	return error_set(err, ERR_FAILED, "%s: %s: %s", what, session->reference->registry,
	                 curl_easy_strerror(code));
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
	struct strbuf *out = data;

	strbuf_add(out, bytes, size * count);
	return out->overflow ? 0 : size * count;
}

struct response {
	struct strbuf body;
	CURLcode code;
	long status;
};

static void perform(CURL *easy, struct response *response)
{
	strbuf_reset(&response->body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &response->body);
	response->code = curl_easy_perform(easy);
	response->status = 0;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &response->status);
}

static void wait_ms(int64_t ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* ---- authorisation ---- */

static void add_query(struct strbuf *url, CURL *easy, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(easy, value, 0);

	strbuf_addf(url, "%c%s=%s", strchr(url->buf, '?') ? '&' : '?', name, escaped);
	curl_free(escaped);
}

static int read_token(const struct strbuf *body, char **ret, struct error *err)
{
	cleanup_json json_t *answer = json_parse(body->buf, body->len, err);
	const char *token = json_get_str(answer, "token", NULL);

	if (!token)
		token = json_get_str(answer, "access_token", NULL);
	if (!token)
		return error_set(err, ERR_FAILED, "the token server's answer has no token");
	free(*ret);
	*ret = xstrdup(token);
	return 0;
}

static int fetch_token(struct registry_session *session, const struct auth_challenge *challenge,
                       struct error *err)
{
	cleanup(strbuf_release) struct strbuf url = STRBUF_INIT;
	cleanup_free char *scope =
		challenge->scope ? xstrdup(challenge->scope)
				 : xasprintf("repository:%s:pull", session->reference->repository);
	struct response response = {.body = STRBUF_INIT_MAX(TOKEN_MAX)};
	CURL *easy = easy_new(session, challenge->realm);
	int result;

	strbuf_adds(&url, challenge->realm);
	if (challenge->service)
		add_query(&url, easy, "service", challenge->service);
	add_query(&url, easy, "scope", scope);
	curl_easy_setopt(easy, CURLOPT_URL, url.buf);
	use_basic(session, easy);
	perform(easy, &response);
	if (response.code != CURLE_OK)
		result = registry_curl_error(session, response.code, "token server", err);
	else if (response.status != 200)
		result = registry_status_error(session, response.status, "token server", err);
	else
		result = read_token(&response.body, &session->token, err);
	curl_easy_cleanup(easy);
	strbuf_release(&response.body);
	return result;
}

int registry_session_authorize(struct registry_session *session, CURL *easy, struct error *err)
{
	cleanup(auth_challenge_release) struct auth_challenge challenge = {0};
	struct curl_header *header;

	if (curl_easy_header(easy, "WWW-Authenticate", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return registry_status_error(session, 401, session->reference->repository, err);
	if (auth_challenge_parse(header->value, &challenge, err) < 0)
		return -1;
	if (str_eq(challenge.scheme, "bearer"))
		return fetch_token(session, &challenge, err);
	if (!session->credentials.user || session->is_basic)
		return registry_status_error(session, 401, session->reference->repository, err);
	session->is_basic = true;
	return 0;
}

/* ---- one request ---- */

static int finish(struct registry_session *session, CURL *easy, const struct response *response,
                  const char *path, char **ret_type, struct error *err)
{
	char *type = NULL;

	if (response->body.overflow)
		return error_set(err, EFBIG, "%s: the answer is larger than %zu bytes", path,
		                 response->body.max);
	if (response->code != CURLE_OK)
		return registry_curl_error(session, response->code, path, err);
	if (response->status != 200)
		return registry_status_error(session, response->status, path, err);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
	if (ret_type)
		*ret_type = xstrndup(type ? type : "", strcspn(type ? type : "", "; "));
	return 0;
}

/* One attempt; 1 when it is worth another one. */
static int attempt_get(struct registry_session *session, const char *path, const char *accept,
                       bool may_authorize, struct response *response, char **ret_type,
                       struct error *err)
{
	struct curl_slist *headers = curl_slist_append(NULL, accept);
	CURL *easy = registry_session_easy(session, path);
	int result;

	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	perform(easy, response);
	if (registry_is_transient(response->code, response->status))
		result = 1;
	else if (response->code == CURLE_OK && response->status == 401 && may_authorize)
		result = registry_session_authorize(session, easy, err) < 0 ? -1 : 1;
	else
		result = 0;
	/* Also the text of the last failure, should there be no other attempt. */
	if (result >= 0 && finish(session, easy, response, path, ret_type, err) < 0 && result == 0)
		result = -1;
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	return result;
}

int registry_session_get(struct registry_session *session, const char *path, const char *accept,
                         size_t max, struct strbuf *out, char **ret_type, struct error *err)
{
	cleanup_free char *header = xasprintf("Accept: %s", accept);
	struct response response = {.body = STRBUF_INIT_MAX(max)};
	int result = 1;

	for (int attempt = 0; attempt < REGISTRY_ATTEMPTS && result > 0; attempt++) {
		/* A challenge was answered: that is no failure, and needs no pause. */
		if (attempt > 0 && response.status != 401)
			wait_ms(registry_backoff_ms(attempt));
		result = attempt_get(session, path, header, response.status != 401, &response,
		                     ret_type, err);
	}
	if (result == 0) {
		error_release(err);
		strbuf_add(out, response.body.buf, response.body.len);
	}
	strbuf_release(&response.body);
	return result == 0 ? 0 : -1;
}
