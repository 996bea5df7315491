/*
 * registry_session - talks HTTP with one repository of a registry, as whoever the
 * registry wants us to be.
 *
 * Credentials are sent to the registry and its token server only, never along a
 * redirect to another host.  The first 401 is answered by what its challenge asks for.
 *
 * Owns: its handles.  registry_session_get() blocks; blobs are fetched by
 * registry_blobs with handles from registry_session_easy().
 */
#pragma once

#include "oci/reference.h"
#include "oci/registry_auth.h"

#include <curl/curl.h>
#include <stdint.h>

struct strbuf;

#define REGISTRY_ATTEMPTS 5

struct registry_session {
	const struct reference *reference; /* borrowed */
	const char *ca_file;               /* borrowed; NULL: the system's */
	struct credentials credentials;
	char *token; /* of the token server; NULL before it was asked */
	bool is_basic;
};

int registry_session_init(struct registry_session *session, const struct reference *reference,
                          const char *ca_file, const char *auth_file, struct error *err);
void registry_session_release(struct registry_session *session);

/*
 * GET /v2/<repository>/<path> into `out`; `ret_type` (may be NULL) is the media type.
 * Tries again after broken connections and 5xx.  ERR_NOT_FOUND, EACCES and others.
 */
int registry_session_get(struct registry_session *session, const char *path, const char *accept,
                         size_t max, struct strbuf *out, char **ret_type, struct error *err);

/* A handle for GET /v2/<repository>/<path>; the caller sets where the body goes. */
CURL *registry_session_easy(const struct registry_session *session, const char *path);
/* Answers a 401 that `easy` got, so that the next handle is let in. */
int registry_session_authorize(struct registry_session *session, CURL *easy, struct error *err);

/* Worth another attempt: the connection or the server failed, not the request. */
bool registry_is_transient(CURLcode code, long status);
/* What a response's status means, `what` being the thing asked for. */
int registry_status_error(const struct registry_session *session, long status, const char *what,
                          struct error *err);
int registry_curl_error(const struct registry_session *session, CURLcode code, const char *what,
                        struct error *err);
/* Before attempt number `attempt` (from 1). */
int64_t registry_backoff_ms(int attempt);
