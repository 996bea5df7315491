/*
 * methods - the control API's table: path → handler.
 *
 * Authorisation is here, once: the peer must have our uid.  Specified in
 * docs/openapi.yaml; tests/unit/daemon/test_methods.c compares the two.
 */
#pragma once

struct http_exchange;
struct http_request;

void methods_dispatch(struct http_exchange *x, const struct http_request *request, void *data);
